//! A cached value with its key, deps, age and limits.

use std::{
    fmt,
    sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering},
    time::Duration,
};

use triomphe::ThinArc;

use super::span::{ShortSpan, Span};
use crate::{
    freshness::{Freshness, Lifetime, REFRESH_AHEAD_SCALES, judge, refresh_scale},
    key::Key,
    marker::Token,
    runtime::{COARSE_LAG, Moment},
    value::Value,
};

/// Hits that are counted: enough to see how often a key is asked for, few enough that a hot one is mostly only read.
/// With the last of them a key is hot.
const HITS_COUNTED_MAX: u8 = 128;

/// A quarter of a second, so that two bytes say nearly five hours.
const PLAIN_UNIT_BITS: u32 = 28;

/// Bytes that the place of an entry takes in the table: its slot and its share of the index, with the room that both
/// keep to grow.
const TABLE_BYTES: usize = 48;

/// Bytes that an entry takes beside its key and its value: its place, the counts of its pointer, its head.
const FIXED_BYTES: usize = TABLE_BYTES + 2 * size_of::<usize>() + size_of::<Head>();

/// What one key holds. A refresh makes a new one; only what hits leave behind changes. Cheap to clone: every clone is
/// the same entry.
///
/// Head and key are one block of memory, to which one word points: who compares the key has the head at hand.
#[derive(Clone)]
pub struct Entry(ThinArc<Head, u8>);

/// Everything but the key, in 72 bytes. Times are spans of four bytes, or of two, from `loaded_at`.
struct Head {
    value: Option<Value>,
    token: Token,
    loaded_at: Moment,
    /// For how long it is fresh.
    fresh: Span,
    /// For how long after that it is answered while it is refreshed.
    revalidate: Span,
    /// For how long after that it stands in for a source that fails.
    stand_in: Span,
    /// Of a copy of what nodes share: for how long it is answered without asking the second tier again. Of any other: by how
    /// much hits have put off its end. A [`Span`].
    later: AtomicU32,
    load_took: ShortSpan,
    /// What a refresh ahead measures the time that is left by: a [`ShortSpan`], the time of a load, or more once the key
    /// is hot.
    ahead: AtomicU16,
    /// For how long a hit has nothing to work out and nothing to count, in units of 2 to the power of [`PLAIN_UNIT_BITS`]
    /// nanoseconds: none until the key is hot.
    plain: AtomicU16,
    /// Hits, counted up to [`HITS_COUNTED_MAX`].
    hits: AtomicU8,
    facts: Facts,
}

/// Whether a load brought another value, if that is known, whether others are asked about the entry, and for how long
/// before that load began something of it had been asked for: in one byte.
#[derive(Clone, Copy)]
struct Facts(u8);

impl Facts {
    const KNOWN: u8 = 1;
    const CHANGED: u8 = 2;
    const COPY: u8 = 4;
    /// The bits from here on are an exponent: of two, in milliseconds.
    const BEFORE_BITS: u32 = 3;
    const BEFORE_MAX: u32 = 31;

    fn new(changed: Option<bool>, is_copy: bool, asked_before: Duration) -> Self {
        let changed = changed.map_or(0, |changed| Self::KNOWN | if changed { Self::CHANGED } else { 0 });
        // Rounded up: what is taken to be older than it is is asked about once too often.
        let millis = asked_before.as_nanos().div_ceil(1_000_000);
        let exponent = (u128::BITS - millis.leading_zeros()).min(Self::BEFORE_MAX);
        let before = u8::try_from(exponent << Self::BEFORE_BITS).expect("five bits are left");
        Self(changed | if is_copy { Self::COPY } else { 0 } | before)
    }

    /// At least as long as it was, and at most twice, up to three weeks.
    fn asked_before(self) -> Duration {
        match self.0 >> Self::BEFORE_BITS {
            0 => Duration::ZERO,
            exponent => Duration::from_millis(1 << exponent),
        }
    }

    fn changed(self) -> Option<bool> {
        (self.0 & Self::KNOWN != 0).then_some(self.0 & Self::CHANGED != 0)
    }

    fn is_copy(self) -> bool {
        self.0 & Self::COPY != 0
    }
}

const _: () = assert!(size_of::<Head>() == 72, "a million entries are a million times this");

