//! The life of a background loop: it begins once, and ends once.

use std::{ops::Deref, sync::Arc};

use tokio::sync::watch;

/// Where a loop is in its life.
pub(super) struct Life(watch::Sender<Phase>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    Closing,
    Ended,
}

impl Life {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::New))
    }

    /// Whether the loop is to be begun: by the first who asks, unless it was closed before.
    pub(super) fn begin(&self) -> bool {
        self.0.send_if_modified(|phase| {
            let begins = *phase == Phase::New;
            if begins {
                *phase = Phase::Running;
            }
            begins
        })
    }

    /// Whether the loop is to go on.
    pub(super) fn is_running(&self) -> bool {
        *self.0.borrow() == Phase::Running
    }

    /// The loop is to end. To be followed by whatever wakes it up.
    pub(super) fn close(&self) {
        self.0.send_modify(|phase| {
            *phase = match phase {
                Phase::New | Phase::Ended => Phase::Ended,
                Phase::Running | Phase::Closing => Phase::Closing,
            };
        });
    }

    /// The loop has ended.
    pub(super) fn end(&self) {
        self.0.send_replace(Phase::Ended);
    }

    /// Waits until the loop has ended.
    pub(super) async fn ended(&self) {
        // An error means that the sender is gone, which `self` holds.
        let _ = self.0.subscribe().wait_for(|phase| *phase == Phase::Ended).await;
    }
}

/// What a loop works on.
pub(super) trait Loop {
    /// Has the loop end soon.
    fn end_soon(&self);
}

/// What the outside holds of a loop. Once nobody does any more, the loop ends.
pub(super) struct Handle<T: Loop>(Arc<T>);

impl<T: Loop> Handle<T> {
    pub(super) fn new(of: T) -> Arc<Self> {
        Arc::new(Self(Arc::new(of)))
    }
}

impl<T: Loop> Deref for Handle<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.0
    }
}

impl<T: Loop> Drop for Handle<T> {
    fn drop(&mut self) {
        self.0.end_soon();
    }
}
