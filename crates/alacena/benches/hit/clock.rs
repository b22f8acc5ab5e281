//! A runtime in which time stands still.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Waker},
};

use alacena_core::runtime::{BoxFuture, Moment, Runtime};

/// Nothing but the engine is left to be measured.
#[derive(Default)]
pub(crate) struct Still(AtomicU64);

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
