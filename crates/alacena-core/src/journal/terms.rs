//! What goes into the machine of the journal, and what comes out of it.

use std::collections::BTreeSet;

use super::Removal;
use crate::tier::{EntryName, MarkerId};

/// How much may be owed to one shard before records are no longer told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Records in the journal, 10,000. At it, only [`Removal::Whole`] is appended, and takes the place of the others.
    pub records: usize,
    /// Records of [`Removal::Whole`] beyond it, 1,000: for those who ask while the first is being written, and where the
    /// journal can append and not remove.
    pub spare: usize,
    /// Removals of all records together, and of those in memory, 100,000. About 100 bytes of memory each, twice that for
    /// one of an entry, which says what its key is called.
    pub removals: usize,
    /// Removals of one batch, 512.
    pub batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: 10_000, spare: 1_000, removals: 100_000, batch: 512 }
    }
}

/// Names a record in its backlog, from before it has its place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How far an invalidation has gone that could not be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deferred {
    /// It is in memory: it is applied as soon as the shard is back, unless this process ends before.
    Volatile,
    /// It is on disk: it is applied as soon as the shard is back, by the next process if need be.
    Durable,
}

impl Deferred {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Deferred::Volatile => "deferred-volatile",
            Deferred::Durable => "deferred",
        }
    }
}

/// What is to be done for an invalidation before its caller is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Deferral {
    /// Answer so: nothing has to be written.
    Done(Deferred),
    /// Wait for the end of this append, which somebody else has asked for, and answer the same.
    Join(Ticket),
    /// Append a record with these removals, then tell [`Backlog::appended`](super::Backlog::appended).
    Append(Ticket, BTreeSet<Removal>),
}

/// What the shard is to remove in one step of the drain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Batch {
    /// Whether it is [`Removal::Whole`]; then the rest is empty.
    pub whole: bool,
    /// The markers.
    pub markers: Vec<MarkerId>,
    /// The entries.
    pub entries: Vec<EntryName>,
}

impl Batch {
    pub(super) fn of(removals: BTreeSet<Removal>) -> Self {
        let mut batch = Self::default();
        for removal in removals {
            match removal {
                Removal::Whole => batch.whole = true,
                Removal::Marker(marker) => batch.markers.push(marker),
                Removal::Entry(entry) => batch.entries.push(entry),
            }
        }
        batch
    }
}
