//! The second tier, as the engine sees it: what several nodes share, and the promises that it must keep.
//!
//! A tier is made of *shards*, each one primary of a Redis or Valkey (or one store that behaves like it). On a shard lie
//!
//! * **markers**: each holds a [`Nonce`], and stands for the state of one dep. To invalidate is to remove it. A load
//!   reads the markers of everything that its answer will depend on *before* it asks the source, and mints those that
//!   are missing; the entry carries what was read, and is valid as long as every marker still holds just that. A marker
//!   that was evicted, expired or flushed makes misses, never stale hits;
//! * **entries**, each beside its **lease**, the right to load it;
//! * **buckets**: markers of 4,096 groups of entries, by which copies of entries in the memory of nodes hear that one of
//!   them was invalidated by its key.
//!
//! ```text
//!   node A                     shard                         node B
//!   reads marker: n1
//!   asks the source → old
//!                                                            changes the source
//!                              marker: none      ←           invalidates: removes the marker
//!   stores old, dep = n1   →
//!                              marker: n2        ←           reads: none, mints n2
//!                              entry: old, n1    →           n1 is not n2: a miss
//! ```
//!
//! Nothing here compares clocks of different machines, and nothing counts: a nonce is drawn at random and holds the
//! [`Era`] of the server that it was minted on, so that after a failover that may have rolled something back nothing from
//! before it is current.
//!
//! How a node keeps copies without asking each time: the shard tells it of every marker that changes ([`Watcher`]), and a
//! [`Heartbeat`] says for how long silence means that nothing did. [`Shard`] is what a tier is asked, each question one
//! atomic step there; what the engine makes of the answers stands in [`crate::engine`] and [`crate::marker`].

mod name;
mod failure;
mod shard;
mod heartbeat;
mod standing;
mod after;
mod lack;
mod spending;
mod telling;
mod copied;
mod outage;
mod codec;
pub mod record;

pub use after::After;
pub use codec::Codec;
pub use copied::Copied;
pub use failure::Failure;
pub use heartbeat::{HEARTBEAT_EVERY, HORIZON, Heartbeat};
pub use lack::{Coherence, Lack, UNTOLD_MAX};
pub use name::{BUCKETS, EntryId, EntryName, Era, Fill, HashKey, MarkerId, Nonce, READABLE_BYTES_MAX};
pub use outage::{GRACE, OUTAGE_MIN, Outage};
pub use shard::{
    Answer, Begin, Begun, Capabilities, Checked, Looked, Minted, Overwrite, Push, Shard, Store, Stored,
    Watcher, Woken,
};
pub use spending::{Meter, Spending};
pub use standing::Standing;
pub use telling::Telling;
