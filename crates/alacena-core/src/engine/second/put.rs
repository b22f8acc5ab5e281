//! Values that come without a load, where nodes share them: at the shard, in one step.
//!
//! ```text
//!   this node                            shard                          another node
//!                                        entry: version 5
//!                                                                       holds a copy of 5, and loads: the source says 5
//!   looks: version 5, fill f        →
//!   puts 6 where f is               →    entry: version 6
//!                                        neither lease nor bucket  →    its copy is in doubt, and asked about: 6
//!                                                                  ←    stores 5: its lease is lost
//! ```
//!
//! The shard compares fills and not versions: what it holds may be sealed. So the version is compared here, with that of
//! the very fill that is replaced. What is put inherits what the older one depends on, with the nonces of its load: an
//! invalidation that came in between has ended both.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Second,
    consult::{Deps, Held},
    post::Post,
};
use crate::{
    engine::{Change, Engine, PutRefusal, Question, put},
    error::{Error, catalogue},
    freshness::Lifetime,
    marker::Token,
    runtime::Moment,
    tier::{
        EntryName, Era, Failure, Fill, Overwrite,
        record::{Expected, Record, Statistics, StoredDep},
    },
    value::Value,
};

/// How often somebody else may be quicker to replace what was looked at.
const LOOKS_MAX: u32 = 8;

impl Engine {
    /// Puts a value in the place of an older version of it, for all nodes.
    pub(in crate::engine) async fn replace_shared(
        &self,
        second: &Second,
        question: &Question,
        entry: EntryName,
        value: &Value,
    ) -> Result<(), PutRefusal> {
        let form = question.rules.shared.as_ref().ok_or(PutRefusal::Absent)?;
        let encoded = form.codec.encode(value).ok_or(PutRefusal::TooLarge)?;
        let post = second.post_of_entry(entry.id());
        second.rouse().await;
        for _ in 0..LOOKS_MAX {
            let older = self.older(second, question, &entry, value).await?;
            let (over, era) = (older.fill, older.era);
            let now = post.shard.server_millis();
            let later = Duration::from_millis(now.saturating_sub(older.loaded_at));
            // What may have been invalidated since the older one was asked for may not be put out of suspicion by this.
            let asked_ago = Duration::from_millis(now.saturating_sub(older.asked_at()));
            let statistics = older.statistics.next(later, value.digest(), older.statistics.load_took);
            let asked_before = asked_ago.saturating_sub(statistics.load_took);
            let older = Record { statistics, asked_before, ..older };
            let record = self.in_place_of(question, post, older, value, encoded.clone());
            let (envelope, keep) = self.envelope(question, post, &record).ok_or(PutRefusal::TooLarge)?;
            let overwrite = overwrite(question, &entry, era, Some(over), envelope, keep);
            match post.writes.call(post.shard.overwrite(overwrite)).await {
                Ok(true) => {
                    self.end_here(&[Change::Key(&question.key)]);
                    return Ok(());
                }
                Ok(false) => {}
                Err(failure) => return Err(unsettled(question, &failure)),
            }
        }
        Err(PutRefusal::Unsettled)
    }

    /// What a value that stays on this node, and comes without a load, depends on, and when it was asked what that is: by
    /// the markers that nodes share, which are minted where they are missing, or while those are away by those of this node.
    pub(in crate::engine) async fn ground_for(
        &self,
        second: &Second,
        question: &Question,
    ) -> (Token, Moment) {
        second.rouse().await;
        let asked_at = self.0.runtime.now();
        if !second.is_away(question) {
            let token = second.capture(self, question);
            if self.mint(second, question, &token.all_shared()).await.is_ok() {
                return (token, asked_at);
            }
        }
        (question.capture(&self.0.markers), asked_at)
    }

