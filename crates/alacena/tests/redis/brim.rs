//! A small Redis that is full to the brim and evicts: no error, nothing stale, and nearly as many hits as plain GET and SET
//! over the same keys have (INV-5).
//!
//! Ordinarily for a minute; with `ALACENA_BRIM=600` for ten.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alacena::{
    Class, Level,
    class::{Policy, ReadMode},
    outcome::Origin,
};
use alacena_testkit::servers::{RedisServer, Reply};

use crate::{
    node::{Node, PATIENT, policy},
    sharing::url,
};

/// What the server may hold, as the smallest offers have it.
const ROOM: u64 = 25 << 20;
/// Keys that are asked for, some far more often than others: more than there is room for.
const KEYS: f64 = 30_000.0;
/// Lengths of values; of all kinds, since a server rounds what it holds up to steps of 512 bytes.
const LENGTH_MIN: usize = 1_000;
const LENGTH_MAX: usize = 3_000;
/// Tags in use: each key has one of them.
const TAGS: u64 = 500;
/// How often something is invalidated that is looked at strictly.
const CHANGES_EVERY: u64 = 50;
/// Reads before anything is counted: until both servers are full.
const FILL: u64 = 40_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_has_nearly_as_many_hits_as_plain_get_and_set() {
    let room = ROOM.to_string();
    let evicting =
        || RedisServer::builder().config("maxmemory", &room).config("maxmemory-policy", "allkeys-lru");
    let (Some(server), Some(plain)) = (evicting().start(), evicting().start()) else { return };
    // So little memory that it is full, too, before anything is counted.
    let node = Node::declaring(&url(&server), PATIENT, "[memory]\nmax = \"16MiB\"\n").await;
    // What is in memory would be hits that Redis has nothing to do with.
    let policy = Policy { l1_ttl: Some(Duration::ZERO), l2_compressed: Some(false), ..policy() };
    let class: Class<String> = node.alacena.shared_class("items", policy.clone()).unwrap();
    let strict = Policy { read_mode: ReadMode::Strict, ..policy };
    let changing: Class<u64> = node.alacena.shared_class("changing", strict).unwrap();
    let lasts = std::env::var("ALACENA_BRIM").map_or(60, |seconds| seconds.parse().unwrap());

    let (mut ours, mut theirs, mut counted) = (0_u64, 0_u64, 0_u64);
    let (version, mut draw) = (Arc::new(AtomicU64::new(0)), 1_u64);
    let (mut began, mut memory) = (Instant::now(), 0);
    for number in 0.. {
        if number == FILL {
            (began, memory) = (Instant::now(), resident());
        }
        if number > FILL && began.elapsed() > Duration::from_secs(lasts) {
            break;
        }
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = (KEYS * ((draw >> 33) as f64 / f64::from(1_u32 << 31)).powi(3)) as u64;
        let is_counted = number >= FILL;
        counted += u64::from(is_counted);
        ours += u64::from(get(&class, key).await == Origin::L2 && is_counted);
        theirs += u64::from(get_plainly(&plain, key) && is_counted);
        if number % CHANGES_EVERY == 0 {
            let now = version.fetch_add(1, Ordering::SeqCst) + 1;
            let name = format!("{}", now % 20);
            assert_eq!(changing.invalidate_tag(&name).await.unwrap().level, Level::Applied);
            let source = Arc::clone(&version);
            let load = move || async move { Ok(Some(source.load(Ordering::SeqCst))) };
            let read = changing.get_or_fetch([&name], &[&name], load).await.unwrap();
            assert_eq!(read.value().copied(), Some(now), "{read:?}");
        }
    }
    let rate = |hits| hits as f64 / counted as f64;
    let (used, grown) = (server.used_memory(), resident().saturating_sub(memory));
    println!(
        "{counted} reads of 1 to 3 KB: {:.1} % hits, plain GET and SET {:.1} %, ratio {:.3}; entries {} and {}; Redis {} KB; \
         this process has grown by {} KB; evicted {}",
        100.0 * rate(ours),
        100.0 * rate(theirs),
        rate(ours) / rate(theirs),
        server.command(&["DBSIZE"]).integer(),
        plain.command(&["DBSIZE"]).integer(),
        used >> 10,
        grown >> 10,
        server.info("evicted_keys"),
    );
    assert!(rate(ours) >= 0.9 * rate(theirs), "{} to {}", rate(ours), rate(theirs));
    assert!(used < ROOM + (1 << 20), "{used}");
    assert!(grown < 32 << 20, "{grown}");
    assert_ne!(server.info("evicted_keys"), "0", "it was full");
}

async fn get(class: &Class<String>, key: u64) -> Origin {
    let load = move || async move { Ok(Some(value(key))) };
    let tag = format!("tag {}", key % TAGS);
    let outcome = class.get_or_fetch([key.to_string()], &[&tag], load).await.unwrap();
    assert_eq!(outcome.value().map(String::as_str), Some(&*value(key)), "it is another's");
    outcome.origin()
}

/// What everybody does without a cache library. Whether there was a value.
fn get_plainly(server: &RedisServer, key: u64) -> bool {
    let name = format!("items:{key}");
    match server.command(&["GET", &name]) {
        Reply::Nil => {
            server.command(&["SET", &name, &value(key), "EX", "600"]);
            false
        }
        _ => true,
    }
}

fn value(key: u64) -> String {
    let length = LENGTH_MIN + key as usize * 7_919 % (LENGTH_MAX - LENGTH_MIN);
    format!("{key:0length$}")
}

/// The memory of the machine that this process has, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
