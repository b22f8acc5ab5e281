//! Servers that are not as they should be, through the whole library: that a node starts and answers, and says in log and
//! health what is missing, what that costs and what to do, and never a secret.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; real servers run in real time"
)]

mod agreement;
mod filter;
mod heard;
mod metered;
mod misconfigured;
#[path = "../redis/node.rs"]
#[expect(dead_code, reason = "other tests ask in more ways")]
mod node;
mod said;
mod standin;
