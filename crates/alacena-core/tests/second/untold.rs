//! Shards that do not tell of what changes, and those whose commands are paid for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    engine::{Level, Wish},
    error::Error,
    outcome::{Origin, Outcome, StaleReason},
    runtime::BoxFuture,
    tier::{
        Answer, Begin, Begun, Capabilities, Checked, Coherence, EntryId, EntryName, Era, Looked, MarkerId,
        Minted, Nonce, OUTAGE_MIN, Overwrite, Push, Shard, Store, Stored, Telling, UNTOLD_MAX, Watcher,
    },
};
use alacena_testkit::{settle, tier::FakeShard};
use futures_util::future::join;
use tokio::task::JoinHandle;

use crate::{
    nodes::World,
    support::{exact, number, on_one_thread, seconds},
};

/// A shard that tells of nothing that changes, however much is told to it, and counts what it is asked.
struct Untold {
    shard: FakeShard,
    asked: Arc<AtomicU64>,
    /// Whether a connection has to be brought about, and never comes.
    sleeps: bool,
}

struct Deaf {
    watcher: Arc<dyn Watcher>,
    shard: FakeShard,
}

impl Watcher for Deaf {
    fn connected(&self, era: Era) {
        self.watcher.connected(era);
    }

    fn lost(&self) {
        self.watcher.lost();
    }

    fn pushed(&self, push: Push) {
        if self.shard.capabilities().telling.is_any() {
            self.watcher.pushed(push);
        }
    }
}

impl Untold {
    fn asked(&self) -> &FakeShard {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &self.shard
    }
}

impl Shard for Untold {
    fn capabilities(&self) -> Capabilities {
        self.shard.capabilities()
    }

    fn rouse(&self) -> Option<Answer<'_, ()>> {
        self.sleeps.then(|| Box::pin(std::future::pending()) as Answer<'_, ()>)
    }

    fn era(&self) -> Option<Era> {
        self.shard.era()
    }

    fn server_millis(&self) -> u64 {
        self.shard.server_millis()
    }

    fn look(&self, entry: &EntryName, markers: &[MarkerId]) -> Answer<'_, Looked> {
        self.asked().look(entry, markers)
    }

    fn check(&self, markers: &[MarkerId]) -> Answer<'_, Checked> {
        self.asked().check(markers)
    }

    fn mint(&self, era: Era, markers: &[(MarkerId, Nonce)], keep: Duration) -> Answer<'_, Minted> {
        self.asked().mint(era, markers, keep)
    }

    fn begin(&self, load: Begin) -> Answer<'_, Begun> {
        self.asked().begin(load)
    }

    fn renew(&self, entry: EntryId, attempt: Nonce, lease: Duration) -> Answer<'_, bool> {
        self.asked().renew(entry, attempt, lease)
    }

    fn store(&self, store: Store) -> Answer<'_, Stored> {
        self.asked().store(store)
    }

    fn overwrite(&self, overwrite: Overwrite) -> Answer<'_, bool> {
        self.asked().overwrite(overwrite)
    }

    fn release(&self, entry: EntryId, attempt: Nonce, alone: Option<Duration>) -> Answer<'_, ()> {
        self.asked().release(entry, attempt, alone)
    }

    fn invalidate(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        self.asked().invalidate(markers)
    }

    fn invalidate_entries(&self, entries: &[EntryName]) -> Answer<'_, ()> {
        self.asked().invalidate_entries(entries)
    }

    fn replicate(&self, replicas: u32, within: Duration) -> Answer<'_, u32> {
        self.asked().replicate(replicas, within)
    }

    fn touch(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        self.asked().touch(markers)
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.asked().ping()
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.shard.watch(Arc::new(Deaf { watcher, shard: self.shard.clone() }));
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shard.close()
    }
}

/// Makes a shard one that does not tell; how often it is asked.
fn untold(shard: &FakeShard, is_metered: bool) -> (Arc<dyn Shard>, Arc<AtomicU64>) {
    shard.set_capabilities(Capabilities { telling: Telling::Nothing, is_metered, ..shard.capabilities() });
    let asked = Arc::new(AtomicU64::new(0));
    (Arc::new(Untold { shard: shard.clone(), asked: Arc::clone(&asked), sleeps: false }), asked)
}

