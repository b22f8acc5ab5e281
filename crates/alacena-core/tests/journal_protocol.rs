//! The journal's machine against a world that does its worst: nothing is lost, and nothing is read too early.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use alacena_core::{
    journal::{Backlog, Batch, Deferral, Deferred, Limits, RecordId, Removal, Ticket},
    tier::{EntryId, MarkerId},
};
use proptest::prelude::*;

type Removals = BTreeSet<Removal>;

const LIMITS: Limits = Limits { records: 4, spare: 3, removals: 8, batch: 2 };
/// Records that the journal may hold: the limit, and those that stand for everything.
const STORED_MAX: u64 = 4 + 3;

fn marker(number: u128) -> Removal {
    Removal::Marker(MarkerId::Dep(number))
}

fn removals(numbers: impl IntoIterator<Item = u128>) -> Removals {
    numbers.into_iter().map(marker).collect()
}

/// An invalidation, and what its caller has been told.
struct Asked {
    at: u64,
    removals: Removals,
    told: Option<Deferred>,
    /// Whether it was asked of this node.
    is_ours: bool,
}

/// An append under way.
struct Append {
    ticket: Ticket,
    record: Removals,
    /// Its place on disk, where it has one already and nobody has heard of it.
    id: Option<RecordId>,
    /// The invalidations that wait for it.
    waiting: Vec<usize>,
}

/// One node, its disk and its shard.
struct World {
    /// Whether others write into the journal and remove what they have applied.
    is_shared: bool,
    /// Records that others have had done and have not removed.
    applied_by_others: BTreeSet<RecordId>,
    backlog: Backlog,
    now: u64,
    disk: BTreeMap<RecordId, (Removals, u64)>,
    next_record: RecordId,
    /// Records that others have written.
    others: u64,
    asked: Vec<Asked>,
    appends: Vec<Append>,
    /// The batch under way, and when the shard did it: at once, which helps least.
    sent: Option<(Batch, u64)>,
    /// What the shard has done last, and acknowledged.
    done: BTreeMap<Removal, u64>,
}

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    Defer(BTreeSet<u128>),
    /// One of the appends under way is on disk; its end is heard of later.
    Written(prop::sample::Index),
    /// Somebody else, who shares the journal, has written this down.
    Others(BTreeSet<u128>),
    /// Somebody else, who has found one of the records, has it done by the shard.
    TheyApply(prop::sample::Index),
    /// And removes what it has.
    TheyRemove,
    /// The journal is looked into again.
    Look,
    /// One of the appends under way ends, well or not.
    Appended(prop::sample::Index, bool),
    Send,
    Answered(bool),
    /// The journal removes what it need not keep.
    Removed,
    /// The process is killed and another one starts; whether what was being appended is on disk.
    Crash(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => prop::collection::btree_set(0..6_u128, 1..4).prop_map(Event::Defer),
        4 => (any::<prop::sample::Index>(), prop::bool::weighted(0.8)).prop_map(|(which, well)| Event::Appended(which, well)),
        2 => any::<prop::sample::Index>().prop_map(Event::Written),
        1 => prop::collection::btree_set(0..6_u128, 1..4).prop_map(Event::Others),
        2 => any::<prop::sample::Index>().prop_map(Event::TheyApply),
        2 => Just(Event::TheyRemove),
        1 => Just(Event::Look),
        4 => Just(Event::Send),
        4 => any::<bool>().prop_map(Event::Answered),
        2 => Just(Event::Removed),
        1 => any::<bool>().prop_map(Event::Crash),
    ]
}

impl World {
    fn new(is_shared: bool) -> Self {
        let mut world = Self {
            is_shared,
            applied_by_others: BTreeSet::new(),
            backlog: backlog(is_shared),
            now: 0,
            disk: BTreeMap::new(),
            next_record: 0,
            others: 0,
            asked: Vec::new(),
            appends: Vec::new(),
            sent: None,
            done: BTreeMap::new(),
        };
        world.look();
        world
    }

