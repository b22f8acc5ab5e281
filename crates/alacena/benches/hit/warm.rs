//! The same keys, warm in an engine, in a class and in a bare table.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use alacena::{Alacena, Class, SystemRuntime};
use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{Engine, EngineSettings, Loaded, Question, Rules},
    key::{Key, KeySpace},
    outcome::Origin,
    runtime::SharedRuntime,
    value::Value,
};
use quick_cache::{OptionsBuilder, UnitWeighter, sync::Cache};
use serde::Serialize;

use crate::clock::Still;

/// What is cached: small, so that the way to it is what is measured.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Payload([u64; 8]);

impl Payload {
    pub(crate) const BYTES: usize = size_of::<Self>();

    /// Different for every number, as values are.
    pub(crate) fn of(number: u32) -> Self {
        Self([number.into(); 8])
    }

    pub(crate) fn as_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

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
    pub(crate) still_class: Class<Payload>,
    pub(crate) class: Class<Payload>,
    asked: Vec<Asked>,
    /// Where the shipped runtime lives.
    _tokio: tokio::runtime::Runtime,
}

/// One question, as each of the cases asks it.
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) number: String,
    pub(crate) tag: String,
}

impl Warm {
    /// Loads `keys` keys, a power of two.
    pub(crate) fn up(keys: u32) -> Self {
        Self::on(keys, SystemRuntime::shared)
    }

    /// The same without the machine's clock, which valgrind does not let a program read in the quick way.
    pub(crate) fn without_clock(keys: u32) -> Self {
        Self::on(keys, || Arc::new(Still::default()))
    }

    fn on(keys: u32, clock: impl FnOnce() -> SharedRuntime) -> Self {
        assert!(keys.is_power_of_two(), "the order of the hits wants a power of two");
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        let tokio = tokio.expect("there is room for one more thread");
        let entered = tokio.enter();
        let (clock, still): (SharedRuntime, SharedRuntime) = (clock(), Arc::new(Still::default()));
        let warm = Self {
            bare: bare(keys as usize),
            still: engine(&still),
            engine: engine(&clock),
            still_class: class(&still),
            class: class(&clock),
            asked: asked(keys),
            _tokio: {
                drop(entered);
                tokio
            },
        };
        warm.asked.iter().zip(0..).for_each(|(asked, number)| warm.load(asked, Payload::of(number)));
        assert!(warm.asked.iter().all(|asked| warm.is_warm(asked)), "every hit is one");
        warm
    }

    fn load(&self, asked: &Asked, payload: Payload) {
        // Bytes of its own: who asks brings others than those that are compared with, here as everywhere.
        let key = Key::from_bytes(asked.question.key.as_bytes()).expect("it is a key");
        self.bare.insert(key, Arc::new(payload));
        for engine in [&self.still, &self.engine] {
            let load = move |_| async move { Ok(Loaded::found(Value::new(payload, 0, 7))) };
            let outcome = self._tokio.block_on(engine.get_or_fetch(&asked.question, load));
            assert_eq!(outcome.expect("it has loaded").origin(), Origin::Source);
        }
        for class in [&self.still_class, &self.class] {
            let load = move || async move { Ok(Some(payload)) };
            let outcome = self._tokio.block_on(class.get_or_fetch([&asked.number], &[&asked.tag], load));
            assert_eq!(outcome.expect("it has loaded").origin(), Origin::Source);
        }
    }

    /// The question of the hit that comes at `turn`: all of them, over and over, in an order that no prefetcher
    /// guesses.
    pub(crate) fn at(&self, turn: u32) -> &Asked {
        let mask = self.asked.len() - 1;
        &self.asked[turn.wrapping_mul(0x9E37_79B1).rotate_left(15) as usize & mask]
    }

    fn is_warm(&self, asked: &Asked) -> bool {
        let in_class = |class: &Class<Payload>| class.get([&asked.number]).is_ok_and(|held| held.is_some());
        self.bare.get(asked.question.key.as_bytes()).is_some()
            && [&self.still, &self.engine].into_iter().all(|engine| engine.get(&asked.question).is_some())
            && [&self.still_class, &self.class].into_iter().all(in_class)
    }
}

/// Entries stay fresh for as long as any measurement takes.
fn policy() -> Policy {
    Policy { ttl: Duration::from_secs(24 * 3600), ..Policy::default() }
}

fn class(runtime: &SharedRuntime) -> Class<Payload> {
    Alacena::builder()
        .runtime(Arc::clone(runtime))
        .build()
        .class("jobs", policy())
        .expect("it is the first one")
}

/// The rules of that class, as the engine has them.
pub(crate) fn rules() -> Arc<Rules> {
    let space = KeySpace::new("default", "jobs", &["jobs"]).expect("it is within the limits");
    Arc::new(Rules::new(space, policy()))
}

fn asked(keys: u32) -> Vec<Asked> {
    let rules = rules();
    let asked = |number: u32| Asked {
        question: question(&rules, number, number % TAGS),
        number: number.to_string(),
        tag: format!("company:{}", number % TAGS),
    };
    (0..keys).map(asked).collect()
}

/// A question as a caller makes it: a key of its number, and one tag beside everything, namespace, class and prefix.
pub(crate) fn question(rules: &Arc<Rules>, number: u32, tag: u32) -> Question {
    let key = rules.space.key(None, [number.to_string()]).expect("it is within the limits");
    let tag = Dep::tag("default", &format!("company:{tag}")).expect("it is a tag");
    Question::new(rules, key, [tag]).expect("one tag is not too many")
}

/// The same for an entry of a million, of which a thousand have each tag.
pub(crate) fn common_question(rules: &Arc<Rules>, number: u32) -> Question {
    question(rules, number, number % TAGS)
}

/// An engine with room for a million entries and more; as with the bare table, that is what its tables are sized by.
pub(crate) fn engine(runtime: &SharedRuntime) -> Engine {
    let settings = EngineSettings { memory_bytes_max: 1 << 30, markers_max: 4 << 20 };
    Engine::new(settings, Arc::clone(runtime))
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
