//! What one shard is still owed, step by step. No locks, no disk, no clock.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    RecordId, Removal,
    terms::{Batch, Deferral, Deferred, Limits, Ticket},
    volatile::Volatile,
};

/// What one shard is still owed.
///
/// *A record that is under way covers nothing new.* An invalidation whose removals all wait in the journal already needs
/// no record of its own. But only while they wait: of a batch that was sent nobody knows when the shard has done it.
///
/// ```text
///   this node                       shard                       another node
///   sends: remove m            →    removes m
///                                                               m is missing: mints it, asks the source → old
///   the source changes
///   invalidates m, no answer:
///   “m is under way already”
///                              ←    (the answer, late)          stores old, with the new m
///   acknowledged: nothing is owed.                              serves old, as fresh
/// ```
///
/// *A record that others may remove covers nothing at all.* Where several nodes write into one journal, each brings to the
/// shard what it finds there, and removes it. So no record, not even one's own, is known to be there still, and every
/// invalidation gets one of its own ([`Backlog::shared`]).
///
/// ```text
///   this node                       another node                shard
///   m is owed, record 1
///                                   finds record 1:
///                                   remove m               →    removes m
///   the source changes
///   invalidates m, no answer:
///   “record 1 waits”
///   ← deferred                      ← done: removes record 1
///   is killed                       nobody knows of it any more
/// ```
///
/// *Open once nothing is owed.* What is owed includes what is being appended, and what is under way. What comes in while
/// the last batch is under way keeps the gate shut:
///
/// ```text
///   caller A                        drain                       reader
///                                   sends the last batch
///   invalidates m, no answer
///   appends it
///   ← deferred
///                                   ← acknowledged
///                                   m is owed: not open         goes without the shard
/// ```
///
/// ```
/// use alacena_core::{journal::{Backlog, Deferral, Deferred, Limits, Removal}, tier::MarkerId};
/// use std::collections::BTreeSet;
///
/// let mut backlog = Backlog::new(Limits::default());
/// assert!(!backlog.is_open()); // who knows what an earlier process left?
/// backlog.found([]);
/// assert!(backlog.is_open());
///
/// let removals = BTreeSet::from([Removal::Marker(MarkerId::Dep(42))]);
/// let Deferral::Append(ticket, _) = backlog.defer(removals.clone(), 0) else { panic!("it is the first") };
/// assert_eq!(backlog.appended(ticket, Some(7)), Deferred::Durable);
/// assert_eq!(backlog.defer(removals, 0), Deferral::Done(Deferred::Durable)); // it says the same
/// assert!(!backlog.is_open());
///
/// assert_eq!(backlog.send().unwrap().markers, [MarkerId::Dep(42)]);
/// backlog.acknowledged();
/// assert!(backlog.is_open());
/// assert_eq!(backlog.removable(), [7]); // and not before
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backlog {
    limits: Limits,
    /// Whether others remove records, too.
    is_shared: bool,
    /// Whether it is known what an earlier process left.
    is_found: bool,
    next: Ticket,
    /// The records that have not been acknowledged.
    owed: BTreeMap<Ticket, Owed>,
    /// How many removals they have.
    removals: usize,
    /// Of each removal that no batch holds, a record of [`owed`](Backlog::owed) that will bring it.
    waiting: BTreeMap<Removal, Ticket>,
    /// What no record holds, for the journal refused it.
    volatile: Volatile,
    is_sending: bool,
    /// Records that have been acknowledged, and are still in the journal.
    applied: BTreeSet<RecordId>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Owed {
    removals: Vec<Removal>,
    at: u64,
    /// Its place in the journal; `None` while it is being appended. Nothing of it is sent before.
    id: Option<RecordId>,
    /// How many of the removals have been acknowledged, and how many sent.
    acknowledged: usize,
    sent: usize,
}

impl Backlog {
    /// The backlog of a shard at the start of the process, in a journal that is all its own.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            is_shared: false,
            is_found: false,
            next: Ticket::default(),
            owed: BTreeMap::new(),
            removals: 0,
            waiting: BTreeMap::new(),
            volatile: Volatile::default(),
            is_sending: false,
            applied: BTreeSet::new(),
        }
    }

    /// The backlog of a shard at the start of the process, in a journal that other nodes write into as well.
    #[must_use]
    pub fn shared(limits: Limits) -> Self {
        Self { is_shared: true, ..Self::new(limits) }
    }

    /// Whether this node may read what lies on the shard: nothing is owed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_found && self.owed.is_empty() && self.volatile.is_empty()
    }

    /// Takes what was found in the journal: the number, the removals and the time of each record. At the start of the
    /// process, and again where others write into the same journal. Records that are known are passed over; so no append
    /// of this node may lie in the journal by then whose end has not been told: it would be taken for somebody else's,
    /// and removed as such.
    pub fn found(&mut self, records: impl IntoIterator<Item = (RecordId, BTreeSet<Removal>, u64)>) {
        let mut known: BTreeSet<RecordId> = self.owed.values().filter_map(|owed| owed.id).collect();
        known.extend(&self.applied);
        for (id, removals, at) in records {
            if removals.is_empty() {
                self.applied.insert(id);
            } else if known.insert(id) {
                self.owe(removals, at, Some(id));
            }
        }
        self.is_found = true;
    }

    /// The shard could not be told to do this, asked for at `at`. The gate is shut from here on.
    pub fn defer(&mut self, removals: BTreeSet<Removal>, at: u64) -> Deferral {
        if let Some(covered) = self.covered(&removals) {
            return covered;
        }
        let stored = self.owed.len() + self.applied.len();
        let fits = stored < self.limits.records && self.removals + removals.len() <= self.limits.removals;
        let removals = if fits { simplest(removals) } else { BTreeSet::from([Removal::Whole]) };
        if stored >= self.limits.records + self.limits.spare {
            self.hold(removals, at);
            return Deferral::Done(Deferred::Volatile);
        }
        Deferral::Append(self.owe(removals.clone(), at, None), removals)
    }

    /// The append has ended: with a place in the journal, or without. What those who wait for it are told.
    pub fn appended(&mut self, ticket: Ticket, id: Option<RecordId>) -> Deferred {
        if let Some(id) = id {
            self.owed.get_mut(&ticket).expect("nothing ends an append twice").id = Some(id);
            self.make_room(ticket);
            return Deferred::Durable;
        }
        let owed = self.owed.remove(&ticket).expect("nothing ends an append twice");
        self.removals -= owed.removals.len();
        for removal in &owed.removals {
            if self.waiting.get(removal) == Some(&ticket) {
                self.waiting.remove(removal);
            }
        }
        self.hold(owed.removals.into_iter().collect(), owed.at);
        Deferred::Volatile
    }

    /// The next batch for the shard; `None` while one is under way, and where nothing waits. To be followed by
    /// [`acknowledged`](Backlog::acknowledged) or [`failed`](Backlog::failed).
    pub fn send(&mut self) -> Option<Batch> {
        if self.is_sending {
            return None;
        }
        let removals = if self.has_whole() { self.take_all() } else { self.take_some() };
        self.is_sending = !removals.is_empty();
        self.is_sending.then(|| Batch::of(removals))
    }

    /// The shard has done all of the batch.
    pub fn acknowledged(&mut self) {
        self.is_sending = false;
        self.volatile.acknowledged();
        let (applied, removals) = (&mut self.applied, &mut self.removals);
        self.owed.retain(|_, owed| {
            owed.acknowledged = owed.sent;
            let Some(id) = owed.id.filter(|_| owed.acknowledged == owed.removals.len()) else { return true };
            applied.insert(id);
            *removals -= owed.removals.len();
            false
        });
    }

    /// The shard has not done the batch, or perhaps it has: it is sent again.
    pub fn failed(&mut self) {
        self.is_sending = false;
        self.volatile.failed();
        for (ticket, owed) in &mut self.owed {
            for removal in &owed.removals[owed.acknowledged..owed.sent] {
                self.waiting.entry(removal.clone()).or_insert(*ticket);
            }
            owed.sent = owed.acknowledged;
        }
    }

    /// The records that the journal need not keep any longer.
    #[must_use]
    pub fn removable(&self) -> Vec<RecordId> {
        self.applied.iter().copied().collect()
    }

    /// The journal has removed them.
    pub fn removed(&mut self, records: &[RecordId]) {
        for id in records {
            self.applied.remove(id);
        }
    }

    /// Records that have not been acknowledged, and removals that are in memory only.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.owed.len(), self.volatile.waiting.len() + self.volatile.sent.len())
    }

    /// When the oldest of what is owed was asked for, in milliseconds since 1970.
    #[must_use]
    pub fn oldest_at(&self) -> Option<u64> {
        self.owed.values().map(|owed| owed.at).chain(self.volatile.since).min()
    }

    /// What is answered to an invalidation whose removals all wait in records already; `None` where it needs one.
    fn covered(&self, removals: &BTreeSet<Removal>) -> Option<Deferral> {
        if self.is_shared && !removals.is_empty() {
            return None;
        }
        let tickets: BTreeSet<Ticket> = match self.waiting.get(&Removal::Whole) {
            Some(whole) => BTreeSet::from([*whole]),
            None => {
                removals.iter().map(|removal| self.waiting.get(removal).copied()).collect::<Option<_>>()?
            }
        };
        let mut appending = tickets.iter().filter(|ticket| self.owed[ticket].id.is_none());
        match (appending.next(), appending.next()) {
            (None, _) => Some(Deferral::Done(Deferred::Durable)),
            (Some(ticket), None) => Some(Deferral::Join(*ticket)),
            // Rather one record too many than a caller who waits for several.
            (Some(_), Some(_)) => None,
        }
    }

    fn owe(&mut self, removals: BTreeSet<Removal>, at: u64, id: Option<RecordId>) -> Ticket {
        let ticket = self.next;
        self.next.0 += 1;
        let removals: Vec<Removal> = simplest(removals).into_iter().collect();
        self.waiting.extend(removals.iter().map(|removal| (removal.clone(), ticket)));
        self.removals += removals.len();
        self.owed.insert(ticket, Owed { removals, at, id, acknowledged: 0, sent: 0 });
        ticket
    }

    /// Lets a record that stands for everything, and is on disk, take the place of all that wait and are older. Whoever
    /// removes it, having done it, has done them: they were asked for before it was written. A younger one may have been
    /// asked for after somebody else has done it.
    fn make_room(&mut self, ticket: Ticket) {
        if self.owed[&ticket].removals != [Removal::Whole] {
            return;
        }
        let mut oldest = self.volatile.take_waiting();
        let (applied, removals) = (&mut self.applied, &mut self.removals);
        self.owed.retain(|other, owed| {
            let is_under_way = owed.sent > owed.acknowledged;
            let Some(id) = owed.id.filter(|_| *other < ticket && !is_under_way) else { return true };
            applied.insert(id);
            *removals -= owed.removals.len();
            oldest = oldest.into_iter().chain([owed.at]).min();
            false
        });
        let owed = self.owed.get_mut(&ticket).expect("it has just been looked at");
        owed.at = oldest.map_or(owed.at, |at| at.min(owed.at));
        let owed = &self.owed;
        self.waiting.retain(|_, ticket| owed.contains_key(ticket));
    }

    /// Keeps in memory what the journal does not take.
    fn hold(&mut self, removals: BTreeSet<Removal>, at: u64) {
        let waiting = &mut self.volatile.waiting;
        waiting.extend(removals);
        if waiting.contains(&Removal::Whole) || waiting.len() > self.limits.removals {
            *waiting = BTreeSet::from([Removal::Whole]);
        }
        self.volatile.since.get_or_insert(at);
    }

    /// Whether one removal could be sent that stands for all others.
    fn has_whole(&self) -> bool {
        let waits = |owed: &Owed| owed.id.is_some() && owed.sent == 0 && owed.removals[0] == Removal::Whole;
        self.volatile.waiting.contains(&Removal::Whole) || self.owed.values().any(waits)
    }

    /// One removal stands for all that waits.
    fn take_all(&mut self) -> BTreeSet<Removal> {
        self.volatile.sent = std::mem::take(&mut self.volatile.waiting);
        for owed in self.owed.values_mut().filter(|owed| owed.id.is_some()) {
            owed.sent = owed.removals.len();
        }
        let owed = &self.owed;
        self.waiting.retain(|_, ticket| owed[ticket].id.is_none());
        BTreeSet::from([Removal::Whole])
    }

    /// As much as a batch holds: what is in memory, then records from the oldest on.
    fn take_some(&mut self) -> BTreeSet<Removal> {
        let mut taken = BTreeSet::new();
        while taken.len() < self.limits.batch
            && let Some(removal) = self.volatile.waiting.pop_first()
        {
            self.volatile.sent.insert(removal.clone());
            taken.insert(removal);
        }
        for (ticket, owed) in self.owed.iter_mut().filter(|(_, owed)| owed.id.is_some()) {
            while let Some(removal) = owed.removals.get(owed.sent) {
                if taken.len() >= self.limits.batch && !taken.contains(removal) {
                    return taken;
                }
                taken.insert(removal.clone());
                owed.sent += 1;
                if self.waiting.get(removal) == Some(ticket) {
                    self.waiting.remove(removal);
                }
            }
        }
        taken
    }
}

/// What stands for everything needs nothing beside it.
fn simplest(removals: BTreeSet<Removal>) -> BTreeSet<Removal> {
    if removals.contains(&Removal::Whole) { BTreeSet::from([Removal::Whole]) } else { removals }
}
