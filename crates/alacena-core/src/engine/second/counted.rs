//! A shard that counts what it is asked.

use std::{sync::Arc, time::Duration};

use crate::{
    envelope::Unreadable,
    figures::Counter,
    runtime::{BoxFuture, Moment, SharedRuntime},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    tier::{
        Answer, Begin, Begun, Capabilities, Checked, EntryId, EntryName, Era, Failure, Lack, Looked,
        MarkerId, Minted, Nonce, Overwrite, Push, Shard, Spending, Store, Stored, Watcher,
    },
};

/// The steps of a shard, in the order of the counters.
const STEPS: [&str; 12] = [
    "look",
    "check",
    "mint",
    "begin",
    "renew",
    "store",
    "overwrite",
    "release",
    "invalidate",
    "replicate",
    "touch",
    "ping",
];
/// The bounds of the times that steps are counted by; the last counter is for those beyond.
pub const STEP_BOUNDS: [Duration; 11] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
];

/// What has been asked of a shard, of one kind.
#[derive(Clone, Debug, Default)]
pub struct StepFigures {
    /// Its name.
    pub step: &'static str,
    /// How many of those that ended took at most so long as [`STEP_BOUNDS`] says in the same place, and no less than in
    /// the place before; the last are those that took longer.
    pub took: [u64; STEP_BOUNDS.len() + 1],
    /// How long all of them took.
    pub total: Duration,
    /// Those that failed, by the word for why.
    pub failures: Vec<(&'static str, u64)>,
}

impl StepFigures {
    /// How many have ended.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.took.iter().sum()
    }
}

/// What is counted of a shard.
#[derive(Default)]
pub(super) struct Counts {
    steps: [StepCounts; STEPS.len()],
    /// Times that it has told of itself: a connection that came about.
    pub(super) connections: Counter,
    /// Of these, those with a server of another era than the one before.
    pub(super) era_changes: Counter,
    unreadable: [Counter; Unreadable::WORDS.len()],
    /// When it last did what it was asked, as nanoseconds of a [`Moment`].
    heard: AtomicU64,
}

#[derive(Default)]
struct StepCounts {
    took: [Counter; STEP_BOUNDS.len() + 1],
    nanos: Counter,
    failures: [Counter; Failure::WORDS.len()],
}

impl Counts {
    /// Nothing, of a shard that is about to be asked from `now` on.
    pub(super) fn since(now: Moment) -> Self {
        Self { heard: AtomicU64::new(now.nanos()), ..Self::default() }
    }

    /// When the shard was last heard of: it has done what it was asked, or told that it is there.
    pub(super) fn heard(&self) -> Moment {
        Moment::from_nanos(self.heard.load(Ordering::Relaxed))
    }

    fn hear(&self, now: Moment) {
        self.heard.fetch_max(now.nanos(), Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> Vec<StepFigures> {
        let figures = self.steps.iter().zip(STEPS).map(|(counts, step)| StepFigures {
            step,
            took: std::array::from_fn(|at| counts.took[at].get()),
            total: Duration::from_nanos(counts.nanos.get()),
            failures: Failure::WORDS.into_iter().zip(counts.failures.iter().map(Counter::get)).collect(),
        });
        figures.collect()
    }

    /// An entry was found, and could not be used.
    pub(super) fn unreadable(&self, why: &Unreadable) {
        let at = Unreadable::WORDS.iter().position(|word| *word == why.as_str());
        self.unreadable[at.expect("every reason has a place")].increment();
    }

    pub(super) fn unreadable_by_reason(&self) -> Vec<(&'static str, u64)> {
        Unreadable::WORDS.into_iter().zip(self.unreadable.iter().map(Counter::get)).collect()
    }

    fn ended<T>(&self, step: &str, result: &Result<T, Failure>, took: Duration) {
        let at = STEPS.iter().position(|name| *name == step).expect("every step has a place");
        let counts = &self.steps[at];
        let within = STEP_BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(STEP_BOUNDS.len());
        counts.took[within].increment();
        counts.nanos.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if let Err(failure) = result {
            let word = failure.as_str();
            let at = Failure::WORDS.iter().position(|name| *name == word).expect("every failure has a place");
            counts.failures[at].increment();
        }
    }
}

/// A shard that counts what it is asked, and asks another.
pub(super) struct Counted {
    shard: Arc<dyn Shard>,
    counts: Arc<Counts>,
    runtime: SharedRuntime,
}

impl Counted {
    pub(super) fn new(shard: Arc<dyn Shard>, counts: &Arc<Counts>, runtime: &SharedRuntime) -> Self {
        Self { shard, counts: Arc::clone(counts), runtime: Arc::clone(runtime) }
    }

    /// Counts one step, from its first poll on. One that nobody waits for to the end is not counted.
    fn count<'a, T: Send + 'a>(&'a self, step: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let began: Moment = self.runtime.now();
            let (result, now) = (answer.await, self.runtime.now());
            self.counts.ended(step, &result, now - began);
            if result.is_ok() {
                self.counts.hear(now);
            }
            result
        })
    }
}

