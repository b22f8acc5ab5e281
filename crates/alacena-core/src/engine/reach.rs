//! What an invalidation would take away, counted without taking it.

use std::collections::HashMap;

use super::{Change, Engine};
use crate::freshness::Freshness;

/// How many entries that would be answered now an invalidation would take away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// For each change, in the order in which they were named.
    pub each: Vec<u64>,
    /// All of them; an entry that several changes reach counts once.
    pub entries: u64,
}

impl Engine {
    /// How many entries that would be answered now `changes` would take away.
    ///
    /// Looks at every entry in memory, which takes time in proportion to their number: for people who want to know
    /// before they act.
    #[must_use]
    pub fn reach(&self, changes: &[Change<'_>]) -> Reach {
        let mut places: HashMap<Change<'_>, Vec<usize>> = HashMap::new();
        for (at, change) in changes.iter().enumerate() {
            places.entry(*change).or_default().push(at);
        }
        let mut reach = Reach { each: vec![0; changes.len()], entries: 0 };
        let now = self.0.runtime.now();
        self.0.memory.for_each(|entry| {
            if !matches!(entry.judge(now), Freshness::Fresh | Freshness::Revalidate) {
                return;
            }
            let by_dep = entry.token().deps().filter_map(|(dep, _)| places.get(&Change::Dep(dep)));
            let key = entry.key();
            let hit: Vec<usize> = by_dep.chain(places.get(&Change::Key(&key))).flatten().copied().collect();
            reach.entries += u64::from(!hit.is_empty());
            hit.into_iter().for_each(|at| reach.each[at] += 1);
        });
        reach
    }
}
