//! What one node invalidates the others do not answer.

use std::time::Duration;

use alacena_core::{
    class::{Policy, ReadMode},
    engine::{Level, Wish},
    outcome::Origin,
    runtime::Runtime as _,
    tier::HORIZON,
};
use alacena_testkit::settle;

use crate::{
    nodes::World,
    support::{exact, number, on_one_thread},
};

/// Two nodes that hold 1.
pub(crate) async fn both_hold_one(world: &World) -> (crate::nodes::Node, crate::nodes::Node) {
    let (a, b) = (world.node().await, world.node().await);
    let asked = a.ask();
    world.call().await.answer(1);
    asked.await.unwrap().unwrap();
    b.get().await;
    assert_eq!((a.get().await.origin(), b.get().await.origin()), (Origin::L1, Origin::L1));
    (a, b)
}

#[test]
fn an_invalidation_is_seen_by_every_node() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        assert_eq!(a.invalidate().await, Level::Applied);
        settle().await;
        let asked = b.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        assert_eq!(number(&a.get().await), 2);
    });
}

/// What a node has never held it must not show for being slow to replace it.
#[test]
fn what_another_node_has_invalidated_does_not_stand_in_for_a_slow_source() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, _b) = both_hold_one(&world).await;
        let c = world.node().await;
        a.invalidate().await;
        settle().await;
        let asked = c.ask();
        let call = world.call().await;
        // Longer than the soft limit.
        world.after(3).await;
        settle().await;
        call.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn an_invalidation_by_key_is_too() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        assert_eq!(a.invalidate_key().await, Level::Applied);
        settle().await;
        let asked = b.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn a_node_whose_link_is_cut_answers_from_memory_for_the_horizon_at_most() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        b.mute();
        assert_eq!(a.invalidate().await, Level::Applied);
        world.runtime.advance(Duration::from_millis(901)).await;
        let asked = b.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn a_strict_read_never_answers_what_was_invalidated() {
    on_one_thread(async {
        let world = World::new(Policy { read_mode: ReadMode::Strict, ..exact(60) });
        let (a, b) = (world.node().await, world.node().await);
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        assert_eq!(number(&b.get().await), 1);
        assert_eq!(number(&b.get().await), 1);
        b.mute();
        a.invalidate().await;
        let asked = b.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn a_load_that_an_invalidation_has_overtaken_is_kept_nowhere() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let slow = a.ask();
        let call = world.call().await;
        b.invalidate().await;
        call.answer(1);
        assert_eq!(number(&slow.await.unwrap().unwrap()), 1, "it began before");
        settle().await;
        let asked = b.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        assert_eq!(number(&a.get().await), 2);
    });
}

#[test]
fn a_barrier_lasts_until_nobody_can_answer_it_any_more() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = both_hold_one(&world).await;
        b.mute();
        let began = world.runtime.now();
        let (level, ()) = tokio::join!(a.invalidate_as(Wish::Barrier), async {
            settle().await;
            world.after(1).await;
        });
        assert_eq!(level, Level::Barrier);
        assert!(world.runtime.now() - began >= HORIZON);
        let asked = b.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn after_a_failover_nothing_from_before_is_fresh() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (_a, b) = both_hold_one(&world).await;
        world.tier.restart(true);
        world.after(2).await;
        let asked = b.ask();
        settle().await;
        let suspect = asked.await.unwrap().unwrap();
        assert_eq!((number(&suspect), suspect.origin()), (1, Origin::Stale), "once more, and labelled");
        world.call().await.answer(2);
        settle().await;
        assert_eq!(number(&b.get().await), 2);
    });
}

#[test]
fn what_stays_on_its_node_is_invalidated_from_any() {
    on_one_thread(async {
        let world = World::unshared(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        for (number_of_call, by_key) in [(1, true), (2, false), (3, true)] {
            let asked = b.ask();
            world.call().await.answer(number_of_call);
            asked.await.unwrap().unwrap();
            world.after(1).await;
            assert_eq!((number(&b.get().await), b.get().await.origin()), (number_of_call, Origin::L1));
            let level = if by_key { a.invalidate_key().await } else { a.invalidate().await };
            assert_eq!(level, Level::Applied);
            settle().await;
        }
    });
}
