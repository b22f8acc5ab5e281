//! Redis goes away under load, in three ways, and comes back (INV-13, INV-14).
//!
//! 2,000 calls a second for 1,000 keys that are known and a hundredth that are not, of a source that takes 500 ms and has
//! room for 64. Ordinarily it is away for 4 seconds; with `ALACENA_AWAY=30` for 30, and then the latencies are held against
//! the promise to the millisecond, which takes a machine that does nothing else.

use std::time::{Duration, Instant};

use alacena::{ClassSettings, GuardSettings, class::Policy, outcome::Origin};
use alacena_testkit::{
    chaos::{ChaosProxy, Fault, Rule},
    servers::RedisServer,
};
use futures_util::{StreamExt, stream};

use crate::{
    load::{Call, Load, WARM, ask, hit_rate, percentile, warm},
    node::{Node, policy, until},
};

/// How long it is looked at while all is well.
const BEFORE: Duration = Duration::from_secs(3);
/// How soon it is used again.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// How soon as many answers come out of a cache as before, or nearly.
const RECOVERED_WITHIN: Duration = Duration::from_secs(120);
/// How long one operation may take.
const STEP: Duration = Duration::from_millis(50);
/// What the machine may take besides, while it builds and tests other things.
const BUSY: Duration = Duration::from_millis(900);

enum Away {
    Killed,
    Stopped,
    Blackholed,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_under_load() {
    goes_away(Away::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_stopped_under_load() {
    goes_away(Away::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_blackholed_under_load() {
    goes_away(Away::Blackholed).await;
}

async fn goes_away(how: Away) {
    let Some(mut server) = RedisServer::builder().start() else { return };
    let proxy = ChaosProxy::start(server.address(), 5);
    let node = Node::at(&format!("redis://{}", proxy.address()), "").await;
    let policy = Policy { jitter: 0.0, ..policy() };
    let settings = ClassSettings::new(policy).guarded("source", GuardSettings::default());
    let class = node.alacena.shared_class("numbers", settings).unwrap();
    let asked = stream::iter((0..WARM).map(warm)).map(|key| {
        let class = class.clone();
        async move { ask(&class, &key).await.unwrap() }
    });
    asked.buffer_unordered(60).collect::<Vec<_>>().await;

    let load = Load::start(class);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let settled = Instant::now();
    tokio::time::sleep(BEFORE).await;
    let exact = std::env::var("ALACENA_AWAY").ok().map(|seconds| seconds.parse().unwrap());
    let gone = Instant::now();
    match how {
        Away::Killed => server.kill(),
        Away::Stopped => server.pause(),
        Away::Blackholed => drop(proxy.inject(Rule::both_ways(Fault::Blackhole))),
    }
    tokio::time::sleep(Duration::from_secs(exact.unwrap_or(4))).await;
    match how {
        Away::Killed => tokio::task::block_in_place(|| server.restart()),
        Away::Stopped => server.resume(),
        Away::Blackholed => proxy.lift_all(),
    }
    let returned = Instant::now();
    let shared = async || {
        let is_shared = |origin| matches!(origin, Origin::L1 | Origin::L2);
        load.between(returned, Instant::now()).iter().any(|call| call.answer.clone().is_ok_and(is_shared))
    };
    until("it is used again", shared).await;
    let back = returned.elapsed();
    let before = load.between(settled, gone);
    let rate = hit_rate(&before);
    let recovered = loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Instant::now();
        let last = load.between(now - Duration::from_millis(1_500), now - Duration::from_millis(500));
        if hit_rate(&last) >= 0.9 * rate {
            break returned.elapsed();
        }
        assert!(
            returned.elapsed() < RECOVERED_WITHIN,
            "{} of the calls are hits, {rate} were",
            hit_rate(&last)
        );
    };

    let all = load.between(settled, Instant::now());
    let away = load.between(gone, returned);
    let noticed = load.between(gone + Duration::from_secs(1), returned);
    let failed: Vec<_> = all.iter().filter_map(|call| call.answer.as_ref().err()).collect();
    let longest = percentile(&away, 100.0);
    let waited =
        away.iter().filter(|call| !call.is_cold && call.took > STEP + Duration::from_millis(10)).count();
    let (p99, p99_before) = (percentile(&noticed, 99.0), percentile(&before, 99.0));
    println!(
        "{}: {} calls, {} failed; hits before {:.1} %; warm keys: p99 before {p99_before:?}, longest while away {longest:?}, \
         {waited} longer than a step, p99 from the second second on {p99:?}; back after {back:?}, hits as before after {recovered:?}",
        how.name(),
        all.len(),
        failed.len(),
        100.0 * rate,
    );
    assert!(failed.is_empty(), "{} calls failed: {:?}", failed.len(), failed[0]);
    assert!(back < BACK_WITHIN, "{back:?}");
    // All of it is in memory: who waits, waits for Redis alone, and not for what is loaded behind somebody's back.
    let by_source = |call: &&Call| !call.is_cold && matches!(call.answer, Ok(Origin::Source));
    assert_eq!(away.iter().filter(by_source).count(), 0, "warm keys that waited for the source");
    assert!(longest < STEP + BUSY, "somebody waited for {longest:?}");
    assert!(waited * 100 < away.len(), "{waited} of {}", away.len());
    if exact.is_some() {
        assert_eq!(waited, 0, "nobody waits longer than a step, and the longest {longest:?}");
        assert!(p99 < p99_before + Duration::from_millis(1), "{p99:?}, and {p99_before:?} before");
    }
}

impl Away {
    const fn name(&self) -> &'static str {
        match self {
            Away::Killed => "killed",
            Away::Stopped => "stopped",
            Away::Blackholed => "blackholed",
        }
    }
}
