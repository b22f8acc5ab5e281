//! Fills an engine with entries under one prefix and invalidates it, over and over.
//!
//! `cargo xtask long instructions` runs this under callgrind with few and with many entries: what an invalidation costs
//! must not depend on their number.
//!
//! Usage: `invalidate_prefix ENTRIES ROUNDS`
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Engine, EngineSettings, Loaded, Question, Rules},
    error::Error,
    key::KeySpace,
    runtime::{BoxFuture, Moment, Runtime},
    value::Value,
};

/// A runtime in which time stands still, so that nothing but the engine is counted.
struct Still(AtomicU64);

impl Runtime for Still {
    fn now(&self) -> Moment {
        Moment::ORIGIN
    }

    fn unix_millis(&self) -> u64 {
        0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the edge: the measurement owns the tasks")]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}

/// What is counted: callgrind collects in here only.
#[inline(never)]
fn measured_invalidation(engine: &Engine, dep: &Dep) -> bool {
    black_box(engine.invalidate(black_box(dep)))
}

async fn ask(engine: &Engine, rules: &Arc<Rules>, number: u64) -> Result<(), Error> {
    let key = rules.space.key(None, [number.to_string()])?;
    let question = Question::new(rules, key, [])?;
    let load = move |_| async move { Ok(Loaded::found(Value::new(number, 8, number))) };
    engine.get_or_fetch(&question, load).await.map(drop)
}

#[expect(clippy::disallowed_methods, reason = "the machine's clock is what is to be read here")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments =
        std::env::args().skip(1).map(|text| text.parse().expect("ENTRIES and ROUNDS are numbers"));
    let (entries, rounds): (u64, u64) = match (arguments.next(), arguments.next()) {
        (Some(entries), Some(rounds)) => (entries, rounds),
        _ => (1000, 100),
    };
    let settings = EngineSettings { memory_bytes_max: 4 << 30, ..EngineSettings::default() };
    let engine = Engine::new(settings, Arc::new(Still(AtomicU64::new(1))));
    let rules = Arc::new(Rules::new(KeySpace::new("bench", "jobs", &["jobs", "list"])?, Policy::default()));
    let prefix = Dep::prefix("bench", "jobs:list");
    for number in 0..entries {
        ask(&engine, &rules, number).await?;
    }
    assert_eq!(engine.figures().entries, entries, "every entry is in memory");

    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(timed(|| assert!(measured_invalidation(&engine, &prefix), "something depended on it")));
        // One entry more under a new marker, so that there is something to invalidate again.
        ask(&engine, &rules, 0).await?;
    }
    times.sort();
    let at =
        |share: usize| times.get(times.len() * share / 100).or(times.last()).copied().unwrap_or_default();
    println!(
        "{entries} entries, {rounds} rounds: median {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(99),
        at(100)
    );
    Ok(())
}
