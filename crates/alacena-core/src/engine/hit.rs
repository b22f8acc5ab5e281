//! The short way of a read: what nearly every one of them takes, until the entry nears its end.

use std::any::Any;

use super::{Engine, Rules};
use crate::{figures::Count, memory::Entry, outcome::Outcome, runtime::Moment};

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
        let outcome = Outcome::hit(self.find(rules, key, now)?, now)?;
        rules.counters.increment(Count::Hits);
        Some(outcome)
    }

    /// An entry comes back in one register; an outcome made here would be written to memory, and read again by each who
    /// hands it on.
    fn find(&self, rules: &Rules, key: &[u8], now: Moment) -> Option<Entry> {
        let entry = self.0.memory.get(key)?;
        let is_plain = entry.is_plainly_fresh(now) && rules.policy.sliding_max.is_none();
        if !is_plain || !self.0.markers.stand_by_at(entry.token(), now) {
            return None;
        }
        entry.count_hit(now);
        Some(entry)
    }
}
