//! What an engine makes of a Redis: hits in the second tier, strict reads, invalidations; beside what the client library
//! takes for a bare GET on the same server.
//!
//! `cargo bench -p alacena-backends --features redis --bench redis_hit`: seven interleaved rounds, medians. Needs a
//! `redis-server`; client and server share the machine's cores.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement runs in real time and prints"
)]

use std::{
    future::Future,
    sync::{
        Arc,
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
    tier::{Codec as _, HashKey},
    value::{Body, BodyCodec, Value},
};
use alacena_testkit::servers::RedisServer;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(800);
const CALLERS: usize = 64;
const KEYS: u64 = 4_096;
const VALUE_BYTES: usize = 1_024;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if !std::env::args().any(|word| word == "--bench") {
        return; // a test runner that looks for tests in here finds none
    }
    let Some(server) = RedisServer::builder().start() else { return };
    let url = format!("redis://{}", server.address());
    let client = redis::Client::open(url.as_str()).expect("it is a URL");
    let library = client.get_multiplexed_async_connection().await.expect("it is there");
    for number in 0..KEYS {
        let set: () = redis::cmd("SET")
            .arg(format!("bare:{number}"))
            .arg(vec![b'x'; VALUE_BYTES])
            .query_async(&mut library.clone())
            .await
            .expect("there is room");
        let () = set;
    }
    let (a, b) = (Node::on(&url).await, Node::on(&url).await);
    a.warm().await;

    let mut rates: [Vec<f64>; 2] = Default::default();
    let mut p50s: [Vec<f64>; 2] = Default::default();
    for round in 0..ROUNDS {
        let bare = || {
            let library = library.clone();
            move |number: u64| {
                let mut library = library.clone();
                async move {
                    let value: Vec<u8> = redis::cmd("GET")
                        .arg(format!("bare:{}", number % KEYS))
                        .query_async(&mut library)
                        .await
                        .expect("it is there");
                    assert_eq!(value.len(), VALUE_BYTES);
                }
            }
        };
        let tier = |node: &Node, strict: bool| {
            let node = node.clone();
            move |number: u64| {
                let node = node.clone();
                async move { node.hit(number % KEYS, strict).await }
            }
        };
        let (one, other) = if round % 2 == 0 {
            let one = throughput(CALLERS, bare()).await;
            (one, throughput(CALLERS, tier(&a, false)).await)
        } else {
            let other = throughput(CALLERS, tier(&a, false)).await;
            (throughput(CALLERS, bare()).await, other)
        };
        rates[0].push(one);
        rates[1].push(other);
        p50s[0].push(p50(bare()).await);
        p50s[1].push(p50(tier(&a, true)).await);
    }
    let ratio = |of: &[Vec<f64>; 2]| {
        let mut each: Vec<f64> = of[1].iter().zip(&of[0]).map(|(ours, bare)| ours / bare).collect();
        let middle = median(&mut each);
        (middle, each[0], each[each.len() - 1])
    };
    let (rate, low, high) = ratio(&rates);
    println!(
        "L2 hits, {CALLERS} callers, {VALUE_BYTES} B: {:.0}/s, bare GET {:.0}/s: {rate:.2}x ({low:.2} to {high:.2})",
        median(&mut rates[1].clone()),
        median(&mut rates[0].clone()),
    );
    let (slower, low, high) = ratio(&p50s);
    println!(
        "strict read, one caller, p50: {:.0} us, bare GET {:.0} us: {slower:.2}x ({low:.2} to {high:.2})",
        median(&mut p50s[1].clone()),
        median(&mut p50s[0].clone()),
    );
    spread(&a, &b).await;
    many_entries(&a, &server, &library).await;
}

/// From an invalidation on one node to the last time that another one answers out of its memory.
async fn spread(a: &Node, b: &Node) {
    let mut lags = Vec::new();
    let question = b.question(1, Policy::default());
    for _ in 0..300 {
        b.load(&question).await;
        b.load(&question).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        while b.load(&question).await != Origin::L1 {}
        let began = Instant::now();
        let engine = a.engine.clone();
        let invalidated = tokio::spawn(async move {
            let tag = Dep::tag("bench", "tag").expect("it is short");
            let changes = [Change::Dep(&tag)];
            let wish = Wish::Applied;
            engine.spread(Spread { changes: &changes, entries: &[], who: "bench", targets: &[], wish }).await
        });
        let mut last = began;
        while b.engine.get(&question).is_some() {
            last = Instant::now();
            tokio::task::yield_now().await;
        }
        invalidated.await.expect("it is done");
        lags.push((last - began).as_secs_f64() * 1e3);
    }
    lags.sort_by(f64::total_cmp);
    println!(
        "invalidate to the last use in another node's memory: p50 {:.2} ms, p99 {:.2} ms",
        lags[150], lags[297]
    );
}

