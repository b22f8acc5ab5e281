//! The protocol of several nodes on shared markers, under a model checker: the shipped decisions, in every order in
//! which their atomic steps can happen.
//!
//! What is shipped: the states of a copy ([`alacena_core::marker::doubt`]), what a stored entry is held against
//! ([`alacena_core::tier::Standing`]), what may be answered out of memory ([`alacena_core::tier::Copied`]), what a value
//! may be kept on ([`alacena_core::flight::protocol`]), the proof by two pings, the outage and its grace, what is owed
//! ([`alacena_core::journal::Backlog`]), and the server of the testkit, which is held against real ones. What is of the
//! model: the order of the steps, as the engine takes them.
//!
//! A checker that finds nothing proves nothing about itself. So each way to get the protocol wrong stands here as a
//! mutation, and the checker must find every one.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a panic is the report; and each run says how far it came, and how long that took"
)]

mod envelope;
mod primary;
mod state;
mod mutation;
mod model;
mod node;
mod reader;
mod question;
mod load;
mod writer;
mod link;
mod forget;
mod rename;
mod check;

mod tags;
mod keys;
mod times;
mod outages;
