//! Asking the second tier before the source: one round trip.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};

use super::{COPY_MAX, Second, Ticket, is_strict, keeps_copies, post::Post};
use crate::{
    class::EraPolicy,
    dep::{Dep, DepKind},
    engine::{Engine, Question, Rules},
    freshness::{Freshness, judge},
    marker::{Asked, Token, Validity},
    memory::{Draft, Entry},
    outcome::Origin,
    runtime::Moment,
    tier::{
        EntryId, EntryName, Era, Failure, Fill, MarkerId, Nonce, Standing, UNTOLD_MAX,
        record::{Expected, Record, StoredDep},
    },
};

/// What the second tier has to say of a question.
pub(in crate::engine) enum Consulted {
    /// Here is the answer.
    Found(Proved),
    /// Here is what was the answer; whether it still is cannot be found out now.
    Suspect(Entry),
    /// It has none. What stands in for one, should it come to that, and how to go on.
    Missing(Option<Entry>, Ticket),
    /// There is none, or it is away: go on without.
    Away,
}

/// An answer out of the second tier, or out of memory and proved by it.
pub(in crate::engine) struct Proved {
    pub(in crate::engine) entry: Entry,
    pub(in crate::engine) origin: Origin,
    /// Whether it may be kept in memory.
    pub(in crate::engine) is_kept: bool,
    /// How to go on where it is to be replaced all the same.
    pub(in crate::engine) ticket: Ticket,
}

impl Proved {
    fn of_memory(held: &Entry) -> Self {
        let ticket = Ticket::default();
        Self { entry: held.clone(), origin: Origin::L1, is_kept: false, ticket }
    }

    /// Whether it was loaded after `moment`, and not merely dated a little later: the clock of its shard is not known to
    /// the millisecond.
    pub(in crate::engine) fn is_newer_than(&self, moment: Moment) -> bool {
        self.entry.lifetime().loaded_at > moment + CLOCK_SLACK
    }
}

/// How far apart two readings of one shard's clock may lie.
const CLOCK_SLACK: Duration = Duration::from_millis(100);

/// What was read in one round trip.
pub(super) struct Read {
    /// What the markers held that were asked for, in their order: of whatever era.
    pub(super) nonces: Vec<Option<Nonce>>,
    bucket: Option<Nonce>,
    pub(super) entry: Option<Bytes>,
    /// The era of every shard, in their order, where it is known.
    pub(super) eras: Vec<Option<Era>>,
}

/// What the deps of a question hold, as far as it is known.
pub(super) struct Deps {
    /// When it was asked what they hold: that was current then, or later.
    as_of: Moment,
    pub(super) soft: Vec<Held>,
    pub(super) hard: Vec<Held>,
}

/// What one of them holds.
pub(super) struct Held {
    pub(super) marker: MarkerId,
    pub(super) nonce: Option<Nonce>,
    /// The era of the marker's shard, where it is known.
    era: Option<Era>,
}

