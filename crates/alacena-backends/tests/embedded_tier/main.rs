//! Entries on local disk as a second tier: they keep every promise of a shard, survive what they are to survive, and take
//! no more than they may.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod bounds;
mod eras;
mod faults;
mod histories;
mod kill;
mod stage;
mod suite;
