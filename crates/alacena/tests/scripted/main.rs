//! Declared reads from the outside: a peer on loopback that answers when the test says, and a clock that the test holds.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; callers and peers are tasks"
)]

mod world;

mod clock;
mod on_commit;
mod parents;
mod settling;
