//! Two nodes, each over a way of its own that may fail, one server that may too, and what they are asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alacena::{
    Level,
    outcome::{Origin, Outcome},
};
use alacena_testkit::{
    chaos::{ChaosProxy, Close, Fault, Rule},
    servers::RedisServer,
};

use super::history::{Change, History, Read};
use crate::node::{Node, number, until};

/// Keys that change.
pub(crate) const KEYS: usize = 6;

/// Everything of one cell.
pub(crate) struct World {
    pub(crate) server: RedisServer,
    replica: Option<Replica>,
    /// To the server: of node A, and of node B.
    pub(crate) ways: [ChaosProxy; 2],
    pub(crate) nodes: Arc<[Node; 2]>,
    pub(crate) source: Arc<Source>,
    pub(crate) history: Arc<History>,
}

/// What has to be there for a fault to be tried.
#[derive(Default)]
pub(crate) struct Needs {
    pub(crate) replica: bool,
    /// Lines of the configuration of every server.
    pub(crate) server: &'static [(&'static str, &'static str)],
    /// Lines of `[redis]`.
    pub(crate) node: &'static str,
}

/// One that takes over.
struct Replica {
    server: RedisServer,
    /// What it is fed through.
    feed: ChaosProxy,
}

/// What is true.
#[derive(Default)]
pub(crate) struct Source {
    versions: [AtomicU64; KEYS],
    loads: AtomicU64,
}

impl Source {
    fn now(&self, key: usize) -> u64 {
        self.versions[key].load(Ordering::SeqCst) + 1
    }
}

impl World {
    /// A world in which what `needs` says can be tried.
    pub(crate) async fn start(needs: &Needs, seed: u64) -> Option<Self> {
        let lines = needs.server.iter();
        let builder =
            lines.fold(RedisServer::builder(), |builder, (name, value)| builder.config(name, value));
        // A replica comes and goes, and writes do not wait for the first one.
        let server = builder.clone().start()?;
        let replica = match needs.replica {
            true => {
                let feed = ChaosProxy::start(server.address(), seed);
                let replica = builder.replica_of(feed.address()).start()?;
                replica.wait_for_copy(&server);
                Some(Replica { server: replica, feed })
            }
            false => None,
        };
        let ways = [seed + 1, seed + 2].map(|seed| ChaosProxy::start(server.address(), seed));
        let at = |way: &ChaosProxy| format!("redis://{}", way.address());
        let nodes = [Node::at(&at(&ways[0]), needs.node).await, Node::at(&at(&ways[1]), needs.node).await];
        let (source, history) = (Arc::default(), Arc::default());
        Some(Self { server, replica, ways, nodes: Arc::new(nodes), source, history })
    }

    /// Both nodes hold everything; half of it B has loaded, and half of it A.
    pub(crate) async fn warm(&self) {
        for key in 0..KEYS {
            for is_strict in [false, true] {
                for node in [key % 2, 1 - key % 2] {
                    self.actor().read(node, key, is_strict).await;
                }
            }
            for node in [0, 1] {
                until("it is in memory", async || {
                    self.actor().read(node, key, false).await.0.origin() == Origin::L1
                })
                .await;
            }
        }
        if let Some(replica) = &self.replica {
            replica.server.wait_for_copy(&self.server);
        }
    }

    /// Somebody who can ask while the world is changed.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            nodes: Arc::clone(&self.nodes),
            source: Arc::clone(&self.source),
            history: Arc::clone(&self.history),
        }
    }

    pub(crate) fn command(&self, command: &[&str]) {
        self.server.command(command);
    }

    pub(crate) fn close_all(&self) {
        self.ways.iter().for_each(|way| way.close_all(Close::Reset));
    }

    /// The replica hears nothing more; what is invalidated from here on it does not know.
    pub(crate) fn cut_replica(&self) {
        if let Some(replica) = &self.replica {
            replica.feed.inject(Rule::both_ways(Fault::Blackhole));
        }
    }

    /// The master is gone, and the replica takes over, for both nodes.
    pub(crate) fn promote(&mut self) {
        self.server.kill();
        self.promote_for_a();
        self.lead(1);
    }

    /// The replica takes over, and only A knows.
    pub(crate) fn promote_for_a(&mut self) {
        self.replica().server.promote();
        self.lead(0);
    }

    /// What was the master follows, and B is led to the new one, too.
    pub(crate) fn rejoin(&mut self) {
        self.server.follow(self.replica().server.address());
        self.lead(1);
    }

    fn lead(&self, way: usize) {
        self.ways[way].lead_to(self.replica().server.address());
        self.ways[way].close_all(Close::Reset);
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().expect("this fault needs one")
    }
}

