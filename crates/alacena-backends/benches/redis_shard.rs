//! What the steps of a shard cost at a server on loopback, beside what the client library takes for a bare GET.
//!
//! `cargo bench -p alacena-backends --features redis --bench redis_shard`: seven interleaved rounds, medians. Needs a
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
    runtime::{BoxFuture, Moment, Runtime, SharedRuntime},
    tier::{Begin, Begun, EntryId, MarkerId, Nonce, Shard, Store},
};
use alacena_testkit::servers::RedisServer;
use bytes::Bytes;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);
const CALLERS: usize = 64;
const VALUE_BYTES: usize = 1_024;
const ENTRY: EntryId = EntryId(0x123 << 116 | 7);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if !std::env::args().any(|word| word == "--bench") {
        return; // a test runner that looks for tests in here finds none
    }
    let Some(server) = RedisServer::builder().start() else { return };
    let url = format!("redis://{}", server.address());
    let client = redis::Client::open(url.as_str()).expect("it is a URL");
    let library = client.get_multiplexed_async_connection().await.expect("it is there");
    let at =
        Server::new(Address::parse(&url).expect("it is a URL"), None).expect("there is nothing to set up");
    let mut settings = ShardSettings::default();
    settings.step_within = Duration::from_secs(2);
    let shard = Arc::new(RedisShard::open(at, settings, Arc::new(Machine) as SharedRuntime));
    while shard.check(&[]).await.is_err() || shard.begin(load(&shard, EntryId(1))).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fill(&shard, ENTRY).await;
    let key = ENTRY.name();
    let markers: Vec<_> = (0..5).map(|number| MarkerId::Dep(number << 64)).collect();
    let era = shard.era().expect("it is connected");
    let nonces: Vec<_> = markers.iter().map(|marker| (*marker, Nonce { era, random: 1 })).collect();
    shard.mint(era, &nonces, MINUTE * 60).await.expect("there is room");

    let mut results: Vec<(&str, Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..ROUNDS {
        let mut at = 0;
        let mut note = |name, rate, micros| {
            match results.get_mut(at) {
                Some((_, rates, times)) => {
                    rates.push(rate);
                    times.push(micros);
                }
                None => results.push((name, vec![rate], vec![micros])),
            }
            at += 1;
        };
        let (of, named) = (library.clone(), key.clone());
        let get = move || {
            let (mut library, key) = (of.clone(), named.clone());
            async move {
                let value: Vec<u8> =
                    redis::cmd("GET").arg(&key).query_async(&mut library).await.expect("it is there");
                assert!(value.len() > VALUE_BYTES);
            }
        };
        let (rate, micros) = measure(get).await;
        note("the client library's GET", rate, micros);

        let of = Arc::clone(&shard);
        let (rate, micros) =
            measure(move || {
                let shard = Arc::clone(&of);
                async move {
                    assert!(shard.look(&ENTRY.into(), &[]).await.expect("it can be read").entry.is_some())
                }
            })
            .await;
        note("look without markers", rate, micros);

        let [four, again]: [Arc<[MarkerId]>; 2] = [markers[..4].into(), markers[..4].into()];
        let of = Arc::clone(&shard);
        let (rate, micros) =
            measure(move || {
                let (shard, four) = (Arc::clone(&of), Arc::clone(&four));
                async move {
                    assert!(shard.look(&ENTRY.into(), &four).await.expect("it can be read").entry.is_some())
                }
            })
            .await;
        note("look with 4 markers", rate, micros);

        let of = Arc::clone(&shard);
        let (rate, micros) = measure(move || {
            let (shard, four) = (Arc::clone(&of), Arc::clone(&again));
            async move { assert_eq!(shard.check(&four).await.expect("it can be read").markers.len(), 4) }
        })
        .await;
        note("check of 4 markers", rate, micros);

        let five: Arc<[(MarkerId, Nonce)]> = nonces.as_slice().into();
        let of = Arc::clone(&shard);
        let (rate, micros) = measure(move || {
            let (shard, five) = (Arc::clone(&of), Arc::clone(&five));
            async move { assert_eq!(shard.mint(era, &five, MINUTE).await.expect("there is room").len(), 5) }
        })
        .await;
        note("mint of 5 markers, which are there", rate, micros);

        let of = Arc::clone(&shard);
        let (rate, micros) = measure(move || {
            let shard = Arc::clone(&of);
            async move {
                let begun = shard.begin(load(&shard, ENTRY)).await.expect("it can be asked");
                assert!(matches!(begun, Begun::Hit(_)));
            }
        })
        .await;
        note("begin, which hits", rate, micros);

        let of = Arc::clone(&shard);
        let (rate, micros) = measure(move || {
            let shard = Arc::clone(&of);
            async move { fill(&shard, EntryId(u128::from(number()) << 64)).await }
        })
        .await;
        note("begin and store", rate, micros);

        let of = Arc::clone(&shard);
        let (rate, micros) = measure(move || {
            let shard = Arc::clone(&of);
            async move { shard.invalidate(&[MarkerId::Dep(u128::MAX)]).await.expect("removing works") }
        })
        .await;
        note("invalidate one", rate, micros);
    }
    let base = median(&results[0].1);
    let base_micros = median(&results[0].2);
    println!("{:36} {:>10} {:>7}  {:>9} {:>7}", "", "64 at once", "", "one alone", "");
    for (name, rates, micros) in &results {
        let (rate, micros) = (median(rates), median(micros));
        println!(
            "{name:36} {rate:>8.0}/s {:>6.2}x  {micros:>6.1} us {:>6.2}x",
            rate / base,
            micros / base_micros
        );
    }
}

/// How many a second with [`CALLERS`] callers, and the median time of one alone, in microseconds.
async fn measure<F>(step: impl Fn() -> F + Clone + Send + 'static) -> (f64, f64)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (began, end) = (Instant::now(), Instant::now() + ROUND);
    let tasks: Vec<_> = (0..CALLERS)
        .map(|_| {
            let step = step.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while Instant::now() < end {
                    step().await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("no caller fails");
    }
    let rate = done as f64 / began.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let began = Instant::now();
        step().await;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    (rate, median(&times))
}

async fn fill(shard: &RedisShard, entry: EntryId) {
    let load = load(shard, entry);
    assert!(matches!(shard.begin(load.clone()).await.expect("it can be asked"), Begun::Lead));
    let envelope = Bytes::from(vec![b'x'; VALUE_BYTES + 100]);
    shard
        .store(Store { entry: load.entry, attempt: load.attempt, envelope, keep: MINUTE })
        .await
        .expect("there is room");
}

fn load(shard: &RedisShard, entry: EntryId) -> Begin {
    let attempt = Nonce { era: shard.era().unwrap_or(alacena_core::tier::Era(0)), random: number() };
    Begin { entry: entry.into(), attempt, seen: None, lease: MINUTE }
}

fn number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(100);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The machine's own time and tasks.
struct Machine;

impl Runtime for Machine {
    fn now(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::Boottime);
        Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
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
        number()
    }
}
