//! Markers: how a million entries are invalidated by changing one word of memory.
//!
//! Everything that entries can depend on (a tag, a prefix, a class) has a *cell*. A cell is alive until it ends, and
//! never comes back.
//!
//! * A load first **captures** the cells of its deps: its *token*. Only then does it ask the source.
//! * The stored entry carries the token. It is valid as long as every cell is alive: a few atomic loads, no look-up.
//! * To **invalidate** a dep is to take its cell out of the table and end it, in one step. The next load finds no cell
//!   and makes a new one.
//!
//! ```text
//!   loader                           writer
//!   capture the cell of the tag
//!   ask the source  → old value
//!                                    change the source
//!                                    invalidate the tag: end the cell
//!   store old value with its token   (the cell is dead: nobody is ever served it)
//! ```
//!
//! Nearly always nothing has ended since the token was last looked at. So the cells that have ended are **counted**, and
//! a token remembers under which count it was found current: a read compares two numbers, and looks at the marks only
//! when something somewhere has ended ([`protocol::Known`] says why that is enough). Entries that depend on the same
//! cells share one token, and with it what is known of it.
//!
//! The race that other caches lose is closed without a check at the store: what a load brings home after an
//! invalidation depends on a dead cell. The authority is the cell, never a clock. The table is bounded, and it fails
//! closed: a cell that has to leave is killed, which can only cause misses.
//!
//! Where nodes share a second tier, a cell is the copy of a *marker* there ([`crate::tier`]), which other nodes can remove:
//! then it may be in doubt, too ([`doubt`]). All else is the same.
//!
//! What each step decides stands in [`protocol`] and [`doubt`], pure and generic over where cells live, so that the model checker
//! explores the very functions that [`Markers`] runs.

pub mod protocol;
pub mod doubt;
mod cell;
mod token;
mod table;
mod shared;
mod markers;
mod trail;

pub use markers::Markers;
pub(crate) use shared::Asked;
pub use token::{Break, Token, Validity};
pub use trail::Trail;
