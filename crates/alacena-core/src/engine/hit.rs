//! The short way of a read: a plain hit, found at once.

use super::{Engine, Rules, read};
use crate::{
    freshness::{Freshness, nears_its_end},
    outcome::Outcome,
    runtime::Moment,
};

impl Engine {
    /// Answers with what is held under `key` (all of its bytes), where that is a value, fresh at `now` and not about to
    /// be refreshed ahead.
    ///
    /// `None` says no more than that the question is to be asked as ever, and counts nothing: whoever then asks it is
    /// counted.
    #[must_use]
    pub fn hit(&self, rules: &Rules, key: &[u8], now: Moment) -> Option<Outcome> {
        let entry = self.0.memory.get(key)?;
        let is_plain = entry.value.is_some() && entry.judge(now) == Freshness::Fresh;
        if !is_plain || rules.policy.refresh_ahead && nears_its_end(&entry.lifetime(), entry.load_took, now) {
            return None;
        }
        entry.count_hit();
        Some(read::hit(rules, entry, now))
    }
}
