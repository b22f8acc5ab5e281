//! One load for everyone: whoever asks, whoever goes away, however it ends.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Loaded, Mode},
    error::{Kind, catalogue},
    figures::Count,
    outcome::{MissReason, NotStored, Origin},
    value::Value,
};
use support::{World, down, exact, number, on_one_thread, on_one_thread_returning, seconds};

#[test]
fn a_thousand_callers_of_a_cold_key_share_one_load() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let callers: Vec<_> = (0..1000).map(|_| world.ask()).collect();
        world.settle().await;
        world.source.next_call().await.answer(1);
        let mut led = 0;
        for caller in callers {
            let outcome = caller.await.unwrap().unwrap();
            assert_eq!((number(&outcome), outcome.origin()), (1, Origin::Source));
            led += usize::from(!outcome.collapsed());
        }
        assert_eq!((world.source.calls(), led), (1, 1));
        assert_eq!(world.rules.counters.get(Count::Collapsed), 999);
    });
}

#[test]
fn a_failing_load_is_called_once_and_everyone_hears_of_it() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let callers: Vec<_> = (0..1000).map(|_| world.ask()).collect();
        world.settle().await;
        world.source.next_call().await.fail(down());
        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap_err().kind(), Kind::Unavailable);
        }
        assert_eq!(world.source.calls(), 1);
        // Whoever comes now hears it too: the next attempt waits for the back-off.
        let refused = world.ask().await.unwrap().unwrap_err();
        assert_eq!(refused.code(), &catalogue::SOURCE_UNREACHABLE);
        assert_eq!(world.source.calls(), 1);
        world.after(1).await;
        let outcome = world.fill(2).await;
        assert_eq!((number(&outcome), outcome.miss().cloned()), (2, Some(MissReason::Error)));
    });
}

#[test]
fn the_first_caller_goes_away_and_the_load_completes_once_for_all_others() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let first = world.ask();
        world.settle().await;
        let others: Vec<_> = (0..99).map(|_| world.ask()).collect();
        world.settle().await;
        first.abort();
        world.settle().await;
        world.source.next_call().await.answer(1);
        for other in others {
            assert_eq!(number(&other.await.unwrap().unwrap()), 1);
        }
        assert!(world.ask().await.unwrap().unwrap().is_hit());
        assert_eq!(world.source.calls(), 1);
    });
}

#[test]
fn a_load_that_every_caller_has_left_is_still_stored() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let only = world.ask();
        let call = world.source.next_call().await;
        only.abort();
        world.settle().await;
        call.answer(1);
        world.settle().await;
        assert!(world.ask().await.unwrap().unwrap().is_hit());
        assert_eq!(world.engine.figures().loads_running, 0);
    });
}

#[test]
fn a_panicking_load_wakes_everybody_with_an_error() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let callers: Vec<_> = (0..100).map(|_| world.ask()).collect();
        world.settle().await;
        world.source.next_call().await.panic();
        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap_err().code(), &catalogue::LOAD_PANICKED);
        }
        world.after(1).await;
        assert_eq!(number(&world.fill(2).await), 2);
    });
}

#[test]
fn callers_of_an_uncacheable_key_are_not_made_to_wait_for_one_another() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let callers: Vec<_> = (0..10).map(|_| world.ask()).collect();
        world.settle().await;
        world.source.next_call().await.answer_uncacheable(0);
        world.settle().await;
        // Nine had joined: what may not be shared was not given to them, and all nine ask at the same time.
        assert_eq!(world.source.calls(), 10);
        for number in 1..10 {
            world.source.next_call().await.answer_uncacheable(number);
        }
        let mut seen = Vec::new();
        for caller in callers {
            let outcome = caller.await.unwrap().unwrap();
            assert_eq!(outcome.not_stored(), Some(NotStored::Uncacheable));
            seen.push(number(&outcome));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>(), "nobody got what was another's");
        // From now on everyone goes straight to the source.
        let later: Vec<_> = (0..5).map(|_| world.ask()).collect();
        world.settle().await;
        assert_eq!(world.source.calls(), 15);
        drop(later);
    });
}

#[test]
fn a_value_that_is_too_large_is_answered_to_all_and_kept_for_nobody() {
    on_one_thread(async {
        let world = World::new(Policy { item_bytes_max: 7, ..exact(60) });
        let outcome = world.fill(1).await;
        assert_eq!((number(&outcome), outcome.not_stored()), (1, Some(NotStored::TooLarge)));
        assert_eq!(outcome.fresh_for(), seconds(0));
        assert!(!world.fill(2).await.is_hit());
    });
}

#[test]
fn a_bypass_shares_and_keeps_nothing_and_a_refresh_replaces_what_is_kept() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        let bypass = world.ask_for(world.question().with_mode(Mode::Bypass));
        world.source.next_call().await.answer(2);
        let outcome = bypass.await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.not_stored()), (2, Some(NotStored::Bypass)));
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 1);
        let refresh = world.ask_for(world.question().with_mode(Mode::Refresh));
        let call = world.source.next_call().await;
        assert!(call.no_cache);
        call.answer(3);
        refresh.await.unwrap().unwrap();
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 3);
    });
}

