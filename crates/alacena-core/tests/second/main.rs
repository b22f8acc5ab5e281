//! Several nodes on one server.

#[path = "../support/mod.rs"]
mod support;

mod nodes;
mod away;
mod coherent;
mod shared;
