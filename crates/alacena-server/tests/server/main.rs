//! The server over real sockets: one binary, a module a concern.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and starts its own tasks"
)]

mod support;

mod reads;
mod short_way;
mod batch;
mod encoding;
mod problems;
mod access;
mod mcp;
mod mcp_answers;
mod mcp_direct;
mod mcp_resources;
mod operations;
mod keys;
mod warming;
mod openapi;
mod composed;
mod reload;
mod connections;
mod poisoning;
mod deception;
mod principals;
mod second;
mod load;
