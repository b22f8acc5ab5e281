//! A server whose commands are paid for, through the whole library.

use std::{sync::Arc, time::Duration};

use alacena::{Alacena, Class, Coherence, Level, Status, class::Policy, config::Config, outcome::Origin};
use alacena_testkit::{FakeRuntime, servers::RedisServer};

use crate::{
    heard,
    node::{PATIENCE, PATIENT, configuration, number, policy},
};

/// A node on a clock that the test holds, which may send so many commands a day.
struct Node {
    alacena: Alacena,
    class: Class<u64>,
    runtime: FakeRuntime,
    _folder: tempfile::TempDir,
}

impl Node {
    async fn at(server: &RedisServer, commands: u64) -> Self {
        heard::listen();
        let (folder, runtime) = (tempfile::tempdir().unwrap(), FakeRuntime::new(3));
        let url = format!("redis://{}", server.address());
        let redis = format!("{PATIENT}\nmetered = \"{commands}/day\"");
        let text = configuration(folder.path(), &url, &redis, "");
        let config = Config::parse(&text, "alacena.toml", &Default::default());
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let alacena = Alacena::open(&config, Arc::new(runtime.clone())).await.unwrap();
        let policy = Policy { ttl: Duration::from_secs(3_600), ..policy() };
        let class = alacena.shared_class("numbers", policy).unwrap();
        Self { alacena, class, runtime, _folder: folder }
    }

    async fn get(&self, key: &str) -> (Option<u64>, Origin) {
        let asked = self.class.get_or_fetch([key], &["t"], || async { Ok(Some(7)) });
        let outcome = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
        (number(&outcome), outcome.origin())
    }

    async fn passes(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.runtime.advance(Duration::from_secs(1)).await;
            // The server lives in real time: what it is asked it answers before the next second.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // For whatever would be sent to arrive.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    fn used(&self) -> u64 {
        self.alacena.figures().shards[0].spending.unwrap().used
    }
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// The server counts, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_node_sends_nothing_in_ten_minutes() {
    let Some(server) = RedisServer::builder().start() else { return };
    let node = Node::at(&server, 10_000).await;
    let before = server.commands_processed();
    node.passes(TEN_MINUTES).await;
    assert_eq!((server.commands_processed(), node.used()), (before, 0), "it has not even connected");
    let health = node.alacena.health();
    assert_eq!((health.status, health.coherence()), (Status::Healthy, Some(Coherence::Eventual)));

    assert_eq!(node.get("k").await, (Some(7), Origin::Source));
    assert_eq!(node.get("k").await, (Some(7), Origin::L1));
    // The first look at what all nodes say alike comes with the first use.
    node.passes(Duration::from_secs(30)).await;
    let (counted, used) = (server.commands_processed(), node.used());
    assert!(counted > before && used > 0);
    node.passes(TEN_MINUTES).await;
    assert_eq!((server.commands_processed(), node.used()), (counted, used));
    assert_eq!(node.get("k").await, (Some(7), Origin::L2), "and it is there when it is needed");
    assert_eq!(node.alacena.health().coherence(), Some(Coherence::Eventual));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_is_used_up_goes_on_without() {
    let Some(server) = RedisServer::builder().start() else { return };
    let node = Node::at(&server, 60).await;
    let port = server.address().port().to_string();
    let mut was_warned = false;
    for number in 0..60 {
        assert_eq!(node.get(&format!("k{number}")).await.0, Some(7));
        let spending = node.alacena.figures().shards[0].spending.unwrap();
        let missing = node.alacena.health().missing.join("\n");
        was_warned |= missing.contains("80 % of the 60 commands");
        assert_eq!(missing.contains("commands of the day are used up"), spending.is_spent, "{missing}");
        if spending.is_spent {
            break;
        }
    }
    assert!(was_warned);
    // An outage that has just begun may be none: who invalidates waits for that.
    node.passes(Duration::from_secs(2)).await;
    let counted = server.commands_processed();
    assert_eq!(node.alacena.health().coherence(), Some(Coherence::Local));
    assert_eq!(node.class.invalidate_tag("t").await.unwrap().level, Level::Deferred);
    assert_eq!(node.get("later").await, (Some(7), Origin::Source));
    node.passes(Duration::from_secs(20)).await;
    assert_eq!(server.commands_processed(), counted, "nothing more is sent");
    assert!(!heard::lines(&["WARN", "of the day are used up", &port]).is_empty());

    let to_midnight = node.alacena.figures().shards[0].spending.unwrap().next_day_in;
    node.runtime.step_wall_clock(i64::try_from(to_midnight.as_millis()).unwrap());
    // What is owed is told first.
    for _ in 0..200 {
        if node.alacena.health().shards[0].drain.is_open {
            break;
        }
        node.runtime.advance(Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(node.alacena.health().missing, [""; 0]);
    assert_eq!(node.class.invalidate_tag("t").await.unwrap().level, Level::Applied);
}
