//! Loading on behalf of all nodes: every marker first, then the lease, the source, and the store.
//!
//! ```text
//!   mint what is missing → begin ┬ lead: ask the source, renewing → store, which gives the lease back
//!                                ├ wait: for a push, or a while    → begin again
//!                                ├ hit: somebody has stored it
//!                                └ alone: its source forbids sharing
//! ```
//!
//! The markers come first because what is captured after the source was asked could have been minted after an
//! invalidation that the answer knows nothing of. Where a step cannot be done the load goes on all the same: with less
//! kept, never with more.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, join_all, select};

use super::{
    Second,
    consult::{Deps, Held, LOOK_AGAIN},
    is_strict, keeps_copies, local_max,
    post::{Post, either},
};
use crate::{
    class::{EraPolicy, WithoutL2},
    engine::{
        Engine, Loaded, Mode, Question,
        load::{Failure as LoadFailure, Led, Took},
    },
    error::Error,
    flight::{Landing, protocol::ALONE_FOR},
    guard::Urgency,
    marker::{Asked, Token},
    memory::{Draft, Entry},
    outcome::{NotStored, Origin},
    runtime::{Moment, unit_interval},
    tier::{
        Begin, Begun, EntryName, Era, Failure, Fill, MarkerId, Nonce, Store, Stored, Woken,
        record::{Record, Seal, Statistics, StoredDep},
    },
    value::Value,
};

/// A larger entry stays on its node: no connection carries answers of any length.
const ENTRY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How often what a load depends on is captured anew because it was invalidated in the very moment.
const CAPTURES_MAX: u32 = 4;
/// How often a load waits for another one's.
const CLAIMS_MAX: u32 = 64;
/// How often somebody may have stored what is no answer while this one asked for the lease.
const HITS_MAX: u32 = 4;
/// How much longer than it may last a marker is kept: longer than any load.
const MARKER_SLACK: Duration = Duration::from_secs(120);
/// Where the server evicts what is not used, an entry that is past its time gives way to others after this.
const STAND_IN_MAX: Duration = Duration::from_secs(3600);

/// What has been learned of an entry before its load.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Ticket {
    /// The fill that is there, and is no answer.
    pub(super) seen: Option<Fill>,
    /// What it knows of its past, and when it was loaded, on the shard's clock.
    pub(super) before: Option<(Statistics, u64)>,
}

/// What a load may do with what it brings home.
pub(in crate::engine) enum Licence {
    /// Store it for everybody, as the one who holds the lease.
    Lease(Lease),
    /// Nothing that others see. Why it may not be kept on this node either, if so.
    Nothing(Option<NotStored>),
    /// There is nothing to load: this is stored, and may be kept in memory or not.
    Found(Entry, bool),
}

/// The right to load one key, held by this attempt.
pub(in crate::engine) struct Lease {
    post: Arc<Post>,
    entry: EntryName,
    attempt: Nonce,
    deps: Deps,
    before: Option<(Statistics, u64)>,
}

/// What a load is to depend on, with a marker of everything.
struct Grounded {
    known: Vec<Asked>,
    nonces: Vec<Option<Nonce>>,
    /// Whether the copies are of just that. Another load of this node may have read a later marker first: what is found
    /// beside the earlier one is not to be kept under the copy of the later.
    is_agreed: bool,
}

/// What came of asking for a licence once.
pub(in crate::engine) enum Claim {
    /// This.
    Licence(Licence),
    /// Somebody else loads: to be asked again after this long, or once woken.
    Busy(Duration, Woken),
}

impl Engine {
    /// Loads as the leader of a flight that stands on shared markers, and ends it.
    pub(in crate::engine) async fn fill<F>(
        &self,
        question: &Question,
        mut landing: Landing,
        urgency: Urgency,
        ticket: Ticket,
        load: impl FnOnce() -> F,
    ) -> Result<Led, Error>
    where
        F: Future<Output = Result<(Loaded, Took), LoadFailure>>,
    {
        let licence = match self.license(question, &mut landing, ticket).await {
            Ok(licence) => licence,
            Err(failure) => {
                tracing::debug!(class = question.rules.space.class(), %failure, "loading without the second tier");
                // What is captured now is captured before the source is asked.
                landing.stand_on(question.capture(&self.0.markers));
                Licence::Nothing(None)
            }
        };
        match licence {
            Licence::Found(entry, is_kept) => {
                self.land_found(landing, entry, Origin::L2, is_kept);
                Ok(Led::Found)
            }
            Licence::Lease(lease) => {
                let loaded = self.while_renewing(&lease, load()).await;
                self.end_leased(question, landing, urgency, lease, loaded).await
            }
            Licence::Nothing(why) => {
                let why = why.or_else(|| self.withheld_locally(question, &landing));
                let loaded = load().await;
                self.end_load(question, landing, urgency, loaded, why)
            }
        }
    }

