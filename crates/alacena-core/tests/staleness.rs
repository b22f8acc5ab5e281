//! Past its time: what may still be answered, when, and with which label.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::time::Duration;

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::Loaded,
    error::{Error, Kind, Retry, catalogue},
    figures::Count,
    freshness::Freshness,
    outcome::{MissReason, Origin, StaleReason},
    value::Value,
};
use support::{TAG, World, down, exact, number, on_one_thread, seconds};

#[test]
fn five_minutes_mean_five_minutes() {
    on_one_thread(async {
        let world = World::new(exact(300));
        world.fill(1).await;
        world.after(299).await;
        let hit = world.ask().await.unwrap().unwrap();
        assert_eq!((hit.age(), hit.fresh_for()), (seconds(299), seconds(1)));
        world.after(1).await;
        let outcome = world.fill(2).await;
        assert_eq!((number(&outcome), outcome.miss().cloned()), (2, Some(MissReason::Expired)));
    });
}

#[test]
fn while_it_revalidates_a_stale_value_is_answered_at_once() {
    on_one_thread(async {
        let world = World::new(Policy { stale_while_revalidate: seconds(30), ..exact(60) });
        world.fill(1).await;
        world.after(70).await;
        for _ in 0..10 {
            let outcome = world.ask().await.unwrap().unwrap();
            assert_eq!((number(&outcome), outcome.origin()), (1, Origin::Stale));
            assert_eq!(
                (outcome.stale(), outcome.stale_for()),
                (Some(StaleReason::Revalidating), seconds(10))
            );
        }
        assert_eq!(world.source.calls(), 2, "ten stale answers, one refresh");
        world.source.next_call().await.answer(2);
        world.settle().await;
        let outcome = world.ask().await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.stale()), (2, None));
    });
}

#[test]
fn an_invalidated_value_is_never_answered_while_it_revalidates() {
    on_one_thread(async {
        let world = World::new(Policy { stale_while_revalidate: seconds(30), ..exact(60) });
        world.fill(1).await;
        world.after(70).await;
        let tag = Dep::tag("shop", TAG).unwrap();
        world.engine.invalidate(&tag);
        let outcome = world.fill(2).await;
        assert_eq!((number(&outcome), outcome.miss().cloned()), (2, Some(MissReason::Invalidated(tag))));
    });
}

#[test]
fn when_the_source_fails_the_last_value_stands_in_up_to_its_limit() {
    on_one_thread(async {
        let world = World::new(Policy { stale_if_error: seconds(100), ..exact(60) });
        world.fill(1).await;
        world.after(159).await;
        let asked = world.ask();
        world.source.next_call().await.fail(down());
        let outcome = asked.await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.stale()), (1, Some(StaleReason::SourceError)));
        // Within the back-off the source is left alone, and the value still stands in.
        assert_eq!(world.ask().await.unwrap().unwrap().stale(), Some(StaleReason::SourceError));
        assert_eq!(world.source.calls(), 2);
        world.after(1).await;
        let asked = world.ask();
        world.source.next_call().await.fail(down());
        assert_eq!(asked.await.unwrap().unwrap_err().kind(), Kind::Unavailable, "its limit has passed");
        assert_eq!(world.rules.counters.get(Count::Errors), 1);
    });
}

#[test]
fn a_source_that_says_no_is_answered_as_it_said() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        world.after(60).await;
        let asked = world.ask();
        world.source.next_call().await.fail(Error::new(&catalogue::SOURCE_DENIED, "403"));
        assert_eq!(asked.await.unwrap().unwrap_err().kind(), Kind::Denied);
    });
}

#[test]
fn an_invalidated_value_stands_in_for_a_failing_source_labelled_but_not_for_a_slow_one() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
        let asked = world.ask();
        let call = world.source.next_call().await;
        assert!(call.no_cache, "a refill after an invalidation passes by caches on the way");
        world.after(5).await;
        assert!(!asked.is_finished(), "the soft limit of two seconds is not for it");
        call.fail(down());
        let outcome = asked.await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.stale()), (1, Some(StaleReason::SourceError)));
    });
}

#[test]
fn a_slow_source_is_not_waited_for_and_its_late_answer_is_kept() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        world.after(60).await;
        let asked = world.ask();
        let call = world.source.next_call().await;
        world.after(2).await;
        let outcome = asked.await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.stale()), (1, Some(StaleReason::SoftTimeout)));
        call.answer(2);
        world.settle().await;
        let outcome = world.ask().await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.is_hit()), (2, true));
    });
}

