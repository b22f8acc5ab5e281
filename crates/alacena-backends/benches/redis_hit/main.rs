//! What a read costs that memory cannot answer and the second tier can, and how soon an invalidation is everywhere.
//!
//! `cargo xtask long redis-hit` builds it as it is shipped, brings what it is compared with, and runs it; by hand, without
//! BentoCache, `cargo bench -p alacena-backends --bench redis_hit`; and for a profiler, hits and nothing else, with `-- hits
//! SECONDS`. On a machine that does nothing else: server, nodes and
//! those who ask share its cores, and the load average is shown before and after.
//!
//! A round gives everybody three seconds, in turns of half a second, so that whatever happens on the machine happens to all
//! of them; a ratio is taken within a round. A bar is reached where the median of the rounds is as it says, and the worst of
//! them within 15 %.
//!
//! | measured | to |
//! |---|---|
//! | hits of the second tier, 64 callers, one connection | a GET by the client library, one connection |
//! | | BentoCache, whose every read goes to the same Redis |
//! | a strict read, one caller | a GET by the client library, call by call in turn |
//! | an invalidation, until its last use in the memory of another node | |
//! | an invalidation of a tag that a million entries carry | SCAN and DEL of them |
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement runs in real time and prints"
)]

mod bento;
mod figures;
mod lag;
mod million;
mod node;
mod rate;

use std::{
    path::Path,
    process::{self, ExitCode},
    time::Duration,
};

use alacena_core::class::ReadMode;
use alacena_testkit::servers::RedisServer;
use bytes::Bytes;
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};

use bento::Bento;
use figures::{Bar, Rounds, part};
use node::{Node, Reader};
use rate::{Caller, Rate};

const ROUNDS: usize = 7;
const TURN: Duration = Duration::from_millis(500);
const TURNS: u32 = 6;
const CALLERS: u64 = 64;
const KEYS: u64 = 4_096;
const VALUE_BYTES: usize = 1_024;
/// Invalidations of a round.
const LAGS: usize = 300;

/// What is said of it.
const PROCESSOR: &str = "  microseconds of the processor for one, the server's included";

/// The stores of BentoCache that are asked, and how they are called here. The bar is for the first, which is set up as its
/// documentation does.
const STORES: [(&str, &str); 3] = [
    ("redis", "BentoCache, one tier"),
    ("tiered", "BentoCache, two tiers, its memory over at once"),
    ("batched", "BentoCache, one tier, its client batching"),
];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS; // a test runner that looks for tests in here finds none
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    let Some(server) = RedisServer::builder().start() else { return ExitCode::FAILURE };
    let bentos = match words.as_slice() {
        ["hits", seconds] => return hits(&server, seconds.parse().expect("a number of seconds")).await,
        [node, folder] => {
            let fill = [KEYS, VALUE_BYTES as u64];
            let start = |(store, _)| Bento::start(Path::new(node), Path::new(folder), &server, store, fill);
            STORES.map(start).into()
        }
        _ => Vec::new(),
    };
    println!("{} bytes, {KEYS} keys, {ROUNDS} rounds; load average {}", VALUE_BYTES, load());
    let reached = measure(&server, bentos).await;
    println!("load average {}", load());
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures all of it and prints it; whether every bar is reached.
async fn measure(server: &RedisServer, mut bentos: Vec<Bento>) -> bool {
    let url = format!("redis://{}", server.address());
    let (writer, reader) = (Node::on(&url).await, Node::on(&url).await);
    let get = Get::of(&url).await;
    let bounded = Reader::of(&reader, &writer, ReadMode::Bounded).await;
    let strict = Reader::of(&reader, &writer, ReadMode::Strict).await;

    let mut rates = vec![Rounds::default(); 2 + bentos.len()];
    let (mut ratios, mut processors) = (rates.clone(), rates.clone());
    let mut strays = 0;
    let [mut waits, mut slower, mut lags]: [Rounds; 3] = Default::default();
    for number in 0..ROUNDS {
        let round = round(number, server, &get, &bounded, &mut bentos).await;
        let ours = round[1].per_second();
        strays += round[1].strays;
        for (at, rate) in round.into_iter().enumerate() {
            rates[at].push(rate.per_second());
            ratios[at].push(ours / rate.per_second());
            processors[at].push(rate.processor_each());
        }
        let [bare, wait] = rate::waits(TURN * TURNS, &get, &strict).await;
        waits.push(wait);
        slower.push(wait / bare);
        lags.push(part(&mut lag::of(LAGS, &writer, &reader).await, 0.99));
    }
    let mut beside = lag::beside_callers(2 * TURN * TURNS, &writer, &reader).await;
    let took = million::measure(&writer, &get.0, ROUNDS).await;
    let mut invalidations = Rounds::default();
    took.invalidations.iter().for_each(|took| invalidations.push(*took));

    // Before the server goes.
    for node in [writer, reader] {
        node.engine.close(TURN).await;
    }

    let mut all = true;
    let mut line = |what: &str, rounds: &Rounds, bar: Option<Bar>| {
        let verdict = bar.map_or_else(String::new, |bar| {
            let reached = rounds.reaches(bar);
            all &= reached;
            format!("; bar: {bar}: {}", if reached { "reached" } else { "NOT REACHED" })
        });
        println!("{what}: {rounds}{verdict}");
    };
    line("hits of the second tier, a second", &rates[1], None);
    line(PROCESSOR, &processors[1], None);
    if strays > 0 {
        println!("  and {strays} answers in all that came from elsewhere: the machine has stood still");
    }
    line("the client library's GET, a second", &rates[0], None);
    line(PROCESSOR, &processors[0], None);
    line("  hits to that", &ratios[0], Some(Bar::AtLeast(0.8)));
    for (at, (_, name)) in (2..rates.len()).zip(STORES) {
        line(&format!("{name}, a second"), &rates[at], None);
        line(PROCESSOR, &processors[at], None);
        line("  hits to that", &ratios[at], (at == 2).then_some(Bar::AtLeast(3.0)));
    }
    line("a strict read of one caller, p50 in microseconds", &waits, None);
    line("  that to a GET by the client library", &slower, Some(Bar::AtMost(1.5)));
    line("from an invalidation to the last use elsewhere, p99 in ms", &lags, Some(Bar::AtMost(5.0)));
    println!(
        "  beside {CALLERS} callers: p50 {:.2}, p99 {:.2} of {}",
        part(&mut beside, 0.5),
        part(&mut beside, 0.99),
        beside.len()
    );
    line("an invalidation of a million entries in ms", &invalidations, Some(Bar::AtMost(1.0)));
    println!("  SCAN and DEL of {} entries: {:.0} ms", took.deleted, took.deletion);
    all
}

