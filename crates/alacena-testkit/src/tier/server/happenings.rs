//! What happens to a server without a node having asked for it.

use alacena_core::tier::Era;

use super::{Change, Name, Replica, Server, Write, data::Data};

impl Server {
    /// Evicts something, as a full server may. Whether it was there.
    pub fn evict(&mut self, name: Name) -> bool {
        let there = self.data.get(&name).is_some();
        self.remove(name);
        there
    }

    /// Removes what has expired by now, as a server does when it comes by.
    pub fn expire(&mut self, now: u64) {
        let expired: Vec<Name> =
            self.data.iter().filter(|(_, item)| item.ends <= now).map(|(name, _)| name).collect();
        for name in expired {
            self.remove(name);
        }
    }

    /// Removes everything.
    pub fn flush(&mut self) {
        self.changes.push(Change::Everything);
        self.data.clear();
        if let Some(replica) = &mut self.replica {
            replica.behind.push_back(Write::Flush);
        }
    }

    /// From now on there is, or is not, memory for anything new.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Whether there is a replica.
    #[must_use]
    pub const fn has_replica(&self) -> bool {
        self.replica.is_some()
    }

    /// How many writes have not arrived at the replica.
    #[must_use]
    pub fn behind(&self) -> usize {
        self.replica.as_ref().map_or(0, |replica| replica.behind.len())
    }

    /// So many writes arrive at the replica, at most.
    pub fn replicate(&mut self, writes: usize) {
        let Some(Replica { data, behind, .. }) = &mut self.replica else { return };
        for write in behind.drain(..writes.min(behind.len())) {
            match write {
                Write::Put(name, item) => data.put(name, item),
                Write::Flush => data.clear(),
            }
        }
    }

    /// From now on the replica counts as behind, or as one that is not.
    pub fn set_replica_lost(&mut self, lost: bool) {
        if let Some(replica) = &mut self.replica {
            replica.lost = lost;
        }
    }

    /// The replica becomes the primary, of this era; what has not arrived there never happened. What was the primary
    /// becomes the replica, and has the same. Nobody is told. Without a replica: nothing.
    pub fn promote(&mut self, era: Era) {
        let Some(replica) = &self.replica else { return };
        let data = replica.data.clone();
        self.begin_anew(era, data);
    }

    /// The server starts again, as one of this era, with its data or without. Nobody is told: all connections are gone.
    pub fn restart(&mut self, era: Era, keeps: bool) {
        let data = if keeps { self.data.clone() } else { Data::default() };
        self.begin_anew(era, data);
    }

    /// The server is a replica of another from now on: it answers what reads, and refuses the rest.
    pub fn demote(&mut self) {
        self.primary = false;
    }

    fn begin_anew(&mut self, era: Era, data: Data) {
        debug_assert!(era != self.era, "an era never comes back");
        if let Some(replica) = &mut self.replica {
            *replica = Replica { data: data.clone(), ..Replica::default() };
        }
        (self.era, self.primary, self.data) = (era, true, data);
        self.changes.clear();
    }
}