impl Engine {
    /// Asks the second tier, on behalf of whoever leads the flight whose load will depend on `token`. `held` is what is in
    /// memory.
    pub(in crate::engine) async fn consult(
        &self,
        question: &Question,
        token: &Token,
        held: Option<&Entry>,
    ) -> Consulted {
        let Some(second) = self.0.second.get().filter(|_| token.is_shared()) else { return Consulted::Away };
        second.rouse().await;
        let asked_at = self.0.runtime.now();
        let asks_for_all = self.asks_for_all(second, question);
        let asked = if asks_for_all { token.all_shared() } else { token.in_doubt() };
        let entry = second.entry(&question.rules, &question.key);
        // Read together with the entry, whether its copy is in doubt or not.
        let bucket = entry.as_ref().and_then(|_| token.bucket());
        let read = match second.read(question, entry.as_ref(), &asked).await {
            Ok(read) => read,
            Err(failure) => {
                tracing::debug!(class = question.rules.space.class(), %failure, "the second tier was not read");
                let is_answer = |held: &&Entry| {
                    matches!(held.judge(self.0.runtime.now()), Freshness::Fresh | Freshness::Revalidate)
                };
                let held = held.filter(is_answer);
                // Who insists is told by the source.
                return match held.filter(|_| !question.insists) {
                    Some(held) => self.unprovable(question, held.clone()),
                    None => Consulted::Away,
                };
            }
        };
        let is_agreed = self.take_in(&asked, &read.nonces, &read.eras)
            & bucket.is_none_or(|bucket| self.take_in(&[bucket], &[read.bucket], &read.eras));
        let deps = Deps::of(question, second, token, &asked, &read.nonces, &read.eras, asked_at);
        let now = self.0.runtime.now();
        let proved = held.filter(|held| {
            held.token().is_shared() && held.token().is_current() && held.judge(now) == Freshness::Fresh
        });
        // Some shard was away a moment ago, and a node that came back later may still have to tell it of an invalidation.
        let is_suspect = |held: &&Entry| second.is_suspect(asked_ago(held, now));
        let Some(entry) = entry.map(|entry| entry.id()) else {
            // Values of this class stay on this node; what they depend on does not.
            return match proved {
                Some(held) if is_suspect(&held) => self.unprovable(question, held.clone()),
                Some(held) if !second.is_told() => {
                    held.check_again_later(second.check_again_at(&question.rules, now, asked_at));
                    Consulted::Found(Proved::of_memory(held))
                }
                Some(held) => Consulted::Found(Proved::of_memory(held)),
                None => Consulted::Missing(held.cloned(), Ticket::default()),
            };
        };
        if let Some(held) = proved.filter(|held| now < held.check_again_at() && !is_suspect(held)) {
            return Consulted::Found(Proved::of_memory(held));
        }
        match read.entry {
            Some(bytes) => {
                let seen = Record::fill_of(&bytes);
                let era = read.eras[second.post_of_entry(entry).number];
                let judged =
                    era.and_then(|era| self.judge_stored(question, second, entry, &bytes, &deps, era, token));
                self.weigh(question, judged, held, seen, is_agreed)
            }
            None => Consulted::Missing(held.cloned(), Ticket::default()),
        }
    }

    /// Whether every marker is to be asked about, also those whose copies are not in doubt: those of a shard that does not
    /// tell of what changes are never doubted, and silence that proves nothing leaves every one in doubt.
    pub(super) fn asks_for_all(&self, second: &Second, question: &Question) -> bool {
        question.is_strict() || !second.is_told() || !self.0.markers.is_proved(self.0.runtime.now())
    }

    /// What becomes of an entry that the second tier holds.
    fn weigh(
        &self,
        question: &Question,
        judged: Option<Stored>,
        held: Option<&Entry>,
        seen: Option<Fill>,
        is_agreed: bool,
    ) -> Consulted {
        let Some(Stored { entry, freshness, is_suspect, statistics, loaded_at }) = judged else {
            return Consulted::Missing(held.cloned(), Ticket { seen, ..Ticket::default() });
        };
        let ticket = Ticket { seen, before: Some((statistics, loaded_at)) };
        if is_suspect && !question.hard_tags.is_empty() {
            return Consulted::Missing(None, ticket);
        }
        match (freshness, is_suspect, question.rules.policy.era) {
            (Freshness::Fresh, false, _) | (Freshness::Fresh, true, EraPolicy::Trust) => {
                Consulted::Found(Proved {
                    entry,
                    origin: Origin::L2,
                    is_kept: is_agreed && !is_suspect && keeps_copies(&question.rules),
                    ticket,
                })
            }
            (Freshness::Fresh, true, EraPolicy::Revalidate) | (Freshness::Revalidate, false, _) => {
                Consulted::Suspect(entry)
            }
            (Freshness::Dead, ..) => Consulted::Missing(held.cloned(), ticket),
            _ => Consulted::Missing(Some(entry), ticket),
        }
    }

    /// What becomes of an entry in memory that has been asked about for longer than asking takes, while somebody else loads
    /// it.
    pub(in crate::engine) fn unanswered(&self, question: &Question, held: Entry) -> Consulted {
        let (second, now) = (self.0.second.get(), self.0.runtime.now());
        let stands = held.token().is_shared() && self.0.markers.stand_by_at(held.token(), now);
        // Where nobody tells, that it is due is all that says that it may not stand any more.
        let may_be_suspect =
            second.is_none_or(|second| !second.is_told() || second.is_suspect(asked_ago(&held, now)));
        match held.judge(now) {
            // It was only due to be asked about.
            Freshness::Fresh if stands && !may_be_suspect => Consulted::Found(Proved::of_memory(&held)),
            _ => self.unprovable(question, held),
        }
    }

