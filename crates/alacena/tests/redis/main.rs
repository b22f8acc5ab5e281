//! Several nodes over real servers, end to end: what they share, what they promise, what becomes of that under faults.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; real servers run in real time; what was measured is told"
)]

mod away;
mod brim;
mod flight;
mod leaders;
mod load;
mod matrix;
mod node;
mod origin;
mod outages;
mod overload;
mod process;
mod settling;
mod sharing;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other tests hold and fail it in more ways")]
mod support;
mod ways;
