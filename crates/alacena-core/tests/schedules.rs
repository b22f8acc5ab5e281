//! Batches under a scheduler that may take the processor from anybody at every lock.
//!
//! [shuttle](https://docs.rs/shuttle) runs one thread at a time, hands over wherever threads could meet, and reports a
//! schedule in which all of them wait. `SCHEDULES` says how many are tried, ten times as many where a schedule is short:
//! 300 unless it is set, 200 in `cargo xtask test`, ten thousand in `cargo xtask long schedules`. The one that fails is
//! printed as a seed.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Engine, EngineSettings, Loaded, Question, Rules},
    error::{Error, catalogue},
    flight::{Flights, Look, Turn},
    guard::{BulkheadSettings, Guard, GuardSettings},
    key::KeySpace,
    marker::Token,
    outcome::Outcome,
    runtime::{BoxFuture, Moment, Runtime, SharedRuntime},
};
use alacena_testkit::ScriptedSource;
use shuttle::{
    future::{block_on, spawn, yield_now},
    rand::Rng as _,
};

/// Time is what a schedule makes it.
#[derive(Default)]
struct Told(shuttle::sync::atomic::AtomicU64);

impl Runtime for Told {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.load(SeqCst))
    }

    fn unix_millis(&self) -> u64 {
        0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(spawn(task));
    }

    fn random(&self) -> u64 {
        0
    }
}

/// Time stands still: whatever a schedule does, it does not end because somebody waited long enough.
#[derive(Default)]
struct Timeless(AtomicU64);

impl Runtime for Timeless {
    fn now(&self) -> Moment {
        Moment::ORIGIN
    }

    fn unix_millis(&self) -> u64 {
        0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(spawn(task));
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, SeqCst)
    }
}

const TAG: &str = "company:42";

/// An engine, and a source that says of every key in which version it was asked.
struct World {
    engine: Engine,
    rules: Arc<Rules>,
    version: AtomicU64,
    /// The keys that were loaded, in order.
    loaded: Mutex<Vec<usize>>,
}

impl World {
    /// `concurrency`: how many loads the source takes at once.
    fn new(concurrency: usize) -> Arc<Self> {
        let runtime: SharedRuntime = Arc::new(Timeless::default());
        let bulkhead = BulkheadSettings { concurrency, ..BulkheadSettings::default() };
        let settings = GuardSettings { bulkhead, ..GuardSettings::default() };
        let guard = Some(Guard::new("db", settings, Arc::clone(&runtime)));
        let space = KeySpace::new("shop", "kpis", &["kpis"]).unwrap();
        // Nothing is refreshed ahead: every key is to be loaded once.
        let policy = Policy { refresh_ahead: false, ..Policy::default() };
        Arc::new(Self {
            engine: Engine::new(EngineSettings::default(), runtime),
            rules: Arc::new(Rules { guard, ..Rules::new(space, policy) }),
            version: AtomicU64::new(0),
            loaded: Mutex::default(),
        })
    }

    fn question(&self, key: usize) -> Question {
        let key = self.rules.space.key(None, [key.to_string()]).unwrap();
        Question::new(&self.rules, key, [Dep::tag("shop", TAG).unwrap()]).unwrap()
    }

    /// The versions in which a batch sees `keys`.
    async fn ask(self: &Arc<Self>, keys: Vec<usize>) -> Vec<u64> {
        let questions = keys.iter().map(|key| self.question(*key)).collect();
        let world = Arc::clone(self);
        let load = move |positions: Vec<usize>, _no_cache| {
            let (world, keys) = (Arc::clone(&world), keys.clone());
            async move {
                world.loaded.lock().unwrap().extend(positions.iter().map(|at| keys[*at]));
                let version = world.version.load(SeqCst);
                // The answer is on its way; whatever happens now, it says what was true before.
                yield_now().await;
                Ok(positions.iter().map(|_| Loaded::found(ScriptedSource::value(version))).collect())
            }
        };
        let answers = self.engine.get_many_or_fetch(questions, load).await.unwrap();
        answers.into_iter().map(version).collect()
    }
}

fn version(answer: Result<Outcome, Error>) -> u64 {
    ScriptedSource::number(answer.unwrap().value()).unwrap()
}

