//! Loading ahead of the first caller: only what is not fresh, after everybody else, never against a breaker.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    dep::Dep,
    engine::{Change, Learned, Listener, Question, Rules, Warmed},
    error::{Error, catalogue},
    figures::Count,
    guard::{BulkheadSettings, Guard, GuardSettings, State},
    key::KeySpace,
    outcome::NotStored,
};
use support::{TAG, World, down, exact, number, on_one_thread};
use tokio::{sync::oneshot, task::JoinHandle};

#[expect(clippy::disallowed_methods, reason = "the warming of the test")]
fn warm(world: &World, question: Question) -> JoinHandle<Result<Warmed, Error>> {
    let (engine, load) = (world.engine.clone(), world.source.loader());
    tokio::spawn(async move { engine.warm(&question, load).await })
}

fn tag() -> Dep {
    Dep::tag("shop", TAG).unwrap()
}

/// A world whose source takes `concurrency` calls at once.
fn narrow(concurrency: usize) -> World {
    bounded(BulkheadSettings { concurrency, ..BulkheadSettings::default() })
}

fn bounded(bulkhead: BulkheadSettings) -> World {
    let world = World::new(exact(60));
    let settings = GuardSettings { bulkhead, ..GuardSettings::default() };
    let guard = Some(Guard::new("db", settings, Arc::new(world.runtime.clone())));
    let space = KeySpace::new("shop", "kpis", &["kpis", "list"]).unwrap();
    let rules = Arc::new(Rules { guard, ..Rules::new(space, exact(60)) });
    World { rules, ..world }
}

#[test]
fn what_is_fresh_is_left_alone_and_nobody_is_counted() {
    on_one_thread(async {
        let world = World::guarded(exact(60));
        let first = warm(&world, world.question());
        world.source.next_call().await.answer(1);
        assert_eq!(first.await.unwrap().unwrap(), Warmed::Loaded);
        assert_eq!(warm(&world, world.question()).await.unwrap().unwrap(), Warmed::Fresh);
        let counters = &world.rules.counters;
        let misses: u64 = counters.misses().iter().sum();
        assert_eq!((counters.get(Count::Hits), misses, counters.get(Count::Loads)), (0, 0, 1));
        assert_eq!(number(&world.ask().await.unwrap().unwrap()), 1);

        world.after(61).await;
        let again = warm(&world, world.question());
        world.source.next_call().await.fail(down());
        assert_eq!(again.await.unwrap().unwrap_err().code(), down().code(), "nothing stands in");
        assert_eq!(world.source.calls(), 2);
    });
}

#[test]
fn a_source_whose_breaker_is_not_closed_is_sent_nothing() {
    on_one_thread(async {
        let world = World::guarded(exact(60));
        let guard = world.rules.guard.clone().unwrap();
        for company in 0..5 {
            let asked = world.ask_for(world.question_about(&company.to_string()));
            world.source.next_call().await.fail(down());
            asked.await.unwrap().unwrap_err();
        }
        assert_eq!(guard.figures().breaker.state, State::Open);
        let refused = |result: Result<Warmed, Error>| {
            assert_eq!(result.unwrap_err().code(), &catalogue::BREAKER_OPEN);
        };
        refused(warm(&world, world.question()).await.unwrap());
        // The first probe is due, and is left to a caller.
        world.after(2).await;
        refused(warm(&world, world.question()).await.unwrap());
        let asked = world.ask_for(world.question_about("0"));
        let probe = world.source.next_call().await;
        assert_eq!(guard.figures().breaker.state, State::HalfOpen);
        refused(warm(&world, world.question()).await.unwrap());
        probe.answer(1);
        asked.await.unwrap().unwrap();
        assert_eq!(world.source.calls(), 6);
    });
}

#[test]
fn a_caller_does_not_wait_in_the_queue_of_those_whom_nobody_waits_for() {
    on_one_thread(async {
        // One place of four is for background work.
        let world = narrow(4);
        let first = warm(&world, world.question_about("1"));
        let busy = world.source.next_call().await;
        let second = warm(&world, world.question_about("2"));
        world.settle().await;
        assert_eq!(world.rules.guard.as_ref().unwrap().figures().queued, 1);
        let asked = world.ask_for(world.question_about("2"));
        world.source.next_call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        busy.answer(1);
        assert_eq!(first.await.unwrap().unwrap(), Warmed::Loaded);
        assert_eq!(
            second.await.unwrap().unwrap(),
            Warmed::Fresh,
            "its turn came, and there was nothing left to do"
        );
        assert_eq!(world.source.calls(), 2);
    });
}

