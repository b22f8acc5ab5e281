//! Brings what is owed to one shard there: the machine of `protocol` on a runtime, a journal and a shard.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use tokio::sync::{Notify, RwLock, watch};

use super::{
    Journal, Record, Removal, ShardName,
    life::{Handle, Life, Loop},
    protocol::Backlog,
    rounds,
    terms::{Deferral, Deferred, Limits, Ticket},
};
use crate::{
    ledger::Target,
    runtime::SharedRuntime,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    tier::{MarkerId, Shard},
};

/// Whose backlog it is, and how long it may grow.
#[derive(Clone, Debug)]
pub struct DrainSettings {
    /// The shard's name in the configuration.
    pub shard: ShardName,
    /// What [`Removal::Whole`] removes there: markers of which every entry that the journal is about depends on one.
    pub whole: Vec<MarkerId>,
    /// How much may be owed to it.
    pub limits: Limits,
}

/// What is owed to one shard, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainFigures {
    /// Whether this node reads the shard.
    pub is_open: bool,
    /// Records that the shard has not acknowledged.
    pub records: u64,
    /// Removals that are in memory only.
    pub volatile: u64,
    /// When the oldest of it was asked for, in milliseconds since 1970.
    pub oldest_at: Option<u64>,
    /// Removals that the shard has acknowledged since this process began.
    pub applied: u64,
    /// Batches that it has not, or not in time.
    pub failures: u64,
}

/// Keeps the invalidations that one shard could not be told of, and tells it as soon as it can. A cheap handle.
///
/// From [`start`](Drain::start) on it reads what an earlier process left, and sends what is owed, a batch at a time.
/// After a failure it tries again after a pause (50 ms, doubling up to 5 s, the upper half of it at random), or at once
/// when it is told that the shard is [`back`](Drain::connected). It asks the shard without its breaker: one batch at a
/// time harms nobody, and it is the one call that must not be given up.
#[derive(Clone)]
pub struct Drain(Arc<Handle<Inner>>);

pub(super) struct Inner {
    pub(super) settings: DrainSettings,
    pub(super) shard: Arc<dyn Shard>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) runtime: SharedRuntime,
    /// Held for one step of the machine, never across an await.
    state: Mutex<State>,
    /// What the machine says, for readers, who must not wait for the lock. Written under it.
    is_open: AtomicBool,
    pub(super) applied: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Read by those who change the journal, until the machine knows; written by whoever looks what is in it, who could
    /// not tell theirs from what others have left. Held across awaits, and fair.
    pub(super) writing: RwLock<()>,
    /// Something is owed that was not.
    pub(super) more: Notify,
    /// The shard, or the end, is there: no pause any longer.
    pub(super) back: Notify,
    /// The gate has opened.
    opened: Notify,
    pub(super) life: Life,
}

struct State {
    backlog: Backlog,
    /// The ends of the appends under way, for those who wait for somebody else's.
    appends: BTreeMap<Ticket, End>,
}

/// Where the end of an append is told. Closed without a word where whoever appended is gone.
type End = watch::Receiver<Option<Deferred>>;

impl Drain {
    /// The drain of `shard`. It is shut until [`start`](Drain::start) has read and applied what an earlier process left.
    #[must_use]
    pub fn new(
        settings: DrainSettings,
        shard: Arc<dyn Shard>,
        journal: Arc<dyn Journal>,
        runtime: SharedRuntime,
    ) -> Self {
        let limits = settings.limits;
        let backlog = if journal.is_shared() { Backlog::shared(limits) } else { Backlog::new(limits) };
        let state = State { backlog, appends: BTreeMap::new() };
        Self(Handle::new(Inner {
            settings,
            shard,
            journal,
            runtime,
            state: Mutex::new(state),
            is_open: AtomicBool::new(false),
            applied: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            writing: RwLock::new(()),
            more: Notify::new(),
            back: Notify::new(),
            opened: Notify::new(),
            life: Life::new(),
        }))
    }

    /// The shard's name in the configuration.
    #[must_use]
    pub fn shard_name(&self) -> &str {
        self.0.settings.shard.as_str()
    }