/// What is to become an entry.
#[derive(Debug)]
pub struct Draft {
    /// The value; `None`: the source knows that there is no such thing.
    pub value: Option<Value>,
    /// What it depends on.
    pub token: Token,
    /// Until when it is what.
    pub lifetime: Lifetime,
    /// How long its load took.
    pub load_took: Duration,
    /// For how long before that load began the oldest of what it holds had been asked for.
    pub asked_before: Duration,
    /// Whether this load brought another value than the one before; `None` where none was known.
    pub changed: Option<bool>,
}

impl Draft {
    /// Whether the entry would say the same as `other` does.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Entry) -> bool {
        self.value.as_ref().map(Value::digest) == other.value().map(Value::digest)
    }

    /// The entry under these bytes of a key.
    #[must_use]
    pub fn under(self, key: &[u8]) -> Entry {
        self.copy_under(key, Moment::NEVER)
    }

    /// The same as a copy of what a second tier holds: until `check_again_at` it is answered without asking there.
    #[must_use]
    pub fn copy_under(self, key: &[u8], check_again_at: Moment) -> Entry {
        let Self { value, token, lifetime, load_took, asked_before, changed } = self;
        let unasked = check_again_at - lifetime.loaded_at;
        // What was loaded while others could not be asked is asked about, too.
        let is_copy = token.is_shared() || check_again_at != Moment::NEVER;
        let later = if is_copy { Span::from(unasked) } else { Span::default() };
        let took = ShortSpan::from(load_took);
        let head = Head {
            value,
            token,
            loaded_at: lifetime.loaded_at,
            fresh: Span::from(lifetime.fresh_until - lifetime.loaded_at),
            revalidate: Span::from(lifetime.revalidate_until - lifetime.fresh_until),
            stand_in: Span::from(lifetime.stand_in_until - lifetime.fresh_until),
            later: AtomicU32::new(later.0),
            load_took: took,
            ahead: AtomicU16::new(took.0),
            plain: AtomicU16::new(0),
            hits: AtomicU8::new(0),
            facts: Facts::new(changed, is_copy, asked_before + (load_took - took.duration())),
        };
        Entry(ThinArc::from_header_and_slice(head, key))
    }
}

impl Entry {
    fn head(&self) -> &Head {
        &self.0.header.header
    }

