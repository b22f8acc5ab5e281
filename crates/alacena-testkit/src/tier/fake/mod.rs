//! Shards that are not there: a [`Server`] behind connections that fail in every way that connections do.
//!
//! `round` is how the server serves, `line` a connection, `faults` what can be wrong with one, `node` the connections of
//! one node, `shard` what is asked through them.

mod faults;
mod line;
mod node;
mod round;
mod shard;
mod stage;

pub use faults::{Faults, Flow, Links, Replication};
pub use shard::FakeShard;
pub use stage::FakeStage;

use std::{sync::Arc, time::Duration};

use alacena_core::{runtime::SharedRuntime, tier::Era};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Server;
use node::Node;
use round::Served;

/// One server for several nodes, on any runtime: what happens when depends on the runtime alone.
///
/// Between nodes and server nothing takes any time, and nothing fails, until a test says so: of one node by
/// [`FakeShard::set_faults`], of the server here.
///
/// ```
/// use alacena_core::tier::{MarkerId, Nonce, Shard};
/// use alacena_testkit::{FakeRuntime, tier::{FakeTier, Faults, Flow}};
/// use std::{sync::Arc, time::Duration};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let runtime = FakeRuntime::new(1);
/// let tier = FakeTier::new(Arc::new(runtime.clone()));
/// let (a, b) = (tier.shard(), tier.shard());
///
/// let marker = MarkerId::Dep(7);
/// let era = a.era().expect("it is connected");
/// let nonce = Nonce { era, random: 42 };
/// a.mint(era, &[(marker, nonce)], Duration::from_secs(60)).await.unwrap();
/// assert_eq!(b.check(&[marker]).await.unwrap().markers, [Some(nonce)]);
///
/// b.set_faults(Faults { refused: true, ..Faults::default() });
/// assert!(b.check(&[marker]).await.is_err());
/// # });
/// ```
#[derive(Clone)]
pub struct FakeTier(Arc<Inner>);

struct Inner {
    runtime: SharedRuntime,
    /// Guards the server and whom it knows; held for one step. Nobody is called while it is held.
    served: Mutex<Served>,
    replicated: watch::Sender<u64>,
    /// How long a round takes.
    round: Duration,
}

/// What the server's clock shows at the origin of time: far from every other clock.
const SERVER_MILLIS: u64 = 1_000_000_000_000;

impl FakeTier {
    /// An empty server without a replica.
    #[must_use]
    pub fn new(runtime: SharedRuntime) -> Self {
        Self::of(Server::new(Era(1)), runtime)
    }

    /// An empty server with a replica, where everything arrives at once.
    #[must_use]
    pub fn with_replica(runtime: SharedRuntime) -> Self {
        Self::of(Server::new(Era(1)).with_replica(), runtime)
    }

    fn of(server: Server, runtime: SharedRuntime) -> Self {
        let (served, replicated) = (Mutex::new(Served::new(server)), watch::Sender::new(0));
        Self(Arc::new(Inner { runtime, served, replicated, round: Duration::ZERO }))
    }

    /// The same, taking so long for each round of its loop: all that arrives meanwhile is served in the same one. Only
    /// before anybody is connected.
    ///
    /// # Panics
    /// If there is a shard already.
    #[must_use]
    pub fn with_round(self, round: Duration) -> Self {
        let mut inner = Arc::into_inner(self.0).expect("nobody is connected yet");
        inner.round = round;
        Self(Arc::new(inner))
    }

    /// What another node sees of the server; connected.
    #[must_use]
    pub fn shard(&self) -> FakeShard {
        FakeShard::new(Node::connected(self))
    }

    /// Looks at the server, or has something happen to it, at so many milliseconds of its clock; who listens is told.
    pub fn server<R>(&self, act: impl FnOnce(&mut Server, u64) -> R) -> R {
        self.at_server(|served, now| act(&mut served.server, now))
    }

    /// Now, on the server's clock.
    #[must_use]
    pub fn server_millis(&self) -> u64 {
        SERVER_MILLIS + self.0.runtime.now().nanos() / 1_000_000
    }

    /// From now on writes get to the replica in this way.
    pub fn set_replication(&self, replication: Replication) {
        self.at_server(|served, _| {
            served.replication = replication;
            served.server.set_replica_lost(replication == Replication::Cut);
        });
    }

    /// The replica takes over, without what has not arrived there.
    pub fn failover(&self, links: Links) {
        self.begin_anew(links, |server, era| server.promote(era));
    }

    /// The server starts again, with its data or without.
    pub fn restart(&self, keeps: bool) {
        self.begin_anew(Links::Break, |server, era| server.restart(era, keeps));
    }

    /// The server stands still: what is sent to it waits, and nobody is told why.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, paused: bool) {
        for node in self.nodes() {
            node.change_weather(|weather| weather.paused = paused);
        }
    }

    fn begin_anew(&self, links: Links, begin: impl FnOnce(&mut Server, Era)) {
        {
            let mut served = self.0.served.lock();
            served.eras += 1;
            let era = Era(served.eras);
            begin(&mut served.server, era);
            served.start_anew();
        }
        if links == Links::Break {
            for node in self.nodes() {
                node.reset();
            }
        }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.0.served.lock().nodes.iter().filter_map(std::sync::Weak::upgrade).collect()
    }
}
