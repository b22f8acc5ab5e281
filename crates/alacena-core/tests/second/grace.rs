//! After an outage in which another node may have written down what it could not tell.

use std::time::Duration;

use alacena_core::{
    engine::Level,
    outcome::{Origin, StaleReason},
};

use alacena_testkit::settle;

use crate::{
    nodes::{Node, World},
    support::{exact, number, on_one_thread},
};

/// How long a step at the server may take.
const STEP: Duration = Duration::from_millis(50);

#[test]
fn what_one_reader_has_found_out_is_no_proof_for_the_next() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        a.get().await;
        assert_eq!(a.get().await.origin(), Origin::L1);

        a.cut();
        b.cut();
        world.after(1).await;
        assert_eq!(b.invalidate().await, Level::DeferredVolatile);
        a.mend();
        world.after(1).await;
        // The marker still stands, for all that this node can see.
        for _ in 0..3 {
            let asked = a.ask();
            world.runtime.advance(STEP).await;
            let outcome = asked.await.unwrap().unwrap();
            assert_eq!((number(&outcome), outcome.stale()), (1, Some(StaleReason::Unproved)));
        }
        world.call().await.answer(2);
        world.after(0).await;
        let fresh = a.get().await;
        assert_eq!((number(&fresh), fresh.stale()), (2, None), "it was asked for after the outage");
        world.after(6).await;
        a.get().await;
        assert_eq!(a.get().await.origin(), Origin::L1, "and the grace is over");
    });
}

#[test]
fn what_was_asked_for_before_an_outage_was_over_is_suspect_however_late_it_comes_home() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let asked = a.ask();
        let call = world.call().await;
        a.cut();
        b.cut();
        world.after(1).await;
        assert_eq!(b.invalidate().await, Level::DeferredVolatile);
        a.mend();
        world.after(1).await;
        call.answer(1);
        asked.await.unwrap().unwrap();
        let outcome = a.get().await;
        assert_eq!((number(&outcome), outcome.stale()), (1, Some(StaleReason::Unproved)));
    });
}

/// What it had to learn first is a part of what comes home.
#[test]
fn what_was_learned_before_an_outage_was_over_is_suspect_although_the_source_was_asked_after_it() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b, c) = (world.node().await, world.node().await, world.node().await);
        let (learn, learned) = tokio::sync::oneshot::channel();
        let asked = a.ask_after(async { learned.await.unwrap() });
        settle().await;
        [&a, &b, &c].into_iter().for_each(Node::cut);
        world.after(1).await;
        assert_eq!(b.invalidate().await, Level::DeferredVolatile);
        [&a, &c].into_iter().for_each(Node::mend);
        world.after(1).await;
        learn.send(()).unwrap();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        settle().await;
        for node in [&a, &c] {
            let outcome = node.get().await;
            assert_eq!((number(&outcome), outcome.stale()), (1, Some(StaleReason::Unproved)));
            // The other one may take longer to come back.
            world.after(1).await;
        }
    });
}
