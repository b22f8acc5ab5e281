//! While the second tier is away.

use std::time::Duration;

use alacena_core::{
    class::{EraPolicy, Policy, WithoutL2},
    engine::Level,
    guard::State,
    outcome::{NotStored, Origin, StaleReason},
};
use alacena_testkit::settle;

use crate::{
    nodes::World,
    support::{exact, number, on_one_thread, seconds},
};

/// How long a step at the server may take.
const STEP: Duration = Duration::from_millis(50);

#[test]
fn reads_go_on_and_say_that_they_are_local() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        a.cut();
        world.after(2).await;
        let asked = a.ask();
        world.call().await.answer(1);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 1);
        assert_eq!(a.get().await.origin(), Origin::Local);
        world.after(6).await;
        let old = a.get().await;
        assert_eq!((number(&old), old.origin()), (1, Origin::Stale), "five seconds, and no more");
        world.call().await.answer(2);
        settle().await;
        let local = a.get().await;
        assert_eq!((number(&local), local.origin()), (2, Origin::Local), "it was loaded behind");
        world.after(61).await;
        let asked = a.ask();
        world.call().await.answer(3);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 3, "its own time is over, too");
    });
}

#[test]
fn a_class_that_is_never_to_be_stale_waits_for_its_source() {
    on_one_thread(async {
        let world = World::new(Policy { era: EraPolicy::Strict, ..exact(60) });
        let a = world.node().await;
        a.cut();
        world.after(2).await;
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        world.after(6).await;
        let asked = a.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
    });
}

/// INV-13: before the breaker knows that nobody answers, and where the source takes long.
#[test]
fn nobody_waits_for_the_source_where_something_is_in_memory_and_nobody_answers() {
    on_one_thread(async {
        for due in [false, true] {
            let world = World::new(exact(60));
            let a = world.node().await;
            let asked = a.ask();
            world.call().await.answer(1);
            asked.await.unwrap().unwrap();
            a.get().await;
            assert_eq!(a.get().await.origin(), Origin::L1);
            // Either it may not be answered any longer without asking, or silence proves nothing any more.
            let (before, after) = if due { (5_100, 0) } else { (0, 950) };
            world.runtime.advance(Duration::from_millis(before)).await;
            a.blackhole();
            world.runtime.advance(Duration::from_millis(after)).await;

            let first = a.ask();
            world.runtime.advance(STEP).await;
            assert!(first.is_finished(), "a step, and no longer");
            assert_eq!(first.await.unwrap().unwrap().origin(), Origin::Stale);
            // It is loaded behind the back of the first one: whoever joins that need not wait for it.
            for _ in 0..3 {
                let (second, third) = (a.ask(), a.ask());
                world.runtime.advance(STEP).await;
                assert!(second.is_finished() && third.is_finished(), "a step, and no longer");
                let second = second.await.unwrap().unwrap();
                assert_eq!(number(&second), 1);
            }
            settle().await;
            assert_eq!(world.source.calls(), 2, "one load behind everybody's back, due: {due}");
        }
    });
}

#[test]
fn what_was_known_before_is_answered_labelled_and_loaded_behind() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        a.cut();
        world.after(2).await;
        assert_eq!(a.get().await.origin(), Origin::Stale);
        world.call().await.answer(2);
        settle().await;
        let local = a.get().await;
        assert_eq!((number(&local), local.origin()), (2, Origin::Local));
    });
}

/// INV-15: trust is in what it depends on, and not in its age.
#[test]
fn a_class_that_trusts_what_it_holds_does_so_until_its_time_is_over() {
    on_one_thread(async {
        let policy = Policy { era: EraPolicy::Trust, stale_while_revalidate: seconds(60), ..exact(30) };
        let world = World::new(policy);
        let a = world.node().await;
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        a.cut();
        world.after(20).await;
        let trusted = a.get().await;
        assert_eq!((trusted.origin(), trusted.stale()), (Origin::Local, None));
        world.after(20).await;
        let old = a.get().await;
        assert_eq!((number(&old), old.stale()), (1, Some(StaleReason::Unproved)));
        world.call().await.answer(2);
        settle().await;
        assert_eq!(number(&a.get().await), 2, "it was loaded behind");
    });
}

#[test]
fn what_was_loaded_without_it_ends_when_it_is_back() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        a.cut();
        world.after(2).await;
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        let asked = b.ask();
        world.call().await.answer(2);
        asked.await.unwrap().unwrap();
        a.mend();
        world.after(2).await;
        assert_eq!(number(&a.get().await), 2);
    });
}

