//! Invalidation: by request, at once, whatever the number of entries.

use super::Engine;
use crate::{dep::Dep, key::Key, outcome::MissReason};

impl Engine {
    /// Invalidates everything that depends on `dep`: one cell is killed, however many entries there are. A read that
    /// begins after this has returned is never answered, as fresh, with what was loaded before. Whether anything could
    /// have depended on it.
    pub fn invalidate(&self, dep: &Dep) -> bool {
        self.0.invalidations.increment();
        self.0.trail.mark(dep);
        self.0.markers.invalidate(dep)
    }

    /// Invalidates one key: its entry is removed, and the load under way may no longer store. Whether there was an
    /// entry. A key that is kept in the partitions of several callers is invalidated by [`Dep::key`] instead.
    pub fn invalidate_key(&self, key: &Key) -> bool {
        self.0.invalidations.increment();
        self.0.trail.mark(key);
        let removed = self.0.flights.revoke(key, || self.0.memory.remove(key));
        if removed.is_some() {
            self.0.removals.remember(key, &MissReason::Invalidated(Dep::key("", &key.text())));
        }
        removed.is_some()
    }

    /// Invalidates everything and frees the memory that it took. Whether there was anything.
    pub fn clear(&self) -> bool {
        let any = self.invalidate(&Dep::everything());
        self.0.memory.clear();
        any
    }
}