    fn happens(&mut self, event: Event) {
        self.now += 1;
        match event {
            Event::Defer(numbers) => self.defer(removals(numbers)),
            Event::Appended(which, well) if !self.appends.is_empty() => {
                self.appended(which.index(self.appends.len()), well);
            }
            Event::Written(which) if !self.appends.is_empty() => {
                let which = which.index(self.appends.len());
                if self.appends[which].id.is_none() {
                    self.appends[which].id = Some(self.write(self.appends[which].record.clone()));
                }
            }
            Event::Others(numbers) if self.is_shared => {
                let removals = removals(numbers);
                self.write(removals.clone());
                self.others += 1;
                let told = Some(Deferred::Durable);
                self.asked.push(Asked { at: self.now, removals, told, is_ours: false });
            }
            Event::TheyApply(which) if self.is_shared && !self.disk.is_empty() => {
                let (id, (record, _)) = self.disk.iter().nth(which.index(self.disk.len())).unwrap();
                self.applied_by_others.insert(*id);
                let record = record.clone();
                self.done(record, self.now);
            }
            Event::TheyRemove => {
                self.disk.retain(|id, _| !self.applied_by_others.contains(id));
                self.applied_by_others.clear();
            }
            // What is on disk and not known to be is taken for somebody else's.
            Event::Look if self.is_shared && self.appends.iter().all(|append| append.id.is_none()) => {
                self.look()
            }
            Event::Send => {
                if let Some(batch) = self.backlog.send() {
                    assert!(self.sent.is_none(), "one at a time");
                    assert!(batch.markers.len() + batch.entries.len() <= LIMITS.batch);
                    self.sent = Some((batch, self.now));
                }
            }
            Event::Answered(well) => self.answered(well),
            Event::Removed => {
                let removable = self.backlog.removable();
                self.disk.retain(|id, _| !removable.contains(id));
                self.backlog.removed(&removable);
            }
            Event::Crash(appended) => self.crash(appended),
            _ => {}
        }
    }

    fn defer(&mut self, removals: Removals) {
        let told = match self.backlog.defer(removals.clone(), self.now) {
            Deferral::Done(deferred) => Some(deferred),
            Deferral::Join(ticket) => {
                let append = self.appends.iter_mut().find(|append| append.ticket == ticket).unwrap();
                append.waiting.push(self.asked.len());
                None
            }
            Deferral::Append(ticket, record) => {
                self.appends.push(Append { ticket, record, id: None, waiting: vec![self.asked.len()] });
                None
            }
        };
        self.asked.push(Asked { at: self.now, removals, told, is_ours: true });
    }

    fn appended(&mut self, which: usize, well: bool) {
        let Append { ticket, record, id, waiting } = self.appends.swap_remove(which);
        let id = id.or_else(|| well.then(|| self.write(record)));
        let told = self.backlog.appended(ticket, id);
        for asked in waiting {
            self.asked[asked].told = Some(told);
        }
    }

    fn write(&mut self, record: Removals) -> RecordId {
        self.next_record += 1;
        self.disk.insert(self.next_record, (record, self.now));
        self.next_record
    }

    fn answered(&mut self, well: bool) {
        let Some((batch, at)) = self.sent.take() else { return };
        if !well {
            self.backlog.failed();
            return;
        }
        self.backlog.acknowledged();
        let markers = batch.markers.into_iter().map(Removal::Marker);
        let done = markers.chain(batch.entries.into_iter().map(Removal::Entry));
        self.done(done.chain(batch.whole.then_some(Removal::Whole)).collect(), at);
    }

    /// The shard has done this at that time, and acknowledged it.
    fn done(&mut self, removals: Removals, at: u64) {
        for removal in removals {
            let last = self.done.entry(removal).or_default();
            *last = at.max(*last);
        }
    }

    fn crash(&mut self, appended: bool) {
        for append in std::mem::take(&mut self.appends) {
            if appended && append.id.is_none() {
                self.write(append.record);
            }
        }
        self.sent = None;
        // Whoever was told nothing, or was told that it was in memory only, has been promised nothing.
        self.asked.retain(|asked| asked.told == Some(Deferred::Durable));
        self.backlog = backlog(self.is_shared);
        assert!(!self.backlog.is_open(), "nobody has looked at what was left");
        self.look();
    }

    fn look(&mut self) {
        self.backlog.found(self.disk.iter().map(|(id, (record, at))| (*id, record.clone(), *at)));
    }

    /// What the shard has not acknowledged to have done after this was asked for.
    fn owed<'a>(&'a self, asked: &'a Asked) -> impl Iterator<Item = &'a Removal> {
        let since = |removal| self.done.get(removal).is_some_and(|at| *at > asked.at);
        asked.removals.iter().filter(move |removal| !since(&Removal::Whole) && !since(removal))
    }

    fn check(&self) {
        assert!(self.disk.len() as u64 <= STORED_MAX + self.others, "the journal is bounded");
        let written: Removals = self.disk.values().flat_map(|(record, _)| record).cloned().collect();
        for asked in &self.asked {
            for removal in self.owed(asked) {
                assert!(!asked.is_ours || !self.backlog.is_open(), "open while {removal:?} is owed");
                let is_written = written.contains(&Removal::Whole) || written.contains(removal);
                assert!(asked.told != Some(Deferred::Durable) || is_written, "forgotten: {removal:?}");
            }
        }
    }
}

