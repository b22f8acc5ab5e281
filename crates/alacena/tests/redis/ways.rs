//! The ways to a server.

use std::fs;

use alacena::{Level, outcome::Origin};
use alacena_testkit::servers::{Certificates, Flavour, RedisServer};

use crate::{
    node::{Node, Numbers, PATIENT, number, until},
    sharing::url,
};

/// Two nodes over this way share, and hear of each other.
async fn share(url: &str, redis: &str) {
    let redis = format!("{PATIENT}\n{redis}");
    let (a, b) = (Node::at(url, &redis).await, Node::at(url, &redis).await);
    let numbers = Numbers::default();
    numbers.set(1);
    a.get("k", &numbers).await;
    assert_eq!(b.get("k", &numbers).await.origin(), Origin::L2, "{redis}");
    numbers.set(2);
    assert_eq!(a.bounded.invalidate_tag("t").await.unwrap().level, Level::Applied, "{redis}");
    until("it has been told", async || number(&b.get("k", &numbers).await) == Some(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_by_an_authority_of_ones_own() {
    let certificates = Certificates::generate();
    let Some(server) = RedisServer::builder().tls(certificates.clone()).start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &certificates.authority).unwrap();
    let url = format!("rediss://localhost:{}", server.tls_address().port());
    share(&url, &format!("ca = \"{}\"", ca.display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_user_with_rights_to_what_is_ours_alone() {
    for flavour in Flavour::ALL {
        let user = "app on >secret ~alc:* resetchannels &alc:* +@all -@dangerous +info +client";
        let Some(server) = RedisServer::builder().flavour(flavour).config("user", user).start() else {
            continue;
        };
        share(&url(&server), "username = \"app\"\npassword = \"secret\"").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_socket_of_the_machine() {
    let Some(server) = RedisServer::builder().start() else { return };
    share(&format!("unix://{}", server.socket().display()), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_database_of_ones_own() {
    let Some(server) = RedisServer::builder().start() else { return };
    share(&url(&server), "db = 3").await;
    assert_eq!(server.command(&["DBSIZE"]).integer(), 0, "nothing is in the first one");
    // Two databases are two tiers.
    let (a, b) = (
        Node::at(&format!("{}/4", url(&server)), PATIENT).await,
        Node::at(&format!("{}/5", url(&server)), PATIENT).await,
    );
    let numbers = Numbers::default();
    numbers.set(1);
    a.get("k", &numbers).await;
    assert_eq!(b.get("k", &numbers).await.origin(), Origin::Source);
}

/// What lies on the server says nothing, and a node without the key can do nothing with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealed() {
    let Some(server) = RedisServer::builder().start() else { return };
    let key = |byte: &str| format!("{PATIENT}\nkey = \"{}\"", byte.repeat(32));
    let (a, b) = (Node::at(&url(&server), &key("ab")).await, Node::at(&url(&server), &key("ab")).await);
    let other = Node::at(&url(&server), &key("cd")).await;
    let numbers = Numbers::default();
    numbers.set(1);
    a.get("canary", &numbers).await;
    assert_eq!(b.get("canary", &numbers).await.origin(), Origin::L2);
    assert_eq!(other.get("canary", &numbers).await.origin(), Origin::Source);
    let keys = server.command(&["KEYS", "*"]);
    for name in keys.array() {
        let name = name.text();
        let value = server.try_command(&["GET", &name]);
        assert!(!format!("{name} {value:?}").contains("canary"), "{name}");
    }
}