#[test]
fn an_older_load_never_overwrites_a_newer_one() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let older = world.ask();
        let older_call = world.source.next_call().await;
        let newer = world.ask_for(world.question().with_mode(Mode::Refresh));
        world.source.next_call().await.answer(2);
        newer.await.unwrap().unwrap();
        older_call.answer(1);
        let outcome = older.await.unwrap().unwrap();
        assert_eq!((number(&outcome), outcome.not_stored()), (1, Some(NotStored::Superseded)));
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 2);
    });
}

#[test]
fn closing_waits_for_the_loads_under_way_and_takes_no_new_ones() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let caller = world.ask();
        let call = world.source.next_call().await;
        let engine = world.engine.clone();
        let closing = async move { engine.close(seconds(10)).await };
        let (closed, refused) = tokio::join!(closing, async {
            let refused = world.ask_for(world.question_about("7")).await.unwrap().unwrap_err();
            call.answer(1);
            refused
        });
        assert!(closed, "all loads had ended");
        assert_eq!(refused.kind(), Kind::Closed);
        assert_eq!(number(&caller.await.unwrap().unwrap()), 1);
        assert!(world.ask().await.unwrap().unwrap().is_hit(), "what is in memory is still answered");
    });
}

#[test]
fn closing_gives_up_when_its_time_is_over() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let _caller = world.ask();
        let _call = world.source.next_call().await;
        let engine = world.engine.clone();
        // Half of what the load may take.
        let (closed, ()) = tokio::join!(async move { engine.close(seconds(5)).await }, world.after(5));
        assert!(!closed);
        assert_eq!(world.engine.figures().loads_running, 1);
    });
}

#[test]
fn what_may_not_be_shared_is_not_shared_when_an_invalidation_races_its_load() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let (led, joined) = (world.ask(), world.ask());
        let call = world.source.next_call().await;
        world.settle().await;
        world.engine.invalidate(&Dep::class("shop", "kpis"));
        call.answer_uncacheable(1);
        assert_eq!(number(&led.await.unwrap().unwrap()), 1);
        world.source.next_call().await.answer(2);
        assert_eq!(number(&joined.await.unwrap().unwrap()), 2, "the other caller's answer");
    });
}

#[test]
fn refreshes_that_never_pause_do_not_keep_the_cache_from_being_filled() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let mut calls = Vec::new();
        for _ in 0..5 {
            world.ask_for(world.question().with_mode(Mode::Refresh));
            calls.push(world.source.next_call().await);
        }
        // The third of five ends first, and then the first.
        calls.remove(2).answer(3);
        world.settle().await;
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 3);
        calls.remove(0).answer(1);
        world.settle().await;
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 3, "an older load overwrote a newer one");
    });
}

#[test]
fn nothing_is_remembered_of_keys_that_have_come_to_rest() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.fill(1).await;
        assert_eq!(world.engine.figures().flights, 0);
        // It fails, rests, loads again, and is invalidated meanwhile.
        world.after(60).await;
        let asked = world.ask();
        world.source.next_call().await.fail(down());
        asked.await.unwrap().unwrap();
        world.after(10).await;
        let asked = world.ask();
        let call = world.source.next_call().await;
        world.engine.invalidate_key(&world.question().key);
        call.answer(2);
        asked.await.unwrap().unwrap();
        world.after(60).await;
        assert_eq!(number(&world.fill(3).await), 3);
        assert_eq!(world.engine.figures().flights, 0);
    });
}

#[test]
fn many_failing_keys_are_remembered_up_to_a_bound() {
    on_one_thread(async {
        let world = World::new(exact(60));
        world.source.always(Err(down()));
        for key in 0..20_000 {
            world.ask_for(world.question_about(&key.to_string())).await.unwrap().unwrap_err();
        }
        let remembered = world.engine.figures().flights;
        assert!(remembered <= 16 * 512, "{remembered} keys");
    });
}

#[test]
fn a_value_whose_drop_comes_back_to_the_engine_finds_no_lock() {
    /// Invalidates its own key when it is dropped, as a value that holds a handle to the cache may do.
    struct Restless(alacena_core::engine::Engine, alacena_core::key::Key);
    impl Drop for Restless {
        fn drop(&mut self) {
            self.0.invalidate_key(&self.1);
        }
    }
    on_one_thread(async {
        let world = World::new(exact(60));
        for _ in 0..3 {
            let restless = Restless(world.engine.clone(), world.question().key);
            let load = |_| async { Ok(Loaded::found(Value::new(restless, 8, 1))) };
            let question = world.question().with_mode(Mode::Refresh);
            world.engine.get_or_fetch(&question, load).await.unwrap();
        }
        world.engine.clear();
    });
}

#[test]
fn a_task_that_is_dropped_with_its_runtime_wakes_whoever_waits() {
    let world = on_one_thread_returning(async {
        let world = World::new(exact(60));
        let waiting = world.ask();
        let _call = world.source.next_call().await;
        drop(waiting);
        world
    });
    // The runtime is gone, and with it the load. A new one finds the key free.
    on_one_thread(async {
        assert_eq!(world.engine.figures().flights, 0);
        assert_eq!(world.engine.figures().loads_running, 0);
        assert_eq!(number(&world.fill(1).await), 1);
    });
}
