//! The heart of Alacena: vocabulary, pure protocols, the engine and the first-level cache.
//!
//! No network, no disk, no wall clock. Modules stand in reading order: what everything is called, what may be asked,
//! what an entry is, and then the path of a read.

pub mod runtime;
mod sync;
pub mod error;
pub mod secret;
pub mod value;
pub mod dep;
pub mod key;
pub mod class;
pub mod outcome;
pub mod envelope;
pub mod declared;
pub mod source;
pub mod guard;
pub mod ledger;
pub mod tier;
pub mod journal;
pub mod marker;
pub mod freshness;
pub mod memory;
pub mod flight;
pub mod figures;
pub mod engine;
