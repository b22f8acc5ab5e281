//! Nodes of a test: engines on one clock that share a server.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    class::Policy,
    dep::Dep,
    engine::{
        Change, Engine, EngineSettings, Learned, Level, Question, Rules, SharedForm, Spread, Tier, Wish,
    },
    envelope::Unreadable,
    error::Error,
    guard::BreakerSettings,
    journal::{ShardName, VolatileJournal},
    key::KeySpace,
    outcome::Outcome,
    runtime::SharedRuntime,
    tier::{Codec, HashKey, Shard},
    value::Value,
};
use alacena_testkit::{
    FakeRuntime, PendingCall, ScriptedSource, settle,
    tier::{FakeShard, FakeTier, Faults, Flow},
};
use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::support::{TAG, seconds};

/// Numbers, as the scripted source answers them.
struct Numbers;

impl Codec for Numbers {
    fn fingerprint(&self) -> [u8; 8] {
        *b"numbers1"
    }

    fn encode(&self, value: &Value) -> Option<Bytes> {
        ScriptedSource::number(Some(value)).map(|number| Bytes::copy_from_slice(&number.to_be_bytes()))
    }

    fn decode(&self, bytes: Bytes) -> Result<Value, Unreadable> {
        let number = bytes.as_ref().try_into().map_err(|_| Unreadable::OtherForm)?;
        Ok(ScriptedSource::value(u64::from_be_bytes(number)))
    }
}

/// A server, and what everybody on it has in common.
pub(crate) struct World {
    pub(crate) runtime: FakeRuntime,
    pub(crate) tier: FakeTier,
    pub(crate) source: ScriptedSource,
    rules: Arc<Rules>,
}

/// One process.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) link: FakeShard,
    source: ScriptedSource,
    pub(crate) rules: Arc<Rules>,
}

impl World {
    /// A class whose values stay where they were loaded.
    pub(crate) fn unshared(policy: Policy) -> Self {
        let world = Self::new(policy.clone());
        let rules = Arc::new(Rules::new(world.rules.space.clone(), policy));
        Self { rules, ..world }
    }

    pub(crate) fn new(policy: Policy) -> Self {
        let runtime = FakeRuntime::new(7);
        let space = KeySpace::new("shop", "kpis", &["kpis", "list"]).unwrap();
        let codec = Arc::new(Numbers);
        let shared = Some(SharedForm { fingerprint: codec.fingerprint(), codec, compressed: false });
        Self {
            tier: FakeTier::new(Arc::new(runtime.clone())),
            runtime,
            source: ScriptedSource::default(),
            rules: Arc::new(Rules { shared, ..Rules::new(space, policy) }),
        }
    }

    /// Another process on the server, once it has heard its first signs of life.
    pub(crate) async fn node(&self) -> Node {
        self.node_at(|shard| Arc::new(shard)).await
    }

    /// The same, with something between it and the server.
    pub(crate) async fn node_at(&self, between: impl FnOnce(FakeShard) -> Arc<dyn Shard>) -> Node {
        self.node_that_waits(Duration::from_millis(50), between).await
    }

    /// The same, where a step may take so long.
    pub(crate) async fn node_that_waits(
        &self,
        step_within: Duration,
        between: impl FnOnce(FakeShard) -> Arc<dyn Shard>,
    ) -> Node {
        let runtime: SharedRuntime = Arc::new(self.runtime.clone());
        let engine = Engine::new(EngineSettings::default(), runtime);
        let link = self.tier.shard();
        engine.share(Tier {
            shards: vec![(ShardName::new("redis"), between(link.clone()))],
            names: HashKey::derive(b"test"),
            seal: None,
            journal: Arc::new(VolatileJournal::default()),
            breaker: BreakerSettings::default(),
            lease: seconds(3),
            step_within,
            good_replicas_min: 0,
            is_only_node: false,
        });
        self.runtime.advance(seconds(1)).await;
        Node { engine, link, source: self.source.clone(), rules: Arc::clone(&self.rules) }
    }