/// Whoever asks is answered by the source, with another number than before.
async fn is_loaded_anew(world: &World, asked: JoinHandle<Result<Outcome, Error>>) {
    settle().await;
    assert!(!asked.is_finished(), "it is answered without the source");
    world.call().await.answer(2);
    assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
}

pub(crate) fn is_untold(shard: FakeShard) -> Arc<dyn Shard> {
    untold(&shard, false).0
}

fn tells_now(shard: FakeShard) -> Arc<dyn Shard> {
    Arc::new(Untold { shard, asked: Arc::default(), sleeps: false })
}

#[test]
fn a_copy_is_answered_for_a_second_and_then_asked_about() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node_at(is_untold).await);
        assert_eq!(b.engine.second_tier()[0].coherence, Coherence::Eventual);
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        assert_eq!(b.get().await.origin(), Origin::L2);
        world.runtime.advance(UNTOLD_MAX / 2).await;
        a.invalidate().await;
        let old = b.get().await;
        assert_eq!((number(&old), old.origin()), (1, Origin::L1), "nobody has told it");
        world.runtime.advance(UNTOLD_MAX / 2).await;
        is_loaded_anew(&world, b.ask()).await;
        // And so on: what is copied anew is answered for as long again.
        assert_eq!(b.get().await.origin(), Origin::L1);
        world.runtime.advance(UNTOLD_MAX).await;
        assert_eq!(b.get().await.origin(), Origin::L2);
    });
}

/// Both depend on one marker: that the one was found to stand says nothing later of the other.
#[test]
fn what_has_been_found_to_stand_for_one_key_is_asked_about_for_the_next() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node_at(is_untold).await);
        for key in ["one", "other"] {
            let asked = a.ask_for(key);
            world.call().await.answer(1);
            asked.await.unwrap().unwrap();
        }
        b.ask_for("one").await.unwrap().unwrap();
        world.runtime.advance(UNTOLD_MAX / 2).await;
        a.invalidate().await;
        is_loaded_anew(&world, b.ask_for("other")).await;
    });
}

/// What was invalidated while it was loaded is not in memory, however long the load took.
#[test]
fn a_slow_load_is_as_old_as_its_beginning() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node_at(is_untold).await);
        let asked = b.ask();
        let call = world.call().await;
        world.runtime.advance(UNTOLD_MAX / 2).await;
        a.invalidate().await;
        world.runtime.advance(UNTOLD_MAX).await;
        call.answer(1);
        asked.await.unwrap().unwrap();
        is_loaded_anew(&world, b.ask()).await;
    });
}

/// What another read was asked for that a load had to learn first, too, was asked for before the load.
#[test]
fn what_was_learned_before_a_load_is_as_old_as_it_is() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node_at(is_untold).await);
        let (learn, learned) = tokio::sync::oneshot::channel();
        let asked = b.ask_after(async { learned.await.unwrap() });
        world.runtime.advance(UNTOLD_MAX / 2).await;
        a.invalidate().await;
        world.runtime.advance(UNTOLD_MAX).await;
        learn.send(()).unwrap();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        let asked = b.ask();
        settle().await;
        assert!(!asked.is_finished(), "it is answered from memory");
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

/// Nobody doubts a copy of what is told by nobody: how long it has not been asked about is all that there is.
#[test]
fn who_joins_is_not_told_that_an_old_copy_is_fresh() {
    on_one_thread(async {
        for is_metered in [false, true] {
            let world = World::new(exact(3_600));
            let (a, b) = (world.node().await, world.node_at(|shard| untold(&shard, is_metered).0).await);
            let asked = b.ask();
            world.call().await.answer(1);
            asked.await.unwrap().unwrap();
            assert_eq!(b.get().await.origin(), Origin::L1);
            a.invalidate().await;
            world.after(200).await;
            b.blackhole();
            let (first, second) = (b.ask(), b.ask());
            world.runtime.advance(Duration::from_millis(50)).await;
            for asked in [first, second] {
                assert!(asked.is_finished(), "a step, and no longer");
                let outcome = asked.await.unwrap().unwrap();
                assert_eq!(
                    (number(&outcome), outcome.stale()),
                    (1, Some(StaleReason::Unproved)),
                    "{is_metered}"
                );
            }
        }
    });
}

