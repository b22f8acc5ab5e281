//! The same keys, warm in an engine and in a bare table.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Engine, EngineSettings, Loaded, Question, Rules},
    key::{Key, KeySpace},
    outcome::{Origin, Outcome},
    runtime::SharedRuntime,
    value::Value,
};
use quick_cache::{OptionsBuilder, UnitWeighter, sync::Cache};

use crate::clock::{Machine, Still};

/// What is cached: small, so that the way to it is what is measured.
pub(crate) type Payload = [u8; 64];

/// The bare table: the one that the engine's memory is made of, with as many shards and its default hash.
pub(crate) type Bare = Cache<Key, Arc<Payload>>;

/// How many different tags there are, one an entry.
const TAGS: u32 = 1000;

/// Everything that the cases ask.
pub(crate) struct Warm {
    pub(crate) bare: Bare,
    /// Time stands still in it.
    pub(crate) still: Engine,
    /// It reads the machine's clock, if there is one to be read.
    pub(crate) engine: Engine,
    pub(crate) rules: Arc<Rules>,
    pub(crate) questions: Vec<Question>,
}

impl Warm {
    /// Loads `keys` keys, a power of two.
    pub(crate) fn up(keys: u32) -> Self {
        Self::on(keys, engine(Machine::default()))
    }

    /// The same without the machine's clock, which valgrind does not let a program read in the quick way.
    pub(crate) fn without_clock(keys: u32) -> Self {
        Self::on(keys, engine(Still::default()))
    }

    fn on(keys: u32, engine: Engine) -> Self {
        assert!(keys.is_power_of_two(), "the order of the hits wants a power of two");
        let rules = rules();
        let questions: Vec<Question> = (0..keys).map(|number| question(&rules, number)).collect();
        let bare = bare(keys as usize);
        let still = self::engine(Still::default());
        let warm = Self { bare, still, engine, rules, questions };
        for question in &warm.questions {
            warm.bare.insert(question.key.clone(), Arc::new([7; 64]));
            for engine in [&warm.still, &warm.engine] {
                let load = |_| async { Ok(Loaded::found(Value::new::<Payload>([7; 64], 64, 7))) };
                let outcome = ready(engine.get_or_fetch(question, load)).expect("it has loaded");
                assert_eq!(outcome.origin(), Origin::Source);
            }
        }
        assert!(warm.questions.iter().all(|question| warm.is_warm(question)), "every hit is one");
        warm
    }

    /// The question of the hit that comes at `turn`: all of them, over and over, in an order that no prefetcher
    /// guesses.
    pub(crate) fn at(&self, turn: u32) -> &Question {
        let mask = self.questions.len() - 1;
        &self.questions[turn.wrapping_mul(0x9E37_79B1).rotate_left(15) as usize & mask]
    }

    fn is_warm(&self, question: &Question) -> bool {
        let held = self.bare.get(question.key.as_bytes());
        held.is_some() && [&self.still, &self.engine].into_iter().all(|engine| engine.get(question).is_some())
    }
}

/// Rules whose entries stay fresh for as long as any measurement takes.
pub(crate) fn rules() -> Arc<Rules> {
    let space = KeySpace::new("bench", "jobs", &["detail"]).expect("it is within the limits");
    let policy = Policy { ttl: Duration::from_secs(24 * 3600), ..Policy::default() };
    Arc::new(Rules::new(space, policy))
}

/// A question as a caller makes it: a key of its number, and one tag beside everything, namespace, class and prefix.
pub(crate) fn question(rules: &Arc<Rules>, number: u32) -> Question {
    let key = rules.space.key(None, [number.to_string()]).expect("it is within the limits");
    let tag = Dep::tag("bench", &format!("company:{}", number % TAGS)).expect("it is a tag");
    Question::new(rules, key, [tag]).expect("one tag is not too many")
}

/// An engine with room for everything.
pub(crate) fn engine(runtime: impl alacena_core::runtime::Runtime) -> Engine {
    let runtime: SharedRuntime = Arc::new(runtime);
    Engine::new(EngineSettings { memory_bytes_max: 2 << 30, ..EngineSettings::default() }, runtime)
}

/// The bare table with room for everything.
pub(crate) fn bare(entries: usize) -> Bare {
    let room = (entries as u64 * 2).max(4096);
    let options = OptionsBuilder::new()
        .estimated_items_capacity(entries.max(4096))
        .weight_capacity(room)
        .shards(16)
        .build()
        .expect("every option that is needed is given");
    Cache::with_options(options, UnitWeighter, Default::default(), Default::default())
}

/// The answer of a future that has it at once.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// Says that a hit is one; what it answered must not be optimised away.
pub(crate) fn hit(outcome: Outcome) {
    debug_assert_eq!(outcome.origin(), Origin::L1);
    std::hint::black_box(outcome);
}
