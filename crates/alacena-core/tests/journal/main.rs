//! The drain of the journal on a runtime: what callers are told, when the shard is read again, and that nothing is
//! forgotten on the way.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod peers;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use alacena_core::{
    journal::{Deferred, Drain, DrainSettings, Journal, Limits, Record, Removal, ShardName},
    ledger::Target,
    runtime::Runtime,
    tier::{EntryId, MarkerId},
};
use alacena_testkit::{FakeRuntime, settle};
use futures_util::FutureExt;
use peers::{Disk, Mood, ScriptedShard};

/// The marker of the namespace.
const WHOLE: MarkerId = MarkerId::Dep(u128::MAX);

struct Node {
    runtime: Arc<FakeRuntime>,
    shard: Arc<ScriptedShard>,
    disk: Arc<Disk>,
    drain: Drain,
}

impl Node {
    /// A process that has just been started, on what others have left.
    fn on(disk: &Arc<Disk>, shard: &Arc<ScriptedShard>, limits: Limits) -> Self {
        let runtime = Arc::new(FakeRuntime::new(1));
        let settings = DrainSettings { shard: name(), whole: vec![WHOLE], limits };
        let drain = Drain::new(
            settings,
            Arc::<ScriptedShard>::clone(shard),
            Arc::<Disk>::clone(disk),
            Arc::<FakeRuntime>::clone(&runtime),
        );
        Self { runtime, shard: Arc::clone(shard), disk: Arc::clone(disk), drain }
    }

    /// A node that reads its shard.
    async fn open() -> Self {
        let node = Self::on(&Arc::default(), &Arc::default(), Limits::default());
        node.drain.start();
        node.drain.opened().await;
        node
    }

    async fn defer(&self, number: u128) -> Deferred {
        let target = [Target::Tag(format!("company:{number}"))];
        self.drain.defer(marker(number), "api", &target).await
    }

    async fn owed_on_disk(&self) -> Vec<Record> {
        let remaining = self.disk.remaining(&name()).await.unwrap();
        remaining.into_iter().map(|(_, record)| record).collect()
    }
}

fn name() -> ShardName {
    ShardName::new("redis")
}

fn marker(number: u128) -> BTreeSet<Removal> {
    BTreeSet::from([Removal::Marker(MarkerId::Dep(number))])
}

#[tokio::test]
async fn what_an_earlier_process_left_is_applied_before_the_shard_is_read() {
    let (disk, shard) = (Arc::<Disk>::default(), Arc::<ScriptedShard>::default());
    shard.turn(Mood::Down);
    let first = Node::on(&disk, &shard, Limits::default());
    first.drain.start();
    assert_eq!(first.defer(42).await, Deferred::Durable);
    drop(first); // As a kill does: it has closed nothing.

    shard.turn(Mood::Slow);
    let second = Node::on(&disk, &shard, Limits::default());
    assert!(!second.drain.is_open());
    second.drain.start();
    settle().await;
    assert!(!second.drain.is_open(), "the shard has not answered");
    assert_eq!(second.owed_on_disk().await.len(), 1);
    let figures = second.drain.figures();
    assert_eq!((figures.records, figures.oldest_at), (1, Some(second.runtime.unix_millis())));

    shard.turn(Mood::Up);
    second.drain.opened().await;
    assert!(shard.removed().contains(&Removal::Marker(MarkerId::Dep(42))));
    settle().await;
    assert!(second.owed_on_disk().await.is_empty());
}

#[tokio::test]
async fn in_an_outage_callers_hear_deferred_and_the_shard_is_tried_ever_more_seldom() {
    let node = Node::open().await;
    node.shard.turn(Mood::Down);
    assert_eq!(node.defer(1).await, Deferred::Durable);
    let kept = node.owed_on_disk().await.remove(0);
    assert_eq!((kept.who.as_str(), kept.targets), ("api", vec![Target::Tag("company:1".to_owned())]));
    assert!(!node.drain.is_open());

    settle().await;
    let before = node.shard.asked();
    node.runtime.advance(Duration::from_secs(60)).await;
    let tries = node.shard.asked() - before;
    // 12 of the longest pauses at least, 24 at most, after those that grow to it.
    assert!((14..40).contains(&tries), "{tries} in a minute");
    assert_eq!(node.drain.figures().failures, node.shard.asked());

    node.shard.turn(Mood::Up);
    node.drain.connected();
    node.drain.opened().await; // and nobody moves the clock
    assert_eq!(node.drain.figures().applied, 1);
}

#[tokio::test]
async fn what_comes_in_while_it_drains_is_drained_before_the_gate_opens() {
    let node = Node::open().await;
    node.shard.turn(Mood::Slow);
    node.defer(1).await;
    settle().await;
    assert_eq!(node.defer(2).await, Deferred::Durable);
    node.shard.answer_one().await;
    settle().await;
    assert_eq!(node.shard.removed(), marker(1));
    assert!(!node.drain.is_open(), "2 is owed");
    node.shard.answer_one().await;
    node.drain.opened().await;
    assert_eq!(node.shard.removed(), &marker(1) | &marker(2));
}

