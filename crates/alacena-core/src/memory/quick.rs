//! The first-level cache on `quick_cache`: S3-FIFO, bounded by bytes, sharded.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use super::{Entry, L1, Removals};
use crate::{key::Key, outcome::MissReason};

/// The smallest part of the memory that one shard manages: a shard can hold no entry larger than itself.
const SHARD_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// What an entry is guessed to weigh, to size the tables at the start.
const ENTRY_BYTES_GUESS: u64 = 1024;

/// The default [`L1`].
pub struct QuickMemory {
    cache: Cache<Key, Arc<Entry>, ByBytes, DefaultHashBuilder, Evictions>,
    evictions: Evictions,
    entry_bytes_max: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Entry>> for ByBytes {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        entry.weight(key.as_bytes()) as u64
    }
}

/// Counts what leaves, and remembers that it left.
#[derive(Clone)]
struct Evictions {
    count: Arc<AtomicU64>,
    removals: Arc<Removals>,
}

impl Lifecycle<Key, Arc<Entry>> for Evictions {
    /// Victims are carried out of the lock in here, and dropped after it.
    type RequestState = Vec<(Key, Arc<Entry>)>;

    fn on_evict(&self, victims: &mut Self::RequestState, key: Key, entry: Arc<Entry>) {
        self.removals.remember(&key, &MissReason::Evicted);
        self.count.fetch_add(1, Ordering::Relaxed);
        victims.push((key, entry));
    }
}

impl QuickMemory {
    /// At most `bytes_max` bytes of entries; what leaves for want of space is told to `removals`.
    #[must_use]
    pub fn new(bytes_max: u64, removals: Arc<Removals>) -> Self {
        let shards = (bytes_max / SHARD_BYTES_MIN).clamp(1, 16);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(
                usize::try_from(bytes_max / ENTRY_BYTES_GUESS).unwrap_or(usize::MAX).max(16),
            )
            .weight_capacity(bytes_max)
            .shards(usize::try_from(shards).expect("at most sixteen"))
            .build()
            .expect("every option that is needed is given");
        let evictions = Evictions { count: Arc::default(), removals };
        let cache = Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), evictions.clone());
        Self { cache, evictions, entry_bytes_max: bytes_max / shards / 2 }
    }
}

impl L1 for QuickMemory {
    fn get(&self, key: &[u8]) -> Option<Arc<Entry>> {
        self.cache.get(key)
    }

    fn put(&self, key: &Key, entry: Arc<Entry>) -> bool {
        let fits = entry.weight(key.as_bytes()) as u64 <= self.entry_bytes_max;
        if fits {
            self.cache.insert(key.clone(), entry);
        }
        fits
    }

    fn remove(&self, key: &Key) -> Option<Arc<Entry>> {
        self.cache.remove(key).map(|(_, entry)| entry)
    }

    fn clear(&self) {
        self.cache.clear();
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

    fn evictions(&self) -> u64 {
        self.evictions.count.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for QuickMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuickMemory({} entries, {} of {} bytes)", self.len(), self.bytes(), self.bytes_max())
    }
}