/// Copies from the time in which it told are not answered as if it still did.
#[test]
fn a_shard_that_falls_silent_takes_its_copies_with_it() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node_at(tells_now).await);
        for key in ["one", "other"] {
            let asked = b.ask_for(key);
            world.call().await.answer(1);
            asked.await.unwrap().unwrap();
        }
        for key in ["one", "other", "one", "other"] {
            b.ask_for(key).await.unwrap().unwrap();
        }
        assert_eq!(b.ask_for("other").await.unwrap().unwrap().origin(), Origin::L1);
        b.cut();
        b.link.set_capabilities(Capabilities { telling: Telling::Nothing, ..b.link.capabilities() });
        b.mend();
        world.runtime.advance(Duration::from_millis(600)).await;
        // What both depend on is found to stand, and then does not.
        b.ask_for("one").await.unwrap().unwrap();
        a.invalidate().await;
        world.runtime.advance(UNTOLD_MAX).await;
        is_loaded_anew(&world, b.ask_for("other")).await;
    });
}

/// Values of such a class stay where they were loaded; each read would else ask from the first second on.
#[test]
fn what_stays_on_its_node_is_asked_about_once_a_second() {
    on_one_thread(async {
        let world = World::unshared(exact(60));
        let mut asked_of = None;
        let b = world
            .node_at(|shard| {
                let (shard, asked) = untold(&shard, true);
                asked_of = Some(asked);
                shard
            })
            .await;
        let count = asked_of.unwrap();
        let asked = b.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        world.runtime.advance(UNTOLD_MAX).await;
        let before = count.load(Ordering::Relaxed);
        for _ in 0..20 {
            assert_eq!(number(&b.get().await), 1);
        }
        assert_eq!(count.load(Ordering::Relaxed) - before, 1);
    });
}

#[test]
fn a_node_that_pays_for_commands_sends_none_while_nobody_asks_it() {
    on_one_thread(async {
        let world = World::new(exact(3_600));
        let mut asked_of = None;
        let node = world
            .node_at(|shard| {
                shard.set_capabilities(Capabilities { evicts: true, ..shard.capabilities() });
                let (shard, asked) = untold(&shard, true);
                asked_of = Some(asked);
                shard
            })
            .await;
        let count = asked_of.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 0);
        let asked = node.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        assert_eq!(node.get().await.origin(), Origin::L1);
        settle().await;
        let before = count.load(Ordering::Relaxed);
        assert!(before > 0);
        for _ in 0..10 {
            world.runtime.advance(seconds(60)).await;
        }
        assert_eq!(count.load(Ordering::Relaxed), before);
        // And it is there when it is needed.
        assert_eq!(node.get().await.origin(), Origin::L2);
        assert_eq!(node.engine.second_tier()[0].coherence, Coherence::Eventual);
    });
}

/// INV-3: nodes that hear only of what is said to them answer from before for longer than a barrier waits.
#[test]
fn what_could_not_be_said_to_everybody_is_no_barrier() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        a.link.set_capabilities(Capabilities { is_heard: false, ..a.link.capabilities() });
        assert_eq!(a.engine.second_tier()[0].coherence, Coherence::Eventual);
        // By the time that a barrier would have been waited for.
        let barrier = a.invalidate_as(Wish::Barrier);
        let (level, ()) = join(barrier, world.after(1)).await;
        assert_eq!(level, Level::Applied);
    });
}

/// INV-7b: an outage that is shorter is suspected by nobody, so nobody owes anything after it.
#[test]
fn however_little_time_a_step_has_an_invalidation_has_that_of_an_outage() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let hasty = world.node_that_waits(Duration::from_millis(10), |shard| Arc::new(shard)).await;
        let metered = world.node_at(|shard| untold(&shard, true).0).await;
        let sleeping =
            |shard| Arc::new(Untold { shard, asked: Arc::default(), sleeps: true }) as Arc<dyn Shard>;
        let asleep = world.node_at(sleeping).await;
        // Of a node that is idle nothing is heard, and that means nothing where commands are paid for.
        world.after(60).await;
        for node in [hasty, metered, asleep] {
            node.blackhole();
            node.link.reset();
            let invalidated = node.invalidating();
            world.runtime.advance(OUTAGE_MIN - Duration::from_millis(1)).await;
            assert!(!invalidated.is_finished(), "it may still be nothing");
            world.runtime.advance(Duration::from_millis(1)).await;
            assert!(invalidated.is_finished(), "and no longer");
            assert_eq!(invalidated.await.unwrap(), Level::DeferredVolatile);
        }
    });
}
