//! What is still fresh is renewed for whoever needs it for longer.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::time::Duration;

use alacena_core::{engine::Loaded, figures::Count};
use alacena_testkit::ScriptedSource;
use support::{World, down, exact, number, on_one_thread, seconds};
use tokio::task::JoinHandle;

#[expect(clippy::disallowed_methods, reason = "a caller of the test")]
fn renew(world: &World, need: u64) -> JoinHandle<()> {
    let (engine, question, load) = (world.engine.clone(), world.question(), world.source.loader());
    tokio::spawn(async move { engine.renew(&question, seconds(need), load).await })
}

#[test]
fn only_what_would_end_too_soon_is_renewed_and_only_in_the_second_half_of_its_life() {
    on_one_thread(async {
        let world = World::new(exact(60));
        renew(&world, 100).await.unwrap();
        assert_eq!(world.source.calls(), 0, "what is not held is for whoever asks");
        world.fill(1).await;
        world.after(20).await;
        renew(&world, 100).await.unwrap();
        assert_eq!(world.source.calls(), 1, "forty seconds are left of sixty");
        world.after(25).await;
        renew(&world, 15).await.unwrap();
        assert_eq!(world.source.calls(), 1, "fifteen are left, as many as are needed");
        let renewing = renew(&world, 16);
        world.source.next_call().await.answer(2);
        renewing.await.unwrap();
        let held = world.ask().await.unwrap().unwrap();
        assert_eq!((number(&held), held.is_hit(), held.fresh_for()), (2, true, seconds(60)));
        world.after(60).await;
        renew(&world, 100).await.unwrap();
        assert_eq!(world.source.calls(), 2, "what is not fresh is for whoever asks");
        let counted = |count| world.rules.counters.get(count);
        assert_eq!((counted(Count::Hits), counted(Count::Loads)), (1, 2), "nobody has asked but once");
    });
}

#[test]
fn everybody_who_renews_waits_for_one_load_and_callers_for_none() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        world.after(50).await;
        let renewing: Vec<_> = (0..10).map(|_| renew(&world, 30)).collect();
        let call = world.source.next_call().await;
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 1, "it is fresh, and answered");
        call.answer(2);
        for one in renewing {
            one.await.unwrap();
        }
        assert_eq!(world.source.calls(), 2);
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 2);
    });
}

#[test]
fn what_was_held_stays_where_nothing_better_comes() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        world.after(50).await;
        let renewing = renew(&world, 30);
        world.source.next_call().await.fail(down());
        renewing.await.unwrap();
        renew(&world, 30).await.unwrap();
        assert_eq!(world.source.calls(), 2, "a key that has failed rests");
        let held = world.ask().await.unwrap().unwrap();
        assert_eq!((number(&held), held.stale(), held.fresh_for()), (1, None, seconds(10)));
    });
}

#[test]
fn a_load_that_must_learn_something_first_does_so_without_a_place() {
    use alacena_core::engine::Learned;
    on_one_thread(async {
        let world = World::guarded(exact(60));
        let figures = || world.rules.guard.as_ref().unwrap().figures().running;
        let (engine, question) = (world.engine.clone(), world.question());
        let (guard, runtime) = (world.rules.guard.clone().unwrap(), world.runtime.clone());
        let first = async move {
            assert_eq!(guard.figures().running, 0, "no place is held while something else is learned");
            alacena_core::runtime::Runtime::sleep(&runtime, Duration::from_secs(30)).await;
            Ok(Learned::Ask(move |_| async move {
                assert_eq!(guard.figures().running, 1);
                Ok(Loaded::found(ScriptedSource::value(7)))
            }))
        };
        #[expect(clippy::disallowed_methods, reason = "a caller of the test")]
        let asked = tokio::spawn(async move { engine.get_or_fetch_after(&question, first).await });
        world.settle().await;
        assert_eq!(figures(), 0);
        world.after(30).await;
        assert_eq!(
            number(&asked.await.unwrap().unwrap()),
            7,
            "the time limit of the load begins with the load"
        );

        let known = async { Ok(Learned::<fn(bool) -> std::future::Ready<_>>::Known(Loaded::absent())) };
        let question = world.question_about("43");
        let absent = world.engine.get_or_fetch_after(&question, known).await.unwrap();
        assert!(absent.value().is_none());
        assert_eq!(world.rules.counters.get(Count::Loads), 1, "its source was not asked");
    });
}