/// Hits of the second tier and nothing else.
async fn hits(server: &RedisServer, seconds: u64) -> ExitCode {
    let url = format!("redis://{}", server.address());
    let (writer, reader) = (Node::on(&url).await, Node::on(&url).await);
    let caller = Reader::of(&reader, &writer, ReadMode::Bounded).await;
    let rate = rate::of(CALLERS, Duration::from_secs(seconds), &caller).await;
    for node in [writer, reader] {
        node.engine.close(TURN).await;
    }
    println!("{:.0} a second, {} in all and {} strays", rate.per_second(), rate.answers, rate.strays);
    ExitCode::SUCCESS
}

/// What everybody answers in the turns of one round: the client library, ours, and the others.
async fn round(
    number: usize,
    server: &RedisServer,
    get: &Get,
    ours: &Reader,
    others: &mut [Bento],
) -> Vec<Rate> {
    let mut rates = vec![Rate::default(); 2 + others.len()];
    for turn in 0..TURNS {
        for place in 0..rates.len() {
            // Each comes behind each other as often.
            let who = (place + turn as usize + number) % rates.len();
            let asks = if who < 2 { process::id() } else { others[who - 2].process() };
            let before = rate::processor([asks, server.pid()]);
            let rate = match who {
                0 => rate::of(CALLERS, TURN, get).await,
                1 => rate::of(CALLERS, TURN, ours).await,
                other => others[other - 2].ask(CALLERS, TURN),
            };
            let processor = rate::processor([asks, server.pid()]) - before;
            rates[who] += Rate { processor, ..rate };
        }
    }
    rates
}

/// Who asks the server for a value as it is, by the client library.
#[derive(Clone)]
struct Get(MultiplexedConnection);

impl Get {
    /// Over one connection, and all values are there.
    async fn of(url: &str) -> Self {
        let client = redis::Client::open(url).expect("it is a URL");
        // Its own limit is half a second, which a machine that does something else as well can take.
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        let connection = client.get_multiplexed_async_connection_with_config(&patient).await;
        let mut connection = connection.expect("it is there");
        for number in 0..KEYS {
            let mut set = redis::cmd("SET");
            set.arg(format!("bare:{number}")).arg(vec![b'x'; VALUE_BYTES]);
            let () = set.query_async(&mut connection).await.expect("there is room");
        }
        Self(connection)
    }
}

impl Caller for Get {
    async fn ask(&mut self, number: u64) -> bool {
        let mut get = redis::cmd("GET");
        get.arg(format!("bare:{}", number % KEYS));
        let value: Bytes = get.query_async(&mut self.0).await.expect("it is there");
        value.len() == VALUE_BYTES
    }
}

/// How busy the machine was in the last minute.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}
