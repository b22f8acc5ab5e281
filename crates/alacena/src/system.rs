//! The real machine behind [`Runtime`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::runtime::{BoxFuture, Moment, Runtime, SharedRuntime};
use rustix::time::{ClockId, clock_gettime};

/// Tokio's tasks and timers, the machine's clocks and its entropy.
///
/// The monotonic clock is `CLOCK_BOOTTIME`: unlike `std::time::Instant` on Linux it goes on while the machine is
/// suspended, so that "5 minutes" means five minutes after a laptop's nap too.
#[derive(Debug)]
pub struct SystemRuntime {
    handle: tokio::runtime::Handle,
    coarse: CoarseClock,
}

impl SystemRuntime {
    /// The runtime that the caller runs in.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn shared() -> SharedRuntime {
        Arc::new(Self { handle: tokio::runtime::Handle::current(), coarse: CoarseClock::default() })
    }
}

impl Runtime for SystemRuntime {
    fn now(&self) -> Moment {
        Moment::from_nanos(nanos(ClockId::Boottime))
    }

    fn coarse(&self) -> Moment {
        self.coarse.now()
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

/// `CLOCK_BOOTTIME`, read anew whenever the kernel's tick has moved: a read in between costs a tenth.
///
/// The clock of the tick, `CLOCK_MONOTONIC_COARSE`, is a word that the kernel writes at each tick, 100 to 1,000 times a
/// second, and when the machine wakes. It stands still during a suspend, so it is not the time; here it only says
/// whether what was read before is out of date:
///
/// ```text
///   thread                  kernel                        tick    read of CLOCK_BOOTTIME
///   reads                                                  7       100.000
///   reads: 7, so 100.000
///                           a tick                         8
///   reads: 8, not 7                                                100.004
///                           stops all threads, writes
///                           the tick (9), suspends,
///                           an hour later wakes, goes on
///   reads: 9, not 8                                               3700.005
/// ```
///
/// So it lags by no more than a tick, which may come late where the kernel has other things to do, and by nothing after
/// a suspend or a stop. [`COARSE_LAG`](alacena_core::runtime::COARSE_LAG) is ten ticks of the slowest kernel.
#[derive(Debug, Default)]
struct CoarseClock {
    /// The tick at which the time was last read.
    tick: AtomicU64,
    /// The latest time that was read.
    read: AtomicU64,
}

impl CoarseClock {
    fn now(&self) -> Moment {
        let tick = tick();
        // Acquire pairs with the release of whoever read: who sees this tick sees a time that was read in it, or a later
        // one.
        if self.tick.load(Ordering::Acquire) != tick {
            self.read_anew(tick);
        }
        Moment::from_nanos(self.read.load(Ordering::Relaxed))
    }

    #[cold]
    fn read_anew(&self, tick: u64) {
        // The later of two: a thread that was held up between reading the time and writing it writes nothing.
        self.read.fetch_max(nanos(ClockId::Boottime), Ordering::Relaxed);
        self.tick.store(tick, Ordering::Release);
    }
}

/// The clock of the tick, as a number that is another one for every other time: it is only ever compared.
fn tick() -> u64 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    // A second has fewer than 2^30 nanoseconds, and no machine is up for 2^34 seconds.
    time.tv_sec.cast_unsigned() << 30 | time.tv_nsec.cast_unsigned()
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.unsigned_abs().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena_core::runtime::COARSE_LAG;

    #[tokio::test]
    async fn the_coarse_clock_is_never_ahead_and_hardly_behind() {
        let runtime = SystemRuntime::shared();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = Moment::ORIGIN;
                    for _ in 0..100_000 {
                        let (before, coarse, after) = (runtime.now(), runtime.coarse(), runtime.now());
                        assert!(coarse <= after && coarse >= last);
                        // Unless this very thread was held up meanwhile.
                        assert!(before - coarse < COARSE_LAG || after - before > COARSE_LAG / 10);
                        last = coarse;
                    }
                });
            }
        });
    }

    #[test]
    fn a_tick_that_has_moved_makes_the_time_be_read_again_and_never_goes_back() {
        let clock = CoarseClock::default();
        let first = clock.now();
        // As after a suspend: the tick is another one, the time far later than was read before.
        clock.tick.store(0, Ordering::Release);
        assert!(clock.now() >= first && clock.tick.load(Ordering::Relaxed) != 0);
        clock.read.store(u64::MAX, Ordering::Relaxed);
        clock.tick.store(0, Ordering::Release);
        assert_eq!(clock.now(), Moment::NEVER, "an earlier time does not take the place of a later one");
    }
}
