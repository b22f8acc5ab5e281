//! Redis and Valkey over one connection of our own.
//!
//! [`resp`] is the protocol, bytes to frames and back; [`Address`] says where a server is; a [`Connection`] is one
//! socket that everybody shares, and a [`Line`] keeps one up. Why they are our own: ADR 0017.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use alacena_backends::redis::{Address, Line, LineSettings, Script, Server, resp::Command};
//! # use alacena_core::runtime::SharedRuntime;
//!
//! # async fn example(runtime: SharedRuntime) -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new(Address::parse("redis://localhost")?, None)?;
//! let line = Line::open(server, LineSettings::default(), runtime, Arc::new(()));
//! let within = Duration::from_millis(50);
//!
//! let value = line.call(&Command::new("GET").arg("a key"), within).await?.into_bytes();
//!
//! let take = Script::new("local value = redis.call('GET', KEYS[1]) redis.call('DEL', KEYS[1]) return value");
//! let both = [Command::new("PING"), take.on(["a key"])];
//! let replies = line.pipeline(&both, within).await?;
//! # Ok(()) }
//! ```

mod address;
pub mod resp;
pub mod connection;
mod script;
mod scripts;
pub mod shard;

pub use address::{Address, Credentials, Place};
pub use connection::{
    Attend, Cause, Connection, Failure, Greeting, InFlight, Line, LineSettings, Refusal, RefusalReason,
    Server, Settings, State,
};
pub use script::Script;
pub use shard::{RedisShard, ShardSettings};
