//! What the threads and those who ask share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    runtime::{BoxFuture, SharedRuntime},
    tier::{Era, Lack, Push, Watcher},
};
use parking_lot::Mutex;
use redb::Database;

use super::{TierFigures, TierSettings, readers::Waiting, used::Used};

/// Stands for no era: none is ever drawn as this.
const AWAY: u64 = 0;

/// What the threads and those who ask share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) recent: Recent,
    pub(super) reads: Waiting,
    /// Steps that were asked for and cannot be seen yet. While there are any, who reads waits behind them.
    pub(super) unseen: AtomicUsize,
    /// Bytes of entries that wait to be stored.
    pub(super) waiting_bytes: AtomicU64,
    era: AtomicU64,
    /// Held for a few instructions.
    database: Mutex<Option<Arc<Database>>>,
    /// Held while they are told. Who stops listening does not take it: what they are told may be what makes them stop.
    watchers: Mutex<Vec<Listening>>,
    /// Held for a few instructions.
    lacks: Mutex<Vec<Lack>>,
    pub(super) holds: Holds,
}

/// What was asked for of late.
pub(super) struct Recent {
    pub(super) entries: Used,
    pub(super) markers: Used,
}

/// What is kept, as it was when it was looked at last. Held for a few instructions.
#[derive(Default)]
pub(super) struct Holds(Mutex<TierFigures>);

impl Holds {
    pub(super) fn figures(&self) -> TierFigures {
        *self.0.lock()
    }

    pub(super) fn are(&self, figures: TierFigures) {
        *self.0.lock() = figures;
    }
}

struct Listening {
    watcher: Arc<dyn Watcher>,
    /// Nobody does any more, once this is the only share of it.
    ear: Arc<()>,
}

impl Shared {
    pub(super) fn new(runtime: SharedRuntime, settings: TierSettings) -> Self {
        let holds = Holds::default();
        holds.are(TierFigures { bytes_max: settings.entries_bytes_max, ..TierFigures::default() });
        Self {
            clock: Clock::new(runtime),
            recent: Recent { entries: Used::new(), markers: Used::new() },
            reads: Waiting::default(),
            unseen: AtomicUsize::new(0),
            waiting_bytes: AtomicU64::new(0),
            era: AtomicU64::new(AWAY),
            database: Mutex::default(),
            watchers: Mutex::default(),
            lacks: Mutex::default(),
            holds,
        }
    }

    pub(super) fn era(&self) -> Option<Era> {
        Some(self.era.load(Ordering::Acquire)).filter(|era| *era != AWAY).map(Era)
    }

    pub(super) fn database(&self) -> Option<Arc<Database>> {
        self.database.lock().clone()
    }

    pub(super) fn lacks(&self) -> Vec<Lack> {
        self.lacks.lock().clone()
    }

    /// The file is open, and says this of itself.
    pub(super) fn connect(&self, database: &Arc<Database>, era: Era, lacks: Vec<Lack>) {
        *self.database.lock() = Some(Arc::clone(database));
        *self.lacks.lock() = lacks;
        let watchers = self.watchers.lock();
        self.era.store(era.0, Ordering::Release);
        watchers.iter().for_each(|listening| listening.watcher.connected(era));
    }

    /// The file is open, and says something else of itself now.
    pub(super) fn say(&self, lacks: Vec<Lack>) {
        *self.lacks.lock() = lacks;
    }

    /// The file cannot be used.
    pub(super) fn lose(&self, lack: Lack) {
        *self.database.lock() = None;
        *self.lacks.lock() = vec![lack];
        let watchers = self.watchers.lock();
        if self.era.swap(AWAY, Ordering::AcqRel) != AWAY {
            watchers.iter().for_each(|listening| listening.watcher.lost());
        }
    }

    /// Nobody can use it any more.
    pub(super) fn close(&self) {
        *self.database.lock() = None;
        let watchers = std::mem::take(&mut *self.watchers.lock());
        if self.era.swap(AWAY, Ordering::AcqRel) != AWAY {
            watchers.iter().for_each(|listening| listening.watcher.lost());
        }
    }

    pub(super) fn tell(&self, pushes: impl Iterator<Item = Push>) {
        let mut pushes = pushes.peekable();
        if pushes.peek().is_none() {
            return;
        }
        let watchers = self.watchers.lock();
        pushes.for_each(|push| watchers.iter().for_each(|listening| listening.watcher.pushed(push)));
    }

    /// Tells `watcher` of everything from here on, for as long as somebody keeps what is returned.
    #[must_use]
    pub(super) fn watch(&self, watcher: Arc<dyn Watcher>) -> Arc<()> {
        let mut watchers = self.watchers.lock();
        watchers.retain(|listening| Arc::strong_count(&listening.ear) > 1);
        if let Some(era) = self.era() {
            watcher.connected(era);
        }
        let ear = Arc::new(());
        watchers.push(Listening { watcher, ear: Arc::clone(&ear) });
        ear
    }
}

/// The clock by which entries are dated: the wall clock when the tier was opened, and from then on the one that nobody
/// sets.
pub(super) struct Clock {
    runtime: SharedRuntime,
    /// What it is ahead of the monotonic one, in milliseconds.
    ahead: AtomicU64,
}

impl Clock {
    fn new(runtime: SharedRuntime) -> Self {
        let ahead = AtomicU64::new(runtime.unix_millis().saturating_sub(monotonic(&runtime)));
        Self { runtime, ahead }
    }

    /// Milliseconds since 1970.
    pub(super) fn millis(&self) -> u64 {
        self.ahead.load(Ordering::Relaxed).saturating_add(monotonic(&self.runtime))
    }

    /// It was already so late.
    pub(super) fn is_at_least(&self, millis: u64) {
        self.ahead.fetch_add(millis.saturating_sub(self.millis()), Ordering::Relaxed);
    }

    pub(super) fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        self.runtime.sleep(span)
    }

    /// An era that is none of before.
    pub(super) fn draw_era(&self) -> Era {
        Era(self.runtime.random().max(AWAY + 1))
    }
}

fn monotonic(runtime: &SharedRuntime) -> u64 {
    runtime.now().nanos() / 1_000_000
}
