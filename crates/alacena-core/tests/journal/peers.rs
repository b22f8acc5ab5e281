//! A disk and a shard that do what a test wants.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    error::{Error, catalogue},
    journal::{Journal, Record, RecordId, Removal, ShardName, VolatileJournal},
    runtime::BoxFuture,
    tier::{
        Answer, Begin, Begun, Capabilities, Checked, EntryId, EntryName, Era, Failure, Looked, MarkerId,
        Minted, Nonce, Overwrite, Shard, Store, Stored, Watcher,
    },
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

/// A journal that outlives the drain that writes it.
#[derive(Default)]
pub(crate) struct Disk {
    records: VolatileJournal,
    forgets: AtomicBool,
    shared: AtomicBool,
    fails: AtomicBool,
    panics: AtomicBool,
    keeps: AtomicBool,
    holds: watch::Sender<bool>,
}

impl Disk {
    /// Whether it is no disk at all.
    pub(crate) fn forgets(&self, forgets: bool) {
        self.forgets.store(forgets, Ordering::Relaxed);
    }

    /// Others write into it, too.
    pub(crate) fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    /// Whether it fails whatever it is asked.
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    /// Whether it removes nothing.
    pub(crate) fn keep(&self, keeps: bool) {
        self.keeps.store(keeps, Ordering::Relaxed);
    }

    /// Whether it takes for ever to write.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.send_replace(holds);
    }

    pub(crate) fn panic_once(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    fn check(&self, refuses: bool) -> Result<(), Error> {
        let fails = refuses || self.fails.load(Ordering::Relaxed);
        if fails { Err(Error::new(&catalogue::STORE_FAILED, "on purpose")) } else { Ok(()) }
    }
}

impl Journal for Disk {
    fn is_durable(&self) -> bool {
        !self.forgets.load(Ordering::Relaxed)
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<RecordId, Error>> {
        Box::pin(async move {
            self.holds.subscribe().wait_for(|holds| !holds).await.unwrap();
            assert!(!self.panics.swap(false, Ordering::Relaxed), "on purpose");
            self.check(false)?;
            self.records.append(record).await
        })
    }

    fn remaining(&self, shard: &ShardName) -> BoxFuture<'_, Result<Vec<(RecordId, Record)>, Error>> {
        let shard = shard.clone();
        Box::pin(async move {
            self.check(false)?;
            self.records.remaining(&shard).await
        })
    }

    fn remove(&self, shard: &ShardName, records: Vec<RecordId>) -> BoxFuture<'_, Result<(), Error>> {
        let shard = shard.clone();
        Box::pin(async move {
            self.check(self.keeps.load(Ordering::Relaxed))?;
            self.records.remove(&shard, records).await
        })
    }
}

/// What a shard does with what it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Up,
    Down,
    /// It answers when the test says so, or it is [`Up`](Mood::Up).
    Slow,
    EntriesFail,
}

/// A shard that only removes.
pub(crate) struct ScriptedShard {
    mood: watch::Sender<Mood>,
    answers: Semaphore,
    asked: AtomicU64,
    longest_batch: AtomicU64,
    removed: Mutex<BTreeSet<Removal>>,
}

impl Default for ScriptedShard {
    fn default() -> Self {
        Self {
            mood: watch::Sender::new(Mood::Up),
            answers: Semaphore::new(0),
            asked: AtomicU64::new(0),
            longest_batch: AtomicU64::new(0),
            removed: Mutex::default(),
        }
    }
}

impl ScriptedShard {
    pub(crate) fn turn(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Lets one question be answered while it is [`Slow`](Mood::Slow).
    pub(crate) async fn answer_one(&self) {
        self.answers.add_permits(1);
        alacena_testkit::settle().await;
    }

    /// Questions so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn longest_batch(&self) -> u64 {
        self.longest_batch.load(Ordering::Relaxed)
    }

    /// What it has removed and acknowledged.
    pub(crate) fn removed(&self) -> BTreeSet<Removal> {
        self.removed.lock().clone()
    }

    async fn remove(&self, removals: Vec<Removal>, fails_in: Mood) -> Result<(), Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.longest_batch.fetch_max(removals.len() as u64, Ordering::Relaxed);
        if *self.mood.borrow() == Mood::Slow {
            let mut mood = self.mood.subscribe();
            tokio::select! {
                permit = self.answers.acquire() => permit.unwrap().forget(),
                up = mood.wait_for(|mood| *mood == Mood::Up) => drop(up.unwrap()),
            }
        }
        let mood = *self.mood.borrow();
        if mood == Mood::Down || mood == fails_in {
            return Err(Failure::TimedOut(Error::new(&catalogue::SOURCE_TIMEOUT, "on purpose")));
        }
        self.removed.lock().extend(removals);
        Ok(())
    }
}

const ONLY_REMOVES: &str = "a drain asks for nothing but removals";

impl Shard for ScriptedShard {
    fn invalidate(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        let markers = markers.iter().copied().map(Removal::Marker).collect();
        Box::pin(self.remove(markers, Mood::Down))
    }

    fn invalidate_entries(&self, entries: &[EntryName]) -> Answer<'_, ()> {
        let entries = entries.iter().cloned().map(Removal::Entry).collect();
        Box::pin(self.remove(entries, Mood::EntriesFail))
    }

    fn capabilities(&self) -> Capabilities {
        unreachable!("{ONLY_REMOVES}")
    }

    fn era(&self) -> Option<Era> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn server_millis(&self) -> u64 {
        unreachable!("{ONLY_REMOVES}")
    }

    fn look(&self, _: &EntryName, _: &[MarkerId]) -> Answer<'_, Looked> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn check(&self, _: &[MarkerId]) -> Answer<'_, Checked> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn mint(&self, _: Era, _: &[(MarkerId, Nonce)], _: Duration) -> Answer<'_, Minted> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn begin(&self, _: Begin) -> Answer<'_, Begun> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn renew(&self, _: EntryId, _: Nonce, _: Duration) -> Answer<'_, bool> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn store(&self, _: Store) -> Answer<'_, Stored> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn overwrite(&self, _: Overwrite) -> Answer<'_, bool> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn release(&self, _: EntryId, _: Nonce, _: Option<Duration>) -> Answer<'_, ()> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn replicate(&self, _: u32, _: Duration) -> Answer<'_, u32> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn touch(&self, _: &[MarkerId]) -> Answer<'_, ()> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn ping(&self) -> Answer<'_, ()> {
        unreachable!("{ONLY_REMOVES}")
    }

    fn watch(&self, _: Arc<dyn Watcher>) {
        unreachable!("{ONLY_REMOVES}")
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        unreachable!("{ONLY_REMOVES}")
    }
}
