//! What our connection to Redis promises, whatever the other side does.
#![cfg(feature = "redis")]
#![expect(clippy::unwrap_used, reason = "what fails in a test is to end it")]
#![expect(clippy::disallowed_methods, reason = "the callers and servers of a test are tasks of its own")]

mod peer;
mod answers;
mod faults;
mod greeting;
mod line;
mod real;
