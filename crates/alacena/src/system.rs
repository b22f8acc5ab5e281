//! The real machine behind [`Runtime`].

use std::{sync::Arc, time::Duration};

use alacena_core::runtime::{BoxFuture, Moment, Runtime, SharedRuntime};
use rustix::time::{ClockId, clock_gettime};

/// Tokio's tasks and timers, the machine's clocks and its entropy.
///
/// The monotonic clock is `CLOCK_BOOTTIME`: unlike `std::time::Instant` on Linux it goes on while the machine is
/// suspended, so that "5 minutes" means five minutes after a laptop's nap too.
#[derive(Debug)]
pub struct SystemRuntime {
    handle: tokio::runtime::Handle,
}

impl SystemRuntime {
    /// The runtime that the caller runs in.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn shared() -> SharedRuntime {
        Arc::new(Self { handle: tokio::runtime::Handle::current() })
    }
}

impl Runtime for SystemRuntime {
    fn now(&self) -> Moment {
        let time = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
        Moment::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    fn unix_millis(&self) -> u64 {
        let time = clock_gettime(ClockId::Realtime);
        u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + time.tv_nsec.unsigned_abs() / 1_000_000
    }

    #[expect(clippy::disallowed_methods, reason = "this is the runtime that the ban points to")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let guard = self.handle.enter();
        let sleep = tokio::time::sleep(duration);
        drop(guard);
        Box::pin(sleep)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.handle.spawn(task);
    }

    #[expect(clippy::disallowed_methods, reason = "this is the runtime that the ban points to")]
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the operating system has entropy");
        u64::from_le_bytes(bytes)
    }
}
