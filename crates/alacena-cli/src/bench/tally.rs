//! What became of a load.

use std::{collections::BTreeMap, time::Duration};

use super::histogram::Histogram;

/// What became of the questions of one load.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// How many there were; those that a rate asks for count whether there was time for them or not.
    pub(crate) questions: u64,
    /// How long those took that got what they asked for.
    pub(crate) latencies: Histogram,
    /// How many of those the cache had.
    pub(crate) hits: u64,
    /// Answers that say no, by their status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Questions whose connection broke, and how the last one did.
    pub(crate) broken: (u64, Option<String>),
    /// How long it took until the last answer.
    pub(crate) took: Duration,
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self {
            questions: 0,
            latencies: Histogram::new(),
            hits: 0,
            refused: BTreeMap::new(),
            broken: (0, None),
            took: Duration::ZERO,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.questions += other.questions;
        self.latencies.merge(&other.latencies);
        self.hits += other.hits;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.broken.0 += other.broken.0;
        self.broken.1 = other.broken.1.or(self.broken.1.take());
        self.took = self.took.max(other.took);
    }

    /// Questions that got what they asked for.
    pub(crate) fn answered(&self) -> u64 {
        self.latencies.count()
    }

    /// Questions that were refused, or whose connection broke.
    pub(crate) fn failed(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.broken.0
    }

    /// Questions that nobody had time for.
    pub(crate) fn unanswered(&self) -> u64 {
        self.questions.saturating_sub(self.answered() + self.failed())
    }

    /// Good answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        if self.took.is_zero() { 0.0 } else { self.answered() as f64 / self.took.as_secs_f64() }
    }

    /// The share of good answers that the cache had.
    pub(crate) fn hit_share(&self) -> Option<f64> {
        (self.answered() > 0).then(|| self.hits as f64 / self.answered() as f64)
    }
}
