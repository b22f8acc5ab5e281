//! A second tier without a server: what a shard does, as pure Rust, and shards that do it on any runtime.
//!
//! * [`Server`] is the meaning of every step, as a plain value: for model checking, and for whoever asks what is right.
//! * [`FakeTier`] puts it behind connections that can be slow, one-sided, cut or silent, for tests of the engine and for
//!   the simulator.

mod server;
mod fake;

pub use fake::{FakeShard, FakeTier, Faults, Flow, Links, Replication};
pub use server::{Change, Item, Name, Refusal, Server, Started};