    /// The bytes of its key.
    #[must_use]
    pub fn key_bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::of_entry(self.key_bytes())
    }

    /// The value; `None`: the source knows that there is no such thing.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        self.head().value.as_ref()
    }

    /// What it depends on.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.head().token
    }

    /// How long its load took, to one part in a thousand.
    #[must_use]
    pub fn load_took(&self) -> Duration {
        self.head().load_took.duration()
    }

    /// When the oldest of what it holds was asked for, or a little before that.
    #[must_use]
    pub fn asked_at(&self) -> Moment {
        Moment::ORIGIN + (self.head().loaded_at - (Moment::ORIGIN + self.asked_for()))
    }

    /// How long before it came home the oldest of what it holds was asked for, at least: it knows of everything that had
    /// happened before.
    #[must_use]
    pub fn asked_for(&self) -> Duration {
        self.load_took().saturating_add(self.head().facts.asked_before())
    }

    /// Whether this load brought another value than the one before; `None` where none was known.
    #[must_use]
    pub fn changed(&self) -> Option<bool> {
        self.head().facts.changed()
    }

    /// The same entry with another form of its value: as old, as much asked for, and depending on the same.
    #[must_use]
    pub fn with_value(&self, value: Value) -> Self {
        let head = self.head();
        let head = Head {
            value: Some(value),
            token: head.token.clone(),
            later: AtomicU32::new(head.later.load(Ordering::Relaxed)),
            ahead: AtomicU16::new(head.ahead.load(Ordering::Relaxed)),
            plain: AtomicU16::new(head.plain.load(Ordering::Relaxed)),
            hits: AtomicU8::new(head.hits.load(Ordering::Relaxed)),
            ..*head
        };
        Self(ThinArc::from_header_and_slice(head, self.key_bytes()))
    }

    /// Until when it is what.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        let head = self.head();
        let put_off = if self.is_copy() { Duration::ZERO } else { self.later() };
        let fresh_until = head.loaded_at + head.fresh.duration() + put_off;
        Lifetime {
            loaded_at: head.loaded_at,
            fresh_until,
            revalidate_until: fresh_until + head.revalidate.duration(),
            stand_in_until: fresh_until + head.stand_in.duration(),
        }
    }

    /// Whether it is fresh beyond doubt for whoever reads `coarse` on the [coarse clock](crate::runtime::Runtime::coarse):
    /// as far from its end as that clock can lag, and as a refresh ahead begins at the earliest. Where it is, the hit is
    /// counted.
    ///
    /// Of a hot key, whose hits need not be counted, it is known until when that holds, rounded down: one comparison.
    #[must_use]
    #[inline]
    pub fn takes_hit(&self, coarse: Moment) -> bool {
        let Head { loaded_at, plain, .. } = self.head();
        // Where there is none this is no later than now. Where the sum overflows, it is too small.
        let plain = u64::from(plain.load(Ordering::Relaxed)) << PLAIN_UNIT_BITS;
        (coarse + COARSE_LAG).nanos() < loaded_at.nanos().wrapping_add(plain)
            || self.takes_counted_hit(coarse)
    }

    #[inline(never)]
    fn takes_counted_hit(&self, coarse: Moment) -> bool {
        let end = self.head().loaded_at + self.at_hand();
        let is_fresh = coarse + COARSE_LAG + self.earliest_ahead() < end;
        if is_fresh {
            self.count_hit(coarse);
        }
        is_fresh
    }

    /// For how long it is fresh and nobody else needs to be asked.
    fn at_hand(&self) -> Duration {
        let fresh = self.head().fresh.duration();
        if self.is_copy() { fresh.min(self.later()) } else { fresh }
    }

    /// Until when it is answered without asking the second tier again.
    #[must_use]
    pub fn check_again_at(&self) -> Moment {
        if self.is_copy() { self.head().loaded_at + self.later() } else { Moment::NEVER }
    }

    /// It has been found to stand: a copy is answered until then without asking the second tier again.
    pub(crate) fn check_again_later(&self, at: Moment) {
        if self.is_copy() {
            let later = Span::from(at - self.head().loaded_at);
            self.head().later.fetch_max(later.0, Ordering::Relaxed);
        }
    }

    /// How long before its end a refresh ahead begins at the earliest.
    fn earliest_ahead(&self) -> Duration {
        self.ahead() * REFRESH_AHEAD_SCALES
    }

    /// How it may be used at `now`.
    #[must_use]
    pub fn judge(&self, now: Moment) -> Freshness {
        judge(&self.lifetime(), self.token().validity(), now)
    }

    /// Counts a hit at `now`; how many there were before, as far as they are counted.
    #[inline]
    pub fn count_hit(&self, now: Moment) -> u32 {
        let hits = &self.head().hits;
        let before = hits.load(Ordering::Relaxed);
        if before < HITS_COUNTED_MAX {
            // Of hits that come at once one is counted, so that there is one that is the last.
            let counted = hits.compare_exchange(before, before + 1, Ordering::Relaxed, Ordering::Relaxed);
            if counted == Ok(HITS_COUNTED_MAX - 1) {
                self.turn_hot(now);
            }
        }
        before.into()
    }

    /// Once, by whoever counted the last hit.
    #[cold]
    fn turn_hot(&self, now: Moment) {
        let Head { loaded_at, ahead, plain, .. } = self.head();
        let scale = refresh_scale(self.load_took(), HITS_COUNTED_MAX.into(), now - *loaded_at);
        ahead.store(ShortSpan::from(scale).0, Ordering::Relaxed);
        let plainly = self.at_hand().saturating_sub(self.earliest_ahead());
        let units = plainly.as_nanos() >> PLAIN_UNIT_BITS;
        plain.store(u16::try_from(units).unwrap_or(u16::MAX), Ordering::Relaxed);
    }

    /// What a refresh ahead measures the time that is left by.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        ShortSpan(self.head().ahead.load(Ordering::Relaxed)).duration()
    }

    /// Begins its TTL anew, as far as its absolute age may go. Where nodes share it, hits put nothing off: those of one node
    /// are not known to the others.
    pub fn slide(&self, now: Moment, age_max: Duration) {
        if self.is_copy() {
            return;
        }
        let Head { loaded_at, fresh, later, .. } = self.head();
        let end = (now + fresh.duration()).min(*loaded_at + age_max);
        let put_off = Span::from(end - (*loaded_at + fresh.duration()));
        later.fetch_max(put_off.0, Ordering::Relaxed);
    }

    /// Whether it is a copy of what nodes share.
    fn is_copy(&self) -> bool {
        self.head().facts.is_copy()
    }

    fn later(&self) -> Duration {
        Span(self.head().later.load(Ordering::Relaxed)).duration()
    }

    /// What it costs in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        FIXED_BYTES + self.key_bytes().len() + self.value().map_or(0, Value::bytes)
    }

    /// Whether this entry stands, and is of a newer version than `version`; false where either has none.
    #[must_use]
    pub fn outranks(&self, version: Option<u64>) -> bool {
        let held = self.value().and_then(Value::version);
        held.zip(version).is_some_and(|(held, other)| held > other) && self.token().is_current()
    }

    /// Whether both are the very same entry.
    #[must_use]
    pub fn is(&self, other: &Entry) -> bool {
        self.0.ptr() == other.0.ptr()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key())
            .field("value", &self.value())
            .field("deps", self.token())
            .field("lifetime", &self.lifetime())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::{class::Policy, runtime::COARSE_LAG_NANOS};

    const LOADED_AT: Moment = Moment::from_nanos(3_600_000_000_000);

    fn draft(ttl: Duration, load_took: Duration) -> Draft {
        let policy = Policy { jitter: 0.0, ..Policy::default() };
        let lifetime = Lifetime::new(&policy, ttl, LOADED_AT, 0);
        Draft {
            value: None,
            token: Token::default(),
            lifetime,
            load_took,
            asked_before: Duration::ZERO,
            changed: None,
        }
    }

    #[test]
    fn a_clock_that_is_not_yet_where_it_was_loaded_makes_no_short_life_longer() {
        let behind = Moment::from_nanos(LOADED_AT.nanos() - COARSE_LAG_NANOS / 2);
        let entry = draft(COARSE_LAG / 4, Duration::ZERO).under(&[]);
        for _ in 0..2 * u32::from(HITS_COUNTED_MAX) {
            assert!(!entry.takes_hit(behind), "by the exact clock its time may be over");
            entry.count_hit(LOADED_AT);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_taken_to_know_of_more_than_it_does(took in 0_u64..100_000_000_000, before in 0_u64..1_000_000_000_000) {
            let (took, asked_before) = (Duration::from_nanos(took), Duration::from_nanos(before));
            let entry = Draft { asked_before, changed: Some(true), ..draft(COARSE_LAG, took) }.under(&[]);
            prop_assert!(entry.asked_for() >= took + asked_before);
            prop_assert!(entry.asked_for() <= took + 2 * (asked_before + took / 1000) + Duration::from_millis(2));
            prop_assert_eq!((entry.changed(), entry.is_copy()), (Some(true), false));
        }

        #[test]
        fn a_hot_key_takes_the_hits_that_any_other_would(
            ttl in 0_u64..40_000_000_000_000, unasked in 0_u64..80_000_000_000_000, took in 0_u64..2_000_000_000, over in 0_u64..60_000_000_000,
            before_end in 0_u64..40_000_000_000_000, near_end in -3_000_000_000_i64..3_000_000_000,
        ) {
            let check_again_at = LOADED_AT + Duration::from_nanos(unasked);
            let entry = draft(Duration::from_nanos(ttl), Duration::from_nanos(took)).copy_under(&[], check_again_at);
            for _ in 0..HITS_COUNTED_MAX {
                entry.count_hit(LOADED_AT + Duration::from_nanos(over));
            }
            let last = entry.lifetime().fresh_until.min(entry.check_again_at()).nanos() - COARSE_LAG_NANOS;
            let last = last.saturating_sub(entry.earliest_ahead().as_nanos() as u64);
            // As far behind as the clock can be when it has just been loaded, and later.
            let earliest = LOADED_AT.nanos() - COARSE_LAG_NANOS;
            for at in [last, last - 1, last.saturating_add_signed(near_end), last.saturating_sub(before_end)] {
                let at = at.max(earliest);
                prop_assert_eq!(entry.takes_hit(Moment::from_nanos(at)), at < last);
            }
        }
    }
}
