//! The machine's own time and tasks: real servers do not wait for a test to move their clocks.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use alacena_core::runtime::{BoxFuture, Moment, Runtime, SharedRuntime};
use rustix::time::{ClockId, clock_gettime};

pub(crate) struct Machine;

impl Machine {
    pub(crate) fn shared() -> SharedRuntime {
        Arc::new(Self)
    }
}

#[expect(clippy::disallowed_methods, reason = "real servers run in real time")]
impl Runtime for Machine {
    fn now(&self) -> Moment {
        let time = clock_gettime(ClockId::Boottime);
        Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
    }

    fn unix_millis(&self) -> u64 {
        let time = clock_gettime(ClockId::Realtime);
        time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn random(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}