    pub(crate) async fn after(&self, seconds_passed: u64) {
        self.runtime.advance(seconds(seconds_passed)).await;
    }

    /// The source's next call.
    pub(crate) async fn call(&self) -> PendingCall {
        self.source.next_call().await
    }
}

impl Node {
    /// It reaches the server no more, and hears so.
    pub(crate) fn cut(&self) {
        self.link.set_faults(Faults { refused: true, ..Faults::default() });
    }

    /// Nothing that the server tells arrives, and nobody says so.
    pub(crate) fn mute(&self) {
        self.link.set_faults(Faults { link: Flow::Held, ..Faults::default() });
    }

    /// Nothing gets through, in either direction, and nobody says so.
    pub(crate) fn blackhole(&self) {
        let faults = Faults { requests: Flow::Held, answers: Flow::Held, ..Faults::default() };
        self.link.set_faults(faults);
    }

    /// Everything is so long under way, in each direction.
    pub(crate) fn delay(&self, latency: Duration) {
        self.link.set_faults(Faults { latency, ..Faults::default() });
    }

    pub(crate) fn mend(&self) {
        self.link.set_faults(Faults::default());
    }

    pub(crate) fn question(&self) -> Question {
        self.question_for("42")
    }

    fn question_for(&self, id: &str) -> Question {
        let key = self.rules.space.key(None, [id]).unwrap();
        Question::new(&self.rules, key, [tag()]).unwrap()
    }

    pub(crate) fn ask(&self) -> JoinHandle<Result<Outcome, Error>> {
        self.ask_for("42")
    }

    /// The same for another key.
    #[expect(clippy::disallowed_methods, reason = "a caller of the test")]
    pub(crate) fn ask_for(&self, id: &str) -> JoinHandle<Result<Outcome, Error>> {
        let (engine, load, question) = (self.engine.clone(), self.source.loader(), self.question_for(id));
        tokio::spawn(async move { engine.get_or_fetch(&question, load).await })
    }

    /// Asks, and learns something first.
    #[expect(clippy::disallowed_methods, reason = "a caller of the test")]
    pub(crate) fn ask_after(
        &self,
        first: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<Result<Outcome, Error>> {
        let (engine, load, question) = (self.engine.clone(), self.source.loader(), self.question());
        let first = async {
            first.await;
            Ok(Learned::Ask(load))
        };
        tokio::spawn(async move { engine.get_or_fetch_after(&question, first).await })
    }

    /// Asks, and gets an answer without the source.
    pub(crate) async fn get(&self) -> Outcome {
        let asked = self.ask();
        settle().await;
        assert!(asked.is_finished(), "it waits for its source");
        asked.await.unwrap().unwrap()
    }

    pub(crate) async fn invalidate(&self) -> Level {
        self.invalidate_as(Wish::Applied).await
    }

    pub(crate) async fn invalidate_as(&self, wish: Wish) -> Level {
        invalidate(&self.engine, wish).await
    }

    /// The same, beside whatever else happens.
    #[expect(clippy::disallowed_methods, reason = "a caller of the test")]
    pub(crate) fn invalidating(&self) -> JoinHandle<Level> {
        let engine = self.engine.clone();
        tokio::spawn(async move { invalidate(&engine, Wish::Applied).await })
    }

    pub(crate) async fn invalidate_key(&self) -> Level {
        let question = self.question();
        let entries: Vec<_> = self.engine.shared_entry(&question.key).into_iter().collect();
        let changes = [Change::Key(&question.key)];
        self.engine
            .spread(Spread {
                changes: &changes,
                entries: &entries,
                who: "test",
                targets: &[],
                wish: Wish::Applied,
            })
            .await
            .level
    }
}

async fn invalidate(engine: &Engine, wish: Wish) -> Level {
    let tag = tag();
    let changes = [Change::Dep(&tag)];
    let spread = Spread { changes: &changes, entries: &[], who: "test", targets: &[], wish };
    engine.spread(spread).await.level
}

pub(crate) fn tag() -> Dep {
    Dep::tag("shop", TAG).unwrap()
}
