//! Each way in which a server can be set up otherwise than it should be.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use alacena::{Coherence, Level, outcome::Origin};
use alacena_testkit::servers::{Builder, Flavour, RedisServer};

use crate::{
    filter, heard,
    node::{Node, Numbers, PATIENT, number, until},
    said::{SECRET, Said, is_well, says, shows_no_secret},
    standin::{Old, old},
};

fn at(address: SocketAddr) -> String {
    format!("redis://app:{SECRET}@{address}")
}

/// A server of every flavour that this machine has, with a user that has these rights.
fn servers(rights: &str, and: impl Fn(Builder) -> Builder) -> Vec<(Flavour, RedisServer)> {
    heard::listen();
    let started = Flavour::ALL.into_iter().filter_map(|flavour| {
        let user = format!("app on >{SECRET} ~* &* {rights}");
        let builder = RedisServer::builder().flavour(flavour).config("user", &user);
        Some((flavour, and(builder).start()?))
    });
    started.collect()
}

/// It answers, whatever its server is like.
async fn answers(node: &Node) -> Origin {
    let numbers = Numbers::default();
    numbers.set(7);
    let outcome = node.get("answers", &numbers).await;
    assert_eq!(number(&outcome), Some(7));
    outcome.origin()
}

/// How long one node goes on answering what another has invalidated.
async fn stale_for(one: &Node, other: &Node) -> Duration {
    let numbers = Numbers::default();
    numbers.set(1);
    one.get("stale", &numbers).await;
    until("both hold it", async || other.get("stale", &numbers).await.origin() == Origin::L1).await;
    numbers.set(2);
    assert_eq!(one.bounded.invalidate_tag("t").await.unwrap().level, Level::Applied);
    let began = Instant::now();
    until("it is gone", async || number(&other.get("stale", &numbers).await) == Some(2)).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password() {
    for (_, server) in servers("+@all", |builder| builder) {
        server.command(&["ACL", "SETUSER", "app", "resetpass", ">another"]);
        let node = Node::alone(&at(server.address()), PATIENT, "").await;
        assert_eq!(answers(&node).await, Origin::Source);
        let words = ["password is wrong", "says `local`", "Check user and password"];
        let said = Said { level: Coherence::Local, words: &words, is_serious: true };
        says(&node, server.address().port(), said).await;
        assert_eq!(node.bounded.invalidate_tag("t").await.unwrap().level, Level::Deferred);
        // Once it is right nothing has to be started again.
        server.command(&["ACL", "SETUSER", "app", &format!(">{SECRET}")]);
        is_well(&node, Coherence::Bounded).await;
        shows_no_secret(&node);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_right_to_info() {
    for (_, server) in servers("+@all -info", |builder| builder) {
        let node = Node::at(&at(server.address()), PATIENT).await;
        let words = ["does not let its user ask with INFO", "the level is `eventual`", "+info"];
        let said = Said { level: Coherence::Eventual, words: &words, is_serious: true };
        says(&node, server.address().port(), said).await;
        let other = Node::at(&at(server.address()), PATIENT).await;
        let numbers = Numbers::default();
        numbers.set(1);
        node.get("k", &numbers).await;
        assert_eq!(other.get("k", &numbers).await.origin(), Origin::L2, "it is shared all the same");
    }
}

/// Nodes tell one another, and what they promise is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_right_to_client() {
    for (flavour, server) in servers("+@all -client", |builder| builder) {
        let (node, other) =
            (Node::at(&at(server.address()), PATIENT).await, Node::at(&at(server.address()), PATIENT).await);
        let words =
            ["does not tell of what changes; CLIENT TRACKING: NOPERM", "PUBLISH instead", "+client|tracking"];
        let said = Said { level: Coherence::Bounded, words: &words, is_serious: false };
        says(&node, server.address().port(), said).await;
        let stale = stale_for(&node, &other).await;
        assert!(stale < Duration::from_millis(900), "{flavour:?}: {stale:?}");
    }
}

/// Nor to hear one another: copies are asked about after a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_right_to_client_nor_to_subscribe() {
    for (flavour, server) in servers("+@all -client -subscribe", |builder| builder) {
        let (node, other) =
            (Node::at(&at(server.address()), PATIENT).await, Node::at(&at(server.address()), PATIENT).await);
        let words = ["CLIENT TRACKING: NOPERM", "SUBSCRIBE: NOPERM", "the level is `eventual`", "+subscribe"];
        let said = Said { level: Coherence::Eventual, words: &words, is_serious: true };
        says(&node, server.address().port(), said).await;
        let stale = stale_for(&node, &other).await;
        assert!(stale < Duration::from_millis(1_500), "{flavour:?}: {stale:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_given_as_the_primary() {
    for (_, replica) in servers("+@all", |builder| builder) {
        let Some(primary) = RedisServer::builder().start() else { return };
        replica.follow(primary.address());
        let node = Node::alone(&at(replica.address()), PATIENT, "").await;
        assert_eq!(answers(&node).await, Origin::Source);
        let words = ["it is a replica", "address of its primary", "says `local`"];
        let said = Said { level: Coherence::Local, words: &words, is_serious: true };
        says(&node, replica.address().port(), said).await;
        replica.promote();
        is_well(&node, Coherence::Bounded).await;
        shows_no_secret(&node);
    }
}

/// Of servers that old none is to be had here: somebody stands in who answers as they do, word for word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_old() {
    heard::listen();
    for (version, what) in [
        (Old::Five, "does not speak RESP3, which Redis 6.2 and newer and Valkey do"),
        (Old::Six, "version 6.0.16 is older than 6.2"),
    ] {
        let server = old(version).await;
        let node = Node::alone(&at(server), PATIENT, "").await;
        assert_eq!(answers(&node).await, Origin::Source);
        let words = [what, "says `local`", "Use Redis 6.2 or newer, or Valkey"];
        let said = Said { level: Coherence::Local, words: &words, is_serious: true };
        says(&node, server.port(), said).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracking_stripped_by_a_proxy() {
    for (flavour, server) in servers("+@all", |builder| builder) {
        let proxy = filter::taking(&["invalidate"], server.address()).await;
        let (node, other) = (Node::at(&at(proxy), PATIENT).await, Node::at(&at(proxy), PATIENT).await);
        let words = ["CLIENT TRACKING: nothing arrives", "PUBLISH instead", "past the proxy"];
        let said = Said { level: Coherence::Bounded, words: &words, is_serious: false };
        says(&node, proxy.port(), said).await;
        let stale = stale_for(&node, &other).await;
        assert!(stale < Duration::from_millis(900), "{flavour:?}: {stale:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_told_stripped_by_a_proxy() {
    for (flavour, server) in servers("+@all", |builder| builder) {
        let proxy = filter::taking(&["invalidate", "message"], server.address()).await;
        let (node, other) = (Node::at(&at(proxy), PATIENT).await, Node::at(&at(proxy), PATIENT).await);
        let words = [
            "CLIENT TRACKING: nothing arrives",
            "SUBSCRIBE: nothing arrives",
            "`eventual`",
            "past the proxy",
        ];
        let said = Said { level: Coherence::Eventual, words: &words, is_serious: true };
        says(&node, proxy.port(), said).await;
        let stale = stale_for(&node, &other).await;
        assert!(stale < Duration::from_millis(1_500), "{flavour:?}: {stale:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_evicts() {
    for policy in ["allkeys-lru", "volatile-lru", "volatile-ttl"] {
        let settings =
            |builder: Builder| builder.config("maxmemory", "64mb").config("maxmemory-policy", policy);
        for (_, server) in servers("+@all", settings) {
            let node = Node::at(&at(server.address()), PATIENT).await;
            let words = [policy, "which costs misses", "right for a cache"];
            let said = Said { level: Coherence::Bounded, words: &words, is_serious: false };
            says(&node, server.address().port(), said).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_limit() {
    for (_, server) in servers("+@all", |builder| builder.config("maxmemory", "0")) {
        let node = Node::at(&at(server.address()), PATIENT).await;
        let words = ["has no maxmemory", "until its machine has none left", "Set maxmemory"];
        let said = Said { level: Coherence::Bounded, words: &words, is_serious: false };
        says(&node, server.address().port(), said).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_clients_as_it_takes() {
    for (_, server) in servers("+@all", |builder| builder) {
        // The test's own connection is one.
        server.command(&["CONFIG", "SET", "maxclients", "1"]);
        let node = Node::alone(&at(server.address()), PATIENT, "").await;
        assert_eq!(answers(&node).await, Origin::Source);
        let words = ["max number of clients reached", "says `local`", "Raise maxclients"];
        let said = Said { level: Coherence::Local, words: &words, is_serious: true };
        says(&node, server.address().port(), said).await;
        server.command(&["CONFIG", "SET", "maxclients", "100"]);
        is_well(&node, Coherence::Bounded).await;
        shows_no_secret(&node);
    }
}

/// It is used as far as it goes: entries are read, and not stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_right_to_scripts() {
    for (_, server) in servers("+@all -evalsha -eval", |builder| builder) {
        let node = Node::alone(&at(server.address()), PATIENT, "").await;
        assert_eq!(answers(&node).await, Origin::Source);
        until("it is said", async || {
            node.alacena
                .health()
                .missing
                .iter()
                .any(|line| line.contains("NOPERM") && line.contains("ACL SETUSER"))
        })
        .await;
        shows_no_secret(&node);
    }
}
