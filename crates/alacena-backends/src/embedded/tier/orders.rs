//! What the thread that changes the file is asked.

use std::sync::{Arc, Weak, atomic::Ordering};

use alacena_core::error::Error;
use redb::Database;
use tokio::sync::{mpsc, oneshot};

use super::{readers::Read, shared::Shared, steps::Work};

/// Steps of one transaction.
const BATCH_MAX: usize = 256;

/// What the thread is asked.
pub(super) enum Order {
    /// A step.
    Step(Step),
    /// A read that must see the steps before it.
    Read(Read),
    /// To put the file in order.
    Tidy(Option<oneshot::Sender<()>>),
    /// What came of opening the file.
    Opened(oneshot::Sender<Result<(), Error>>),
    Names(oneshot::Sender<Vec<String>>),
    Clear(oneshot::Sender<()>),
    Evict(String, oneshot::Sender<()>),
    /// Somebody who reads has found that this file cannot be used.
    Failed(redb::Error, Weak<Database>),
    /// The end, told once the file is given back.
    Close(oneshot::Sender<()>),
}

/// A step, how it is answered, and when.
pub(super) struct Step {
    pub(super) run: Run,
    /// Whether it is answered once it is on disk, and not once it can be seen.
    pub(super) is_durable: bool,
    /// Dropped once it can be seen, or never will be.
    pub(super) unseen: Unseen,
}

/// What a step does, and what it has to say.
pub(super) type Run = Box<dyn FnOnce(&mut Work<'_, '_>) -> Result<Answer, redb::Error> + Send>;

/// Tells whoever asked. Dropped, it tells them that the file cannot be used.
pub(super) type Answer = Box<dyn FnOnce() + Send>;

/// Counts a step among those that cannot be seen yet.
pub(super) struct Unseen(Arc<Shared>);

impl Unseen {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.unseen.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.unseen.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All steps that wait, up to the first order that is none.
pub(super) fn gather(first: Order, queue: &mut mpsc::Receiver<Order>) -> (Vec<Order>, Option<Order>) {
    let (mut batch, mut next) = (Vec::new(), Some(first));
    while let Some(order) = next {
        match order {
            Order::Step(_) | Order::Read(_) => batch.push(order),
            other => return (batch, Some(other)),
        }
        next = if batch.len() < BATCH_MAX { queue.try_recv().ok() } else { None };
    }
    (batch, None)
}
