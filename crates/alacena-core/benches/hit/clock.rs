//! Two runtimes: one reads the machine's clock as the shipped one does, in the other time stands still.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Waker},
};

use alacena_core::runtime::{BoxFuture, Moment, Runtime};
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME`, as `alacena::SystemRuntime` reads it.
#[derive(Default)]
pub(crate) struct Machine(pub(crate) Still, AtomicU64, AtomicU64);

impl Machine {
    fn boottime(&self) -> u64 {
        let time = clock_gettime(ClockId::Boottime);
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
    }
}

/// Nothing but the engine is left to be measured.
#[derive(Default)]
pub(crate) struct Still(AtomicU64);

impl Runtime for Machine {
    fn now(&self) -> Moment {
        let time = clock_gettime(ClockId::Boottime);
        Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
    }

    fn coarse(&self) -> Moment {
        let tick = clock_gettime(ClockId::MonotonicCoarse);
        let tick = tick.tv_sec.unsigned_abs() * 1_000_000_000 + tick.tv_nsec.unsigned_abs();
        if self.1.load(Ordering::Acquire) != tick {
            self.2.fetch_max(self.boottime(), Ordering::Relaxed);
            self.1.store(tick, Ordering::Release);
        }
        Moment::from_nanos(self.2.load(Ordering::Relaxed))
    }

    fn unix_millis(&self) -> u64 {
        self.0.unix_millis()
    }

    fn sleep(&self, duration: std::time::Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }

    fn random(&self) -> u64 {
        self.0.random()
    }
}

impl Runtime for Still {
    fn now(&self) -> Moment {
        Moment::ORIGIN
    }

    fn unix_millis(&self) -> u64 {
        0
    }

    fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    /// Runs the task at once: what loads here never waits.
    fn spawn(&self, mut task: BoxFuture<'static, ()>) {
        let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready(), "a load that waits has no place in this measurement");
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}
