//! The journal: the durable list of invalidations that a shard could not be told of yet.
//!
//! # States
//!
//! ```text
//!   an invalidation failed, or took too long
//!          │
//!          ▼        append: on disk             a batch of it is sent         acknowledged
//!      appending ───────────────────▶ waiting ───────────────────▶ sent ───────────────────▶ applied, removed
//!          │                            ▲  ▲                        │
//!          │ the append failed          │  └────────────────────────┘ failed, or in doubt
//!          └────────────────────────────┘ in memory only: `deferred-volatile`
//! ```
//!
//! # Authority
//! Until a shard has acknowledged a removal the journal is the only one who knows of it. So
//!
//! * who invalidates hears [`Deferred`] only after the record is on disk, or hears that it is not;
//! * a record is removed only after its shard has acknowledged all of it;
//! * while anything is waiting for a shard, this node reads nothing that lies there ([`Drain::is_open`]), and from its
//!   start on until what an earlier process left has been read and applied;
//! * what comes in while a batch is under way is sent as well before the shard is read again.
//!
//! In which order removals reach the shard does not matter: they commute, among one another and with minting. A marker
//! that is removed once too often costs misses, and a removal whose answer was lost may be done twice, or late. For the
//! same reason a node may apply what another one wrote down.
//!
//! # Limits
//! A journal that is full gives up telling its records apart: one that removes the marker of the whole namespace takes
//! their place. Too much is invalidated then; nothing is forgotten.
//!
//! # Rows that applications write
//! An application that changes its own database can say in the same transaction what that invalidates: as a row of a
//! table, an [`Outbox`], from which a [`Poller`] takes it. Nobody has to live after the commit for it to be applied.
//!
//! # What it is not
//! What an applied removal is worth after the shard has lost it again, in a failover, is the business of the
//! [`Era`](crate::tier::Era); what other nodes may serve while only this one is cut off, nobody's: they cannot know, and
//! that is why the caller is told, and [`DrainFigures::oldest_at`] is counted.

mod record;
mod terms;
mod volatile;
mod protocol;
mod store;
mod drain;
mod rounds;
mod outbox;
mod pause;
mod life;

pub use drain::{Drain, DrainFigures, DrainSettings};
pub use outbox::{Invalidator, Outbox, OutboxFigures, OutboxRow, Poller};
pub use protocol::Backlog;
pub use record::{Record, RecordId, Removal, ShardName};
pub use store::{Journal, VolatileJournal};
pub use terms::{Batch, Deferral, Deferred, Limits, Ticket};