    /// What becomes of an entry in memory of which the second tier cannot say now whether it still holds.
    pub(in crate::engine) fn unprovable(&self, question: &Question, held: Entry) -> Consulted {
        // Nobody may see it unless it is certain.
        if !question.hard_tags.is_empty() {
            return Consulted::Missing(None, Ticket::default());
        }
        match (question.rules.policy.era, held.judge(self.0.runtime.now())) {
            (EraPolicy::Trust, Freshness::Fresh) => {
                Consulted::Found(Proved { origin: Origin::Local, ..Proved::of_memory(&held) })
            }
            // What is past its time is labelled and loaded, however much what it depends on is trusted.
            (EraPolicy::Trust | EraPolicy::Revalidate, _) => Consulted::Suspect(held),
            (EraPolicy::Strict, _) => Consulted::Missing(Some(held), Ticket::default()),
        }
    }

    /// Takes in what markers held, on shards that were of these eras. Whether the copies are of just that.
    pub(super) fn take_in(&self, asked: &[Asked], nonces: &[Option<Nonce>], eras: &[Option<Era>]) -> bool {
        let second = self.0.second.get().expect("markers are shared with it");
        let (shared, kills) = self.0.markers.shared().expect("a second tier shares markers");
        // All of them, whatever the first ones say.
        asked.iter().zip(nonces).fold(true, |agreed, (asked, nonce)| {
            // What was minted before a server may have gone back in time is as good as gone.
            let nonce = nonce.filter(|nonce| Some(nonce.era) == eras[second.post_of(asked.marker).number]);
            let was_relied_on = asked.nonce().is_some();
            let holds = shared.answer(kills, asked, nonce);
            if was_relied_on && !holds {
                // Another node has invalidated it: caches on the way to the source are to look again.
                self.0.trail.mark(asked.dep());
            }
            holds & agreed
        })
    }

    /// Opens what was stored, and judges it; `None`: it is nothing that could be answered with.
    #[expect(clippy::too_many_arguments, reason = "an entry is judged by everything that was read with it")]
    pub(super) fn judge_stored(
        &self,
        question: &Question,
        second: &Second,
        id: EntryId,
        bytes: &Bytes,
        deps: &Deps,
        era: Era,
        token: &Token,
    ) -> Option<Stored> {
        let form = question.rules.shared.as_ref()?;
        let expected = Expected { entry: id, fingerprint: form.fingerprint };
        let opened = Record::decode(bytes, &expected, second.seal.as_ref());
        let post = second.post_of_entry(id);
        let record = opened.inspect_err(|why| {
            post.counts.unreadable(why);
            tracing::warn!(class = question.rules.space.class(), %why, "an entry of the second tier is not used");
        });
        let record = record.ok()?;
        // A copy: what was read is a part of a larger buffer, which would stay as long as the value does.
        let value = record.value.as_deref().map(Bytes::copy_from_slice);
        let value = match value.map(|value| form.codec.decode(value)).transpose() {
            Ok(value) => value.map(|value| match record.version {
                Some(version) => value.with_version(version),
                None => value,
            }),
            Err(why) => {
                post.counts.unreadable(&why);
                tracing::warn!(class = question.rules.space.class(), %why, "a value of the second tier is not used");
                return None;
            }
        };
        let now = self.0.runtime.now();
        let lifetime = record.lifetime(now, post.shard.server_millis());
        let (validity, is_certain) = deps.standing(question, &record, era);
        let freshness = judge(&lifetime, validity, now);
        // What stood in as if it were current would be answered where the source is merely slow.
        let gone = question.soft_deps().next().filter(|_| validity == Validity::Broken);
        let token = gone.map_or_else(|| token.clone(), |dep| Token::ended(dep.clone()));
        let (load_took, asked_before) = (record.statistics.load_took, record.asked_before);
        let draft = Draft { value, token, lifetime, load_took, asked_before, changed: None };
        Some(Stored {
            entry: draft
                .copy_under(question.key.as_bytes(), second.check_again_at(&question.rules, now, deps.as_of)),
            freshness,
            is_suspect: !is_certain || post.is_suspect(record.asked_at()),
            statistics: record.statistics,
            loaded_at: record.loaded_at,
        })
    }
}

impl Stored {
    /// Whether it may be answered as fresh.
    pub(super) fn is_answer(&self) -> bool {
        self.freshness == Freshness::Fresh && !self.is_suspect
    }
}

