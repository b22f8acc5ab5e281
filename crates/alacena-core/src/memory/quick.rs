//! The first-level cache on `quick_cache`: S3-FIFO, bounded by bytes, sharded.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use super::{Entry, L1, Removals, Victims};
use crate::{figures::Counter, key::Key, outcome::MissReason};

/// The smallest part of the memory that one shard manages: a shard can hold no entry larger than itself.
const SHARD_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// What an entry is guessed to weigh, to size the tables at the start.
const ENTRY_BYTES_GUESS: u64 = 1024;

/// The default [`L1`].
pub struct QuickMemory {
    cache: Cache<Key, Arc<Entry>, ByBytes, DefaultHashBuilder, CarryOut>,
    removals: Arc<Removals>,
    evictions: Counter,
    /// Shards stay as many as there were at the start.
    shards: u64,
    entry_bytes_max: AtomicU64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Entry>> for ByBytes {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        entry.weight(key.as_bytes()) as u64
    }
}

/// Carries what leaves out of the lock.
#[derive(Clone)]
struct CarryOut;

impl Lifecycle<Key, Arc<Entry>> for CarryOut {
    type RequestState = Victims;

    fn on_evict(&self, victims: &mut Victims, key: Key, entry: Arc<Entry>) {
        victims.0.push((key, entry));
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
}

/// How many parts a memory has, each with a lock and a share of the bytes: a power of two, as the cache wants it.
fn shards(bytes_max: u64) -> u64 {
    let most = (bytes_max / SHARD_BYTES_MIN).clamp(1, 16);
    1 << most.ilog2()
}

impl L1 for QuickMemory {
    fn get(&self, key: &[u8]) -> Option<Arc<Entry>> {
        self.cache.get(key)
    }

    fn put(&self, key: &Key, entry: Arc<Entry>) -> Option<Victims> {
        if entry.weight(key.as_bytes()) as u64 > self.entry_bytes_max.load(Ordering::Relaxed) {
            return None;
        }
        let mut victims = Victims::default();
        self.cache.insert_with_lifecycle(key.clone(), entry, &mut victims);
        // What the new entry replaced leaves too, but it was not evicted.
        for (evicted, _) in victims.0.iter().filter(|(victim, _)| victim != key) {
            self.removals.remember(evicted, &MissReason::Evicted);
            self.evictions.increment();
        }
        Some(victims)
    }

    fn remove(&self, key: &Key) -> Option<Arc<Entry>> {
        self.cache.remove(key).map(|(_, entry)| entry)
    }

    fn clear(&self) {
        // One at a time, so that values are dropped outside the cache's locks. What comes in meanwhile may stay.
        self.cache.drain().for_each(drop);
    }

    fn for_each(&self, visit: &mut dyn FnMut(&Key, &Arc<Entry>)) {
        // The iterator hands out copies, so that no lock is held during the visit.
        self.cache.iter().for_each(|(key, entry)| visit(&key, &entry));
    }

    fn len(&self) -> u64 {
        self.cache.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    fn bytes_max(&self) -> u64 {
        self.cache.capacity()
    }

    fn resize(&self, bytes_max: u64) {
        self.entry_bytes_max.store(bytes_max / self.shards / 2, Ordering::Relaxed);
        self.cache.set_capacity(bytes_max);
    }

    fn entry_bytes_max(&self) -> u64 {
        self.entry_bytes_max.load(Ordering::Relaxed)
    }

    fn evictions(&self) -> u64 {
        self.evictions.get()
    }
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
        class::Policy, freshness::Lifetime, key::KeySpace, marker::Markers, runtime::Moment, value::Value,
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
            memory.put(&key, Arc::new(Entry::new(Some(value), token, lifetime, Duration::ZERO))).is_some()
        };
        assert!((0..1000).all(|name| put(name, 1024)) && memory.bytes() > 1024 * 1000);
        memory.resize(512 * 1024);
        assert!(memory.bytes() <= 512 * 1024 && memory.len() > 0, "{memory:?}");
        assert_eq!(memory.entry_bytes_max(), 512 * 1024 / 16 / 2);
        assert!(!put(0, 20 * 1024), "it would fill more than half a shard");
        memory.resize(64 * 1024 * 1024);
        assert!(put(0, 20 * 1024));
    }
}
