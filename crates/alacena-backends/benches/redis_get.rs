//! What a GET over one connection costs: ours against the client library's, of the same server, in the same run.
//!
//! `cargo bench -p alacena-backends --bench redis_get [-- ROUNDS]`. Both share one runtime and one machine with the
//! server, and take turns, slice by slice, so that whatever else happens on the machine happens to both. What counts is
//! the ratio within a round; of all rounds, the median.
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alacena_backends::redis::{Address, Connection, Server, Settings, resp::Command};
use alacena_core::runtime::{BoxFuture, Moment, Runtime};
use alacena_testkit::servers::{Flavour, RedisServer};
use redis::aio::MultiplexedConnection;

const SLICE: Duration = Duration::from_millis(500);
const KEYS: u64 = 1_000;
/// How many ask at once, and for how many bytes.
const CASES: [(usize, usize); 5] = [(64, 256), (64, 2048), (512, 256), (8, 256), (1, 256)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|word| word == "--bench") {
        return; // a test runner that looks for tests in here finds none
    }
    let rounds = arguments.iter().find_map(|word| word.parse().ok()).unwrap_or(7);
    let Some(server) = RedisServer::builder().flavour(Flavour::Debian).start() else { return };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    runtime.expect("threads can be started").block_on(compare(&server, rounds));
}

async fn compare(server: &RedisServer, rounds: usize) {
    let ours = Arc::new(open(server).await);
    let client = redis::Client::open(format!("redis://{}/?protocol=resp3", server.address()));
    let theirs = client.expect("it is a URL").get_multiplexed_async_connection().await.expect("it is there");
    println!(
        "GET over one connection, {rounds} rounds of {SLICE:?} each; median of calls/s and of the ratio"
    );
    for (callers, bytes) in CASES {
        for key in 0..KEYS {
            server.command(&[&b"SET"[..], format!("key:{key}").as_bytes(), &vec![b'x'; bytes]]);
        }
        let (mut us, mut them, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=rounds {
            let (mine, other);
            if round % 2 == 0 {
                mine = ask_ours(&ours, callers, bytes).await;
                other = ask_theirs(&theirs, callers, bytes).await;
            } else {
                other = ask_theirs(&theirs, callers, bytes).await;
                mine = ask_ours(&ours, callers, bytes).await;
            }
            if round > 0 {
                us.push(mine);
                them.push(other);
                ratios.push(mine / other);
            }
        }
        let range =
            (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
        println!(
            "{callers:>4} callers, {bytes:>4} bytes: ours {:>7.0}/s, redis-rs {:>7.0}/s, ratio {:.2} ({:.2} to {:.2})",
            median(us),
            median(them),
            median(ratios),
            range.0,
            range.1
        );
    }
}

async fn open(server: &RedisServer) -> Connection {
    let address = Address::parse(&format!("redis://{}", server.address())).expect("it is a URL");
    let server = Server::new(address, None).expect("it has no certificates");
    Connection::open(&server, &Settings::default(), Arc::new(Machine), Box::new(drop), Box::new(|_| ()))
        .await
        .expect("it is there")
}

async fn ask_ours(connection: &Arc<Connection>, callers: usize, bytes: usize) -> f64 {
    let connection = Arc::clone(connection);
    measure(callers, move |key| {
        let connection = Arc::clone(&connection);
        async move {
            let get = Command::new("GET").arg(format!("key:{key}"));
            let frame = connection.call(&get, Duration::from_secs(1)).await.expect("it answers");
            assert_eq!(frame.into_bytes().expect("it is there").len(), bytes);
        }
    })
    .await
}

async fn ask_theirs(connection: &MultiplexedConnection, callers: usize, bytes: usize) -> f64 {
    let connection = connection.clone();
    measure(callers, move |key| {
        let mut connection = connection.clone();
        async move {
            let mut get = redis::cmd("GET");
            get.arg(format!("key:{key}"));
            let value: bytes::Bytes = get.query_async(&mut connection).await.expect("it answers");
            assert_eq!(value.len(), bytes);
        }
    })
    .await
}

/// Calls a second of so many callers, each of whom asks again as soon as it has its answer.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock, and its callers are tasks")]
async fn measure<F: Future<Output = ()> + Send>(
    callers: usize,
    ask: impl Fn(u64) -> F + Clone + Send + 'static,
) -> f64 {
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers as u64)
        .map(|caller| {
            let ask = ask.clone();
            tokio::spawn(async move {
                let mut asked = 0_u64;
                while !asked.is_multiple_of(16) || began.elapsed() < SLICE {
                    ask((caller * 7 + asked * 13) % KEYS).await;
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let mut asked = 0;
    for task in tasks {
        asked += task.await.expect("no caller fails");
    }
    asked as f64 / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The machine's own time and tasks.
struct Machine;

#[expect(clippy::disallowed_methods, reason = "a measurement runs in real time")]
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
        4
    }
}