#[test]
fn a_load_that_takes_longer_than_allowed_is_given_up() {
    on_one_thread(async {
        let world = World::new(Policy { hard_timeout: seconds(3), ..exact(60) });
        let asked = world.ask();
        let _call = world.source.next_call().await;
        world.after(3).await;
        assert_eq!(asked.await.unwrap().unwrap_err().code(), &catalogue::SOURCE_TIMEOUT);
        assert_eq!(world.engine.figures().loads_running, 0);
    });
}

#[test]
fn that_there_is_no_such_thing_is_kept_for_its_own_time() {
    on_one_thread(async {
        let world =
            World::new(Policy { negative_ttl: seconds(30), stale_if_error: Duration::ZERO, ..exact(300) });
        let asked = world.ask();
        world.source.next_call().await.answer_absent();
        assert!(asked.await.unwrap().unwrap().value().is_none());
        world.after(29).await;
        let hit = world.ask().await.unwrap().unwrap();
        assert!(hit.is_hit() && hit.value().is_none());
        world.after(1).await;
        assert_eq!(number(&world.fill(1).await), 1);
    });
}

#[test]
fn every_refresh_says_whether_anything_changed() {
    on_one_thread(async {
        let world = World::new(exact(60));
        for value in [1, 1, 2] {
            world.fill(value).await;
            world.after(60).await;
        }
        let counters = &world.rules.counters;
        assert_eq!((counters.get(Count::Changed), counters.get(Count::Unchanged)), (1, 1));
    });
}

#[test]
fn a_source_that_died_is_left_alone_and_taken_up_again_without_a_restart() {
    on_one_thread(async {
        let world = World::guarded(exact(60));
        world.fill(1).await;
        world.after(60).await;
        world.source.always(Err(down()));
        let mut asked = 0;
        // Ten different keys a second for a minute: only the first few, and the probes, reach the source.
        for second in 0..60 {
            for key in 0..10 {
                let question = world.question_about(&format!("{second}-{key}"));
                assert_eq!(world.ask_for(question).await.unwrap().unwrap_err().kind(), Kind::Unavailable);
                asked += 1;
            }
            let outcome = world.ask().await.unwrap().unwrap();
            assert_eq!(outcome.stale(), Some(StaleReason::SourceError), "what is kept stands in");
            world.after(1).await;
        }
        assert_eq!(asked, 600);
        assert!(world.source.calls() < 25, "{} calls reached a dead source", world.source.calls());
        world.source.always(Ok(2));
        let mut waited = 0;
        while world.ask().await.unwrap().unwrap().stale().is_some() {
            world.after(1).await;
            waited += 1;
            assert!(waited <= 80, "the longest pause is 60 seconds and a fifth");
        }
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 2);
    });
}

#[test]
fn a_limit_that_passes_while_a_caller_waits_is_a_limit() {
    on_one_thread(async {
        let policy = Policy { stale_if_error: seconds(100), hard_timeout: seconds(600), ..exact(60) };
        let world = World::new(Policy { soft_timeout: seconds(500), ..policy });
        world.fill(1).await;
        world.after(159).await;
        let asked = world.ask();
        let call = world.source.next_call().await;
        world.after(8).await;
        call.fail(down());
        assert_eq!(asked.await.unwrap().unwrap_err().kind(), Kind::Unavailable);
    });
}

#[test]
fn what_is_invalidated_while_a_caller_waits_does_not_stand_in_for_a_slow_source() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        world.after(60).await;
        let asked = world.ask();
        let call = world.source.next_call().await;
        world.after(1).await;
        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
        world.after(5).await;
        assert!(!asked.is_finished());
        call.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2, "who waited before is answered");
    });
}

#[test]
fn after_any_invalidation_caches_on_the_way_are_asked_to_look_again() {
    for way in ["tag", "key", "clear", "other key"] {
        on_one_thread(async {
            let world = World::new(exact(60));
            // There is no entry, and nothing that a miss could tell the reason from.
            match way {
                "tag" => _ = world.engine.invalidate(&Dep::tag("shop", TAG).unwrap()),
                "key" => _ = world.engine.invalidate_key(&world.question().key),
                "clear" => _ = world.engine.clear(),
                _ => _ = world.engine.invalidate_key(&world.question_about("7").key),
            }
            world.ask();
            assert_eq!(world.source.next_call().await.no_cache, way != "other key", "{way}");
        });
    }
}

