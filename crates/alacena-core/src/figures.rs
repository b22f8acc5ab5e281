//! Counters that many threads raise without meeting.
//!
//! What is counted of one read lies together: a thread that answers a hit writes one cache line, which is its own. Each
//! thread takes a *lane* of the process for as long as it lives, and has the place of that lane in every set of
//! counters to itself: it adds by reading and writing, which costs a tenth of an atomic addition. Threads that come
//! when all lanes are taken share the last place, where they add atomically.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::outcome::{MissReason, NotStored, StaleReason};

/// A number that only grows, and seldom.
///
/// ```
/// let counter = alacena_core::figures::Counter::default();
/// counter.add(2);
/// assert_eq!(counter.get(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// What has been counted.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The reasons for a miss, in the order of the counters.
pub const MISS_REASONS: [&str; 6] = ["cold", "expired", "evicted", "invalidated", "error", "bypass"];
/// The reasons for a stale answer, in the order of the counters.
pub const STALE_REASONS: [&str; 4] = ["revalidating", "soft-timeout", "source-error", "unproved"];
/// The reasons for not keeping a value, in the order of the counters.
pub const NOT_STORED_REASONS: [&str; 8] = [
    "superseded",
    "too-large",
    "uncacheable",
    "bypass",
    "no-ttl",
    "parent-not-fresh",
    "without-l2",
    "no-marker",
];

/// What is counted of a read by itself; misses, stale answers and values that were not kept are counted by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Answers out of the cache, those that are being refreshed included.
    Hits,
    /// Callers who waited for a load that another one led.
    Collapsed,
    /// Callers who got an error.
    Errors,
    /// Loads that were started.
    Loads,
    /// Loads that failed.
    LoadErrors,
    /// Time spent in loads that have ended, in nanoseconds.
    LoadNanos,
    /// Refreshes that brought another value.
    Changed,
    /// Refreshes that brought the same value.
    Unchanged,
    /// Of the answers out of the cache, those that the second tier gave.
    L2Hits,
    /// Of the answers out of the cache, those that this node gave by itself, while the second tier was away.
    LocalHits,
}

/// Where the counts by reason begin, and how many there are of all.
const MISSES: usize = Count::LocalHits as usize + 1;
const STALE: usize = MISSES + MISS_REASONS.len();
const NOT_STORED: usize = STALE + STALE_REASONS.len();
const COUNTS: usize = NOT_STORED + NOT_STORED_REASONS.len();

/// What is counted of one read, or of one class of a library.
#[derive(Debug)]
pub struct Counters {
    places: Box<[Place; LANES + 1]>,
}

/// The counts of one lane, in cache lines of their own: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place([AtomicU64; COUNTS]);

impl Default for Counters {
    fn default() -> Self {
        let places: Vec<Place> = (0..=LANES).map(|_| Place::default()).collect();
        Self { places: places.try_into().expect("there are as many as that") }
    }
}

impl Counters {
    /// Counts on from what has been counted by others, which count no more.
    pub fn go_on_from(&self, others: &Counters) {
        (0..COUNTS).for_each(|at| self.add_at(at, others.sum(at)));
    }

    /// What has been counted.
    #[must_use]
    pub fn get(&self, count: Count) -> u64 {
        self.sum(count as usize)
    }

    /// Answers that needed the source, by [`MISS_REASONS`].
    #[must_use]
    pub fn misses(&self) -> [u64; MISS_REASONS.len()] {
        std::array::from_fn(|at| self.sum(MISSES + at))
    }

    /// Answers past their time, by [`STALE_REASONS`].
    #[must_use]
    pub fn stale_answers(&self) -> [u64; STALE_REASONS.len()] {
        std::array::from_fn(|at| self.sum(STALE + at))
    }

    /// Loaded values that were not kept, by [`NOT_STORED_REASONS`].
    #[must_use]
    pub fn values_not_stored(&self) -> [u64; NOT_STORED_REASONS.len()] {
        std::array::from_fn(|at| self.sum(NOT_STORED + at))
    }

    pub(crate) fn add(&self, count: Count, amount: u64) {
        self.add_at(count as usize, amount);
    }

    pub(crate) fn increment(&self, count: Count) {
        self.add(count, 1);
    }

    pub(crate) fn miss(&self, reason: &MissReason) {
        self.add_at(MISSES + position(&MISS_REASONS, reason.as_str()), 1);
    }

