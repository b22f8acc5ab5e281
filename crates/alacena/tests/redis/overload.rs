//! Redis is killed while three times as much is asked for as the source can bear (INV-14).
//!
//! Memory holds little of it, so nearly all is asked of the source. Ordinarily for 3 seconds; with `ALACENA_AWAY=30` for 30,
//! and then nearly all of the source's capacity is to be used, by the clock, instead of half of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alacena::{
    Alacena, BulkheadSettings, Class, ClassSettings, GuardSettings,
    error::{Error, catalogue},
};
use alacena_testkit::servers::RedisServer;
use futures_util::{StreamExt, stream};

use crate::{
    load::{Call, Load, hit_rate},
    node::{Node, PATIENT, policy},
    sharing::url,
};

/// Loads that the source bears at once, and how long each takes.
const PLACES: u64 = 8;
const LOAD: Duration = Duration::from_millis(20);
/// Calls a second: three times as many as it can load.
const RATE: u64 = 3 * PLACES * 1_000 / LOAD.as_millis() as u64;
/// Keys that are asked for, again and again.
const KEYS: u64 = 2_000;
/// How long a value is: all of them are eight times as much as memory holds.
const LENGTH: usize = 4_096;
const MEMORY: &str = "[memory]\nmax = \"1MiB\"";
/// How soon it is as before by itself.
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);

/// A source that knows how much it is asked at once.
#[derive(Default)]
struct Source {
    inside: AtomicU64,
    most: AtomicU64,
    /// Loads that have ended, and how many places were taken when each began, in all.
    loads: AtomicU64,
    taken: AtomicU64,
}

impl Source {
    async fn load(self: Arc<Self>, guard: Alacena, takes: Duration) -> Result<Option<String>, Error> {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        self.taken.fetch_add(guard.figures().sources[0].running, Ordering::SeqCst);
        tokio::time::sleep(takes).await;
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(Some("7".repeat(LENGTH)))
    }

    /// Ended loads, and their share of the places that they could have had.
    fn since(&self, (loads, taken): (u64, u64)) -> (u64, f64) {
        let (loads_now, taken_now) = self.counts();
        let loads = loads_now - loads;
        (loads, (taken_now - taken) as f64 / (loads * PLACES).max(1) as f64)
    }

    fn counts(&self) -> (u64, u64) {
        (self.loads.load(Ordering::SeqCst), self.taken.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_while_three_times_as_much_is_asked_for_as_the_source_can_bear() {
    let Some(mut server) = RedisServer::builder().start() else { return };
    let node = Node::declaring(&url(&server), PATIENT, MEMORY).await;
    let (source, class) = (Arc::<Source>::default(), class(&node));
    let asked = {
        let (alacena, source) = (node.alacena.clone(), Arc::clone(&source));
        move |number, takes| ask(class.clone(), Arc::clone(&source), alacena.clone(), number, takes)
    };
    let filled = stream::iter(0..KEYS).map(|number| asked(number, Duration::ZERO));
    filled.buffer_unordered(PLACES as usize).collect::<Vec<_>>().await;

    // Every key as often as any other, in no order.
    let load = Load::of(RATE, move |number| asked(number.wrapping_mul(619) % KEYS, LOAD));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let exact = std::env::var("ALACENA_AWAY").ok().map(|seconds| seconds.parse().unwrap());
    server.kill();
    // What was under way.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (away, before) = (Instant::now(), source.counts());
    tokio::time::sleep(Duration::from_secs(exact.unwrap_or(3))).await;
    let (loads, share) = source.since(before);
    let (took, answered) = (away.elapsed(), load.between(away, Instant::now()));
    tokio::task::block_in_place(|| server.restart());
    let returned = Instant::now();
    while {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Instant::now();
        hit_rate(&load.between(now - Duration::from_millis(1_000), now - Duration::from_millis(500))) < 0.9
    } {
        assert!(returned.elapsed() < RECOVERED_WITHIN, "it does not recover by itself");
    }

    let capacity = took.as_secs_f64() / LOAD.as_secs_f64() * PLACES as f64;
    let most = source.most.load(Ordering::SeqCst);
    let failed: Vec<_> = answered.iter().filter_map(|call| call.answer.as_ref().err()).collect();
    println!(
        "{} calls a second, {PLACES} places of {LOAD:?}: {loads} loads in {took:.1?}, {:.0} % of what it can do, {:.0} % of its \
         places taken, {most} at most; {} of {} calls failed; as before after {:.1?}",
        RATE,
        100.0 * loads as f64 / capacity,
        100.0 * share,
        failed.len(),
        answered.len(),
        returned.elapsed(),
    );
    assert!(most <= PLACES, "{most} at once");
    assert!(share >= 0.9, "{share} of the places were taken");
    let shed = |error: &&&Error| error.code() == &catalogue::BULKHEAD_FULL;
    assert_eq!(
        failed.iter().filter(shed).count(),
        failed.len(),
        "whoever fails has been turned away: {:?}",
        failed[0]
    );
    // How many places are taken is looked at when a load begins, which says nothing of a source that nobody asks; by the
    // clock half of it is what also a busy machine does.
    let least = if exact.is_some() { 0.9 } else { 0.5 };
    assert!(loads as f64 >= least * capacity, "{loads} of {capacity}");
}

fn class(node: &Node) -> Class<String> {
    let bulkhead = BulkheadSettings { concurrency: PLACES as usize, ..BulkheadSettings::default() };
    let guard = GuardSettings { bulkhead, ..GuardSettings::default() };
    node.alacena.shared_class("numbers", ClassSettings::new(policy()).guarded("source", guard)).unwrap()
}

async fn ask(
    class: Class<String>,
    source: Arc<Source>,
    alacena: Alacena,
    number: u64,
    takes: Duration,
) -> Call {
    let began = Instant::now();
    let key = number.to_string();
    let load = move || source.load(alacena, takes);
    let answer = class.get_or_fetch([&key], &["t"], load).await.map(|outcome| outcome.origin());
    Call { began, took: began.elapsed(), is_cold: false, answer }
}
