//! The embedded store: what must survive the process, in one file of a folder, without any server.
//!
//! `file` opens the file; `records` writes what stands in it, readable or sealed; `reseal` writes a whole store anew
//! for another key; `store` says what the file holds and turns a batch of changes into one transaction, `journal` what it
//! holds of invalidations that are owed; `writer` is the one thread that touches the file and commits everything that
//! waits at once; [`EmbeddedLedger`] is the asynchronous handle; `owner` tells other processes who has the store.
//! `tier` keeps entries in a file of their own beside it.
//!
//! # Authority
//! The lock on the file decides who owns the store; `owner.json` beside it only says how to reach the owner, and may
//! be of a process that was killed. What a call has answered `Ok` to is on disk.

mod ledger;
mod journal;
mod owner;
mod file;
mod records;
mod reseal;
mod store;
mod tier;
mod writer;

pub use ledger::EmbeddedLedger;
pub use owner::{Owner, read_owner};
pub use tier::{EmbeddedShard, EmbeddedTier, TierFigures, TierSettings};
