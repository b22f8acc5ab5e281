//! What the second tier holds under a key, for people who want to know why.

use std::time::Duration;

use futures_util::future::join_all;

use super::Second;
use crate::{
    dep::Dep,
    engine::{Engine, Rules},
    key::Key,
    tier::{
        EntryName, Era, Failure, MarkerId, Nonce, Standing,
        record::{Expected, Record},
    },
};

/// What the second tier holds under a key. Never its value.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The name of the entry on its shard.
    pub name: String,
    /// The name of the shard in the configuration.
    pub shard: String,
    /// What is there; `None`: nothing.
    pub found: Option<Found>,
}

/// An entry as it lies in the second tier.
#[derive(Clone, Debug)]
pub enum Found {
    /// It cannot be used, for this reason.
    Unreadable(&'static str),
    /// It is what the key asks for.
    Entry {
        /// Time since its load ended.
        age: Duration,
        /// How much longer it would be fresh, were it not for its deps; zero past its time.
        fresh_for: Duration,
        /// How long past its time it is; zero before.
        stale_for: Duration,
        /// Whether it says that there is no such thing.
        negative: bool,
        /// Bytes that it takes there.
        bytes: usize,
        /// Whether the entry itself is of the era that its shard is of now.
        standing: Standing,
        /// What it depends on, as far as this node knows the names, and whether each still stands.
        deps: Vec<(Dep, Standing)>,
        /// What else it depends on.
        others: usize,
    },
}

impl Engine {
    /// What the second tier holds under this key; `None` where its value stays on this node. Asks the shard, past every
    /// memory, and changes nothing.
    ///
    /// # Errors
    /// Why the shard does not say.
    pub async fn explain_shared(&self, rules: &Rules, key: &Key) -> Option<Result<Shown, Failure>> {
        let second = self.0.second.get()?;
        let entry = second.entry(rules, key)?;
        Some(self.shown(second, rules, key, entry).await)
    }

    async fn shown(
        &self,
        second: &Second,
        rules: &Rules,
        key: &Key,
        entry: EntryName,
    ) -> Result<Shown, Failure> {
        second.rouse().await;
        let post = second.post_of_entry(entry.id());
        let mut deps: Vec<Dep> = rules.space.deps().to_vec();
        if let Some(held) = self.0.memory.get(key.as_bytes()) {
            let more: Vec<Dep> = held.token().deps().map(|(dep, _)| dep.clone()).collect();
            deps.extend(more.into_iter().filter(|dep| !rules.space.deps().contains(dep)));
        }
        let era = post.shard.era().ok_or(Failure::OtherEra)?;
        let (looked, held) = futures_util::future::join(
            post.reads.call(post.shard.look(&entry, &[])),
            second.held(deps.iter().map(|dep| second.names.marker(dep)).collect()),
        )
        .await;
        let (name, shard) = (entry.name(), post.drain.shard_name().to_owned());
        let Some(bytes) = looked?.entry else { return Ok(Shown { name, shard, found: None }) };
        let held = held?;
        let Some(form) = &rules.shared else { return Ok(Shown { name, shard, found: None }) };
        let expected = Expected { entry: entry.id(), fingerprint: form.fingerprint };
        let found = match Record::decode(&bytes, &expected, second.seal.as_ref()) {
            Err(why) => Found::Unreadable(why.as_str()),
            Ok(record) => {
                let now = self.0.runtime.now();
                let lifetime = record.lifetime(now, post.shard.server_millis());
                let stored = || record.soft.iter().chain(&record.hard);
                let known: Vec<(Dep, Standing)> = deps
                    .into_iter()
                    .zip(held)
                    .filter_map(|(dep, (marker, nonce, era))| {
                        let stored = stored().find(|stored| stored.is_of(marker))?;
                        Some((dep, Standing::of_dep(Some(stored.nonce), nonce, era)))
                    })
                    .collect();
                Found::Entry {
                    age: now - lifetime.loaded_at,
                    fresh_for: lifetime.fresh_until - now,
                    stale_for: now - lifetime.fresh_until,
                    negative: record.value.is_none(),
                    bytes: bytes.len(),
                    standing: Standing::of_entry(record.era, era),
                    others: stored().count() - known.len(),
                    deps: known,
                }
            }
        };
        Ok(Shown { name, shard, found: Some(found) })
    }
}

impl Second {
    /// What these markers hold, each with the era of its shard, in their order.
    async fn held(&self, markers: Vec<MarkerId>) -> Result<Vec<(MarkerId, Option<Nonce>, Era)>, Failure> {
        let each = markers.into_iter().map(|marker| async move {
            let post = self.post_of(marker);
            let checked = post.reads.call(post.shard.check(&[marker])).await?;
            Ok((marker, checked.markers.first().copied().flatten(), checked.era))
        });
        join_all(each).await.into_iter().collect()
    }
}