    /// Ends a load that was led for all nodes: answers, stores, gives the lease back.
    pub(in crate::engine) async fn end_leased(
        &self,
        question: &Question,
        landing: Landing,
        urgency: Urgency,
        lease: Lease,
        loaded: Result<(Loaded, Took), LoadFailure>,
    ) -> Result<Led, Error> {
        let alone = matches!(&loaded, Ok((loaded, _)) if !loaded.cacheable).then_some(ALONE_FOR);
        // What it depends on is gone already: nobody could be answered with it.
        let record = loaded.as_ref().ok().filter(|_| !landing.token().is_broken());
        let record = record.and_then(|(loaded, took)| self.record(question, &lease, loaded, *took));
        // Those who wait here are answered first.
        let led = self.end_load(question, landing, urgency, loaded, None);
        // What this node holds something newer than is not for the others either.
        let record = record.filter(|_| !matches!(led, Ok(Led::Loaded(Some(NotStored::Superseded)))));
        self.hand_in(question, &lease, record, alone).await;
        led
    }

    /// Why nothing may be kept of a load that does without the second tier, if so.
    pub(in crate::engine) fn withheld_locally(
        &self,
        question: &Question,
        landing: &Landing,
    ) -> Option<NotStored> {
        let is_local = self.0.second.get().is_some() && !landing.token().is_shared();
        let is_bypassed = question.rules.policy.without_l2 == WithoutL2::Bypass || is_strict(&question.rules);
        (is_local && is_bypassed).then_some(NotStored::WithoutL2)
    }

    /// Sees to it that every marker is there, and takes the lease, or waits for whoever has it. The source is asked after
    /// this.
    async fn license(
        &self,
        question: &Question,
        landing: &mut Landing,
        mut ticket: Ticket,
    ) -> Result<Licence, Failure> {
        let waits_until = self.0.runtime.now() + question.rules.policy.hard_timeout;
        for _ in 0..CLAIMS_MAX {
            match self.claim(question, landing, &mut ticket).await? {
                Claim::Licence(licence) => return Ok(licence),
                // Whoever leads is alive and slow: this one asks for itself.
                Claim::Busy(..) if self.0.runtime.now() >= waits_until => break,
                Claim::Busy(left, woken) => either(woken, self.0.runtime.sleep(left)).await,
            }
        }
        Ok(Licence::Nothing(None))
    }

