//! Invalidation: by request, at once, whatever the number of entries.

use std::sync::Arc;

use super::Engine;
use crate::{dep::Dep, key::Key, outcome::MissReason};

/// What has been invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change<'a> {
    /// Everything that depends on it.
    Dep(&'a Dep),
    /// One key.
    Key(&'a Key),
}

/// Hears of every invalidation, once it has taken effect.
pub trait Listener: Send + Sync + 'static {
    /// Called by whoever invalidates, who waits for it: it neither blocks nor invalidates.
    fn invalidated(&self, change: Change<'_>);
}

impl Engine {
    /// Invalidates everything that depends on `dep`: one cell is killed, however many entries there are. A read that
    /// begins after this has returned is never answered, as fresh, with what was loaded before. Whether anything could
    /// have depended on it.
    pub fn invalidate(&self, dep: &Dep) -> bool {
        self.0.invalidations.increment();
        self.0.trail.mark(dep);
        let any = self.0.markers.invalidate(dep);
        self.tell(Change::Dep(dep));
        any
    }

    /// Invalidates one key: its entry is removed, and the load under way may no longer store. Whether there was an
    /// entry. A key that is kept in the partitions of several callers is invalidated by [`Dep::key`] instead.
    pub fn invalidate_key(&self, key: &Key) -> bool {
        self.0.invalidations.increment();
        self.0.trail.mark(key);
        let removed = self.0.flights.revoke(key, || self.0.memory.remove(key));
        if removed.is_some() {
            self.0.removals.remember(key.as_bytes(), &MissReason::Invalidated(Dep::key("", &key.text())));
        }
        self.tell(Change::Key(key));
        removed.is_some()
    }

    /// Invalidates all of this on this node, at once. Of how many of them there was anything.
    pub fn invalidate_here(&self, changes: &[Change<'_>]) -> u64 {
        let dropped = changes.iter().filter(|change| match change {
            Change::Dep(dep) => self.invalidate(dep),
            Change::Key(key) => self.invalidate_key(key),
        });
        dropped.count() as u64
    }

    /// Ends on this node what depends on any of this, without a word: it has been invalidated already.
    pub(super) fn end_here(&self, changes: &[Change<'_>]) {
        for change in changes {
            match change {
                Change::Dep(dep) => drop(self.0.markers.invalidate(dep)),
                Change::Key(key) => drop(self.0.flights.revoke(key, || self.0.memory.remove(key))),
            }
        }
    }

    /// Invalidates everything and frees the memory that it took. Whether there was anything.
    pub fn clear(&self) -> bool {
        let any = self.invalidate(&Dep::everything());
        self.0.memory.clear();
        any
    }

    /// Lets `listener` hear of every invalidation from now on. Only the first one does: whether this is it.
    pub fn listen(&self, listener: Arc<dyn Listener>) -> bool {
        self.0.listener.set(listener).is_ok()
    }

    fn tell(&self, change: Change<'_>) {
        if let Some(listener) = self.0.listener.get() {
            listener.invalidated(change);
        }
    }
}
