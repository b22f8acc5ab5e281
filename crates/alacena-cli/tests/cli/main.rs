//! The binary as its users meet it: started, asked, stopped, killed.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests stand outside of every runtime of ours, with a clock of their own"
)]

mod process;
mod quickstart;
mod commands;
mod config;
mod call;
mod warm;
mod bench;
mod mcp;
mod owner;
mod reload;
mod stop;
mod crash;
mod disk;