#[test]
fn a_source_that_asks_for_a_pause_is_left_alone_for_every_key() {
    on_one_thread(async {
        let world = World::guarded(exact(60));
        let asked = world.ask();
        let throttled = Error::new(&catalogue::SOURCE_THROTTLED, "429").retry_after(seconds(30));
        world.source.next_call().await.fail(throttled);
        assert_eq!(asked.await.unwrap().unwrap_err().retry(), Retry::After(seconds(30)));
        world.after(29).await;
        for company in ["42", "7"] {
            let refused = world.ask_for(world.question_about(company)).await.unwrap().unwrap_err();
            assert_eq!((refused.kind(), refused.retry()), (Kind::Overloaded, Retry::After(seconds(1))));
        }
        assert_eq!(world.source.calls(), 1);
        world.after(1).await;
        assert_eq!(number(&world.fill(1).await), 1);
    });
}

#[test]
fn a_question_that_can_never_succeed_is_not_said_to_succeed_soon() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let asked = world.ask();
        world.source.next_call().await.fail(Error::new(&catalogue::SOURCE_REFUSED, "400"));
        assert_eq!(asked.await.unwrap().unwrap_err().retry(), Retry::Never);
        assert_eq!(world.ask().await.unwrap().unwrap_err().retry(), Retry::Never, "while the key rests");
    });
}

#[test]
fn a_replaced_entry_was_not_evicted() {
    on_one_thread(async {
        let world = World::new(exact(60));
        for value in 0..10 {
            world.fill(value).await;
            world.after(60).await;
        }
        assert_eq!(world.engine.figures().evictions, 0);
        world.engine.clear();
        assert_ne!(world.fill(1).await.miss().cloned(), Some(MissReason::Evicted));
    });
}

#[test]
fn what_had_to_leave_is_counted_and_missed_as_evicted() {
    on_one_thread(async {
        let world = World::new(Policy { item_bytes_max: usize::MAX, ..exact(60) });
        world.fill(1).await;
        let heavy = |_| async { Ok(Loaded::found(Value::new((), 1024 * 1024, 1))) };
        for company in 100..200 {
            let question = world.question_about(&company.to_string());
            world.engine.get_or_fetch(&question, heavy).await.unwrap();
        }
        let figures = world.engine.figures();
        assert!(figures.evictions >= 36 && figures.bytes <= figures.bytes_max, "{figures:?}");
        assert_eq!(figures.entries + figures.evictions, 101);
        let gone: Vec<_> = (100..200)
            .filter(|company| world.engine.get(&world.question_about(&company.to_string())).is_none())
            .collect();
        assert!(!gone.is_empty());
        let question = world.question_about(&gone[0].to_string());
        let outcome = world.engine.get_or_fetch(&question, heavy).await.unwrap();
        assert_eq!(outcome.miss().cloned(), Some(MissReason::Evicted));
    });
}

#[test]
fn a_key_is_explained_without_its_value() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let key = world.question().key;
        assert!(world.engine.explain(&key).is_none());
        world.fill(1).await;
        world.after(20).await;
        let fresh = world.engine.explain(&key).unwrap();
        assert_eq!(
            (fresh.freshness, fresh.age, fresh.fresh_for),
            (Freshness::Fresh, seconds(20), seconds(40))
        );
        let tag = Dep::tag("shop", TAG).unwrap();
        world.engine.invalidate(&tag);
        let invalidated = world.engine.explain(&key).unwrap();
        assert_eq!(invalidated.freshness, Freshness::LastResort);
        let broken: Vec<_> = invalidated.deps.iter().filter(|(_, stands)| !stands).collect();
        assert_eq!(broken, [&(tag, false)]);
    });
}

#[test]
fn keys_come_in_pages_and_each_once() {
    on_one_thread(async {
        let world = World::new(exact(60));
        for company in 0..25 {
            let load = |_| async { Ok(Loaded::found(Value::new((), 1, 1))) };
            world.engine.get_or_fetch(&world.question_about(&company.to_string()), load).await.unwrap();
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = world.engine.keys(after.as_ref(), 10, |key| key.text() != "kpis:list:7");
            assert!(page.entries.len() <= 10);
            seen.extend(page.entries.iter().map(|entry| entry.key.text()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 24);
    });
}