/// An entry as the second tier holds it.
pub(super) struct Stored {
    pub(super) entry: Entry,
    pub(super) freshness: Freshness,
    pub(super) is_suspect: bool,
    pub(super) statistics: crate::tier::record::Statistics,
    pub(super) loaded_at: u64,
}

impl Second {
    /// Until when a copy in memory is answered without asking the second tier again, which was right at `as_of`.
    pub(super) fn check_again_at(&self, rules: &Rules, now: Moment, as_of: Moment) -> Moment {
        let until = match &rules.shared {
            _ if is_strict(rules) => Moment::ORIGIN,
            // Nobody else could have stored anything newer.
            None => Moment::NEVER,
            Some(_) => now + rules.policy.l1_ttl.unwrap_or(COPY_MAX),
        };
        // Not from now on: what has been invalidated since is heard of by nobody.
        if self.is_told() { until } else { until.min(as_of + UNTOLD_MAX) }
    }

    /// Reads markers and the entry, at every shard that has some of it, at once.
    pub(super) async fn read(
        &self,
        question: &Question,
        entry: Option<&EntryName>,
        asked: &[Asked],
    ) -> Result<Read, Failure> {
        if question.is_strict() { self.check(entry, asked).await } else { self.look(entry, asked).await }
    }

    /// Reads what was current a moment ago.
    async fn look(&self, entry: Option<&EntryName>, asked: &[Asked]) -> Result<Read, Failure> {
        let home = entry.map_or(&self.posts[0], |entry| self.post_of_entry(entry.id()));
        // Read before the question is asked: one that is answered by a later era is judged by the earlier.
        let mut eras = self.eras();
        if eras[home.number].is_none() {
            return Err(Failure::OtherEra);
        }
        let mut nonces = vec![None; asked.len()];
        let parts = self.posts.iter().map(|post| async move {
            let (at, markers) = self.part(post, asked);
            match entry.filter(|_| post.number == home.number) {
                Some(entry) => {
                    let looked = post.reads.call(post.shard.look(entry, &markers)).await?;
                    Ok((at, looked.markers, None, Some((looked.bucket, looked.entry))))
                }
                None if markers.is_empty() => Ok((at, Vec::new(), None, None)),
                None => {
                    let checked = post.reads.call(post.shard.check(&markers)).await?;
                    Ok((at, checked.markers, Some(checked.era), None))
                }
            }
        });
        let (mut bucket, mut bytes) = (None, None);
        for (era, part) in eras.iter_mut().zip(all(parts).await) {
            let (at, held, checked, found): (Vec<usize>, _, _, _) = part?;
            at.into_iter().zip(held).for_each(|(at, nonce)| nonces[at] = nonce);
            *era = checked.or(*era);
            (bucket, bytes) = found.unwrap_or((bucket, bytes));
        }
        Ok(Read { nonces, bucket, entry: bytes, eras })
    }

    /// Reads what is current, at the primary of its era and with enough replicas behind it.
    async fn check(&self, entry: Option<&EntryName>, asked: &[Asked]) -> Result<Read, Failure> {
        let mut nonces = vec![None; asked.len()];
        let parts = self.posts.iter().map(|post| async move {
            let (at, markers) = self.part(post, asked);
            let here = entry.filter(|entry| self.post_of_entry(entry.id()).number == post.number);
            if markers.is_empty() && here.is_none() {
                return Ok((at, None, None));
            }
            let check = post.reads.call(post.shard.check(&markers));
            let Some(entry) = here else { return Ok((at, Some(check.await?), None)) };
            // The entry first: what a failover between the two has brought back is then of another era than the check says.
            let (looked, checked) = join(post.reads.call(post.shard.look(entry, &[])), check).await;
            Ok((at, Some(checked?), Some(looked?)))
        });
        let (mut bucket, mut bytes) = (None, None);
        let mut eras = vec![None; self.posts.len()];
        for (era, part) in eras.iter_mut().zip(all(parts).await) {
            let (at, checked, looked) = part?;
            if let Some(checked) = checked {
                if checked.good_replicas < self.good_replicas_min {
                    return Err(Failure::OtherEra);
                }
                *era = Some(checked.era);
                at.into_iter().zip(checked.markers).for_each(|(at, nonce)| nonces[at] = nonce);
            }
            if let Some(looked) = looked {
                (bucket, bytes) = (looked.bucket, looked.entry);
            }
        }
        Ok(Read { nonces, bucket, entry: bytes, eras })
    }

