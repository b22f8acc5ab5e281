//! Counters that many threads raise without meeting.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::outcome::{MissReason, NotStored, StaleReason};

/// Lanes of one counter: as many threads can count at once without touching one cache line.
const LANES: usize = 8;

/// A number that only grows.
///
/// Each thread counts on a lane of its own, two cache lines wide because processors fetch them in pairs; reading adds
/// the lanes up.
///
/// ```
/// let counter = alacena_core::figures::Counter::default();
/// counter.add(2);
/// assert_eq!(counter.get(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Counter([Lane; LANES]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane(AtomicU64);

thread_local! {
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

static NEXT_LANE: AtomicUsize = AtomicUsize::new(0);

fn lane() -> usize {
    LANE.with(|lane| {
        lane.get().unwrap_or_else(|| {
            let next = NEXT_LANE.fetch_add(1, Ordering::Relaxed) % LANES;
            lane.set(Some(next));
            next
        })
    })
}

impl Counter {
    /// Counts `amount`.
    pub fn add(&self, amount: u64) {
        self.0[lane()].0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// What has been counted.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.iter().map(|lane| lane.0.load(Ordering::Relaxed)).sum()
    }
}

/// The reasons for a miss, in the order of the counters.
pub const MISS_REASONS: [&str; 6] = ["cold", "expired", "evicted", "invalidated", "error", "bypass"];
/// The reasons for a stale answer, in the order of the counters.
pub const STALE_REASONS: [&str; 3] = ["revalidating", "soft-timeout", "source-error"];
/// The reasons for not keeping a value, in the order of the counters.
pub const NOT_STORED_REASONS: [&str; 6] =
    ["superseded", "too-large", "uncacheable", "bypass", "no-ttl", "parent-not-fresh"];

/// What is counted of one read, or of one class of a library.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers out of the cache, those that are being refreshed included.
    pub hits: Counter,
    /// Answers that needed the source.
    pub misses: [Counter; MISS_REASONS.len()],
    /// Answers past their time.
    pub stale: [Counter; STALE_REASONS.len()],
    /// Callers who waited for a load that another one led.
    pub collapsed: Counter,
    /// Callers who got an error.
    pub errors: Counter,
    /// Loads that were started.
    pub loads: Counter,
    /// Loads that failed.
    pub load_errors: Counter,
    /// Time spent in loads that have ended, in nanoseconds.
    pub load_nanos: Counter,
    /// Refreshes that brought another value.
    pub changed: Counter,
    /// Refreshes that brought the same value.
    pub unchanged: Counter,
    /// Loaded values that were not kept.
    pub not_stored: [Counter; NOT_STORED_REASONS.len()],
}

impl Counters {
    /// Counts on from what has been counted by others, which count no more.
    pub fn go_on_from(&self, others: &Counters) {
        let pairs = self.each().zip(others.each());
        pairs.for_each(|(counter, other)| counter.add(other.get()));
    }

    fn each(&self) -> impl Iterator<Item = &Counter> {
        let Self {
            hits,
            misses,
            stale,
            collapsed,
            errors,
            loads,
            load_errors,
            load_nanos,
            changed,
            unchanged,
            not_stored,
        } = self;
        let single = [hits, collapsed, errors, loads, load_errors, load_nanos, changed, unchanged];
        single.into_iter().chain(misses).chain(stale).chain(not_stored)
    }

    pub(crate) fn miss(&self, reason: &MissReason) {
        self.misses[position(&MISS_REASONS, reason.as_str())].increment();
    }

    pub(crate) fn stale(&self, reason: StaleReason) {
        self.stale[position(&STALE_REASONS, reason.as_str())].increment();
    }

    pub(crate) fn not_stored(&self, reason: NotStored) {
        self.not_stored[position(&NOT_STORED_REASONS, reason.as_str())].increment();
    }
}

fn position(words: &[&str], word: &str) -> usize {
    words.iter().position(|known| *known == word).expect("every reason has its counter")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dep::Dep;

    #[test]
    fn every_reason_has_a_counter() {
        let counters = Counters::default();
        let misses = [
            MissReason::Cold,
            MissReason::Expired,
            MissReason::Evicted,
            MissReason::Invalidated(Dep::everything()),
            MissReason::Error,
            MissReason::Bypass,
        ];
        misses.iter().for_each(|reason| counters.miss(reason));
        for reason in [StaleReason::Revalidating, StaleReason::SoftTimeout, StaleReason::SourceError] {
            counters.stale(reason);
        }
        for reason in [
            NotStored::Superseded,
            NotStored::TooLarge,
            NotStored::Uncacheable,
            NotStored::Bypass,
            NotStored::NoTtl,
            NotStored::ParentNotFresh,
        ] {
            counters.not_stored(reason);
        }
        let all = counters.misses.iter().chain(&counters.stale).chain(&counters.not_stored);
        assert!(all.map(Counter::get).all(|count| count == 1));
    }

    #[test]
    fn threads_lose_no_count() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.get(), 16_000);
    }
}
