//! What every shard must do, whatever it is made of: each promise of [`Shard`](alacena_core::tier::Shard) looked at from outside.
//!
//! [`check_all`] runs everything on one server; the parts can be run alone. Whoever implements a shard says how one is
//! made, and how a test gets at the server behind it: [`Stage`].
//!
//! ```
//! use alacena_testkit::{FakeRuntime, tier::{FakeStage, FakeTier, suite}};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! suite::check_all(&FakeStage::new(1)).await;
//! # });
//! ```
//!
//! **What is looked at**: that each step does what it says to markers, entries and leases, that steps are taken in the
//! order in which they were asked for, and that nobody who gives up shifts the answers of others; that a change is told to
//! every node, and heard of by the second answer to a ping; that whoever waits is woken; that what lies under a readable
//! name goes with its entry, and that nobody has held on to what was put in the place of something; that another era, a full
//! server, a flush and an eviction are what they are said to be; that no name is outside of `alc:`.
//!
//! **What is not**: what becomes of a step whose connection breaks. That is for tests of the implementation, which can
//! break it.

mod happenings;
mod leases;
mod markers;
mod names;
mod order;
mod stage;

pub use happenings::{check_eviction, check_flush, check_full, check_restart};
pub use leases::{check_alone, check_entries, check_fencing, check_waiting};
pub use markers::{check_markers, check_news, check_prolonging};
pub use names::{check_names, check_overwriting};
pub use order::{check_giving_up, check_heartbeat, check_limits, check_order};
pub(super) use stage::envelope;
pub use stage::{Happening, Stage};

/// Everything, one after the other, on one server. It is empty before, and of another era afterwards.
///
/// # Panics
/// Where a promise is not kept, saying which.
pub async fn check_all(stage: &dyn Stage) {
    check_markers(stage).await;
    check_news(stage).await;
    check_prolonging(stage).await;
    check_entries(stage).await;
    check_waiting(stage).await;
    check_fencing(stage).await;
    check_alone(stage).await;
    check_names(stage).await;
    check_overwriting(stage).await;
    check_order(stage).await;
    check_giving_up(stage).await;
    check_heartbeat(stage).await;
    check_limits(stage).await;
    check_eviction(stage).await;
    check_full(stage).await;
    check_flush(stage).await;
    check_restart(stage).await;
}
