//! The first-level cache: entries in the memory of this process.

mod span;
mod entry;
mod quick;
mod removals;

pub use entry::{Draft, Entry};
pub use quick::QuickMemory;
pub use removals::Removals;
pub(crate) use span::Span;

/// Entries that gave way. Dropping them drops their values, which may take time or call back.
#[derive(Debug, Default)]
pub struct Victims(Vec<Entry>);
