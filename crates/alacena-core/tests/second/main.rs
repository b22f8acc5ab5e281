//! Several nodes on one server.

#[path = "../support/mod.rs"]
mod support;

mod nodes;
mod after;
mod away;
mod coherent;
mod shared;
