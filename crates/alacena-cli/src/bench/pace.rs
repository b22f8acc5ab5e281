//! Waits for a moment, to the microsecond where the system can: a timer that counts in milliseconds would be most of
//! the latency of a hit.

use std::{io, sync::Arc};

use alacena::runtime::{Moment, Runtime};

#[cfg(target_os = "linux")]
use self::timer::Timer;

/// Waits for moments, one after the other.
pub(super) struct Pace {
    runtime: Arc<dyn Runtime>,
    #[cfg(target_os = "linux")]
    timer: Timer,
}

impl Pace {
    /// # Errors
    /// Where the system gives no timer.
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> io::Result<Self> {
        Ok(Self {
            runtime,
            #[cfg(target_os = "linux")]
            timer: Timer::new()?,
        })
    }

    /// Completes at `moment`, or at once where it has passed.
    pub(super) async fn until(&self, moment: Moment) -> io::Result<()> {
        let left = moment - self.runtime.now();
        if left.is_zero() {
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        return self.timer.after(left).await;
        #[cfg(not(target_os = "linux"))]
        {
            self.runtime.sleep(left).await;
            Ok(())
        }
    }
}

#[cfg(target_os = "linux")]
mod timer {
    use std::{io, os::fd::OwnedFd, time::Duration};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::{Interest, unix::AsyncFd};

    /// A timer of the kernel, which the poller waits for like for a socket.
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
            #[expect(
                deprecated,
                reason = "its successor is unsafe for descriptors that change; this one is owned and stays the same"
            )]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE);
            Ok(Self(timer?))
        }

        /// Completes `left` from now, which must not be zero: that would switch the timer off.
        pub(super) async fn after(&self, left: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
            let once = Itimerspec { it_interval: zero, it_value: value };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            let read = |timer: &OwnedFd| Ok(rustix::io::read(timer, &mut [0; 8])?);
            self.0.async_io(Interest::READABLE, read).await.map(drop)
        }
    }
}
