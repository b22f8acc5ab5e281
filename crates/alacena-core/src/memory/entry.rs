//! A cached value with its deps, age and limits.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    freshness::{Freshness, Lifetime, judge},
    marker::Token,
    runtime::Moment,
    value::{Body, Value},
};

/// What one key holds. A refresh makes a new one; only what hits leave behind changes.
#[derive(Debug)]
pub struct Entry {
    /// The value; `None`: the source knows that there is no such thing.
    pub value: Option<Value>,
    /// What it depends on.
    pub token: Token,
    /// How long its load took.
    pub load_took: Duration,
    /// Whether this load brought another value than the one before; `None` where none was known.
    pub changed: Option<bool>,
    lifetime: Lifetime,
    /// Hits, counted up to [`HITS_COUNTED_MAX`].
    hits: AtomicU32,
    /// By how much hits have put off its end, in milliseconds.
    put_off_millis: AtomicU64,
}

/// Hits that are counted: enough to see that a key is asked for, few enough that a hot one is only read.
const HITS_COUNTED_MAX: u32 = 8;

/// Bytes that an entry takes beside its key, the contents of its value and its deps: the entry itself, its value's box,
/// the counts of their shared pointers, and its place in the table.
const FIXED_BYTES: usize = size_of::<Entry>() + size_of::<Body>() + 6 * size_of::<usize>() + 48;

impl Entry {
    /// A new entry.
    #[must_use]
    pub fn new(value: Option<Value>, token: Token, lifetime: Lifetime, load_took: Duration) -> Self {
        let (hits, put_off_millis) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { value, token, load_took, changed: None, lifetime, hits, put_off_millis }
    }

    /// The same entry with another form of its value: as old, as much asked for, and depending on the same.
    #[must_use]
    pub fn with_value(&self, value: Value) -> Self {
        Self {
            value: Some(value),
            token: self.token.clone(),
            load_took: self.load_took,
            changed: self.changed,
            lifetime: self.lifetime,
            hits: AtomicU32::new(self.hits.load(Ordering::Relaxed)),
            put_off_millis: AtomicU64::new(self.put_off_millis.load(Ordering::Relaxed)),
        }
    }

    /// Until when it is what.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        match self.put_off_millis.load(Ordering::Relaxed) {
            0 => self.lifetime,
            millis => self.lifetime.later_by(Duration::from_millis(millis)),
        }
    }

    /// How it may be used at `now`.
    #[must_use]
    pub fn judge(&self, now: Moment) -> Freshness {
        judge(&self.lifetime(), self.token.validity(), now)
    }

    /// Counts a hit; how many there were before.
    pub fn count_hit(&self) -> u32 {
        let hits = self.hits.load(Ordering::Relaxed);
        if hits < HITS_COUNTED_MAX {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        hits
    }

    /// Begins its TTL anew, as far as its absolute age may go.
    pub fn slide(&self, now: Moment, age_max: Duration) {
        let ttl = self.lifetime.fresh_until - self.lifetime.loaded_at;
        let end = (now + ttl).min(self.lifetime.loaded_at + age_max);
        let put_off = u64::try_from((end - self.lifetime.fresh_until).as_millis()).unwrap_or(u64::MAX);
        self.put_off_millis.fetch_max(put_off, Ordering::Relaxed);
    }

    /// What it costs in memory under `key`, in bytes.
    #[must_use]
    pub fn weight(&self, key: &[u8]) -> usize {
        FIXED_BYTES + key.len() + self.token.weight() + self.value.as_ref().map_or(0, Value::weight)
    }

    /// Whether this entry stands, and is of a newer version than `other`; false where either has none.
    #[must_use]
    pub fn outranks(&self, other: &Entry) -> bool {
        let version = |entry: &Entry| entry.value.as_ref().and_then(Value::version);
        let newer = version(self).zip(version(other)).is_some_and(|(held, other)| held > other);
        newer && self.token.is_current()
    }

    /// Whether this entry and `other` say the same.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Entry) -> bool {
        self.value.as_ref().map(Value::digest) == other.value.as_ref().map(Value::digest)
    }
}
