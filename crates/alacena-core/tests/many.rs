//! Batches: partial hits, one load for the rest, every key once, nobody in anybody's way.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use alacena_core::{
    class::Policy,
    engine::{BATCH_MAX, Loaded, Question, Rules},
    error::{Error, Kind, catalogue},
    key::KeySpace,
    outcome::{NotStored, Outcome, StaleReason},
    runtime::Runtime,
};
use alacena_testkit::{FakeRuntime, ScriptedSource};
use parking_lot::Mutex;
use support::{World, down, exact, number, on_one_thread, seconds};

/// What the loads of a test were asked for: a list of keys a load.
type Log = Arc<Mutex<Vec<Vec<usize>>>>;

fn questions(world: &World, keys: impl IntoIterator<Item = usize>) -> Vec<Question> {
    keys.into_iter().map(|key| world.question_about(&key.to_string())).collect()
}

/// Asks for `keys`; each loads as its own number.
async fn ask(world: &World, keys: Vec<usize>, log: &Log) -> Vec<Result<Outcome, Error>> {
    let (wanted, log) = (keys.clone(), Arc::clone(log));
    let load = move |positions: Vec<usize>, _| {
        let keys: Vec<usize> = positions.iter().map(|at| wanted[*at]).collect();
        log.lock().push(keys.clone());
        async move { Ok(keys.into_iter().map(|key| Loaded::found(ScriptedSource::value(key as u64))).collect()) }
    };
    world.engine.get_many_or_fetch(questions(world, keys), load).await.unwrap()
}

fn numbers(answers: &[Result<Outcome, Error>]) -> Vec<usize> {
    answers.iter().map(|answer| number(answer.as_ref().unwrap()) as usize).collect()
}

#[test]
fn what_is_there_is_answered_and_the_rest_is_loaded_together_in_order() {
    on_one_thread(async {
        let (world, log) = (World::new(exact(60)), Log::default());
        ask(&world, vec![2, 4], &log).await;
        let answers = ask(&world, vec![1, 2, 3, 4, 5], &log).await;
        assert_eq!(numbers(&answers), [1, 2, 3, 4, 5]);
        let hits: Vec<bool> = answers.iter().map(|answer| answer.as_ref().unwrap().is_hit()).collect();
        assert_eq!(hits, [false, true, false, true, false]);
        assert_eq!(*log.lock(), [vec![2, 4], vec![1, 3, 5]]);
        assert!(ask(&world, Vec::new(), &log).await.is_empty());
    });
}

#[test]
fn a_key_that_stands_twice_in_a_batch_is_loaded_once() {
    on_one_thread(async {
        let (world, log) = (World::new(exact(60)), Log::default());
        assert_eq!(numbers(&ask(&world, vec![7, 8, 7], &log).await), [7, 8, 7]);
        assert_eq!(*log.lock(), [vec![7, 8]]);
    });
}

#[test]
fn a_failure_is_shared_and_what_was_there_stands_in() {
    on_one_thread(async {
        let (world, log) = (World::new(exact(60)), Log::default());
        ask(&world, vec![1], &log).await;
        world.after(60).await;
        let load = |_, _| async { Err(down()) };
        let answers = world.engine.get_many_or_fetch(questions(&world, [1, 2]), load).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap().stale(), Some(StaleReason::SourceError));
        assert_eq!(answers[1].as_ref().unwrap_err().kind(), Kind::Unavailable);
        // Both rest now: nobody is asked.
        assert_eq!(ask(&world, vec![2], &log).await[0].as_ref().unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(log.lock().len(), 1);
    });
}

#[test]
fn one_value_too_few_is_an_error_and_gives_no_key_another_ones_value() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let load = |_, _| async { Ok(vec![Loaded::found(ScriptedSource::value(1))]) };
        let answers = world.engine.get_many_or_fetch(questions(&world, [1, 2]), load).await.unwrap();
        for answer in &answers {
            assert_eq!(answer.as_ref().unwrap_err().detail(), "the load answered 1 values for 2 keys");
        }
        assert_eq!(world.engine.figures().entries, 0);
    });
}

