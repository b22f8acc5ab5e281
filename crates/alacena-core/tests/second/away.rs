//! While the second tier is away.

use alacena_core::{
    class::{Policy, WithoutL2},
    engine::Level,
    outcome::{NotStored, Origin},
};
use alacena_testkit::settle;

use crate::{
    nodes::World,
    support::{exact, number, on_one_thread},
};

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
        let asked = a.ask();
        world.call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2, "five seconds, and no more");
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
