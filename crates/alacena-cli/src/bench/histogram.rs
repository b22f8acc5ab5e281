//! Durations in 256 buckets, 8 to each power of two, from a microsecond to more than an hour.
//!
//! The borders are powers of 2^(1/8), and a bucket speaks with the geometric mean of its borders: no quantile is more
//! than 2^(1/16), 4.4 %, away from the value that stands there in sorted data. Merging is adding; percentiles are
//! never averaged.

use std::time::Duration;

/// Buckets to a power of two.
const STEPS: usize = 8;
/// How many there are.
const BUCKETS: usize = 256;
/// The first bucket begins at 2^10 ns, the last one ends at 2^42 ns, 73 minutes.
const FIRST_BITS: u32 = 10;
/// Where the second to eighth bucket of a power of two begin, as multiples of it: 2^(1/8) to 2^(7/8).
const BORDERS: [f64; STEPS - 1] = [
    1.090_507_732_665_257_7,
    1.189_207_115_002_721,
    1.296_839_554_651_009_6,
    std::f64::consts::SQRT_2,
    1.542_210_825_407_940_7,
    1.681_792_830_507_429,
    1.834_008_086_409_342_4,
];

/// How often which duration was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: [u64; BUCKETS],
    count: u64,
    sum_nanos: u128,
    min_nanos: u64,
    max_nanos: u64,
}

impl Histogram {
    /// Nothing seen yet.
    pub(crate) const fn new() -> Self {
        Self { counts: [0; BUCKETS], count: 0, sum_nanos: 0, min_nanos: u64::MAX, max_nanos: 0 }
    }

    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.count += 1;
        self.sum_nanos += u128::from(nanos);
        self.min_nanos = self.min_nanos.min(nanos);
        self.max_nanos = self.max_nanos.max(nanos);
    }

    /// Counts everything that `other` has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *count += theirs;
        }
        self.count += other.count;
        self.sum_nanos += other.sum_nanos;
        self.min_nanos = self.min_nanos.min(other.min_nanos);
        self.max_nanos = self.max_nanos.max(other.max_nanos);
    }

    /// How many durations were seen.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The shortest, as it was.
    pub(crate) fn min(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.min_nanos))
    }

    /// The longest, as it was.
    pub(crate) fn max(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.max_nanos))
    }

    /// The mean, exact.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let mean = self.sum_nanos.checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)))
    }

    /// The duration that a share of `q` does not exceed, by nearest rank. None where too few were seen to know: the
    /// slowest one in a hundred takes a hundred.
    pub(crate) fn quantile(&self, q: f64) -> Option<Duration> {
        // Sums of floating-point numbers lack a little to the whole that they mean.
        if self.count == 0 || self.count as f64 * (1.0 - q) + 1e-9 < 1.0 {
            return None;
        }
        let rank = ((self.count as f64 * q - 1e-9).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        let nanos = border(at as f64 + 0.5).clamp(self.min_nanos as f64, self.max_nanos as f64);
        Some(Duration::from_nanos(nanos as u64))
    }

    /// The buckets from the first to the last that hold something, `step` of them together: where each begins and how
    /// many it holds. The groups of one step have the same borders in every histogram.
    pub(crate) fn groups(&self, step: usize) -> Vec<(Duration, u64)> {
        let groups: Vec<_> = self
            .counts
            .chunks(step)
            .enumerate()
            .map(|(at, counts)| {
                let begin = if at == 0 { 0 } else { border((at * step) as f64) as u64 };
                (Duration::from_nanos(begin), counts.iter().sum::<u64>())
            })
            .collect();
        let first = groups.iter().position(|(_, count)| *count > 0).unwrap_or(0);
        let end = groups.iter().rposition(|(_, count)| *count > 0).map_or(0, |last| last + 1);
        groups.get(first..end).unwrap_or_default().to_vec()
    }
}

/// Where the bucket of this number begins, in nanoseconds; what lies between two numbers lies between their borders.
fn border(bucket: f64) -> f64 {
    (f64::from(FIRST_BITS) + bucket / STEPS as f64).exp2()
}

/// The bucket of a duration; what is shorter or longer than all of them is in the first or the last.
fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1 << FIRST_BITS);
    let bits = nanos.ilog2();
    let times = nanos as f64 / (bits as f64).exp2();
    let step = BORDERS.iter().filter(|border| times >= **border).count();
    ((bits - FIRST_BITS) as usize * STEPS + step).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    /// Durations spread evenly over the powers of two from a microsecond to an hour.
    fn durations(seed: u64, count: usize) -> Vec<Duration> {
        let mut chance = Chance::new(seed);
        let mut draw = || Duration::from_nanos((10.0 + chance.unit() * 31.7).exp2() as u64);
        (0..count).map(|_| draw()).collect()
    }

    fn histogram(durations: &[Duration]) -> Histogram {
        let mut histogram = Histogram::new();
        durations.iter().for_each(|duration| histogram.record(*duration));
        histogram
    }

    #[test]
    fn no_quantile_is_further_than_4_4_percent_from_sorted_data() {
        for seed in 0..50 {
            for count in [1, 7, 100, 5_000] {
                let mut sorted = durations(seed, count);
                let histogram = histogram(&sorted);
                sorted.sort();
                for q in [0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999] {
                    let Some(told) = histogram.quantile(q) else { continue };
                    let rank = ((count as f64 * q - 1e-9).ceil() as usize).max(1);
                    let ratio = told.as_secs_f64() / sorted[rank - 1].as_secs_f64();
                    assert!((0.957..1.0443).contains(&ratio), "{count} values, {q}: {ratio}");
                }
                assert_eq!((histogram.min(), histogram.max()), (Some(sorted[0]), Some(sorted[count - 1])));
            }
        }
    }

    #[test]
    fn merging_is_the_same_as_counting_both() {
        let (one, other) = (durations(1, 3_000), durations(2, 500));
        let mut merged = histogram(&one);
        merged.merge(&histogram(&other));
        assert_eq!(merged, histogram(&[one, other].concat()));
        let mut with_nothing = merged.clone();
        with_nothing.merge(&Histogram::new());
        assert_eq!(with_nothing, merged);
    }

    #[test]
    fn every_border_belongs_to_the_bucket_that_it_begins() {
        for at in 1..BUCKETS {
            let begin = border(at as f64).ceil() as u64;
            assert_eq!((bucket(begin - 2), bucket(begin + 1)), (at - 1, at), "{at}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn what_too_few_have_seen_is_not_told() {
        let few = histogram(&durations(3, 99));
        assert!(few.quantile(0.9).is_some() && few.quantile(0.99).is_none());
        assert!(histogram(&durations(3, 100)).quantile(0.99).is_some());
        assert_eq!((Histogram::new().quantile(0.5), Histogram::new().mean()), (None, None));
        assert!(Histogram::new().groups(4).is_empty());
    }

    #[test]
    fn groups_hold_everything_once() {
        let histogram = histogram(&durations(4, 1_000));
        for step in [1, 2, 8, 32] {
            let groups = histogram.groups(step);
            assert_eq!(groups.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
            assert!(groups[0].1 > 0 && groups[groups.len() - 1].1 > 0);
            assert!(groups.is_sorted_by_key(|(begin, _)| *begin));
        }
    }
}
