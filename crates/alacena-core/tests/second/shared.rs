//! What one node has loaded the others need not.

use std::time::Duration;

use alacena_core::{class::Policy, outcome::Origin};

use crate::{
    nodes::World,
    support::{exact, number, on_one_thread},
};

#[test]
fn what_one_node_has_loaded_the_others_find() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let asked = a.ask();
        world.call().await.answer(1);
        assert_eq!(asked.await.unwrap().unwrap().origin(), Origin::Source);
        let found = b.get().await;
        assert_eq!((number(&found), found.origin()), (1, Origin::L2));
        for node in [&a, &b] {
            assert_eq!(node.get().await.origin(), Origin::L1);
        }
    });
}

#[test]
fn one_load_serves_the_callers_of_all_nodes() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let first = a.ask();
        let call = world.call().await;
        let others: Vec<_> = (0..10).flat_map(|_| [a.ask(), b.ask()]).collect();
        alacena_testkit::settle().await;
        call.answer(1);
        assert_eq!(number(&first.await.unwrap().unwrap()), 1);
        for other in others {
            assert_eq!(number(&other.await.unwrap().unwrap()), 1);
        }
        assert_eq!(world.source.calls(), 1);
    });
}

#[test]
fn a_node_that_dies_while_it_loads_holds_the_others_up_for_one_lease() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let lost = a.ask();
        let _never_answered = world.call().await;
        a.cut();
        let asked = b.ask();
        world.after(2).await;
        assert_eq!(world.source.calls(), 1);
        world.after(2).await;
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        lost.abort();
    });
}

/// INV-10.
#[test]
fn what_one_node_knows_may_not_be_kept_nobody_waits_for_on_another() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let first = a.ask();
        world.call().await.answer_uncacheable(1);
        first.await.unwrap().unwrap();
        alacena_testkit::settle().await;
        let asked: Vec<_> = (0..4).flat_map(|_| [a.ask(), b.ask()]).collect();
        alacena_testkit::settle().await;
        assert_eq!(world.source.calls(), 1 + 8, "all of them are at the source at once");
        for number_of_call in 2..10 {
            world.call().await.answer_uncacheable(number_of_call);
        }
        for outcome in asked {
            outcome.await.unwrap().unwrap();
        }
    });
}

#[test]
fn the_end_of_an_entry_is_the_same_on_every_node() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        world.after(50).await;
        let found = b.get().await;
        assert_eq!((found.age().as_secs(), found.fresh_for().as_secs()), (50, 10));
        world.after(11).await;
        let asked = b.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn what_is_not_to_be_kept_in_memory_is_found_anew_by_each_read() {
    on_one_thread(async {
        let world = World::new(Policy { l1_ttl: Some(Duration::ZERO), ..exact(60) });
        let (a, b) = (world.node().await, world.node().await);
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        for _ in 0..2 {
            assert_eq!(b.get().await.origin(), Origin::L2);
        }
        assert_eq!(b.engine.figures().entries, 0);
    });
}
