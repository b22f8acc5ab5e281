//! Reads that need something of another read's answer, from the outside: a peer on loopback, a clock that the test holds.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; callers and peers are tasks"
)]

mod coherence;
mod guard;
mod taking;
mod world;