impl Shard for Counted {
    fn capabilities(&self) -> Capabilities {
        self.shard.capabilities()
    }

    fn lacks(&self) -> Vec<Lack> {
        self.shard.lacks()
    }

    fn spending(&self) -> Option<Spending> {
        self.shard.spending()
    }

    fn rouse(&self) -> Option<Answer<'_, ()>> {
        self.shard.rouse()
    }

    fn era(&self) -> Option<Era> {
        self.shard.era()
    }

    fn is_gone(&self) -> bool {
        self.shard.is_gone()
    }

    fn server_millis(&self) -> u64 {
        self.shard.server_millis()
    }

    fn look(&self, entry: &EntryName, markers: &[MarkerId]) -> Answer<'_, Looked> {
        self.count("look", self.shard.look(entry, markers))
    }

    fn check(&self, markers: &[MarkerId]) -> Answer<'_, Checked> {
        self.count("check", self.shard.check(markers))
    }

    fn mint(&self, era: Era, markers: &[(MarkerId, Nonce)], keep: Duration) -> Answer<'_, Minted> {
        self.count("mint", self.shard.mint(era, markers, keep))
    }

    fn begin(&self, load: Begin) -> Answer<'_, Begun> {
        self.count("begin", self.shard.begin(load))
    }

    fn renew(&self, entry: EntryId, attempt: Nonce, lease: Duration) -> Answer<'_, bool> {
        self.count("renew", self.shard.renew(entry, attempt, lease))
    }

    fn store(&self, store: Store) -> Answer<'_, Stored> {
        self.count("store", self.shard.store(store))
    }

    fn overwrite(&self, overwrite: Overwrite) -> Answer<'_, bool> {
        self.count("overwrite", self.shard.overwrite(overwrite))
    }

    fn release(&self, entry: EntryId, attempt: Nonce, alone: Option<Duration>) -> Answer<'_, ()> {
        self.count("release", self.shard.release(entry, attempt, alone))
    }

    fn invalidate(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        self.count("invalidate", self.shard.invalidate(markers))
    }

    fn invalidate_entries(&self, entries: &[EntryName]) -> Answer<'_, ()> {
        self.count("invalidate", self.shard.invalidate_entries(entries))
    }

    fn replicate(&self, replicas: u32, within: Duration) -> Answer<'_, u32> {
        self.count("replicate", self.shard.replicate(replicas, within))
    }

    fn touch(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        self.count("touch", self.shard.touch(markers))
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.count("ping", self.shard.ping())
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        let counts = Arc::clone(&self.counts);
        let runtime = Arc::clone(&self.runtime);
        self.shard.watch(Arc::new(Heard { watcher, counts, runtime, last: Mutex::default() }));
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shard.close()
    }
}

/// Counts connections on their way to who watches.
struct Heard {
    watcher: Arc<dyn Watcher>,
    counts: Arc<Counts>,
    runtime: SharedRuntime,
    /// The era of the last one. Held for a few instructions.
    last: Mutex<Option<Era>>,
}

impl Watcher for Heard {
    fn connected(&self, era: Era) {
        self.counts.connections.increment();
        self.counts.hear(self.runtime.now());
        if self.last.lock().replace(era).is_some_and(|last| last != era) {
            self.counts.era_changes.increment();
        }
        self.watcher.connected(era);
    }

    fn lost(&self) {
        self.watcher.lost();
    }

    fn pushed(&self, push: Push) {
        self.watcher.pushed(push);
    }
}
