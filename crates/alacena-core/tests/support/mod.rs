//! An engine on a clock that the test holds, in front of a source that answers when the test says.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "shared by several test files, each of which uses its own part"
)]

use std::{future::Future, sync::Arc, time::Duration};

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Engine, EngineSettings, Question, Rules},
    error::{Error, catalogue},
    guard::{Guard, GuardSettings},
    key::KeySpace,
    outcome::Outcome,
    runtime::SharedRuntime,
};
use alacena_testkit::{FakeRuntime, ScriptedSource, settle};
use tokio::task::JoinHandle;

pub const TAG: &str = "company:42";

/// What a test needs.
pub struct World {
    pub runtime: FakeRuntime,
    pub engine: Engine,
    pub source: ScriptedSource,
    pub rules: Arc<Rules>,
}

pub fn exact(ttl: u64) -> Policy {
    Policy { ttl: seconds(ttl), jitter: 0.0, ..Policy::default() }
}

impl World {
    pub fn new(policy: Policy) -> Self {
        Self::build(policy, false)
    }

    /// With a breaker and a bulkhead before the source.
    pub fn guarded(policy: Policy) -> Self {
        Self::build(policy, true)
    }

    fn build(policy: Policy, guarded: bool) -> Self {
        let runtime = FakeRuntime::new(7);
        let shared: SharedRuntime = Arc::new(runtime.clone());
        let space = KeySpace::new("shop", "kpis", &["kpis", "list"]).unwrap();
        let guard = guarded.then(|| Guard::new("db", GuardSettings::default(), Arc::clone(&shared)));
        let rules = Arc::new(Rules { guard, ..Rules::new(space, policy) });
        let engine = Engine::new(EngineSettings::default(), shared);
        Self { runtime, engine, source: ScriptedSource::default(), rules }
    }

    pub fn question(&self) -> Question {
        self.question_about("42")
    }

    pub fn question_about(&self, company: &str) -> Question {
        let key = self.rules.space.key(None, [company]).unwrap();
        Question::new(&self.rules, key, [Dep::tag("shop", TAG).unwrap()]).unwrap()
    }

    /// Asks, in a task of its own.
    pub fn ask(&self) -> JoinHandle<Result<Outcome, Error>> {
        self.ask_for(self.question())
    }

    #[expect(clippy::disallowed_methods, reason = "a caller of the test")]
    pub fn ask_for(&self, question: Question) -> JoinHandle<Result<Outcome, Error>> {
        let (engine, load) = (self.engine.clone(), self.source.loader());
        tokio::spawn(async move { engine.get_or_fetch(&question, load).await })
    }

    /// Asks, and answers the source's one call with `number`.
    pub async fn fill(&self, number: u64) -> Outcome {
        let asked = self.ask();
        self.source.next_call().await.answer(number);
        asked.await.unwrap().unwrap()
    }

    /// Lets every task run until it waits.
    pub async fn settle(&self) {
        settle().await;
    }

    pub async fn after(&self, seconds_passed: u64) {
        self.runtime.advance(seconds(seconds_passed)).await;
    }
}

pub fn number(outcome: &Outcome) -> u64 {
    ScriptedSource::number(outcome.value()).expect("there is a value")
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn down() -> Error {
    Error::new(&catalogue::SOURCE_UNREACHABLE, "connection refused").retry_after(seconds(1))
}

/// Runs a test on one thread, where tasks take turns only when they wait: what happens between two steps is up to
/// the test.
pub fn on_one_thread(test: impl Future<Output = ()>) {
    on_one_thread_returning(test);
}

/// The same for a test that goes on when the runtime is gone.
pub fn on_one_thread_returning<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}