    /// Whether this node may read what lies on the shard. Nearly free. To be asked after the read has captured its
    /// cells: an invalidation that is deferred later ends them, and one before has shut this.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Acquire)
    }

    /// Waits until [`is_open`](Drain::is_open).
    ///
    /// # Cancellation
    /// Changes nothing.
    pub async fn opened(&self) {
        loop {
            // Registered before it is asked, so that what happens in between is heard.
            let opened = self.0.opened.notified();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }

    /// The shard could not be told to remove this: writes it down, to tell it later. How far that has gone when this
    /// returns. The shard is not read any more from the moment that this is first polled until it has been told.
    ///
    /// # Cancellation
    /// What was begun is written down, and brought to the shard, all the same.
    pub async fn defer(&self, removals: BTreeSet<Removal>, who: &str, targets: &[Target]) -> Deferred {
        let at = self.0.runtime.unix_millis();
        let deferred = match self.0.defer(removals, at) {
            Asked::Done(deferred) => deferred,
            Asked::Join(end) => told(end).await,
            Asked::Append(append, removals, end) => {
                let record = Record::new(self.0.settings.shard.clone(), removals, at, who, targets);
                self.0.runtime.spawn(Box::pin(append.carry_out(record)));
                told(end).await
            }
        };
        if self.0.journal.is_durable() { deferred } else { Deferred::Volatile }
    }

    /// Begins to drain, until [`close`](Drain::close) or until nobody holds a handle any more. Only the first call does
    /// anything.
    pub fn start(&self) {
        rounds::start(&self.0);
    }

    /// The shard can be reached again: what is owed is sent without a pause.
    pub fn connected(&self) {
        self.0.back.notify_one();
    }

    /// Ends the draining once the shard has answered what is under way. What is owed stays in the journal, and what is
    /// deferred later is still written down. Closing twice, or before the start, is legal.
    pub async fn close(&self) {
        self.0.end_soon();
        self.0.life.ended().await;
    }

    /// What is owed, now.
    #[must_use]
    pub fn figures(&self) -> DrainFigures {
        let backlog = &self.0.state.lock().backlog;
        let (records, volatile) = backlog.count();
        DrainFigures {
            is_open: backlog.is_open(),
            records: records as u64,
            volatile: volatile as u64,
            oldest_at: backlog.oldest_at(),
            applied: self.0.applied.load(Ordering::Relaxed),
            failures: self.0.failures.load(Ordering::Relaxed),
        }
    }
}

impl Loop for Inner {
    fn end_soon(&self) {
        self.life.close();
        self.back.notify_one();
    }
}

impl Inner {
    /// One step of the machine; readers see where it led before anybody else does.
    pub(super) fn step<T>(&self, step: impl FnOnce(&mut Backlog) -> T) -> T {
        self.settle(&mut self.state.lock(), |state| step(&mut state.backlog))
    }

    fn defer(self: &Arc<Self>, removals: BTreeSet<Removal>, at: u64) -> Asked {
        self.settle(&mut self.state.lock(), |state| match state.backlog.defer(removals, at) {
            Deferral::Done(deferred) => Asked::Done(deferred),
            // What can be joined has not ended: its end is taken out in the same step.
            Deferral::Join(ticket) => Asked::Join(state.appends[&ticket].clone()),
            Deferral::Append(ticket, removals) => {
                let (tell, end) = watch::channel(None);
                state.appends.insert(ticket, end.clone());
                Asked::Append(Append { inner: Arc::clone(self), ticket, tell, id: None }, removals, end)
            }
        })
    }

    fn settle<T>(&self, state: &mut State, step: impl FnOnce(&mut State) -> T) -> T {
        let done = step(state);
        let is_open = state.backlog.is_open();
        if self.is_open.swap(is_open, Ordering::AcqRel) != is_open && is_open {
            self.opened.notify_waiters();
        }
        done
    }
}

/// What is to be done for one who defers.
enum Asked {
    Done(Deferred),
    Join(End),
    Append(Append, BTreeSet<Removal>, End),
}

async fn told(mut end: End) -> Deferred {
    let told = end.wait_for(Option::is_some).await.ok().and_then(|deferred| *deferred);
    told.unwrap_or(Deferred::Volatile)
}

/// An append under way. Dropping it ends it, with a place in the journal or, where the journal refused or panicked or
/// the task was dropped, without: else the gate would be shut for ever.
struct Append {
    inner: Arc<Inner>,
    ticket: Ticket,
    tell: watch::Sender<Option<Deferred>>,
    id: Option<super::RecordId>,
}

impl Append {
    async fn carry_out(mut self, record: Record) {
        let inner = Arc::clone(&self.inner);
        let makes_room = record.removals.contains(&Removal::Whole);
        let writing = inner.writing.read().await;
        match inner.journal.append(record).await {
            Ok(id) => self.id = Some(id),
            Err(error) => tracing::error!(
                shard = %inner.settings.shard,
                ?error,
                "an invalidation that is owed could not be written down: it is in memory only",
            ),
        }
        drop(self);
        if makes_room {
            // At once, and not when the shard is tried next: a full journal takes nothing more. Who fails says so.
            let _ = inner.clear().await;
        }
        drop(writing);
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        let inner = &self.inner;
        let deferred = inner.settle(&mut inner.state.lock(), |state| {
            state.appends.remove(&self.ticket);
            state.backlog.appended(self.ticket, self.id)
        });
        // Nobody may be waiting any more.
        self.tell.send_replace(Some(deferred));
        inner.more.notify_one();
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("shard", &self.0.settings.shard)
            .field("figures", &self.figures())
            .finish()
    }
}
