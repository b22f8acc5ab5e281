//! Answers that are there before anybody asks: at the start, after an invalidation, by the clock, on demand.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; peers are tasks"
)]

mod world;

mod by_itself;
mod demand;
mod source;