    /// Sees to it that every marker is there, and asks for the lease, without waiting for anybody.
    pub(in crate::engine) async fn claim(
        &self,
        question: &Question,
        landing: &mut Landing,
        ticket: &mut Ticket,
    ) -> Result<Claim, Failure> {
        let second = self.0.second.get().expect("what is shared is shared with it");
        let asked_at = self.0.runtime.now();
        let Grounded { known, nonces, is_agreed } = match self.ground(second, question, landing).await {
            Ok(grounded) => grounded,
            // Without a marker nobody could ever invalidate it.
            Err(Failure::OutOfMemory(_)) => {
                return Ok(Claim::Licence(Licence::Nothing(Some(NotStored::NoMarker))));
            }
            Err(failure) => return Err(failure),
        };
        let token = landing.token().clone();
        let Some(entry) = second.entry(&question.rules, &question.key) else {
            return Ok(Claim::Licence(Licence::Nothing(None)));
        };
        let post = second.post_of_entry(entry.id());
        let deps = Deps::of(question, second, &token, &known, &nonces, &second.eras(), asked_at);
        for _ in 0..HITS_MAX {
            let era = post.shard.era().ok_or(Failure::OtherEra)?;
            let attempt = Nonce { era, random: self.0.runtime.random() };
            let begin = Begin { entry: entry.clone(), attempt, seen: ticket.seen, lease: second.lease };
            return Ok(match post.writes.call(post.shard.begin(begin)).await {
                Ok(Begun::Lead) => {
                    self.settle_doubts(second, &token).await;
                    let post = Arc::clone(post);
                    Claim::Licence(Licence::Lease(Lease {
                        post,
                        entry,
                        attempt,
                        deps,
                        before: ticket.before,
                    }))
                }
                Ok(Begun::Alone) => {
                    landing.separate();
                    Claim::Licence(Licence::Nothing(Some(NotStored::Uncacheable)))
                }
                Ok(Begun::Wait(left, woken)) => {
                    // An expiry may be told of late, or never.
                    let spread = left.mul_f64(0.1 * unit_interval(self.0.runtime.random()));
                    Claim::Busy((left + spread).min(LOOK_AGAIN), woken)
                }
                Ok(Begun::Hit(bytes)) => {
                    let found = self.judge_stored(question, second, entry.id(), &bytes, &deps, era, &token);
                    ticket.seen = Record::fill_of(&bytes);
                    ticket.before = found.as_ref().map(|found| (found.statistics, found.loaded_at));
                    let is_wanted = question.mode != Mode::Refresh;
                    match found.filter(|found| is_wanted && found.is_answer()) {
                        Some(found) => {
                            let is_kept = is_agreed && keeps_copies(&question.rules);
                            Claim::Licence(Licence::Found(found.entry, is_kept))
                        }
                        None => continue,
                    }
                }
                // The shard cannot take the lease; the markers are there.
                Err(Failure::OutOfMemory(_)) => Claim::Licence(Licence::Nothing(None)),
                Err(failure) => {
                    if failure.is_in_doubt() {
                        // It may have been taken all the same, and everybody would wait for nobody.
                        let post = Arc::clone(post);
                        self.0.runtime.spawn(Box::pin(async move {
                            let _ = post.shard.release(entry.id(), attempt, None).await;
                        }));
                    }
                    return Err(failure);
                }
            });
        }
        Ok(Claim::Licence(Licence::Nothing(None)))
    }

    /// Sees to it that there is a marker of everything that the load will depend on, and that it is known what each holds.
    async fn ground(
        &self,
        second: &Second,
        question: &Question,
        landing: &mut Landing,
    ) -> Result<Grounded, Failure> {
        let mut ground = Vec::new();
        for _ in 0..CAPTURES_MAX {
            // The source has not been asked: what is captured now is as good as what was captured before.
            if landing.token().is_broken() {
                landing.stand_on(self.capture(question));
            }
            if !landing.token().is_shared() {
                return Err(Failure::OtherEra);
            }
            let known = landing.token().all_shared();
            let (nonces, is_agreed) = self.mint(second, question, &known).await?;
            landing.ground();
            let is_broken = landing.token().is_broken();
            ground.push(Grounded { known, nonces, is_agreed });
            if !is_broken {
                break;
            }
        }
        ground.pop().ok_or(Failure::OtherEra)
    }

    /// A nonce for every marker: what its copy is of where that is not in doubt, else what the shard says, minted where
    /// there is none; and whether the copies are of just that.
    pub(super) async fn mint(
        &self,
        second: &Second,
        question: &Question,
        known: &[Asked],
    ) -> Result<(Vec<Option<Nonce>>, bool), Failure> {
        let keep = keep(question, question.rules.policy.ttl, true) + MARKER_SLACK;
        // A copy that stands here may be gone there, for whoever must not be answered by it.
        let asks_for_all = self.asks_for_all(second, question);
        let wanted: Vec<Asked> =
            known.iter().filter(|asked| asks_for_all || !asked.is_alive()).cloned().collect();
        let eras = second.eras();
        let parts = second.posts.iter().zip(&eras).map(|(post, era)| async {
            let (at, markers) = second.part(post, &wanted);
            if markers.is_empty() {
                return Ok((at, Vec::new()));
            }
            let era = era.ok_or(Failure::OtherEra)?;
            let fresh = |marker: &MarkerId| (*marker, Nonce { era, random: self.0.runtime.random() });
            let fresh: Vec<_> = markers.iter().map(fresh).collect();
            Ok((at, post.writes.call(post.shard.mint(era, &fresh, keep)).await?))
        });
        let mut minted = vec![None; wanted.len()];
        for part in join_all(parts).await {
            let (at, nonces): (Vec<usize>, Vec<Nonce>) = part?;
            at.into_iter().zip(nonces).for_each(|(at, nonce)| minted[at] = Some(nonce));
        }
        let is_agreed = self.take_in(&wanted, &minted, &eras);
        let held = |asked: &Asked| match wanted.iter().position(|wanted| wanted.marker == asked.marker) {
            Some(at) => minted[at],
            None => asked.nonce(),
        };
        Ok((known.iter().map(held).collect(), is_agreed))
    }

