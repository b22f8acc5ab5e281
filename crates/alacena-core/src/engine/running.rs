//! The work under way, loads and writes: counted, and waited for when the engine closes.

use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use crate::{
    error::{Error, catalogue},
    runtime::BoxFuture,
    sync::atomic::{AtomicU64, Ordering},
};

/// Set in the count once the engine is closed. In one word with the count, so that no load can slip in between.
const CLOSED: u64 = 1 << 63;

#[derive(Clone, Default)]
pub(super) struct Running(Arc<Inner>);

#[derive(Default)]
struct Inner {
    count: AtomicU64,
    ended: Notify,
}

/// One piece of work under way; dropping it ends it.
pub struct Work(Running);

impl Running {
    pub(super) fn enter(&self) -> Result<Work, Error> {
        let entered = self.0.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count & CLOSED == 0).then_some(count + 1)
        });
        match entered {
            Ok(_) => Ok(Work(self.clone())),
            Err(_) => Err(Error::new(&catalogue::CLOSED, "no new work is taken")),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire) & !CLOSED
    }

    /// Whether no more is taken.
    pub(super) fn is_closed(&self) -> bool {
        self.0.count.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes no more, and waits until all have ended or `limit` has; whether all have.
    pub(super) async fn close(&self, mut limit: BoxFuture<'static, ()>) -> bool {
        self.0.count.fetch_or(CLOSED, Ordering::AcqRel);
        loop {
            // Registered before the count is read, so that a load that ends in between is heard.
            let ended = self.0.ended.notified();
            if self.count() == 0 {
                return true;
            }
            match select(std::pin::pin!(ended), limit).await {
                Either::Left((_, rest)) => limit = rest,
                Either::Right(_) => return self.count() == 0,
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.0.ended.notify_waiters();
    }
}
