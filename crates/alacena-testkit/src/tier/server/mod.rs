//! What one server of a second tier does, as a plain value: no time, no tasks, no chance of its own.
//!
//! Every step of [`Shard`](alacena_core::tier::Shard) is one function here that takes the server from one state to the
//! next; so is everything that happens to a server by itself: eviction, expiry, replication, promotion. What it would tell
//! those who listen is collected as [`Change`]s, to be taken after each step.
//!
//! *Where things may differ from a real server, they are as bad as a real one can be*: it notices that something has
//! expired only when it looks, and tells of a marker that lives longer as of one that has gone.

mod data;
mod happenings;
mod steps;

pub use data::{Item, Name};
pub use steps::{Refusal, Started};

use std::collections::VecDeque;

use alacena_core::tier::{EntryId, Era, MarkerId};
use data::Data;

/// One primary with at most one replica.
///
/// ```
/// use alacena_core::tier::{Era, MarkerId, Nonce};
/// use alacena_testkit::tier::{Change, Server};
///
/// let (era, marker) = (Era(1), MarkerId::Dep(7));
/// let mut server = Server::new(era);
/// let nonce = Nonce { era, random: 42 };
/// assert_eq!(server.mint(era, &[(marker, nonce)], 1_000, 0), Ok(vec![nonce]));
/// server.invalidate(&[marker]).unwrap();
/// assert_eq!(server.markers(&[marker], 2), [None]);
/// assert_eq!(server.take_changes(), [Change::Marker(marker); 2]); // it came, it went
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    era: Era,
    primary: bool,
    full: bool,
    data: Data,
    replica: Option<Replica>,
    changes: Vec<Change>,
}

/// What else has a copy, and what has not arrived there yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Replica {
    data: Data,
    behind: VecDeque<Write>,
    lost: bool,
}

/// What a primary sends to its replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Write {
    Put(Name, Option<Item>),
    Flush,
}

/// What a server tells those who listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Everything has gone.
    Everything,
    /// This marker has come, gone, or got more time.
    Marker(MarkerId),
    /// This entry or its lease has.
    Entry(EntryId),
}

impl Server {
    /// An empty primary of this era, without a replica.
    #[must_use]
    pub fn new(era: Era) -> Self {
        Self { era, primary: true, full: false, data: Data::default(), replica: None, changes: Vec::new() }
    }

    /// The same with a replica, which has everything so far. Nothing arrives there by itself: see
    /// [`replicate`](Server::replicate).
    #[must_use]
    pub fn with_replica(mut self) -> Self {
        self.replica = Some(Replica { data: self.data.clone(), ..Replica::default() });
        self
    }

    /// Its era.
    #[must_use]
    pub const fn era(&self) -> Era {
        self.era
    }

    /// Everything that is kept, in the order of its names, and also what has expired without having been noticed.
    pub fn kept(&self) -> impl Iterator<Item = (Name, &Item)> {
        self.data.iter()
    }

    /// What it has to tell since this was last asked, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What is kept under a name. What has expired goes at this moment, and is told of.
    fn read(&mut self, name: &Name, now: u64) -> Option<&Item> {
        if self.data.get(name).is_some_and(|item| item.ends <= now) {
            self.write(name.clone(), None);
        }
        self.data.get(name)
    }

    fn remove(&mut self, name: Name) {
        if self.data.get(&name).is_some() {
            self.write(name, None);
        }
    }

    fn write(&mut self, name: Name, item: Option<Item>) {
        self.changes.push(match &name {
            Name::Marker(marker) => Change::Marker(*marker),
            Name::Entry(entry) => Change::Entry(entry.id()),
            Name::Lease(entry) => Change::Entry(*entry),
        });
        if let Some(replica) = &mut self.replica {
            replica.behind.push_back(Write::Put(name.clone(), item.clone()));
        }
        self.data.put(name, item);
    }
}