    /// A shard tells of what this node has minted itself, too. Asks about it while the source is still to be asked, so
    /// that whoever joins meets copies that are proved.
    async fn settle_doubts(&self, second: &Second, token: &Token) {
        let asked = token.in_doubt();
        if asked.is_empty() {
            return;
        }
        if let Ok((nonces, eras)) = second.markers(&asked).await {
            self.take_in(&asked, &nonces, &eras);
        }
    }

    /// Waits for a load, and holds the lease meanwhile: as long as the load may still end.
    async fn while_renewing<T>(&self, lease: &Lease, loading: impl Future<Output = T>) -> T {
        self.while_renewing_all(vec![lease], loading).await
    }

    /// The same with all of these leases.
    pub(in crate::engine) async fn while_renewing_all<T>(
        &self,
        leases: Vec<&Lease>,
        loading: impl Future<Output = T>,
    ) -> T {
        let Some(second) = self.0.second.get().filter(|_| !leases.is_empty()) else { return loading.await };
        let renewing = async {
            loop {
                self.0.runtime.sleep(second.lease / 3).await;
                // One that is lost stays lost: what comes home is answered, and the store refuses it.
                join_all(leases.iter().map(|lease| {
                    lease.post.writes.go_on(lease.post.shard.renew(
                        lease.entry.id(),
                        lease.attempt,
                        second.lease,
                    ))
                }))
                .await;
            }
        };
        match select(std::pin::pin!(loading), std::pin::pin!(renewing)).await {
            Either::Left((loaded, _)) => loaded,
            Either::Right((never, _)) => never,
        }
    }

    /// What is to be stored of what a load brought home; `None`: nothing.
    fn record(
        &self,
        question: &Question,
        lease: &Lease,
        loaded: &Loaded,
        took: Took,
    ) -> Option<(Bytes, Duration)> {
        let form = question.rules.shared.as_ref()?;
        if !loaded.cacheable || loaded.withheld.is_some() {
            return None;
        }
        let policy = &question.rules.policy;
        if loaded.value.as_ref().is_some_and(|value| value.weight() > policy.item_bytes_max) {
            return None;
        }
        let ttl = if loaded.value.is_some() { policy.ttl } else { policy.negative_ttl };
        let ttl = policy.l2_ttl.map_or(ttl, |most| ttl.min(most));
        let (now, random) = (self.0.runtime.now(), self.0.runtime.random());
        let lifetime = crate::freshness::Lifetime::on_terms(policy, ttl, &loaded.terms, now, random);
        let fresh = lifetime.fresh_until - now;
        if fresh.is_zero() {
            return None;
        }
        let value = match &loaded.value {
            Some(value) => Some(form.codec.encode(value)?),
            None => None,
        };
        let post = &lease.post;
        let loaded_at = post.shard.server_millis();
        let digest = loaded.value.as_ref().map_or(0, Value::digest);
        let Took { load: took, before: asked_before } = took;
        let statistics = match lease.before {
            Some((before, at)) => {
                before.next(Duration::from_millis(loaded_at.saturating_sub(at)), digest, took)
            }
            None => Statistics::first(digest, took),
        };
        let stored = |deps: &[Held]| -> Option<Vec<StoredDep>> {
            deps.iter().map(|held| Some(StoredDep::new(held.marker, held.nonce?))).collect()
        };
        let record = Record {
            fill: Fill(self.0.runtime.random()),
            entry: lease.entry.id(),
            fingerprint: form.fingerprint,
            era: lease.attempt.era,
            loaded_at,
            asked_before,
            fresh,
            revalidate: lifetime.revalidate_until - lifetime.fresh_until,
            stand_in: lifetime.stand_in_until - lifetime.fresh_until,
            statistics,
            soft: stored(&lease.deps.soft)?,
            hard: stored(&lease.deps.hard)?,
            key: question.key.text().into(),
            version: loaded.value.as_ref().and_then(Value::version),
            value,
        };
        self.envelope(question, post, &record)
    }

