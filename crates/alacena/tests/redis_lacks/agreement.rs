//! Nodes that do not say the same of what all of them must.

use std::path::Path;

use alacena::{Alacena, Class, Coherence, Level, SystemRuntime, config::Config, outcome::Origin};
use alacena_testkit::servers::{Flavour, RedisServer};

use crate::{
    heard,
    node::{Numbers, PATIENT, configuration, number, policy, until},
    said::SECRET,
};

/// A node with this secret, or without one of its own.
struct Node {
    alacena: Alacena,
    class: Class<u64>,
    _folder: tempfile::TempDir,
}

impl Node {
    async fn open(server: &RedisServer, secret: Option<&str>, namespace: &str) -> Self {
        heard::listen();
        let folder = tempfile::tempdir().unwrap();
        let text = configured(folder.path(), server, secret, namespace);
        let config = Config::parse(&text, "alacena.toml", &Default::default());
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let alacena = Alacena::open(&config, SystemRuntime::shared()).await.unwrap();
        let class = alacena.shared_class("bounded", policy()).unwrap();
        Self { alacena, class, _folder: folder }
    }

    async fn get(&self, key: &str, numbers: &Numbers) -> (Option<u64>, Origin) {
        let numbers = numbers.clone();
        let load = move || numbers.load_after(std::time::Duration::ZERO);
        let outcome = self.class.get_or_fetch([key], &["t"], load).await.unwrap();
        (number(&outcome), outcome.origin())
    }

    async fn is_at(&self, level: Coherence) {
        until("it is there", async || self.alacena.health().coherence() == Some(level)).await;
    }

    fn has_left(&self) -> bool {
        let missing = self.alacena.health().missing;
        missing
            .iter()
            .any(|line| line.contains("have another secret") && line.contains("the same server.secret"))
    }
}

fn configured(folder: &Path, server: &RedisServer, secret: Option<&str>, namespace: &str) -> String {
    let text = configuration(folder, &format!("redis://{}", server.address()), PATIENT, "");
    let own = secret.map(|secret| format!("secret = \"{secret}\"\n")).unwrap_or_default();
    let own = format!("{own}namespace = \"{namespace}\"");
    text.replace("secret = \"what all nodes of this test say\"", &own)
}

fn ones() -> Numbers {
    let ones = Numbers::default();
    ones.set(1);
    ones
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_secret_leaves_and_says_so() {
    for flavour in Flavour::ALL {
        let Some(server) = RedisServer::builder().flavour(flavour).start() else { continue };
        let first = Node::open(&server, Some("the secret of the first nodes"), "shop").await;
        first.is_at(Coherence::Bounded).await;
        let agreed = until_agreed(&server).await;
        let other = Node::open(&server, Some(SECRET), "shop").await;
        until("it leaves", async || other.has_left()).await;
        other.is_at(Coherence::Local).await;
        let said = || heard::lines(&["WARN", "have another secret", &server.address().port().to_string()]);
        until("the log says it", async || !said().is_empty()).await;
        assert_eq!(heard::lines(&[SECRET]), [""; 0]);

        // It goes on alone, and owes what it invalidates. The first one goes on as before.
        let numbers = ones();
        assert_eq!(other.get("k", &numbers).await, (Some(1), Origin::Source));
        assert_eq!(other.class.invalidate_tag("t").await.unwrap().level, Level::Deferred);
        assert!(!first.has_left());
        assert_eq!(first.class.invalidate_tag("t").await.unwrap().level, Level::Applied);
        assert_eq!(server.command(&["KEYS", "alc:cfg*"]).array()[0].text(), agreed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_one_secret_stay_together_and_put_back_what_they_agreed_on() {
    let Some(server) = RedisServer::builder().start() else { return };
    let first = Node::open(&server, Some(SECRET), "shop").await;
    let agreed = until_agreed(&server).await;
    let value = server.command(&["GET", &agreed]);
    let other = Node::open(&server, Some(SECRET), "shop").await;
    other.is_at(Coherence::Bounded).await;
    let numbers = ones();
    first.get("k", &numbers).await;
    until("it is shared", async || other.get("k", &numbers).await.1 != Origin::Source).await;
    assert_eq!(numbers.loads(), 1);
    // It is not the secret itself that lies there.
    assert!(!format!("{value:?}").contains(SECRET));
    server.command(&["FLUSHALL"]);
    assert_eq!(until_agreed(&server).await, agreed);
    assert_eq!(server.command(&["GET", &agreed]), value);
    assert!(!first.has_left() && !other.has_left());
}

/// Applications that have nothing to do with one another may share a server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_other_namespaces_are_nobody_s_business() {
    let Some(server) = RedisServer::builder().start() else { return };
    let shop = Node::open(&server, Some("the secret of the shop"), "shop").await;
    let desk = Node::open(&server, Some("the secret of the desk"), "desk").await;
    for node in [&shop, &desk] {
        node.is_at(Coherence::Bounded).await;
    }
    until("both agree with themselves", async || server.command(&["KEYS", "alc:cfg*"]).array().len() == 2)
        .await;
    assert!(!shop.has_left() && !desk.has_left());
}

/// The secret is drawn by whoever comes first; a node that starts when it is gone draws another, and those part that
/// have the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_without_a_secret_share_the_one_that_lies_there() {
    let Some(server) = RedisServer::builder().start() else { return };
    let first = Node::open(&server, None, "shop").await;
    let second = Node::open(&server, None, "shop").await;
    for node in [&first, &second] {
        node.is_at(Coherence::Bounded).await;
    }
    let numbers = ones();
    first.get("k", &numbers).await;
    until("it is shared", async || second.get("k", &numbers).await.1 != Origin::Source).await;
    assert_eq!(numbers.loads(), 1);
    // Somebody else's comes into its place.
    server.command(&["SET", "alc:cfg", &"x".repeat(32)]);
    for node in [&first, &second] {
        until("it leaves", async || node.has_left()).await;
    }
}

/// The name under which nodes with a secret of their own agree.
async fn until_agreed(server: &RedisServer) -> String {
    until("somebody has said it", async || !server.command(&["KEYS", "alc:cfg*"]).array().is_empty()).await;
    server.command(&["KEYS", "alc:cfg*"]).array()[0].text()
}
