//! The first-level cache on `quick_cache`: S3-FIFO, bounded by bytes, sharded.

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use super::{Entry, Removals, Victims};
use crate::{figures::Counter, key::Key, outcome::MissReason};

/// The smallest part of the memory that one shard manages: a shard can hold no entry larger than itself.
const SHARD_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// What an entry is guessed to weigh, to size the tables at the start.
const ENTRY_BYTES_GUESS: u64 = 1024;

/// Entries in the memory of this process.
///
/// # Atomicity
/// Each method is atomic. The engine calls `put` and `remove` for one key only within the critical section of that
/// key's flight.
pub struct QuickMemory {
    cache: Cache<ByKey, Entry, ByBytes, DefaultHashBuilder, CarryOut>,
    removals: Arc<Removals>,
    evictions: Counter,
    /// Shards stay as many as there were at the start.
    shards: u64,
    entry_bytes_max: AtomicU64,
}

/// An entry in the place of its key, whose bytes it holds: the table has two words for it and no copy of the key.
#[derive(Clone)]
struct ByKey(Entry);

impl Borrow<[u8]> for ByKey {
    fn borrow(&self) -> &[u8] {
        self.0.key_bytes()
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key_bytes().hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_bytes() == other.0.key_bytes()
    }
}

impl Eq for ByKey {}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ByKey, Entry> for ByBytes {
    fn weight(&self, _: &ByKey, entry: &Entry) -> u64 {
        entry.weight() as u64
    }
}

/// Carries what leaves out of the lock.
#[derive(Clone)]
struct CarryOut;

impl Lifecycle<ByKey, Entry> for CarryOut {
    type RequestState = Victims;

    fn on_evict(&self, victims: &mut Victims, _: ByKey, entry: Entry) {
        victims.0.push(entry);
    }
}

impl QuickMemory {
    /// At most `bytes_max` bytes of entries; what leaves for want of space is told to `removals`.
    #[must_use]
    pub fn new(bytes_max: u64, removals: Arc<Removals>) -> Self {
        let entries = usize::try_from(bytes_max / ENTRY_BYTES_GUESS).unwrap_or(usize::MAX).max(16);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(bytes_max)
            .shards(usize::try_from(shards(bytes_max)).expect("at most sixteen"))
            .build()
            .expect("every option that is needed is given");
        let cache = Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), CarryOut);
        Self {
            cache,
            removals,
            evictions: Counter::default(),
            shards: shards(bytes_max),
            entry_bytes_max: AtomicU64::new(Self::entry_bytes_max(bytes_max)),
        }
    }

    /// The heaviest entry that a memory of `bytes_max` bytes keeps: half of what one of its shards holds.
    #[must_use]
    pub fn entry_bytes_max(bytes_max: u64) -> u64 {
        bytes_max / shards(bytes_max) / 2
    }

    /// The entry of a key, whatever its state.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        self.cache.get(key)
    }

    /// Keeps an entry, and hands out what gave way to it, so that the caller can drop that outside its locks; `None`
    /// where the entry is too large to be kept at all.
    pub fn put(&self, entry: Entry) -> Option<Victims> {
        if entry.weight() as u64 > self.heaviest() {
            return None;
        }
        let mut victims = Victims::default();
        self.cache.insert_with_lifecycle(ByKey(entry.clone()), entry.clone(), &mut victims);
        // What the new entry replaced leaves too, but it was not evicted.
        for evicted in victims.0.iter().filter(|victim| victim.key_bytes() != entry.key_bytes()) {
            self.removals.remember(evicted.key_bytes(), &MissReason::Evicted);
            self.evictions.increment();
        }
        Some(victims)
    }

    /// Takes an entry out.
    pub fn remove(&self, key: &Key) -> Option<Entry> {
        self.cache.remove(key.as_bytes()).map(|(_, entry)| entry)
    }

    /// Takes out every entry that there is when it is called.
    pub fn clear(&self) {
        // One at a time, so that values are dropped outside the cache's locks. What comes in meanwhile may stay.
        self.cache.drain().for_each(drop);
    }

    /// Shows every entry to `visit`, one at a time and in no order; entries that come or go meanwhile may be missed.
    /// For people who look on, not for answers: it takes time in proportion to the number of entries.
    pub fn for_each(&self, mut visit: impl FnMut(&Entry)) {
        // The iterator hands out copies, so that no lock is held during the visit.
        self.cache.iter().for_each(|(_, entry)| visit(&entry));
    }

    /// Entries held, those that nobody can be answered from included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.cache.len() as u64
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that entries take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    /// Bytes that entries may take.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.cache.capacity()
    }

    /// Changes how many bytes entries may take, from now on; where that is fewer, some give way at once.
    pub fn resize(&self, bytes_max: u64) {
        self.entry_bytes_max.store(bytes_max / self.shards / 2, Ordering::Relaxed);
        self.cache.set_capacity(bytes_max);
    }

    /// The heaviest entry that is kept.
    #[must_use]
    pub fn heaviest(&self) -> u64 {
        self.entry_bytes_max.load(Ordering::Relaxed)
    }

    /// Entries that gave way to others.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions.get()
    }
}

/// How many parts a memory has, each with a lock and a share of the bytes: a power of two, as the cache wants it.
fn shards(bytes_max: u64) -> u64 {
    let most = (bytes_max / SHARD_BYTES_MIN).clamp(1, 16);
    1 << most.ilog2()
}

impl fmt::Debug for QuickMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuickMemory({} entries, {} of {} bytes)", self.len(), self.bytes(), self.bytes_max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::{
        class::Policy, freshness::Lifetime, key::KeySpace, marker::Markers, memory::Draft, runtime::Moment,
        value::Value,
    };

    #[test]
    fn a_smaller_memory_lets_go_at_once_and_says_what_it_still_keeps() {
        let (space, markers) = (KeySpace::new("n", "c", &["r"]).unwrap(), Markers::new(16));
        let memory = QuickMemory::new(64 * 1024 * 1024, Arc::default());
        let put = |name: usize, bytes: usize| {
            let key = space.key(None, [name.to_string()]).unwrap();
            let lifetime =
                Lifetime::new(&Policy::default(), Duration::from_secs(1), Moment::from_nanos(0), 0);
            let (value, token) = (Value::new((), bytes, 0), markers.capture(space.deps().iter()));
            let draft = Draft {
                value: Some(value),
                token,
                lifetime,
                load_took: Duration::ZERO,
                asked_before: Duration::ZERO,
                changed: None,
            };
            memory.put(draft.under(key.as_bytes())).is_some()
        };
        assert!((0..1000).all(|name| put(name, 1024)) && memory.bytes() > 1024 * 1000);
        memory.resize(512 * 1024);
        assert!(memory.bytes() <= 512 * 1024 && !memory.is_empty(), "{memory:?}");
        assert_eq!(memory.heaviest(), 512 * 1024 / 16 / 2);
        assert!(!put(0, 20 * 1024), "it would fill more than half a shard");
        memory.resize(64 * 1024 * 1024);
        assert!(put(0, 20 * 1024));
    }
}