/// Asks nodes, and writes down what came of it.
#[derive(Clone)]
pub(crate) struct Actor {
    nodes: Arc<[Node; 2]>,
    source: Arc<Source>,
    history: Arc<History>,
}

impl Actor {
    /// How often cold keys were loaded.
    pub(crate) fn loads(&self) -> u64 {
        self.source.loads.load(Ordering::SeqCst)
    }

    /// Reads a key that may change, and what came of it.
    pub(crate) async fn read(&self, node: usize, key: usize, is_strict: bool) -> (Outcome<u64>, Duration) {
        let (source, began) = (Arc::clone(&self.source), Instant::now());
        let load = move || async move { Ok(Some(source.now(key))) };
        let (name, tag) = (format!("key {key}"), tag(key));
        let class = if is_strict { &self.nodes[node].strict } else { &self.nodes[node].bounded };
        let outcome = class.get_or_fetch([name], &[&tag], load).await;
        let outcome: Outcome<u64> = outcome.unwrap_or_else(|error| panic!("a read has failed: {error:?}"));
        let (took, version) = (began.elapsed(), *outcome.value().expect("there is always one"));
        let origin = outcome.origin();
        self.history.has_read(Read { node, key, is_strict, began, version, origin });
        (outcome, took)
    }

    /// Reads a key of which nobody has heard, whose load takes so long.
    pub(crate) async fn read_cold(
        &self,
        node: usize,
        name: &str,
        load: Duration,
    ) -> (Outcome<u64>, Duration) {
        let (source, began) = (Arc::clone(&self.source), Instant::now());
        let load = move || async move {
            source.loads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(load).await;
            Ok(Some(1))
        };
        let outcome = self.nodes[node].bounded.get_or_fetch([name], &["cold"], load).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("a read has failed: {error:?}"));
        (outcome, began.elapsed())
    }

    /// Changes a key at the source, and has a node invalidate it.
    pub(crate) async fn change(&self, node: usize, key: usize) -> (Level, Duration) {
        let version = self.source.versions[key].fetch_add(1, Ordering::SeqCst) + 2;
        let began = Instant::now();
        let invalidated = self.nodes[node].bounded.invalidate_tag(&tag(key)).await.unwrap();
        let (acknowledged, level) = (Instant::now(), invalidated.level);
        self.history.has_changed(Change { node, key, version, acknowledged, is_applied: level.is_applied() });
        (level, acknowledged - began)
    }

    /// Returns once both nodes answer, as fresh, the newest of everything, and how long that took.
    pub(crate) async fn agree(&self) -> Duration {
        let began = Instant::now();
        for key in 0..KEYS {
            for node in [0, 1] {
                until("invalidations go through again", async || self.change(node, key).await.0.is_applied())
                    .await;
                for (reads, is_strict) in [(node, false), (node, true), (1 - node, false), (1 - node, true)] {
                    until("it is fresh again, everywhere", async || {
                        let (outcome, _) = self.read(reads, key, is_strict).await;
                        let is_fresh = !matches!(outcome.origin(), Origin::Local | Origin::Stale);
                        is_fresh && number(&outcome) == Some(self.source.now(key))
                    })
                    .await;
                }
            }
        }
        began.elapsed()
    }
}

fn tag(key: usize) -> String {
    format!("key:{key}")
}
