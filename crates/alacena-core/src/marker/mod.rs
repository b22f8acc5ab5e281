//! Markers: how a million entries are invalidated by changing one word of memory.
//!
//! Everything that entries can depend on (a tag, a prefix, a class) has a *cell*. A cell holds a *generation*: a number
//! that the process never uses twice, or zero once the cell is dead.
//!
//! * A load first **captures** the generations of its deps: its *token*. Only then does it ask the source.
//! * The stored entry carries the token. It is valid as long as every cell still holds what was captured: a few
//!   atomic loads, no look-up.
//! * To **invalidate** a dep is to take its cell out of the table and kill it, in one step. The next load finds no cell
//!   and makes a new one, with a new generation.
//!
//! ```text
//!   loader                           writer
//!   capture tag=7
//!   ask the source  → old value
//!                                    change the source
//!                                    invalidate tag: kill 7
//!   store old value with token 7     (7 is dead: nobody is ever served it)
//! ```
//!
//! The race that other caches lose is closed without a check at the store: what a load brings home after an
//! invalidation depends on a dead cell. The authority is the cell, never a clock. The table is bounded, and it fails
//! closed: a cell that has to leave is killed, which can only cause misses.
//!
//! What each step decides stands in [`protocol`], pure and generic over where cells live, so that the model checker
//! explores the very functions that [`Markers`] runs.

pub mod protocol;
mod table;
mod trail;

pub use table::{Break, Markers, Token, Validity};
pub use trail::Trail;