#[test]
fn what_may_not_be_shared_is_loaded_for_each_batch() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let calls = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let calls = Arc::clone(&calls);
            let runtime = world.runtime.clone();
            let load = move |positions: Vec<usize>, _| {
                let call = calls.fetch_add(1, Ordering::SeqCst) as u64;
                let runtime = runtime.clone();
                async move {
                    runtime.sleep(seconds(1)).await;
                    let private =
                        |_| Loaded { cacheable: false, ..Loaded::found(ScriptedSource::value(call)) };
                    Ok(positions.iter().map(private).collect())
                }
            };
            world.engine.get_many_or_fetch(questions(&world, [1, 2]), load)
        };
        let (first, second, ()) = tokio::join!(ask(), ask(), async {
            world.after(1).await;
            world.after(1).await;
        });
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!((numbers(&first), numbers(&second)), (vec![0, 0], vec![1, 1]));
        assert_eq!(first[0].as_ref().unwrap().not_stored(), Some(NotStored::Uncacheable));
    });
}

#[test]
fn what_cannot_be_a_batch_is_refused() {
    on_one_thread(async {
        let world = World::new(exact(60));
        let load = |_, _| async { Ok(Vec::new()) };
        let many = questions(&world, 0..=BATCH_MAX);
        let refused = world.engine.get_many_or_fetch(many, load).await.unwrap_err();
        assert_eq!(refused.detail(), "a batch has at most 1000 questions, this one has 1001");
        let others =
            Arc::new(Rules::new(KeySpace::new("shop", "jobs", &["jobs"]).unwrap(), Policy::default()));
        let other = Question::new(&others, others.space.key(None, ["1"]).unwrap(), []).unwrap();
        let mixed = vec![world.question(), other];
        let refused = world.engine.get_many_or_fetch(mixed, load).await.unwrap_err();
        assert_eq!(refused.code(), &catalogue::PARAMETER_INVALID);
    });
}

/// Ten overlapping batches of a hundred keys, half of them cold, in an order that the seed decides.
async fn schedule(seed: u64) {
    let world = Arc::new(World::new(exact(60)));
    let (log, chance) = (Log::default(), FakeRuntime::new(seed));
    ask(&world, (0..50).collect(), &log).await;
    let batches: Vec<_> = (0..10)
        .map(|batch| {
            let mut keys: Vec<usize> = (0..50).chain((50..100).map(|key| key + batch * 5)).collect();
            // Batches that take the same keys in different orders are those that could wait for one another.
            for at in (1..keys.len()).rev() {
                keys.swap(at, chance.random() as usize % (at + 1));
            }
            one_batch(Arc::clone(&world), keys, Arc::clone(&log), chance.clone())
        })
        .map(start)
        .collect();
    for batch in batches {
        batch.await.unwrap();
    }
    let mut loaded: Vec<usize> = log.lock().iter().flatten().copied().collect();
    let all = loaded.len();
    loaded.sort_unstable();
    loaded.dedup();
    assert_eq!((loaded.len(), all), (145, 145), "seed {seed}: every key once");
}

async fn one_batch(world: Arc<World>, keys: Vec<usize>, log: Log, chance: FakeRuntime) {
    for _ in 0..chance.random() % 4 {
        tokio::task::yield_now().await;
    }
    let (wanted, pause) = (keys.clone(), chance.random() % 6);
    let load = move |positions: Vec<usize>, _| {
        let keys: Vec<usize> = positions.iter().map(|at| wanted[*at]).collect();
        log.lock().push(keys.clone());
        async move {
            for _ in 0..pause {
                tokio::task::yield_now().await;
            }
            Ok(keys.into_iter().map(|key| Loaded::found(ScriptedSource::value(key as u64))).collect())
        }
    };
    let answers = world.engine.get_many_or_fetch(questions(&world, keys.clone()), load).await.unwrap();
    assert_eq!(numbers(&answers), keys);
}

#[expect(clippy::disallowed_methods, reason = "a caller of the test")]
fn start(batch: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(batch)
}

#[test]
fn overlapping_batches_load_every_key_once_and_none_waits_for_ever() {
    on_one_thread(async {
        for seed in 0..300 {
            schedule(seed).await;
        }
    });
}
