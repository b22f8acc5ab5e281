//! One process of ours: an engine whose second tier is the server.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alacena_backends::redis::{Address, RedisShard, Server, ShardSettings};
use alacena_core::{
    class::{Policy, ReadMode},
    dep::Dep,
    engine::{Change, Engine, EngineSettings, Loaded, Question, Rules, SharedForm, Spread, Tier, Wish},
    error::Error,
    guard::BreakerSettings,
    journal::{ShardName, VolatileJournal},
    key::KeySpace,
    outcome::Origin,
    runtime::{BoxFuture, Moment, Runtime, SharedRuntime},
    tier::{Codec as _, HashKey, Shard},
    value::{Body, BodyCodec, Value},
};

use super::{KEYS, VALUE_BYTES, rate::Caller};

/// So long that a machine which does something else as well makes a slow hit, not none.
const STEP_WITHIN: Duration = Duration::from_secs(2);
/// What all questions are about.
const NAMESPACE: &str = "bench";

/// One process.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) names: HashKey,
}

impl Node {
    pub(crate) async fn on(url: &str) -> Self {
        let runtime: SharedRuntime = Arc::new(Machine);
        let engine = Engine::new(EngineSettings::default(), Arc::clone(&runtime));
        let at = Server::new(Address::parse(url).expect("it is a URL"), None).expect("nothing to set up");
        let mut settings = ShardSettings::default();
        settings.step_within = STEP_WITHIN;
        let shard: Arc<dyn Shard> = Arc::new(RedisShard::open(at, settings, runtime));
        let names = HashKey::derive(b"bench");
        engine.share(Tier {
            shards: vec![(ShardName::new("redis"), shard)],
            names: names.clone(),
            seal: None,
            journal: Arc::new(VolatileJournal::default()),
            breaker: BreakerSettings::default(),
            lease: Duration::from_secs(3),
            step_within: STEP_WITHIN,
            good_replicas_min: 0,
            is_only_node: false,
        });
        while !engine.second_tier().iter().all(|post| post.proved_for > Duration::ZERO) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { engine, names }
    }

    /// Asks, and loads where nothing is there.
    pub(crate) async fn read(&self, question: &Question) -> Origin {
        let load = |_| async { Ok::<_, Error>(Loaded::found(value())) };
        self.engine.get_or_fetch(question, load).await.expect("its source never fails").origin()
    }

    /// Invalidates the tag on all nodes.
    pub(crate) async fn invalidate(&self, tag: &Dep) {
        let changes = [Change::Dep(tag)];
        let (entries, targets) = (&[] as &[_], &[] as &[_]);
        let spread = Spread { changes: &changes, entries, who: "bench", targets, wish: Wish::Applied };
        assert!(self.engine.spread(spread).await.level.is_applied());
    }
}

/// Who asks a node for what the second tier holds, and memory does not answer.
#[derive(Clone)]
pub(crate) struct Reader {
    node: Node,
    rules: Arc<Rules>,
}

impl Reader {
    /// All of it has been loaded by another node, and is not kept in the memory of this one, so that every read goes to the
    /// second tier.
    pub(crate) async fn of(node: &Node, loader: &Node, mode: ReadMode) -> Self {
        let policy = Policy { l1_ttl: Some(Duration::ZERO), read_mode: mode, ..kept() };
        let rules = rules(&format!("{mode:?}"), policy);
        for number in 0..KEYS {
            loader.read(&question(&rules, number, &[tag()])).await;
        }
        Self { node: node.clone(), rules }
    }
}

impl Caller for Reader {
    async fn ask(&mut self, number: u64) -> bool {
        self.node.read(&question(&self.rules, number % KEYS, &[tag()])).await == Origin::L2
    }
}

/// Rules of a class by this name, whose values the second tier has.
pub(crate) fn rules(class: &str, policy: Policy) -> Arc<Rules> {
    let space = KeySpace::new(NAMESPACE, class, &[class]).expect("it is short");
    let codec = Arc::new(BodyCodec);
    let shared = Some(SharedForm { fingerprint: codec.fingerprint(), codec, compressed: false });
    Arc::new(Rules { shared, ..Rules::new(space, policy) })
}

/// What stays what it is while it is measured.
pub(crate) fn kept() -> Policy {
    Policy { ttl: Duration::from_secs(3600), ..Policy::default() }
}

/// The question of this number, whose answer carries these tags.
pub(crate) fn question(rules: &Arc<Rules>, number: u64, tags: &[Dep]) -> Question {
    let key = rules.space.key(None, [number.to_string()]).expect("it is short");
    Question::new(rules, key, tags).expect("it has few tags")
}

/// The tag of this name.
pub(crate) fn named(tag: &str) -> Dep {
    Dep::tag(NAMESPACE, tag).expect("it is short")
}

fn tag() -> Dep {
    named("company:42")
}

/// What every source answers.
fn value() -> Value {
    Value::from(Body::json("x".repeat(VALUE_BYTES)))
}

/// The machine as it is.
struct Machine;

impl Runtime for Machine {
    fn now(&self) -> Moment {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        let began = BEGAN.get_or_init(Instant::now);
        Moment::ORIGIN + Duration::from_secs(1) + began.elapsed()
    }

    fn unix_millis(&self) -> u64 {
        0
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn random(&self) -> u64 {
        static STATE: AtomicU64 = AtomicU64::new(1);
        let mut z = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed) ^ u64::from(std::process::id());
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
