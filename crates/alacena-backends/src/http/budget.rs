//! The retry budget: retries are a share of the traffic, so that they cannot double the load on a source that fails.

use std::sync::atomic::{AtomicU32, Ordering};

/// What one request earns, in thousandths of a retry: one retry for ten requests.
const EARNED: u32 = 100;
/// What one retry costs.
const COST: u32 = 1000;
/// The most that is saved up, and what there is at the start: ten retries.
const SAVED_MAX: u32 = 10 * COST;

/// The retries that one source has earned.
#[derive(Debug)]
pub(super) struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(SAVED_MAX))
    }
}

impl RetryBudget {
    /// A request is sent that is no retry.
    pub(super) fn earn(&self) {
        let add = |saved: u32| Some((saved + EARNED).min(SAVED_MAX));
        // It never fails: `add` always answers.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Whether there may be a retry, which is then paid for.
    pub(super) fn spend(&self) -> bool {
        let take = |saved: u32| saved.checked_sub(COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_tenth_of_the_traffic_once_what_was_saved_is_spent() {
        let budget = RetryBudget::default();
        let retries = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();
        assert!((105..=115).contains(&retries), "{retries} retries of 1,000 requests that all failed");
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10, "no more is saved up");
    }
}