    /// The bytes of a record, and for how long they are kept; `None` where they are too many.
    pub(super) fn envelope(
        &self,
        question: &Question,
        post: &Post,
        record: &Record,
    ) -> Option<(Bytes, Duration)> {
        let second = self.0.second.get().expect("there are shards");
        let form = question.rules.shared.as_ref()?;
        let nonce = || {
            let mut nonce = [0; 24];
            nonce
                .chunks_exact_mut(8)
                .for_each(|part| part.copy_from_slice(&self.0.runtime.random().to_be_bytes()));
            nonce
        };
        let seal = second.seal.as_ref().map(|keys| Seal { keys, nonce: nonce() });
        let bytes = record.encode(form.compressed, seal).filter(|bytes| bytes.len() <= ENTRY_BYTES_MAX)?;
        Some((bytes, keep(question, record.fresh, post.shard.capabilities().evicts)))
    }

    /// Stores what was loaded, and gives the lease back; for `alone` nobody is to wait for anybody who loads this key.
    async fn hand_in(
        &self,
        question: &Question,
        lease: &Lease,
        record: Option<(Bytes, Duration)>,
        alone: Option<Duration>,
    ) {
        let Lease { post, entry, attempt, .. } = lease;
        if let Some((envelope, keep)) = record {
            let store = Store { entry: entry.clone(), attempt: *attempt, envelope, keep };
            match post.writes.go_on(post.shard.store(store)).await {
                Ok(Stored::Kept | Stored::LeaseLost) => return,
                Err(failure) => {
                    let class = question.rules.space.class();
                    tracing::debug!(class, %failure, "an answer was not stored in the second tier");
                }
            }
        }
        // Where this fails the lease runs out.
        let _ = post.writes.go_on(post.shard.release(entry.id(), *attempt, alone)).await;
    }

    /// Ends a flight with what somebody else had loaded.
    pub(in crate::engine) fn land_found(
        &self,
        landing: Landing,
        entry: Entry,
        origin: Origin,
        is_kept: bool,
    ) {
        landing.found(entry, origin, |entry| is_kept.then(|| self.0.memory.put(entry)).flatten());
    }

    /// What is kept of what a load brought home, on whatever footing.
    pub(in crate::engine) fn entry_of(&self, question: &Question, draft: Draft) -> Entry {
        let Some(second) = self.0.second.get() else { return draft.under(question.key.as_bytes()) };
        let now = self.0.runtime.now();
        if draft.token.is_shared() {
            // All that it holds was asked for after every marker was.
            let ago = draft.load_took.saturating_add(draft.asked_before);
            let asked_at = Moment::ORIGIN + (now - (Moment::ORIGIN + ago));
            let until = second.check_again_at(&question.rules, now, asked_at);
            return draft.copy_under(question.key.as_bytes(), until);
        }
        let mut draft = draft;
        let own_end = draft.lifetime.fresh_until;
        // What is put, and takes the place of what was loaded without it, is kept no longer than that.
        let left = local_max(second).saturating_sub(draft.asked_before);
        draft.lifetime.fresh_until = own_end.min(now + left);
        // From then on it is as good as what is left from before the tier was away: answered labelled, and loaded behind.
        let stands_in = question.rules.policy.era != EraPolicy::Strict && question.hard_tags.is_empty();
        draft.lifetime.revalidate_until = if stands_in { own_end } else { draft.lifetime.fresh_until };
        // Never the short way, which does not see whether the tier is back: then others invalidate it unheard.
        draft.copy_under(question.key.as_bytes(), Moment::ORIGIN)
    }
}

impl Second {
    /// What these markers hold, and the eras of the shards that were asked.
    pub(super) async fn markers(
        &self,
        asked: &[Asked],
    ) -> Result<(Vec<Option<Nonce>>, Vec<Option<Era>>), Failure> {
        let parts = self.posts.iter().map(|post| async move {
            let (at, markers) = self.part(post, asked);
            if markers.is_empty() {
                return Ok((at, Vec::new(), None));
            }
            let checked = post.reads.go_on(post.shard.check(&markers)).await?;
            Ok((at, checked.markers, Some(checked.era)))
        });
        let mut nonces = vec![None; asked.len()];
        let mut eras = Vec::new();
        for part in join_all(parts).await {
            let (at, held, era): (Vec<usize>, Vec<Option<Nonce>>, _) = part?;
            at.into_iter().zip(held).for_each(|(at, nonce)| nonces[at] = nonce);
            eras.push(era);
        }
        Ok((nonces, eras))
    }
}

/// For how long the second tier keeps what is fresh for so long.
fn keep(question: &Question, fresh: Duration, evicts: bool) -> Duration {
    let policy = &question.rules.policy;
    let stand_in = if evicts { policy.stale_if_error.min(STAND_IN_MAX) } else { policy.stale_if_error };
    fresh + policy.stale_while_revalidate.max(stand_in)
}
