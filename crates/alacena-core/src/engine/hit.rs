//! The short way of a read: what nearly every one of them takes, until the entry nears its end.

use std::any::Any;

use super::{Engine, Rules};
use crate::{figures::Count, outcome::Outcome, runtime::Moment};

impl Engine {
    /// Answers with what is held under `key` (all of its bytes), where that is a value of this type and fresh beyond
    /// doubt: valid, some way from its end, and not about to be refreshed ahead. No memory is asked for and nothing is
    /// waited for. `now` may be read on the [coarse](crate::runtime::Runtime::coarse) clock.
    ///
    /// `None` says no more than that the question is to be asked as ever, and counts nothing: whoever then asks it is
    /// counted. A question that may not be answered out of the cache does not come here.
    #[must_use]
    #[inline(always)]
    pub fn hit<V: Any + Send + Sync>(&self, rules: &Rules, key: &[u8], now: Moment) -> Option<Outcome<V>> {
        let entry = self.0.memory.get(key)?;
        let stands = rules.policy.sliding_max.is_none() && self.0.markers.stand_by_at(entry.token(), now);
        if !stands || !entry.takes_hit(now) {
            return None;
        }
        let outcome = Outcome::hit(entry, now)?;
        rules.counters.increment(Count::Hits);
        Some(outcome)
    }
}
