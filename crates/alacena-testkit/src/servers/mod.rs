//! Real servers on loopback, for tests: started on free ports, stopped when they are dropped.
//!
//! ```
//! use alacena_testkit::servers::{Flavour, RedisServer};
//!
//! for flavour in Flavour::ALL {
//!     let Some(mut redis) = RedisServer::builder().flavour(flavour).start() else { continue };
//!     assert_eq!(redis.command(&["SET", "key", "value"]).text(), "OK");
//!     redis.restart(); // on the same port, having forgotten everything
//! }
//! ```
//!
//! **Skips are loud.** A server that is not on this machine cannot be started: [`start`](Builder::start) says so on the
//! terminal and answers `None`. With `CI=true` it panics, since what was not looked at is not right.
//! `cargo xtask test --install` brings all of them; [`Flavour`] says where they are looked for.
//!
//! **Nothing is left behind.** A server is ended with SIGKILL when its value is dropped, so also when a test panics.
//! A guard beside it ends it if the test's process itself is killed. Its data are in a temporary folder.
//!
//! **Calls block** the thread, for microseconds (a command) or some milliseconds (a start), on purpose: they work in a
//! test of any runtime, in a benchmark and in `Drop`. No server of ours is so far away that it would matter.

mod flavour;
mod builder;
mod redis;
mod admin;
mod certificates;
mod process;

pub use admin::Reply;
pub use builder::Builder;
pub use certificates::Certificates;
pub use flavour::Flavour;
pub use redis::RedisServer;