    pub(crate) fn stale(&self, reason: StaleReason) {
        self.add_at(STALE + position(&STALE_REASONS, reason.as_str()), 1);
    }

    pub(crate) fn not_stored(&self, reason: NotStored) {
        self.add_at(NOT_STORED + position(&NOT_STORED_REASONS, reason.as_str()), 1);
    }

    fn add_at(&self, at: usize, amount: u64) {
        let Some(place) = self.places[..LANES].get(LANE.get()) else {
            return self.add_without_lane(at, amount);
        };
        // Nobody else writes here, so nothing is lost between the two.
        let counter = &place.0[at];
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// Of a thread that has no lane, or none yet.
    #[cold]
    fn add_without_lane(&self, at: usize, amount: u64) {
        let lane = if LANE.get() == NONE_YET { take_lane() } else { SHARED };
        self.places[lane].0[at].fetch_add(amount, Ordering::Relaxed);
    }

    fn sum(&self, at: usize) -> u64 {
        self.places.iter().map(|place| place.0[at].load(Ordering::Relaxed)).sum()
    }
}

fn position(words: &[&str], word: &str) -> usize {
    words.iter().position(|known| *known == word).expect("every reason has its counter")
}

/// Threads that can count at once without meeting: the bits of a word, in which those that are taken are set.
const LANES: usize = 32;
/// The place of all threads that have no lane.
const SHARED: usize = LANES;
/// What a thread has that has not counted yet.
const NONE_YET: usize = LANES + 1;

static TAKEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

thread_local! {
    /// The lane of this thread. Without a destructor, so that reading it is reading a word, to the very end.
    static LANE: Cell<usize> = const { Cell::new(NONE_YET) };
    /// Gives the lane back when the thread ends.
    static OWNED: Owned = const { Owned(Cell::new(None)) };
}

struct Owned(Cell<Option<usize>>);

impl Drop for Owned {
    fn drop(&mut self) {
        // What is counted after this, by destructors that run later, is counted where everybody may.
        LANE.set(SHARED);
        if let Some(lane) = self.0.get() {
            // Release pairs with the acquire of the thread that takes the lane next: it reads what this one counted.
            TAKEN.fetch_and(!(1 << lane), Ordering::Release);
        }
    }
}

fn take_lane() -> usize {
    let lane = OWNED.try_with(|owned| {
        let free = |taken: u32| (taken != u32::MAX).then(|| taken | (taken + 1));
        let taken = TAKEN.fetch_update(Ordering::Acquire, Ordering::Relaxed, free).ok()?;
        owned.0.set(Some(taken.trailing_ones() as usize));
        owned.0.get()
    });
    // Without a word to give it back by there is none to take.
    let lane = lane.ok().flatten().unwrap_or(SHARED);
    LANE.set(lane);
    lane
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
        for reason in [
            StaleReason::Revalidating,
            StaleReason::SoftTimeout,
            StaleReason::SourceError,
            StaleReason::Unproved,
        ] {
            counters.stale(reason);
        }
        for reason in [
            NotStored::Superseded,
            NotStored::TooLarge,
            NotStored::Uncacheable,
            NotStored::Bypass,
            NotStored::NoTtl,
            NotStored::ParentNotFresh,
            NotStored::WithoutL2,
            NotStored::NoMarker,
        ] {
            counters.not_stored(reason);
        }
        assert_eq!(counters.misses(), [1; 6]);
        assert_eq!(counters.stale_answers(), [1; 4]);
        assert_eq!(counters.values_not_stored(), [1; 8]);
        assert!((0..MISSES).all(|at| counters.sum(at) == 0));
    }

    #[test]
    fn threads_lose_no_count_whether_they_have_a_lane_or_share_one() {
        let counters = Counters::default();
        // More than there are lanes, twice: the second wave counts on lanes that the first has given back.
        for _ in 0..2 {
            let gate = std::sync::Barrier::new(LANES + 8);
            std::thread::scope(|scope| {
                for _ in 0..LANES + 8 {
                    scope.spawn(|| {
                        counters.increment(Count::Loads);
                        gate.wait();
                        (0..1000).for_each(|_| counters.increment(Count::Hits));
                    });
                }
            });
        }
        assert_eq!(counters.get(Count::Hits), 2 * 1000 * (LANES as u64 + 8));
        assert_eq!(counters.get(Count::Loads), 2 * (LANES as u64 + 8));
        assert!(counters.places[SHARED].0[0].load(Ordering::Relaxed) > 0, "some had to share");
    }
}
