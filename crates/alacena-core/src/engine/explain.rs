//! What the engine knows of a key, for people who want to know why.

use std::{collections::BTreeMap, time::Duration};

use super::Engine;
use crate::{dep::Dep, freshness::Freshness, key::Key, memory::Entry, runtime::Moment};

/// Most keys of one page.
pub const PAGE_MAX: usize = 1000;

/// What is known of one entry. Never its value.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its key.
    pub key: Key,
    /// How it may be used now.
    pub freshness: Freshness,
    /// Time since its load ended.
    pub age: Duration,
    /// How much longer it would be fresh, were it not for its deps; zero past its time.
    pub fresh_for: Duration,
    /// How long past its time it is; zero before.
    pub stale_for: Duration,
    /// How much longer it may stand in for a source that fails.
    pub stands_in_for: Duration,
    /// How long its load took.
    pub load_took: Duration,
    /// Whether its load brought another value than the one before; `None` where none was known.
    pub changed: Option<bool>,
    /// Whether it says that there is no such thing.
    pub negative: bool,
    /// What it costs in memory, in bytes.
    pub bytes: usize,
    /// Whether other nodes can end it, too; else it depends on what this process alone knows. `None` without a second tier.
    pub is_shared: Option<bool>,
    /// What it depends on, and whether each dep still stands.
    pub deps: Vec<(Dep, bool)>,
}

/// Keys in the order of their bytes.
#[derive(Clone, Debug)]
pub struct KeyPage {
    /// What is known of them.
    pub entries: Vec<Explanation>,
    /// The key to go on after; `None` on the last page.
    pub next: Option<Key>,
}

impl Engine {
    /// What is known of `key`; `None` where there is no entry.
    #[must_use]
    pub fn explain(&self, key: &Key) -> Option<Explanation> {
        let entry = self.0.memory.get(key.as_bytes())?;
        Some(explain(key.clone(), &entry, self.0.runtime.now(), self.0.second.get().is_some()))
    }

    /// The first `limit` (at most [`PAGE_MAX`]) entries whose keys come after `after` and are `wanted`.
    ///
    /// Looks at every entry, and keeps no more than a page of them.
    #[must_use]
    pub fn keys(&self, after: Option<&Key>, limit: usize, mut wanted: impl FnMut(&Key) -> bool) -> KeyPage {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut page = BTreeMap::new();
        let mut more = false;
        self.0.memory.for_each(|entry| {
            let key = entry.key();
            if after.is_some_and(|after| key <= *after) || !wanted(&key) {
                return;
            }
            page.insert(key, entry.clone());
            if page.len() > limit {
                page.pop_last();
                more = true;
            }
        });
        let (now, has_second) = (self.0.runtime.now(), self.0.second.get().is_some());
        let next = if more { page.last_key_value().map(|(key, _)| key.clone()) } else { None };
        KeyPage {
            entries: page.into_iter().map(|(key, entry)| explain(key, &entry, now, has_second)).collect(),
            next,
        }
    }
}

fn explain(key: Key, entry: &Entry, now: Moment, has_second: bool) -> Explanation {
    let lifetime = entry.lifetime();
    Explanation {
        key,
        freshness: entry.judge(now),
        age: now - lifetime.loaded_at,
        fresh_for: lifetime.fresh_until - now,
        stale_for: now - lifetime.fresh_until,
        stands_in_for: lifetime.stand_in_until - now,
        load_took: entry.load_took(),
        changed: entry.changed(),
        negative: entry.value().is_none(),
        bytes: entry.weight(),
        is_shared: has_second.then(|| entry.token().is_shared()),
        deps: entry.token().deps().map(|(dep, stands)| (dep.clone(), stands)).collect(),
    }
}