/// One tag, and a million entries that carry it, beside looking for them.
async fn many_entries(a: &Node, server: &RedisServer, library: &redis::aio::MultiplexedConnection) {
    let mut pipe = redis::pipe();
    for number in 0..1_000_000_u64 {
        pipe.cmd("SET").arg(format!("million:{number}")).arg("x").ignore();
        if number % 10_000 == 9_999 {
            let () = pipe.query_async(&mut library.clone()).await.expect("there is room");
            pipe = redis::pipe();
        }
    }
    let mut took = Vec::new();
    for number in 0..7 {
        let question = a.question(number, Policy::default());
        a.load(&question).await;
        let tag = Dep::tag("bench", "tag").expect("it is short");
        let changes = [Change::Dep(&tag)];
        let began = Instant::now();
        let spread =
            Spread { changes: &changes, entries: &[], who: "bench", targets: &[], wish: Wish::Applied };
        let reached = a.engine.spread(spread).await;
        assert!(reached.level.is_applied());
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let began = Instant::now();
    let (mut cursor, mut removed) = (0_u64, 0_u64);
    loop {
        let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg("million:*")
            .arg("COUNT")
            .arg(1_000)
            .query_async(&mut library.clone())
            .await
            .expect("it is there");
        if !keys.is_empty() {
            let count: u64 =
                redis::cmd("DEL").arg(&keys).query_async(&mut library.clone()).await.expect("it is there");
            removed += count;
        }
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    println!(
        "a tag beside {removed} keys in Redis: invalidated in {:.3} ms (median of 7); SCAN and DEL of them {:.0} ms",
        median(&mut took),
        began.elapsed().as_secs_f64() * 1e3
    );
    let _ = server;
}

/// One process.
#[derive(Clone)]
struct Node {
    engine: Engine,
    rules: Arc<Rules>,
    strict: Arc<Rules>,
}

impl Node {
    async fn on(url: &str) -> Self {
        let runtime: SharedRuntime = Arc::new(Machine);
        let engine = Engine::new(EngineSettings::default(), Arc::clone(&runtime));
        let at = Server::new(Address::parse(url).expect("it is a URL"), None).expect("nothing to set up");
        let mut settings = ShardSettings::default();
        settings.step_within = Duration::from_secs(2);
        let shard = Arc::new(RedisShard::open(at, settings, runtime));
        engine.share(Tier {
            shards: vec![(ShardName::new("redis"), shard)],
            names: HashKey::derive(b"bench"),
            seal: None,
            journal: Arc::new(VolatileJournal::default()),
            breaker: BreakerSettings::default(),
            lease: Duration::from_secs(3),
            step_within: Duration::from_millis(50),
            good_replicas_min: 0,
            is_only_node: false,
        });
        while !engine.second_tier().iter().all(|post| post.proved_for > Duration::ZERO) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Copies in memory end at once: every read goes to the second tier.
        let policy =
            Policy { l1_ttl: Some(Duration::ZERO), ttl: Duration::from_secs(3600), ..Policy::default() };
        let strict = Policy { read_mode: ReadMode::Strict, ..policy.clone() };
        Self { engine, rules: rules(policy), strict: rules(strict) }
    }

    async fn warm(&self) {
        for number in 0..KEYS {
            for rules in [&self.rules, &self.strict] {
                self.load(&question(rules, number)).await;
            }
        }
    }

    async fn hit(&self, number: u64, strict: bool) {
        let rules = if strict { &self.strict } else { &self.rules };
        let question = question(rules, number);
        let outcome =
            self.engine.get_or_fetch(&question, |_| async { Ok(body()) }).await.expect("it is there");
        assert_ne!(outcome.origin(), Origin::Source);
    }

    fn question(&self, number: u64, policy: Policy) -> Question {
        question(&rules(Policy { ttl: Duration::from_secs(3600), ..policy }), number + KEYS)
    }

    async fn load(&self, question: &Question) -> Origin {
        let load = |_| async { Ok::<_, Error>(body()) };
        self.engine.get_or_fetch(question, load).await.expect("it is there").origin()
    }
}

fn rules(policy: Policy) -> Arc<Rules> {
    let name = if policy.read_mode == ReadMode::Strict { "strict" } else { "bounded" };
    let space = KeySpace::new("bench", name, &[name]).expect("it is short");
    let codec = Arc::new(BodyCodec);
    let shared = Some(SharedForm { fingerprint: codec.fingerprint(), codec, compressed: false });
    Arc::new(Rules { shared, ..Rules::new(space, policy) })
}

fn question(rules: &Arc<Rules>, number: u64) -> Question {
    let key = rules.space.key(None, [number.to_string()]).expect("it is short");
    Question::new(rules, key, [Dep::tag("bench", "tag").expect("it is short")]).expect("it has few tags")
}

fn body() -> Loaded {
    let body = Body::json("x".repeat(VALUE_BYTES));
    Loaded::found(Value::from(body))
}

async fn throughput<F: Future<Output = ()> + Send>(
    callers: usize,
    call: impl Fn(u64) -> F + Clone + Send + 'static,
) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + ROUND;
    let tasks: Vec<_> = (0..callers as u64)
        .map(|caller| {
            let (call, done) = (call.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut number = caller * 7919;
                while Instant::now() < end {
                    call(number).await;
                    number += 1;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no call fails");
    }
    done.load(Ordering::Relaxed) as f64 / ROUND.as_secs_f64()
}

async fn p50<F: Future<Output = ()>>(call: impl Fn(u64) -> F) -> f64 {
    let mut took = Vec::with_capacity(3_000);
    for number in 0..3_000 {
        let began = Instant::now();
        call(number).await;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    median(&mut took)
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

struct Machine;

impl Runtime for Machine {
    fn now(&self) -> Moment {
        static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
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
        let mut z = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed) ^ std::process::id() as u64;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
