//! Refreshing ahead on a seeded trace: who waits for the source, and how much more often it is asked.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alacena_core::{
    class::Policy,
    engine::{Loaded, Question},
    runtime::{Moment, Runtime, unit_interval},
};
use alacena_testkit::{FakeRuntime, ScriptedSource};
use parking_lot::Mutex;
use support::{World, on_one_thread};

const TTL: Duration = Duration::from_secs(60);
const KEYS: usize = 60;
const QUESTIONS_A_SECOND: f64 = 80.0;
/// What is not counted: every key is cold once.
const WARM_UP: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(12 * 60);
/// Questions within one TTL from which on a key is hot.
const HOT: f64 = 256.0;

/// One question of the trace.
struct Arrival {
    at: Duration,
    key: usize,
}

/// Questions at random times (a Poisson process) about keys whose popularity falls with their number (Zipf).
fn trace(chance: &FakeRuntime) -> Vec<Arrival> {
    let shares: Vec<f64> = (0..KEYS)
        .scan(0.0, |sum, key| {
            *sum += share(key);
            Some(*sum)
        })
        .collect();
    let (mut at, mut trace) = (0.0, Vec::new());
    loop {
        at += -unit_interval(chance.random()).max(f64::MIN_POSITIVE).ln() / QUESTIONS_A_SECOND;
        if at >= END.as_secs_f64() {
            return trace;
        }
        let drawn = unit_interval(chance.random());
        let key = shares.partition_point(|sum| *sum < drawn).min(KEYS - 1);
        trace.push(Arrival { at: Duration::from_secs_f64(at), key });
    }
}

/// The share of the questions that is about `key`.
fn share(key: usize) -> f64 {
    let weight = |key: usize| 1.0 / (key + 1) as f64;
    weight(key) / (0..KEYS).map(weight).sum::<f64>()
}

fn is_hot(key: usize) -> bool {
    share(key) * QUESTIONS_A_SECOND * TTL.as_secs_f64() >= HOT
}

/// From 20 ms to 1.2 s, and not in the order of their popularity.
fn load_time(key: usize) -> Duration {
    Duration::from_millis(20 + 59 * (key as u64 * 7 % 21))
}

/// What became of the questions about the hot keys.
#[derive(Default)]
struct Seen {
    waits: Vec<(usize, Duration)>,
    /// When each key was loaded.
    loads: BTreeMap<usize, Vec<Duration>>,
}

async fn play(policy: Policy) -> Seen {
    let world = World::new(policy);
    let seen = Arc::new(Mutex::new(Seen::default()));
    for Arrival { at, key } in trace(&FakeRuntime::new(1)) {
        world.runtime.advance(at - (world.runtime.now() - Moment::ORIGIN)).await;
        ask(&world, key, &seen);
        world.settle().await;
    }
    std::mem::take(&mut *seen.lock())
}

#[expect(clippy::disallowed_methods, reason = "a caller of the test")]
fn ask(world: &World, key: usize, seen: &Arc<Mutex<Seen>>) {
    let (engine, question) = (world.engine.clone(), world.question_about(&key.to_string()));
    let (runtime, seen) = (world.runtime.clone(), Arc::clone(seen));
    tokio::spawn(async move { one(&engine, question, key, runtime, seen).await });
}

async fn one(
    engine: &alacena_core::engine::Engine,
    question: Question,
    key: usize,
    runtime: FakeRuntime,
    seen: Arc<Mutex<Seen>>,
) {
    let at = runtime.now() - Moment::ORIGIN;
    let loads = Arc::clone(&seen);
    let load = move |_| async move {
        loads.lock().loads.entry(key).or_default().push(runtime.now() - Moment::ORIGIN);
        runtime.sleep(load_time(key)).await;
        Ok(Loaded::found(ScriptedSource::value(runtime.now().nanos())))
    };
    let outcome = engine.get_or_fetch(&question, load).await.unwrap();
    if !outcome.is_hit() && is_hot(key) && at > WARM_UP {
        seen.lock().waits.push((key, at));
    }
}

#[test]
fn no_hot_key_waits_after_the_warm_up_and_few_loads_are_early() {
    on_one_thread(async {
        let seen = play(Policy { ttl: TTL, ..Policy::default() }).await;
        assert!((0..KEYS).filter(|key| is_hot(*key)).count() >= 4, "the trace has hot keys");
        assert_eq!(seen.waits, []);
        // Loads of one key within one TTL of another: each but the first was early.
        let mut early: Vec<usize> = Vec::new();
        for loads in seen.loads.values() {
            early.extend(loads.iter().enumerate().map(|(at, begin)| {
                loads[at + 1..].iter().take_while(|next| **next - *begin < TTL.mul_f64(0.9)).count()
            }));
        }
        early.sort_unstable();
        assert!(early[early.len() * 99 / 100] <= 3, "early refreshes in a window at p99");
        let hot: usize =
            seen.loads.iter().filter(|(key, _)| is_hot(**key)).map(|(_, loads)| loads.len()).sum();
        let windows = (0..KEYS).filter(|key| is_hot(*key)).count() * (END.as_secs() / TTL.as_secs()) as usize;
        assert!(hot * 10 <= windows * 14, "{hot} loads in {windows} windows");
    });
}

#[test]
fn without_it_hot_keys_wait_at_every_end() {
    on_one_thread(async {
        let seen = play(Policy { ttl: TTL, refresh_ahead: false, ..Policy::default() }).await;
        assert!(seen.waits.len() > 100, "{} waits", seen.waits.len());
    });
}
