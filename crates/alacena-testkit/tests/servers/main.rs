//! What the kit's servers do, on each that this machine has.
#![expect(clippy::unwrap_used, reason = "what fails in a test is to end it")]

mod failures;
mod replication;
mod start;
mod tls;