#[tokio::test]
async fn markers_and_entries_go_together_and_a_half_that_failed_is_sent_again() {
    let node = Node::open().await;
    node.shard.turn(Mood::EntriesFail);
    let both = &marker(1) | &BTreeSet::from([Removal::Entry(EntryId(7).into())]);
    node.drain.defer(both.clone(), "api", &[]).await;
    settle().await;
    assert!(!node.drain.is_open());
    assert_eq!(node.owed_on_disk().await.len(), 1);
    node.shard.turn(Mood::Up);
    node.drain.connected();
    node.drain.opened().await;
    assert_eq!(node.shard.removed(), both);
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_nothing() {
    let node = Node::open().await;
    node.disk.hold(true);
    assert!(node.defer(1).now_or_never().is_none());
    assert!(!node.drain.is_open(), "shut before it is written");
    settle().await;
    node.disk.hold(false);
    node.drain.opened().await;
    assert_eq!(node.shard.removed(), marker(1));
    settle().await;
    assert!(node.owed_on_disk().await.is_empty());
}

#[tokio::test]
async fn a_disk_that_refuses_or_panics_is_told_of_and_the_shard_hears_of_it_all_the_same() {
    let node = Node::open().await;
    node.shard.turn(Mood::Down);
    node.disk.fail(true);
    assert_eq!(node.defer(1).await, Deferred::Volatile);
    assert_eq!(Deferred::Volatile.as_str(), "deferred-volatile");
    node.disk.fail(false);
    node.disk.panic_once();
    assert_eq!(node.defer(2).await, Deferred::Volatile);
    assert_eq!(node.defer(3).await, Deferred::Durable, "and it is asked again");
    assert_eq!(node.drain.figures().volatile, 2);
    node.shard.turn(Mood::Up);
    node.drain.connected();
    node.drain.opened().await;
    assert_eq!(node.shard.removed(), (1..=3).flat_map(marker).collect());
}

#[tokio::test]
async fn without_a_disk_everything_is_volatile() {
    let node = Node::open().await;
    node.disk.forgets(true);
    node.shard.turn(Mood::Down);
    assert_eq!(node.defer(1).await, Deferred::Volatile);
    assert_eq!(node.defer(1).await, Deferred::Volatile);
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_keeps_the_gate_shut_and_keeps_nothing_from_the_shard() {
    let (disk, shard) = (Arc::<Disk>::default(), Arc::<ScriptedShard>::default());
    disk.fail(true);
    let node = Node::on(&disk, &shard, Limits::default());
    node.drain.start();
    settle().await;
    node.defer(1).await;
    node.runtime.advance(Duration::from_secs(10)).await;
    assert_eq!(shard.removed(), marker(1));
    assert!(!node.drain.is_open(), "nobody knows what was left");
    disk.fail(false);
    node.runtime.advance(Duration::from_secs(5)).await;
    assert!(node.drain.is_open());
}

#[tokio::test]
async fn a_record_that_stays_on_disk_costs_no_reader_anything() {
    let node = Node::open().await;
    node.disk.keep(true);
    node.defer(1).await;
    node.drain.opened().await;
    settle().await;
    assert_eq!(node.owed_on_disk().await.len(), 1);
    node.disk.keep(false);
    node.runtime.advance(Duration::from_secs(5)).await;
    assert!(node.owed_on_disk().await.is_empty());
    let asked = node.shard.asked();
    node.runtime.advance(Duration::from_secs(60)).await;
    assert_eq!(node.shard.asked(), asked, "an idle drain asks nobody anything");
}

#[tokio::test]
async fn a_burst_of_the_same_invalidation_is_written_once() {
    let node = Node::open().await;
    node.shard.turn(Mood::Down);
    node.defer(1).await;
    settle().await;
    let all = futures_util::future::join_all((0..100).map(|_| node.defer(1))).await;
    assert!(all.iter().all(|deferred| *deferred == Deferred::Durable));
    assert_eq!(node.owed_on_disk().await.len(), 1);

    node.disk.hold(true);
    let mut first = Box::pin(node.defer(2));
    let mut second = Box::pin(node.defer(2));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    settle().await;
    assert!(second.as_mut().now_or_never().is_none(), "told no earlier than the one who writes");
    node.disk.hold(false);
    assert_eq!((first.await, second.await), (Deferred::Durable, Deferred::Durable));
    assert_eq!(node.owed_on_disk().await.len(), 2);
}

#[tokio::test]
async fn what_one_node_owes_another_one_brings_where_they_share_a_journal() {
    let node = Node::open().await;
    node.disk.share();
    let cut_off = Node::on(&node.disk, &Arc::default(), Limits::default());
    cut_off.shard.turn(Mood::Down);
    cut_off.drain.start();
    node.drain.connected();
    settle().await;
    assert_eq!(cut_off.defer(1).await, Deferred::Durable);
    node.runtime.advance(Duration::from_secs(5)).await;
    assert_eq!(node.shard.removed(), marker(1));
    assert!(node.drain.is_open() && node.owed_on_disk().await.is_empty());

    assert!(!cut_off.drain.is_open(), "it cannot know");
    cut_off.shard.turn(Mood::Up);
    cut_off.drain.connected();
    cut_off.drain.opened().await;
    assert_eq!(cut_off.shard.removed(), marker(1), "once too often is never wrong");
}

#[tokio::test]
async fn a_full_journal_gives_up_the_whole_namespace() {
    for is_shared in [false, true] {
        let disk = Arc::<Disk>::default();
        if is_shared {
            disk.share();
        }
        let limits = Limits { records: 8, ..Limits::default() };
        let node = Node::on(&disk, &Arc::default(), limits);
        node.drain.start();
        node.drain.opened().await;
        node.shard.turn(Mood::Down);
        for number in 0..50 {
            assert_eq!(node.defer(number).await, Deferred::Durable);
            settle().await;
        }
        // Where others may remove it, each invalidation needs a record of its own, until there are too many again.
        assert_eq!(node.owed_on_disk().await.len(), if is_shared { 2 } else { 1 });
        node.shard.turn(Mood::Up);
        node.drain.connected();
        node.drain.opened().await;
        assert!(node.shard.removed().contains(&Removal::Marker(WHOLE)));
        settle().await;
        assert!(node.owed_on_disk().await.is_empty());
    }
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let node = Node::open().await;
    node.shard.turn(Mood::Down);
    for of in 0..12 {
        let hundred = (of * 100..(of + 1) * 100).flat_map(marker).collect();
        node.drain.defer(hundred, "api", &[]).await;
    }
    node.shard.turn(Mood::Up);
    node.drain.connected();
    node.drain.opened().await;
    assert_eq!(node.shard.removed().len(), 1_200);
    assert_eq!(node.shard.longest_batch(), 512);
}

#[tokio::test]
async fn closing_waits_for_the_batch_under_way_and_leaves_the_rest_in_the_journal() {
    let node = Node::open().await;
    node.shard.turn(Mood::Slow);
    node.defer(1).await;
    settle().await;
    node.defer(2).await;
    let mut close = Box::pin(node.drain.close());
    assert!(close.as_mut().now_or_never().is_none(), "the shard is being asked");
    node.shard.answer_one().await;
    close.await;
    node.drain.close().await;
    node.drain.start();
    settle().await;
    assert_eq!(node.shard.removed(), marker(1));
    assert_eq!(node.defer(3).await, Deferred::Durable);
    assert_eq!(node.owed_on_disk().await.len(), 2);

    let never = Node::on(&node.disk, &node.shard, Limits::default());
    never.drain.close().await; // before its start
    never.drain.start();
    settle().await;
    assert!(!never.drain.is_open());
}

#[tokio::test]
async fn once_nobody_holds_it_any_more_it_ends() {
    let node = Node::open().await;
    let other = node.drain.clone();
    drop(other);
    node.shard.turn(Mood::Down);
    node.defer(1).await;
    let Node { shard, disk, drain, runtime } = node;
    drop(drain);
    runtime.advance(Duration::from_secs(10)).await;
    assert_eq!((Arc::strong_count(&shard), Arc::strong_count(&disk)), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_on_many_threads_and_a_shard_that_comes_and_goes_lose_nothing() {
    let node = Arc::new(Node::open().await);
    let callers: Vec<_> = (0..8_u128)
        .map(|caller| {
            let node = Arc::clone(&node);
            spawn(async move {
                for number in 0..50 {
                    let mood = if number % 5 == caller % 5 { Mood::Down } else { Mood::Up };
                    node.shard.turn(mood);
                    // Half of them are told to everybody, half to nobody else.
                    let which = if number % 2 == 0 { number } else { caller * 1_000 + number };
                    assert_eq!(node.defer(which).await, Deferred::Durable);
                    node.drain.connected();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    node.shard.turn(Mood::Up);
    node.drain.connected();
    node.drain.opened().await;
    let odd = (0..8).flat_map(|caller| (1..50).step_by(2).map(move |number| caller * 1_000 + number));
    let expected: BTreeSet<Removal> = (0..50).step_by(2).chain(odd).flat_map(marker).collect();
    assert_eq!(node.shard.removed(), expected);
    node.drain.close().await;
    assert!(node.owed_on_disk().await.is_empty());
}

#[expect(clippy::disallowed_methods, reason = "Tokio runs the tests, so they give it their tasks")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}