#[test]
fn an_invalidation_is_owed_and_paid_before_anything_is_read() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (a, b) = (world.node().await, world.node().await);
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        assert_eq!(number(&b.get().await), 1);
        a.cut();
        world.after(2).await;
        assert_eq!(a.invalidate().await, Level::DeferredVolatile);
        a.mend();
        world.after(7).await;
        let asked = a.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        assert_eq!(number(&b.get().await), 2);
    });
}

#[test]
fn a_class_that_does_without_keeps_nothing() {
    on_one_thread(async {
        let world = World::new(Policy { without_l2: WithoutL2::Bypass, ..exact(60) });
        let a = world.node().await;
        a.cut();
        world.after(2).await;
        for number_of_call in 1..=2 {
            let asked = a.ask();
            world.call().await.answer(number_of_call);
            let outcome = asked.await.unwrap().unwrap();
            assert_eq!(
                (number(&outcome), outcome.not_stored()),
                (number_of_call, Some(NotStored::WithoutL2))
            );
        }
    });
}

#[test]
fn an_invalidation_waits_for_a_connection_that_is_made_again() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        a.delay(Duration::from_millis(100));
        a.link.reset();
        let invalidated = a.invalidating();
        world.runtime.advance(Duration::from_millis(450)).await;
        assert_eq!(invalidated.await.unwrap(), Level::Applied, "200 ms to connect, and 200 to be told");
    });
}

#[test]
fn an_invalidation_that_nobody_hears_is_written_down_after_half_a_second_and_at_once_when_that_is_known() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        a.blackhole();
        a.link.reset();
        let first = a.invalidating();
        world.runtime.advance(Duration::from_millis(499)).await;
        assert!(!first.is_finished(), "it may still be nothing");
        world.runtime.advance(Duration::from_millis(1)).await;
        assert_eq!(first.await.unwrap(), Level::DeferredVolatile);
        world.runtime.advance(Duration::from_millis(200)).await;
        let later = a.invalidating();
        settle().await;
        assert!(later.is_finished(), "it is known to be away");
        assert_eq!(later.await.unwrap(), Level::DeferredVolatile);
    });
}

#[test]
fn an_invalidation_waits_for_nobody_who_is_not_there() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        a.cut();
        let invalidated = a.invalidating();
        settle().await;
        assert!(invalidated.is_finished(), "whoever refuses connections has gone");
        assert_eq!(invalidated.await.unwrap(), Level::DeferredVolatile);
    });
}

/// Loads may do without a server that is slow; what is invalidated on one node must reach the others.
#[test]
fn a_server_that_is_slow_is_told_of_invalidations_all_the_same() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        // A step takes 40 ms of the 50 that it may: all are slow.
        a.delay(Duration::from_millis(20));
        for key in 0..10 {
            let asked = a.ask_for(&key.to_string());
            let call = world.call();
            let (call, ()) = futures_util::future::join(call, world.runtime.advance(STEP * 4)).await;
            call.answer(1);
            world.runtime.advance(STEP * 2).await;
            asked.await.unwrap().unwrap();
        }
        assert_eq!(a.engine.second_tier()[0].writes, State::Open, "loads do without it");
        let invalidated = a.invalidating();
        world.runtime.advance(STEP).await;
        assert_eq!(invalidated.await.unwrap(), Level::Applied);
    });
}

/// The breaker tries out now and then whether somebody answers. That nobody does must cost what was loaded meanwhile nothing.
#[test]
fn what_was_loaded_without_it_does_not_end_when_it_is_only_tried_out() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let a = world.node().await;
        let asked = a.ask();
        world.call().await.answer(1);
        asked.await.unwrap().unwrap();
        world.source.always(Ok(2));
        a.blackhole();
        world.runtime.advance(Duration::from_millis(950)).await;
        while a.engine.second_tier()[0].reads != State::Open {
            let asked = a.ask();
            world.runtime.advance(STEP).await;
            asked.await.unwrap().unwrap();
        }
        world.runtime.advance(STEP * 3).await;
        assert_eq!(a.get().await.origin(), Origin::Local);
        // Its first pause, of a second or a fifth more, and some heartbeats.
        world.runtime.advance(Duration::from_millis(1_800)).await;
        let asked = a.ask();
        world.runtime.advance(STEP).await;
        let held = asked.await.unwrap().unwrap();
        assert_eq!((number(&held), held.origin()), (2, Origin::Stale), "it is still there");
    });
}
