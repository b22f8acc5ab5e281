//! The first-level cache: entries in the memory of this process.

mod entry;
mod quick;
mod removals;

pub use entry::Entry;
pub use quick::QuickMemory;

pub use removals::Removals;

use std::sync::Arc;

use crate::key::Key;

/// Entries that gave way. Dropping them drops their values, which may take time or call back.
#[derive(Debug, Default)]
pub struct Victims(Vec<(Key, Arc<Entry>)>);

/// Where entries are kept in this process.
///
/// # Atomicity
/// Each method is atomic. The engine calls `put` and `remove` for one key only within the critical section of that
/// key's flight.
pub trait L1: Send + Sync + 'static {
    /// The entry of a key, whatever its state.
    fn get(&self, key: &[u8]) -> Option<Arc<Entry>>;

    /// Keeps an entry, and hands out what gave way to it, so that the caller can drop that outside its locks; `None`
    /// where the entry is too large to be kept at all.
    fn put(&self, key: &Key, entry: Arc<Entry>) -> Option<Victims>;

    /// Takes an entry out.
    fn remove(&self, key: &Key) -> Option<Arc<Entry>>;

    /// Takes out every entry that there is when it is called.
    fn clear(&self);

    /// Shows every entry to `visit`, one at a time and in no order; entries that come or go meanwhile may be missed.
    /// For people who look on, not for answers: it takes time in proportion to the number of entries.
    fn for_each(&self, visit: &mut dyn FnMut(&Key, &Arc<Entry>));

    /// Entries held, those that nobody can be answered from included.
    fn len(&self) -> u64;

    /// Whether nothing is held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that entries take.
    fn bytes(&self) -> u64;

    /// Bytes that entries may take.
    fn bytes_max(&self) -> u64;

    /// Changes how many bytes entries may take, from now on; where that is fewer, some give way at once.
    fn resize(&self, bytes_max: u64);

    /// The heaviest entry that is kept.
    fn entry_bytes_max(&self) -> u64;

    /// Entries that gave way to others.
    fn evictions(&self) -> u64;
}