/// A shuffle of `keys` that follows from `seed` alone.
fn shuffled(mut keys: Vec<usize>, seed: u64) -> Vec<usize> {
    let chance = Timeless(AtomicU64::new(seed.wrapping_mul(0xD134_2543_DE82_EF95)));
    for at in (1..keys.len()).rev() {
        let random = (chance.random() >> 33) as usize;
        keys.swap(at, random % (at + 1));
    }
    keys
}

fn schedules() -> usize {
    env::var("SCHEDULES").map_or(300, |count| count.parse().expect("SCHEDULES is a number"))
}

fn each_cold_key_is_loaded_once(concurrency: usize) {
    let scenario = move || {
        block_on(async move {
            let world = World::new(concurrency);
            world.ask((0..50).collect()).await;
            let batches: Vec<_> = (0..10)
                .map(|batch| {
                    // Fifty that are there and fifty that are not, most of which the neighbours want too.
                    let keys = (0..50).chain((50..100).map(|key| key + batch * 5)).collect();
                    let (world, keys) = (Arc::clone(&world), shuffled(keys, batch as u64));
                    spawn(async move { world.ask(keys).await.len() })
                })
                .collect();
            for batch in batches {
                assert_eq!(batch.await.unwrap(), 100);
            }
            let mut loaded = world.loaded.lock().unwrap().clone();
            loaded.sort_unstable();
            assert_eq!(loaded, (0..145).collect::<Vec<_>>(), "every key once");
        });
    };
    try_schedules(scenario, schedules());
}

fn try_schedules(scenario: impl Fn() + Send + Sync + 'static, count: usize) {
    let mut config = shuttle::Config::new();
    config.stack_size = 512 * 1024;
    config.max_steps = shuttle::MaxSteps::FailAfter(10_000_000);
    let scheduler = shuttle::scheduler::RandomScheduler::new(count);
    shuttle::Runner::new(scheduler, config).run(scenario);
}

#[test]
fn overlapping_batches_load_every_cold_key_once_and_none_waits_for_ever() {
    each_cold_key_is_loaded_once(64);
}

#[test]
fn nor_where_the_source_takes_one_load_at_a_time() {
    each_cold_key_is_loaded_once(1);
}

#[test]
fn a_batch_that_begins_after_an_invalidation_sees_nothing_from_before_it() {
    let scenario = || {
        block_on(async {
            let world = World::new(64);
            let readers: Vec<_> = (0..3)
                .map(|reader| {
                    let world = Arc::clone(&world);
                    spawn(async move {
                        for round in 0..3 {
                            world.ask(shuffled((0..8).collect(), 3 * reader + round)).await;
                        }
                    })
                })
                .collect();
            let writer = spawn({
                let world = Arc::clone(&world);
                async move {
                    for change in 1..=2 {
                        // Otherwise nearly every schedule has the writer done before the first load is on its way.
                        for _ in 0..shuttle::rand::thread_rng().gen_range(0..200) {
                            yield_now().await;
                        }
                        world.version.store(change, SeqCst);
                        world.engine.invalidate(&Dep::tag("shop", TAG).unwrap());
                        let seen = world.ask(shuffled((0..8).collect(), 7 + change)).await;
                        assert!(seen.iter().all(|seen| *seen == change), "{seen:?} after change {change}");
                    }
                }
            });
            for reader in readers {
                reader.await.unwrap();
            }
            writer.await.unwrap();
        });
    };
    try_schedules(scenario, 10 * schedules());
}

#[test]
fn whoever_looked_at_the_clock_before_a_rest_was_over_may_come_after_its_end() {
    let scenario = || {
        let clock = Arc::new(Told::default());
        let flights = Flights::new(Arc::clone(&clock) as SharedRuntime);
        let key = KeySpace::new("shop", "kpis", &["kpis"]).unwrap().key(None, ["1"]).unwrap();
        let ask = move |flights: &Flights| flights.ask(&key, true, || Look::Missing(None), Token::default);
        let Turn::Lead(landing, _) = ask(&flights) else { panic!("nobody else is there") };
        landing.fail(&Error::new(&catalogue::SOURCE_FAILED, "down"), true);
        let late = shuttle::thread::spawn({
            let (flights, ask) = (flights.clone(), ask.clone());
            move || drop(ask(&flights))
        });
        clock.0.store(1_000_000_000, SeqCst);
        // Given up without a word: from here on nobody knows what the rest was for.
        drop(ask(&flights));
        late.join().unwrap();
    };
    try_schedules(scenario, 10 * schedules());
}
