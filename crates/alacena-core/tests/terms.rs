//! What a source says about how long its answer holds.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::time::Duration;

use alacena_core::{
    class::Policy,
    engine::Mode,
    outcome::{Origin, StaleReason},
    source::Terms,
};
use support::{World, down, exact, number, on_one_thread, seconds};

fn ttl(ttl: u64) -> Terms {
    Terms { ttl: Some(seconds(ttl)), ..Terms::default() }
}

#[test]
fn a_value_is_fresh_for_as_long_as_its_source_said() {
    on_one_thread(async {
        let world = World::new(exact(300));
        let asked = world.ask();
        world.source.next_call().await.answer_on_terms(1, ttl(20));
        assert_eq!(asked.await.unwrap().unwrap().fresh_for(), seconds(20));
        world.after(19).await;
        assert!(world.ask().await.unwrap().unwrap().is_hit());
        world.after(1).await;
        assert_eq!(number(&world.fill(2).await), 2);
        // What says nothing of it goes by its class again.
        world.after(299).await;
        assert!(world.ask().await.unwrap().unwrap().is_hit());
    });
}

#[test]
fn what_is_never_fresh_takes_the_place_of_what_was_and_stands_in_for_a_source_that_fails() {
    on_one_thread(async {
        let world = World::new(exact(300));
        world.fill(1).await;
        let forced = world.ask_for(world.question().with_mode(Mode::Refresh));
        world.source.next_call().await.answer_on_terms(2, ttl(0));
        let forced = forced.await.unwrap().unwrap();
        assert_eq!((number(&forced), forced.fresh_for(), forced.not_stored()), (2, Duration::ZERO, None));

        let asked = world.ask();
        world.source.next_call().await.answer_on_terms(3, ttl(0));
        assert_eq!(number(&asked.await.unwrap().unwrap()), 3, "the first answer had minutes left");
        let asked = world.ask();
        world.source.next_call().await.fail(down());
        let outcome = asked.await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.stale()), (3, Some(StaleReason::SourceError)));
    });
}

#[test]
fn what_may_not_be_used_unasked_never_is() {
    on_one_thread(async {
        let world = World::new(Policy { stale_while_revalidate: seconds(30), ..exact(60) });
        let strict = Terms {
            ttl: None,
            stale_while_revalidate: Some(Duration::ZERO),
            stale_if_error: Some(Duration::ZERO),
        };
        let asked = world.ask();
        world.source.next_call().await.answer_on_terms(1, strict);
        asked.await.unwrap().unwrap();
        world.after(59).await;
        assert_eq!(world.ask().await.unwrap().unwrap().origin(), Origin::L1);
        world.after(1).await;
        let asked = world.ask();
        world.source.next_call().await.fail(down());
        assert!(asked.await.unwrap().is_err());
    });
}

#[test]
fn a_class_that_keeps_nothing_keeps_nothing() {
    on_one_thread(async {
        let world = World::new(exact(0));
        world.fill(1).await;
        assert!(!world.fill(2).await.is_hit());
    });
}
