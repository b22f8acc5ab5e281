//! What the breaker remembers of the latest calls: twelve buckets of counts, whatever the traffic.

use std::time::Duration;

use crate::runtime::Moment;

/// How many buckets a window is cut into: with the default of 120 s, ten seconds each.
const BUCKETS: usize = 12;

/// The fewest calls that a rate is worth computing from.
pub(super) const CALLS_MIN: u64 = 20;

/// Calls counted by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}

/// Counts of the latest calls. The newest bucket is still filling, so that a window covers between eleven and twelve
/// twelfths of its length, never more than all of it.
#[derive(Clone, Debug)]
pub(super) struct Window {
    bucket_nanos: u64,
    /// A ring: the bucket with number `n` lies at `n % BUCKETS`.
    buckets: [Counts; BUCKETS],
    /// The number of the newest bucket, counted from the origin of time.
    newest: u64,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Self {
            bucket_nanos: (nanos / BUCKETS as u64).max(1),
            buckets: [Counts::default(); BUCKETS],
            newest: 0,
        }
    }

    /// Counts one call that ended now.
    pub(super) fn record(&mut self, failed: bool, slow: bool, now: Moment) {
        self.slide(now);
        let counts = Counts { calls: 1, failures: u64::from(failed), slow: u64::from(slow) };
        self.buckets[ring(self.newest)].add(counts);
    }

    /// Everything in the window.
    pub(super) fn total(&mut self, now: Moment) -> Counts {
        self.slide(now);
        let mut sum = Counts::default();
        self.buckets.iter().for_each(|counts| sum.add(*counts));
        sum
    }

    /// The shortest run of latest buckets that holds enough calls for a rate; `None` where even all of them do not.
    pub(super) fn latest_run(&mut self, now: Moment) -> Option<Counts> {
        self.slide(now);
        let mut sum = Counts::default();
        for back in 0..BUCKETS as u64 {
            // One turn of the ring ahead, so that the subtraction cannot pass zero in the first window.
            sum.add(self.buckets[ring(self.newest % BUCKETS as u64 + BUCKETS as u64 - back)]);
            if sum.calls >= CALLS_MIN {
                return Some(sum);
            }
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.buckets = [Counts::default(); BUCKETS];
    }

    /// Empties the buckets that time has passed over. A clock reading older than the last one, which threads that
    /// race for the lock can bring, counts as the last one.
    fn slide(&mut self, now: Moment) {
        let number = now.nanos() / self.bucket_nanos;
        if number <= self.newest {
            return;
        }
        if number - self.newest >= BUCKETS as u64 {
            self.clear();
        } else {
            (self.newest + 1..=number).for_each(|passed| self.buckets[ring(passed)] = Counts::default());
        }
        self.newest = number;
    }
}

fn ring(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}
