//! Shards for tests: what one does as pure Rust, some that do it on any runtime, and what all must do.
//!
//! * [`Server`] is the meaning of every step, as a plain value: for model checking, and for whoever asks what is right.
//! * [`FakeTier`] puts it behind connections that can be slow, one-sided, cut or silent, for tests of the engine and for
//!   the simulator.
//! * [`suite`] is what every implementation of a shard is held to, [`differential`] holds one against another.

mod server;
mod fake;
pub mod differential;
pub mod suite;

pub use fake::{FakeShard, FakeStage, FakeTier, Faults, Flow, Links, Replication};
pub use server::{Change, Item, Name, Refusal, Server, Started};
