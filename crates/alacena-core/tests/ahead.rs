//! Beyond a plain TTL: refreshing before the end, hits that extend it, deps that forbid standing in.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::time::Duration;

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Engine, Loaded, Question},
    error::Kind,
    figures::Count,
    outcome::Outcome,
    runtime::Runtime,
};
use alacena_testkit::ScriptedSource;
use support::{TAG, World, down, exact, number, on_one_thread, seconds};

/// Asks for a value that takes `load` to load.
async fn ask(world: &World, load: Duration) -> Outcome {
    let (engine, question, runtime) = (world.engine.clone(), world.question(), world.runtime.clone());
    let slow = move |_| async move {
        runtime.sleep(load).await;
        Ok(Loaded::found(ScriptedSource::value(runtime.now().nanos())))
    };
    let asked = ask_in_a_task(engine, question, slow);
    // Whoever is a hit is answered without any time passing.
    world.settle().await;
    if !asked.is_finished() {
        world.runtime.advance(load).await;
    }
    asked.await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a caller of the test")]
fn ask_in_a_task<F>(
    engine: Engine,
    question: Question,
    load: impl FnOnce(bool) -> F + Send + 'static,
) -> tokio::task::JoinHandle<Outcome>
where
    F: Future<Output = Result<Loaded, alacena_core::error::Error>> + Send + 'static,
{
    tokio::spawn(async move { engine.get_or_fetch(&question, load).await.unwrap() })
}

#[test]
fn a_hot_key_never_waits_for_its_source_after_its_first_load() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let load = Duration::from_millis(500);
        assert!(!ask(&world, load).await.is_hit());
        // Ten minutes at twenty questions a second.
        for number in 0..12_000 {
            assert!(ask(&world, load).await.is_hit(), "question {number} waited");
            world.runtime.advance(Duration::from_millis(50)).await;
        }
        let loads = world.rules.counters.get(Count::Loads);
        assert!((10..=13).contains(&loads), "{loads} loads in ten windows of a minute");
    });
}

#[test]
fn without_it_the_end_of_the_ttl_is_waited_for() {
    on_one_thread(async {
        let world = World::new(Policy { refresh_ahead: false, ..exact(60) });
        let load = Duration::from_millis(500);
        ask(&world, load).await;
        let mut waited = 0;
        // A little more than a minute.
        for _ in 0..1300 {
            waited += usize::from(!ask(&world, load).await.is_hit());
            world.runtime.advance(Duration::from_millis(50)).await;
        }
        assert_eq!(waited, 1);
    });
}

#[test]
fn a_cold_key_is_not_refreshed_for_nobody() {
    on_one_thread(async {
        let world = World::new(exact(60));
        ask(&world, seconds(1)).await;
        world.runtime.advance(Duration::from_millis(59_900)).await;
        assert!(ask(&world, seconds(1)).await.is_hit());
        world.settle().await;
        assert_eq!(world.rules.counters.get(Count::Loads), 1, "its only question in a minute");
    });
}

#[test]
fn each_hit_begins_a_sliding_ttl_anew_up_to_an_absolute_age() {
    on_one_thread(async {
        let world = World::new(Policy { sliding_max: Some(seconds(200)), ..exact(60) });
        world.fill(1).await;
        for second in [50, 100, 150] {
            world.after(50).await;
            let hit = world.ask().await.unwrap().unwrap();
            assert!(hit.is_hit(), "at {second} s");
            assert_eq!(hit.fresh_for(), seconds(60.min(200 - second)));
        }
        world.after(49).await;
        assert!(world.ask().await.unwrap().unwrap().is_hit(), "at 199 s");
        world.after(1).await;
        assert_eq!(number(&world.fill(2).await), 2, "nothing is older than 200 s");
    });
}

#[test]
fn what_depends_on_an_invalidated_hard_tag_stands_in_for_nobody() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let right = Dep::tag("shop", "rights:ana").unwrap();
        let question = || world.question().with_hard_tags([right.clone()]).unwrap();
        let asked = world.ask_for(question());
        world.source.next_call().await.answer(1);
        asked.await.unwrap().unwrap();
        // A soft one first, so that the hard one is not the first that is found broken.
        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
        world.engine.invalidate(&right);
        let asked = world.ask_for(question());
        world.source.next_call().await.fail(down());
        assert_eq!(asked.await.unwrap().unwrap_err().kind(), Kind::Unavailable);
    });
}

#[test]
fn a_hard_tag_that_is_invalidated_while_a_caller_waits_is_heard() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let right = Dep::tag("shop", "rights:ana").unwrap();
        let question = || world.question().with_hard_tags([right.clone()]).unwrap();
        let asked = world.ask_for(question());
        world.source.next_call().await.answer(1);
        asked.await.unwrap().unwrap();
        world.after(60).await;
        let asked = world.ask_for(question());
        let call = world.source.next_call().await;
        world.engine.invalidate(&right);
        call.fail(down());
        assert_eq!(asked.await.unwrap().unwrap_err().kind(), Kind::Unavailable);
    });
}