fn backlog(is_shared: bool) -> Backlog {
    if is_shared { Backlog::shared(LIMITS) } else { Backlog::new(LIMITS) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_forgotten_or_read_too_early_and_in_the_end_nothing_is_owed(
        is_shared: bool,
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut world = World::new(is_shared);
        for event in events {
            world.happens(event);
            world.check();
        }
        while !world.appends.is_empty() {
            world.appended(0, true);
        }
        world.answered(false);
        world.happens(Event::Look);
        for _ in 0..300 {
            if world.backlog.is_open() {
                break;
            }
            world.happens(Event::Send);
            world.happens(Event::Answered(true));
            world.check();
        }
        world.happens(Event::Removed);
        prop_assert!(world.backlog.is_open());
        prop_assert!(world.disk.is_empty());
        prop_assert_eq!(world.backlog.count(), (0, 0));
        prop_assert_eq!(world.backlog.oldest_at(), None);
    }
}

fn found(records: impl IntoIterator<Item = (RecordId, Removals)>) -> Backlog {
    let mut backlog = Backlog::new(LIMITS);
    backlog.found(records.into_iter().map(|(id, removals)| (id, removals, id)));
    backlog
}

fn append(backlog: &mut Backlog, removals: Removals, id: Option<RecordId>) -> Deferred {
    let Deferral::Append(ticket, _) = backlog.defer(removals, 0) else { panic!("it is appended") };
    backlog.appended(ticket, id)
}

#[test]
fn one_record_that_stands_for_all_takes_the_place_of_those_of_a_full_journal() {
    let mut backlog = found((1..=4).map(|id| (id, removals([id.into()]))));
    let Deferral::Append(ticket, whole) = backlog.defer(removals([9]), 90) else { panic!("it is appended") };
    assert_eq!(whole, BTreeSet::from([Removal::Whole]));
    // While it is being written, whoever comes waits for it; then nobody writes anything.
    assert_eq!(backlog.defer(removals([10]), 0), Deferral::Join(ticket));
    assert_eq!(backlog.removable(), Vec::<RecordId>::new(), "it is not written");
    assert_eq!(backlog.appended(ticket, Some(5)), Deferred::Durable);
    assert_eq!(backlog.removable(), [1, 2, 3, 4]);
    assert_eq!(backlog.defer(removals([11]), 0), Deferral::Done(Deferred::Durable));
    assert_eq!(backlog.oldest_at(), Some(1), "it is as old as what it stands for");

    let whole = Batch { whole: true, ..Batch::default() };
    assert_eq!(backlog.send(), Some(whole.clone()), "one removal, for five records");
    backlog.failed();
    assert_eq!(backlog.send(), Some(whole));
    assert!(!backlog.is_open());
    backlog.acknowledged();
    assert!(backlog.is_open());
    assert_eq!(backlog.removable(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_record_under_way_keeps_its_place_in_a_full_journal() {
    let mut backlog = found((1..=4).map(|id| (id, removals([id.into()]))));
    backlog.send().unwrap();
    append(&mut backlog, removals([9]), Some(5));
    assert_eq!(backlog.removable(), [3, 4]);
    backlog.failed();
    assert_eq!(backlog.send().map(|batch| batch.whole), Some(true));
    backlog.acknowledged();
    assert!(backlog.is_open());
}

#[test]
fn where_others_remove_records_none_covers_another_invalidation() {
    let mut backlog = Backlog::shared(LIMITS);
    backlog.found([(1, removals([1]), 0)]);
    for id in 2..=4 {
        assert_eq!(append(&mut backlog, removals([1]), Some(id)), Deferred::Durable);
    }
    let Deferral::Append(first, _) = backlog.defer(removals([1]), 0) else { panic!("it is appended") };
    let Deferral::Append(second, _) = backlog.defer(removals([1]), 0) else { panic!("it is appended") };
    backlog.appended(first, Some(5));
    assert_eq!(backlog.removable(), [1, 2, 3, 4]);
    backlog.appended(second, Some(6));
    assert_eq!(backlog.removable(), [1, 2, 3, 4, 5]);
    backlog.removed(&[1, 2, 3, 4, 5]);
    let Deferral::Append(_, next) = backlog.defer(removals([1]), 0) else { panic!("it is appended") };
    assert_eq!(next, removals([1]), "there is room again");
}

#[test]
fn a_younger_record_does_not_give_way_to_an_older_one_that_others_may_have_done_before() {
    let mut backlog = Backlog::shared(LIMITS);
    backlog.found((1..=4).map(|id| (id, removals([1]), 0)));
    let Deferral::Append(older, _) = backlog.defer(removals([1]), 0) else { panic!("it is appended") };
    // It is on disk, somebody has it done; then this is asked for, and hears of its end first.
    assert_eq!(append(&mut backlog, removals([2]), Some(6)), Deferred::Durable);
    backlog.appended(older, Some(5));
    assert_eq!(backlog.removable(), [1, 2, 3, 4]);
}

#[test]
fn a_journal_that_removes_nothing_is_not_filled_for_ever() {
    let mut backlog = found([]);
    for round in 0..20 {
        let deferred = match backlog.defer(removals([1]), 0) {
            Deferral::Append(ticket, _) => backlog.appended(ticket, Some(round)),
            Deferral::Done(deferred) => deferred,
            Deferral::Join(_) => panic!("nothing is being appended"),
        };
        assert_eq!(deferred == Deferred::Durable, round < STORED_MAX, "{round}");
        backlog.send().unwrap();
        backlog.acknowledged();
    }
    assert_eq!(backlog.removable().len() as u64, STORED_MAX);
}

#[test]
fn one_invalidation_of_too_much_stands_for_everything_at_once() {
    let mut backlog = found([]);
    let Deferral::Append(_, record) = backlog.defer(removals(0..9), 0) else { panic!("it is appended") };
    assert_eq!(record, BTreeSet::from([Removal::Whole]));
}

#[test]
fn what_the_disk_refuses_is_said_and_kept_within_limits() {
    let mut backlog = found([]);
    for number in 0..100 {
        assert_eq!(append(&mut backlog, removals([number]), None), Deferred::Volatile);
        assert!(backlog.count().1 <= LIMITS.removals);
    }
    assert_eq!(backlog.send().map(|batch| batch.whole), Some(true));
    backlog.acknowledged();
    assert!(backlog.is_open());
    assert_eq!(backlog.removable(), Vec::<RecordId>::new());
}

#[test]
fn what_waits_in_memory_only_makes_nobody_durable() {
    let mut backlog = found([]);
    append(&mut backlog, removals([1]), None);
    assert_eq!(append(&mut backlog, removals([1]), Some(1)), Deferred::Durable, "the disk is asked again");
}

#[test]
fn an_invalidation_is_not_covered_by_one_that_is_under_way() {
    let mut backlog = found([(1, removals([1]))]);
    assert_eq!(backlog.defer(removals([1]), 0), Deferral::Done(Deferred::Durable));
    backlog.send().unwrap();
    append(&mut backlog, removals([1]), Some(2));
    backlog.acknowledged();
    assert!(!backlog.is_open());
    assert_eq!(backlog.removable(), [1]);
    assert_eq!(backlog.send().unwrap().markers, [MarkerId::Dep(1)]);
}

#[test]
fn what_was_left_is_drained_with_what_came_in_before_it_was_read() {
    let mut backlog = Backlog::new(LIMITS);
    append(&mut backlog, removals([1]), Some(7));
    backlog.send().unwrap();
    backlog.acknowledged();
    assert!(!backlog.is_open(), "nobody knows what was left");
    let entry = BTreeSet::from([Removal::Entry(EntryId(3).into())]);
    backlog.found([(7, removals([1]), 0), (8, entry, 0), (9, Removals::new(), 0)]);
    assert_eq!(backlog.send().unwrap().entries, [EntryId(3).into()], "and nothing twice");
    backlog.acknowledged();
    assert!(backlog.is_open());
    assert_eq!(backlog.removable(), [7, 8, 9]);
}

#[test]
fn a_long_record_goes_in_several_batches_and_stays_until_the_last() {
    let mut backlog = found([(1, removals(0..5)), (2, removals([0, 4]))]);
    let mut batches = Vec::new();
    while let Some(batch) = backlog.send() {
        assert_eq!(backlog.send(), None, "one at a time");
        assert!(!backlog.is_open() && backlog.removable().is_empty());
        backlog.acknowledged();
        batches.push(batch.markers.len());
    }
    assert_eq!(batches, [2, 2, 2]);
    assert_eq!(backlog.removable(), [1, 2]);
}

#[test]
fn the_age_is_that_of_the_oldest_that_is_owed() {
    let mut backlog = found([(5, removals([1])), (3, removals([2])), (9, removals([3]))]);
    assert_eq!(backlog.oldest_at(), Some(3));
    backlog.send().unwrap();
    assert_eq!(backlog.oldest_at(), Some(3), "it is not done");
    backlog.acknowledged();
    assert_eq!(backlog.oldest_at(), Some(9));
}
