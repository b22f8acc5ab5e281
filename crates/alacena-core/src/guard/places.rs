//! So many calls at once; the others wait in the order in which they came.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    error::{Error, catalogue},
    sync::atomic::{AtomicUsize, Ordering},
    tier::Failure,
};

/// Calls that are under way at once. A server does so many within a small part of the time that one may take, and is asked
/// for no more by a burst: what waits here is not late yet, and what waits there would be.
const PLACES: usize = 256;
/// Calls that wait for a place at most.
const WAITING_MAX: usize = 65_536;

/// So many calls at once; the others wait in the order in which they came.
pub(super) struct Places {
    free: Semaphore,
    waiting: AtomicUsize,
}

/// One who waits, until it is dropped.
struct Waiting<'p>(&'p Places);

impl Places {
    pub(super) fn new() -> Self {
        Self { free: Semaphore::new(PLACES), waiting: AtomicUsize::new(0) }
    }

    /// A place, if one is free and nobody waits for it.
    pub(super) fn free(&self) -> Option<SemaphorePermit<'_>> {
        self.free.try_acquire().ok()
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// Too many wait already.
    pub(super) async fn wait(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let waiting = Waiting(self);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            let error = Error::new(&catalogue::TIER_OVERLOADED, "as much waits for it as may");
            return Err(Failure::Overloaded(error));
        }
        let place = self.free.acquire().await.expect("nobody closes it");
        drop(waiting);
        Ok(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