#[test]
fn a_caller_who_comes_while_a_warming_loads_takes_its_value() {
    on_one_thread(async {
        let world = narrow(4);
        let warming = warm(&world, world.question());
        let call = world.source.next_call().await;
        let asked = world.ask();
        world.settle().await;
        call.answer(7);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 7);
        assert_eq!((warming.await.unwrap().unwrap(), world.source.calls()), (Warmed::Loaded, 1));
    });
}

#[test]
fn a_caller_who_waits_for_a_warming_that_is_given_up_loads_for_itself() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let warming = warm(&world, world.question());
        let given_up = world.source.next_call().await;
        let asked = [world.ask(), world.ask()];
        world.settle().await;
        warming.abort();
        world.source.next_call().await.answer(2);
        for asked in asked {
            assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        }
        drop(given_up);
        assert_eq!(world.source.calls(), 2, "one of them for both");
    });
}

#[test]
fn a_caller_is_not_turned_away_for_want_of_a_place_for_those_whom_nobody_waits_for() {
    on_one_thread(async {
        // Three may wait, and of those that nobody waits for none.
        let world = bounded(BulkheadSettings { concurrency: 1, queue: 3, ..BulkheadSettings::default() });
        let busy = world.ask_for(world.question_about("busy"));
        let call = world.source.next_call().await;
        let (learn, learned) = oneshot::channel();
        let (engine, question, load) = (world.engine.clone(), world.question(), world.source.loader());
        #[expect(clippy::disallowed_methods, reason = "the warming of the test")]
        let warming = tokio::spawn(async move {
            let first = async move {
                learned.await.unwrap();
                Ok(Learned::Ask(load))
            };
            engine.warm_after(&question, first).await
        });
        world.settle().await;
        let asked = world.ask();
        world.settle().await;
        learn.send(()).unwrap();
        assert_eq!(warming.await.unwrap().unwrap_err().code(), &catalogue::BULKHEAD_FULL);
        world.settle().await;
        call.answer(1);
        world.source.next_call().await.answer(2);
        assert_eq!(number(&asked.await.unwrap().unwrap()), 2);
        busy.await.unwrap().unwrap();
    });
}

#[test]
fn what_is_invalidated_while_it_loads_is_not_kept_and_said_not_to_be() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let warming = warm(&world, world.question());
        let call = world.source.next_call().await;
        world.engine.invalidate(&tag());
        call.answer(1);
        assert_eq!(warming.await.unwrap().unwrap(), Warmed::NotStored(NotStored::Superseded));
        assert!(world.engine.get(&world.question()).is_none());
    });
}

#[test]
fn a_closed_engine_warms_nothing() {
    on_one_thread(async {
        let world = World::new(exact(60));
        assert!(world.engine.close(Duration::ZERO).await);
        let error = warm(&world, world.question()).await.unwrap().unwrap_err();
        assert_eq!((error.code(), world.source.calls()), (&catalogue::CLOSED, 0));
    });
}

#[test]
fn a_listener_hears_what_is_invalidated_once_it_is() {
    struct Counts(AtomicUsize, AtomicUsize);
    impl Listener for Counts {
        fn invalidated(&self, change: Change<'_>) {
            let count = match change {
                Change::Dep(_) => &self.0,
                Change::Key(_) => &self.1,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    on_one_thread(async {
        let world = World::new(exact(60));
        let counts = Arc::new(Counts(AtomicUsize::new(0), AtomicUsize::new(0)));
        assert!(world.engine.listen(Arc::clone(&counts) as Arc<dyn Listener>));
        assert!(!world.engine.listen(Arc::clone(&counts) as Arc<dyn Listener>), "one is enough");
        world.engine.invalidate(&tag());
        world.engine.clear();
        world.engine.invalidate_key(&world.question().key);
        assert_eq!((counts.0.load(Ordering::Relaxed), counts.1.load(Ordering::Relaxed)), (2, 1));
    });
}

#[test]
fn the_reach_of_an_invalidation_is_counted_before_it_is_done() {
    on_one_thread(async {
        let world = World::new(exact(60));
        for company in ["1", "2", "3"] {
            let asked = world.ask_for(world.question_about(company));
            world.source.next_call().await.answer(1);
            asked.await.unwrap().unwrap();
        }
        let (class, other) = (Dep::class("shop", "kpis"), Dep::tag("shop", "other").unwrap());
        let key = world.question_about("2").key;
        let changes = [Change::Dep(&class), Change::Dep(&other), Change::Key(&key), Change::Key(&key)];
        let reach = world.engine.reach(&changes);
        assert_eq!((reach.each, reach.entries), (vec![3, 0, 1, 1], 3));
        assert_eq!(world.engine.reach(&[Change::Key(&key)]).entries, 1, "nothing was invalidated");
        world.engine.invalidate(&tag());
        assert_eq!(world.engine.reach(&[Change::Dep(&class)]).entries, 0, "those are gone already");
    });
}