    /// Whether that for which the source was asked so long ago is suspect at any shard.
    fn is_suspect(&self, age: Duration) -> bool {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.posts.iter().any(|post| post.is_suspect(post.shard.server_millis().saturating_sub(age)))
    }

    /// The markers of those that are asked about which lie on this shard, and where in the list they stand.
    pub(super) fn part(&self, post: &Post, asked: &[Asked]) -> (Vec<usize>, Vec<MarkerId>) {
        let here = asked.iter().enumerate();
        here.filter(|(_, asked)| self.post_of(asked.marker).number == post.number)
            .map(|(at, asked)| (at, asked.marker))
            .unzip()
    }
}

impl Deps {
    /// What the deps of `question` hold: what has just been read of shards of these eras, else what the copies of `token`
    /// are of.
    pub(super) fn of(
        question: &Question,
        second: &Second,
        token: &Token,
        asked: &[Asked],
        nonces: &[Option<Nonce>],
        eras: &[Option<Era>],
        as_of: Moment,
    ) -> Self {
        let held = |(dep, (marker, copied)): (&Dep, (MarkerId, Option<Nonce>))| {
            debug_assert_eq!(second.names.marker(dep), marker, "what was captured stands in this order");
            let read = asked.iter().position(|asked| asked.marker == marker);
            let nonce = read.map_or(copied, |at| nonces[at]);
            Held { marker, nonce, era: eras[second.post_of(marker).number] }
        };
        // In the order in which they were captured: the deps that are soft, the bucket, those that are hard.
        let soft_count = question.soft_deps().count();
        Self {
            as_of,
            soft: question.soft_deps().zip(token.copied()).map(held).collect(),
            hard: question.hard_tags.iter().zip(token.copied().skip(soft_count + 1)).map(held).collect(),
        }
    }

    /// Whether what a stored entry depends on certainly stands, as far as these are part of it.
    pub(super) fn are_certain(&self, record: &Record, era: Era) -> bool {
        let of = |held: &[Held], stored: &[StoredDep]| {
            held.iter().all(|held| held.standing(stored) == Standing::Certain)
        };
        Standing::of_entry(record.era, era) == Standing::Certain
            && of(&self.soft, &record.soft)
            && of(&self.hard, &record.hard)
    }

    /// Whether what a stored entry depends on still stands, and whether that is certain.
    fn standing(&self, question: &Question, record: &Record, era: Era) -> (Validity, bool) {
        let own = Standing::of_entry(record.era, era);
        let stand = |stored: &[StoredDep], deps: &[Held]| match stored.len() == deps.len() {
            true => deps.iter().map(|held| held.standing(stored)).min().unwrap_or(Standing::Certain),
            false => Standing::Gone,
        };
        let (soft, hard) = (stand(&record.soft, &self.soft), stand(&record.hard, &self.hard));
        let is_certain = ![own, soft, hard].contains(&Standing::Perhaps);
        // Nobody may see it unless it is certain.
        if !record.hard.is_empty() && hard.min(own) < Standing::Certain || hard == Standing::Gone {
            return (Validity::BrokenForGood, is_certain);
        }
        // Who names a key says that its entry is wrong.
        let is_named = question.soft_deps().any(|dep| dep.kind() == DepKind::Key);
        match soft {
            Standing::Perhaps | Standing::Certain => (Validity::Current, is_certain),
            Standing::Gone if is_named => (Validity::BrokenForGood, is_certain),
            Standing::Gone => (Validity::Broken, is_certain),
        }
    }
}

impl Held {
    fn standing(&self, stored: &[StoredDep]) -> Standing {
        let stored = stored.iter().find(|stored| stored.is_of(self.marker)).map(|stored| stored.nonce);
        self.era.map_or(Standing::Gone, |era| Standing::of_dep(stored, self.nonce, era))
    }
}

/// What all of them come to, which are made at once. Nearly always there is one, which needs no company.
async fn all<T, F: Future<Output = T>>(parts: impl ExactSizeIterator<Item = F>) -> Vec<T> {
    let mut parts = parts;
    match parts.len() {
        1 => vec![parts.next().expect("there is one").await],
        _ => join_all(parts).await,
    }
}

/// How long ago the source was asked for this. What it said may be as old as that, however late it came home.
fn asked_ago(held: &Entry, now: Moment) -> Duration {
    (now - held.lifetime().loaded_at).saturating_add(held.asked_for())
}

/// How long a wait for the lease of another node lasts at most before it is looked at again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);
