//! A TCP proxy that fails on demand, for tests of what happens when the network does.
//!
//! ```
//! use alacena_testkit::{chaos::{ChaosProxy, Fault, Rule}, servers::RedisServer};
//! use std::time::Duration;
//!
//! # let Some(redis) = RedisServer::builder().start() else { return };
//! let proxy = ChaosProxy::start(redis.address(), 7); // the client connects to proxy.address()
//! let slow = proxy.inject(Rule::to_client(Fault::Latency { delay: Duration::from_millis(100), jitter: Duration::ZERO }));
//! let cut = proxy.inject(Rule::both_ways(Fault::Blackhole).only_who_sent("TRACKING")); // the tracking connection only
//! cut.lift(); // what was held back flows; `cut.acted(1).await` waits until a fault has shown itself
//! ```
//!
//! A [`Rule`] is a [`Fault`], a direction, and the connections that it means; any number of them hold at once, from
//! [`inject`](ChaosProxy::inject) to [`lift`](Injected::lift), for open connections and for new ones. The
//! [`Door`] decides what becomes of new connections: forwarded, accepted and ignored, or refused.
//!
//! The proxy runs on a thread of its own, by the machine's clock, whatever the test's runtime does; it ends when it is
//! dropped. Chance comes from the seed: the same draws for each connection in the order in which they were accepted.
//! What it holds back is bounded: at most 1 MiB for each direction of a connection, then it stops reading.
//!
//! It does not read TLS: through it faults of replies and pushes do nothing, and no rule finds words that a client has
//! sent. Every other fault is the same.

mod rule;
mod proxy;
mod listener;
mod connection;
mod pump;
mod law;
mod line;
mod replies;
mod scanner;

pub use proxy::{ChaosProxy, Close, Counts, Door};
pub use rule::{Fault, Injected, Rule, Seen};