    /// Keeps a value for all nodes, whatever is there.
    pub(in crate::engine) async fn set_shared(
        &self,
        second: &Second,
        question: &Question,
        entry: EntryName,
        value: &Value,
    ) -> Result<(), Error> {
        let unset = |why: &dyn std::fmt::Display| {
            let detail = format!("the value was not set for other nodes: {why}");
            Error::new(&catalogue::TIER_UNREACHABLE, detail).with("class", question.rules.space.class())
        };
        let post = second.post_of_entry(entry.id());
        second.rouse().await;
        let era = post.shard.era().filter(|_| !second.is_away(question));
        let era = era.ok_or_else(|| unset(&"the second tier is away"))?;
        let token = second.capture(self, question);
        let known = token.all_shared();
        let minted = self.mint(second, question, &known).await;
        let (nonces, _) = minted.map_err(|failure| unset(&failure))?;
        let deps = Deps::of(question, second, &token, &known, &nonces, &second.eras(), self.0.runtime.now());
        let stored = |deps: &[Held]| -> Option<Vec<StoredDep>> {
            deps.iter().map(|held| Some(StoredDep::new(held.marker, held.nonce?))).collect()
        };
        let too_large = || put::too_large(question);
        let form = question.rules.shared.as_ref().expect("it has an entry");
        let (soft, hard) =
            stored(&deps.soft).zip(stored(&deps.hard)).ok_or_else(|| unset(&"it has no marker"))?;
        let first = Record {
            fill: Fill(0),
            entry: entry.id(),
            fingerprint: form.fingerprint,
            era,
            loaded_at: post.shard.server_millis(),
            asked_before: Duration::ZERO,
            fresh: Duration::ZERO,
            revalidate: Duration::ZERO,
            stand_in: Duration::ZERO,
            statistics: Statistics::first(value.digest(), Duration::ZERO),
            soft,
            hard,
            key: question.key.text().into(),
            version: None,
            value: None,
        };
        let encoded = form.codec.encode(value).ok_or_else(too_large)?;
        let record = self.in_place_of(question, post, first, value, encoded);
        let (envelope, keep) = self.envelope(question, post, &record).ok_or_else(too_large)?;
        let overwrite = overwrite(question, &entry, era, None, envelope, keep);
        match post.writes.call(post.shard.overwrite(overwrite)).await {
            Ok(true) => {
                self.end_here(&[Change::Key(&question.key)]);
                Ok(())
            }
            Ok(false) => Err(unset(&Failure::OtherEra)),
            Err(failure) => Err(unset(&failure)),
        }
    }

    /// What is there and certainly stands, if `value` is a newer version of it.
    async fn older(
        &self,
        second: &Second,
        question: &Question,
        entry: &EntryName,
        value: &Value,
    ) -> Result<Record, PutRefusal> {
        if second.is_away(question) {
            return Err(PutRefusal::Unsettled);
        }
        let post = second.post_of_entry(entry.id());
        let token = second.capture(self, question);
        let asked = token.all_shared();
        let read = second.read(question, Some(entry), &asked).await;
        let read = read.map_err(|failure| unsettled(question, &failure))?;
        let era = read.eras[post.number].ok_or(PutRefusal::Unsettled)?;
        let bytes = read.entry.ok_or(PutRefusal::Absent)?;
        let form = question.rules.shared.as_ref().ok_or(PutRefusal::Absent)?;
        let expected = Expected { entry: entry.id(), fingerprint: form.fingerprint };
        let held = Record::decode(&bytes, &expected, second.seal.as_ref()).map_err(|why| {
            post.counts.unreadable(&why);
            PutRefusal::Absent
        })?;
        let deps = Deps::of(question, second, &token, &asked, &read.nonces, &read.eras, self.0.runtime.now());
        // What may have been invalidated unheard must not become certain by being put anew.
        let is_suspect = second.posts.iter().any(|post| post.is_suspect(held.asked_at()));
        if !deps.are_certain(&held, era) || is_suspect {
            return Err(PutRefusal::Absent);
        }
        match held.version.zip(value.version()) {
            None => Err(PutRefusal::Unversioned),
            Some((held, put)) if put <= held => Err(PutRefusal::NotNewer),
            Some(_) => Ok(held),
        }
    }

    /// The record of a value that takes the place of another one, as if it had just been loaded.
    fn in_place_of(
        &self,
        question: &Question,
        post: &Post,
        older: Record,
        value: &Value,
        encoded: Bytes,
    ) -> Record {
        let policy = &question.rules.policy;
        let ttl = policy.l2_ttl.map_or(policy.ttl, |most| policy.ttl.min(most));
        let (now, random) = (self.0.runtime.now(), self.0.runtime.random());
        let lifetime = Lifetime::new(policy, ttl, now, random);
        Record {
            fill: Fill(self.0.runtime.random()),
            loaded_at: post.shard.server_millis(),
            fresh: lifetime.fresh_until - now,
            revalidate: lifetime.revalidate_until - lifetime.fresh_until,
            stand_in: lifetime.stand_in_until - lifetime.fresh_until,
            version: value.version(),
            value: Some(encoded),
            ..older
        }
    }
}

impl Second {
    /// The entry that all nodes share the answer to this question under; `None` where it stays on this node.
    pub(in crate::engine) fn shared(&self, question: &Question) -> Option<(&Self, EntryName)> {
        Some((self, self.entry(&question.rules, &question.key)?))
    }
}

fn overwrite(
    question: &Question,
    entry: &EntryName,
    era: Era,
    over: Option<Fill>,
    envelope: Bytes,
    keep: Duration,
) -> Overwrite {
    let called = entry.id().called(&question.key);
    let elsewhere = if called == *entry { entry.without_key() } else { called };
    Overwrite { entry: entry.clone(), elsewhere, era, over, envelope, keep }
}

fn unsettled(question: &Question, failure: &Failure) -> PutRefusal {
    tracing::debug!(class = question.rules.space.class(), %failure, "a value was not put in the second tier");
    PutRefusal::Unsettled
}
