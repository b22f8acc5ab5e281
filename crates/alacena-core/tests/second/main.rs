//! Several nodes on one server.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "../support/mod.rs"]
mod support;

mod nodes;
mod after;
mod away;
mod coherent;
mod grace;
mod names;
mod put;
mod shared;
mod untold;
