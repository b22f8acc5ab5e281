//! A cached value with its deps, age and limits.

use std::time::Duration;

use crate::{
    freshness::Lifetime,
    marker::Token,
    value::{Body, Value},
};

/// What one key holds. Immutable: a refresh makes a new one.
#[derive(Debug)]
pub struct Entry {
    /// The value; `None`: the source knows that there is no such thing.
    pub value: Option<Value>,
    /// What it depends on.
    pub token: Token,
    /// Until when it is what.
    pub lifetime: Lifetime,
    /// How long its load took.
    pub load_took: Duration,
    /// Whether this load brought another value than the one before; `None` where none was known.
    pub changed: Option<bool>,
}

/// Bytes that an entry takes beside its key, the contents of its value and its deps: the entry itself, its value's box,
/// the counts of their shared pointers, and its place in the table.
const FIXED_BYTES: usize = size_of::<Entry>() + size_of::<Body>() + 6 * size_of::<usize>() + 48;

impl Entry {
    /// What it costs in memory under `key`, in bytes.
    #[must_use]
    pub fn weight(&self, key: &[u8]) -> usize {
        FIXED_BYTES + key.len() + self.token.weight() + self.value.as_ref().map_or(0, Value::weight)
    }

    /// Whether this entry and `other` say the same.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Entry) -> bool {
        self.value.as_ref().map(Value::digest) == other.value.as_ref().map(Value::digest)
    }
}
