//! The path of a read.

use std::{future::Future, time::Duration};

use futures_util::future::{Either, select};

use super::{
    Engine, Learned, Loaded, Mode, Question, Rules,
    join::Joined,
    load::{Before, Load},
    second::{Consulted, Proved, Ticket},
};
use crate::{
    error::{Error, Kind, Retry, catalogue},
    figures::Count,
    flight::{Landed, Look, Settled, Turn, Unsettled},
    freshness::{Freshness, refresh_ahead},
    guard::Urgency,
    key::Key,
    marker::Break,
    memory::Entry,
    outcome::{Besides, MissReason, Origin, Outcome, Shared, StaleReason},
    runtime::Moment,
    tier::HORIZON,
    value::Value,
};

/// What the memory knows of a key.
pub(super) enum Found {
    /// An answer.
    Fresh(Entry),
    /// An answer that is to be refreshed.
    Revalidate(Entry),
    /// What is an answer if the second tier says that nothing has been invalidated since.
    Unproved(Entry),
    /// No answer, why, and what perhaps may stand in for one, should it come to that.
    Missing(MissReason, Option<Entry>),
}

impl Engine {
    /// Answers with a fresh entry, or not at all: never asks a source.
    #[must_use]
    #[inline]
    pub fn get(&self, question: &Question) -> Option<Outcome> {
        if let Some(outcome) = self.hit_of(question) {
            return Some(outcome);
        }
        self.get_at_length(question)
    }

    /// The short way, for a question that may take it.
    #[inline(always)]
    fn hit_of(&self, question: &Question) -> Option<Outcome> {
        if question.mode != Mode::Normal || question.insists {
            return None;
        }
        self.hit(&question.rules, question.key.as_bytes(), self.0.runtime.coarse())
    }

    #[cold]
    #[inline(never)]
    fn get_at_length(&self, question: &Question) -> Option<Outcome> {
        let now = self.0.runtime.now();
        match self.look(question, now) {
            Found::Fresh(entry) => Some(self.hit_out_of_memory(&question.rules, entry, now)),
            Found::Revalidate(_) | Found::Unproved(_) => {
                question.rules.counters.miss(&MissReason::Expired);
                None
            }
            Found::Missing(reason, _) => {
                question.rules.counters.miss(&reason);
                None
            }
        }
    }

    /// What is held under a key, whatever its state: to ask a source whether it has changed, never to answer with.
    #[must_use]
    pub fn held(&self, key: &Key) -> Option<Shared<Value>> {
        Shared::of(self.0.memory.get(key.as_bytes())?)
    }

    /// Answers from memory, or by `load`, once for everyone who asks meanwhile.
    ///
    /// `load` is told whether caches on the way to the source must be asked to look again. It runs in a task of its
    /// own.
    ///
    /// # Errors
    /// What the load failed with, where nothing may stand in: its own error, `Timeout` after the class's hard limit,
    /// `Internal` when it panicked, `Unavailable` or `Overloaded` when the guard of its source let nobody through,
    /// `Closed` once the engine is.
    ///
    /// # Cancellation
    /// A caller that goes away neither ends the load nor keeps its value from being stored.
    pub async fn get_or_fetch<F>(
        &self,
        question: &Question,
        load: impl FnOnce(bool) -> F + Send + 'static,
    ) -> Result<Outcome, Error>
    where
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        self.answer_or_load(question, || Load::new(load)).await
    }

    /// The same with a load that must learn something `first`, such as the answer to another question: `first` ends in
    /// the load, or in what it would bring home. It runs where the load does, after everything that the answer depends on
    /// has been captured, and before the load takes a place at its source. Its time is its own; where it fails, the load
    /// has.
    ///
    /// # Errors
    /// As of [`get_or_fetch`](Engine::get_or_fetch), and what `first` failed with.
    ///
    /// # Cancellation
    /// A caller that goes away ends neither.
    pub async fn get_or_fetch_after<L, F>(
        &self,
        question: &Question,
        first: impl Future<Output = Result<Learned<L>, Error>> + Send + 'static,
    ) -> Result<Outcome, Error>
    where
        L: FnOnce(bool) -> F + Send + 'static,
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        self.answer_or_load(question, || Load::after(first)).await
    }

    async fn answer_or_load(
        &self,
        question: &Question,
        load: impl FnOnce() -> Load,
    ) -> Result<Outcome, Error> {
        if let Some(outcome) = self.hit_of(question) {
            return Ok(outcome);
        }
        // In a box of its own, so that a hit moves nothing of it about.
        Box::pin(self.read(question, load())).await
    }

    /// The long way of a read.
    async fn read(&self, question: &Question, load: Load) -> Result<Outcome, Error> {
        let now = self.0.runtime.now();
        let (mut reason, spare) = match self.look(question, now) {
            Found::Fresh(entry) => {
                if self.is_due_ahead(question, &entry, now) {
                    self.revalidate(question, load, Some(&entry));
                }
                return Ok(self.hit_out_of_memory(&question.rules, entry, now));
            }
            Found::Revalidate(entry) => {
                self.revalidate(question, load, None);
                return Ok(self.hit_out_of_memory(&question.rules, entry, now));
            }
            // Who insists is told by the source.
            Found::Unproved(entry) if self.is_away(question) && !question.insists => {
                match self.unprovable(question, entry) {
                    Consulted::Found(found) => {
                        return Ok(proved(&question.rules, found.entry, now, found.origin));
                    }
                    Consulted::Suspect(entry) => return Ok(self.answer_suspect(question, load, entry, now)),
                    Consulted::Missing(spare, _) => (MissReason::Expired, spare),
                    Consulted::Away => (MissReason::Expired, None),
                }
            }
            Found::Unproved(entry) => (MissReason::Expired, Some(entry)),
            Found::Missing(reason, spare) => (reason, spare),
        };
        let mut spare = spare;
        let (mut has_joined, mut was_given_up) = (false, false);
        let waited = loop {
            match self.turn(question) {
                Turn::Hit(entry) => {
                    return Ok(self.hit_out_of_memory(&question.rules, entry, self.0.runtime.now()));
                }
                Turn::Lead(landing, landed) => {
                    reason = reason.after(landing.follows_failure());
                    let ticket = match self.consult(question, landing.token(), spare.as_ref()).await {
                        Consulted::Found(found) if question.mode == Mode::Refresh => found.ticket,
                        Consulted::Found(Proved { entry, origin, is_kept, .. }) => {
                            // This caller need not be told.
                            drop(landed);
                            self.land_found(landing, entry.clone(), origin, is_kept);
                            return Ok(proved(&question.rules, entry, self.0.runtime.now(), origin));
                        }
                        Consulted::Suspect(entry) if question.mode == Mode::Normal && !question.insists => {
                            // Those who wait look for themselves.
                            landing.give_up(&unproved());
                            return Ok(self.answer_suspect(question, load, entry, self.0.runtime.now()));
                        }
                        Consulted::Missing(stored, ticket) => {
                            spare = stored.or(spare);
                            ticket
                        }
                        Consulted::Suspect(_) | Consulted::Away => Ticket::default(),
                    };
                    let before = Before::Consulted(ticket);
                    let urgency = match spare.as_ref().map(|spare| self.judge_now(spare)) {
                        None | Some(Freshness::Dead) => Urgency::Foreground,
                        Some(_) => Urgency::Spared,
                    };
                    self.launch(question.clone(), landing, load, urgency, before);
                    break Waited::of(self.wait(question, landed, spare.as_ref(), false).await, false);
                }
                Turn::Join(landed) => {
                    if !has_joined {
                        question.rules.counters.increment(Count::Collapsed);
                    }
                    let waited = match self.join(question, landed, spare.as_ref()).await {
                        Joined::Landed(waited) => waited,
                        Joined::InMemory(held) => return Ok(self.answer_held(question, load, held)),
                    };
                    match waited {
                        // What is joined next has begun since.
                        Ok(Some(settled)) if !self.knows_enough(question, &settled, now) => has_joined = true,
                        // It may not be shared after all: this caller asks for itself.
                        Ok(Some(settled)) if settled.private => {
                            break Waited::of(self.load_alone(question, load).await.map(Some), false);
                        }
                        // Of those who waited one leads now, and the others join that. Once: whoever gives up again
                        // and again is not waited for.
                        Err(unsettled) if unsettled.concerns_nobody && was_given_up => {
                            break Waited::of(self.load_alone(question, load).await.map(Some), false);
                        }
                        Err(unsettled) if unsettled.concerns_nobody => {
                            // Whoever led may have answered with what perhaps still holds: so does this one, instead of
                            // waiting for what is loaded behind both.
                            if let Some(held) = self.answer_in_memory(question) {
                                return Ok(self.answer_held(question, load, held));
                            }
                            (has_joined, was_given_up) = (true, true);
                        }
                        other => break Waited::of(other, true),
                    }
                }
                Turn::Rest(error, pause) => {
                    reason = reason.after(true);
                    break Waited::of(Err(resting(error, pause)), false);
                }
                Turn::Alone => break Waited::of(self.load_alone(question, load).await.map(Some), false),
            }
        };
        self.answer(question, waited, reason, spare)
    }

    /// An answer out of the memory.
    pub(super) fn hit_out_of_memory(&self, rules: &Rules, entry: Entry, now: Moment) -> Outcome {
        let is_local = self.0.second.get().is_some() && !entry.token().is_shared();
        match (is_local, now < entry.lifetime().fresh_until) {
            (true, true) => proved(rules, entry, now, Origin::Local),
            (true, false) => {
                rules.counters.stale(StaleReason::Unproved);
                stale(entry, now, None, StaleReason::Unproved, false)
            }
            (false, _) => hit(rules, entry, now),
        }
    }

    /// Looks in the memory and judges what is there.
    pub(super) fn look(&self, question: &Question, now: Moment) -> Found {
        let Some(entry) = self.0.memory.get(question.key.as_bytes()) else {
            let reason = match question.mode {
                Mode::Normal => self.0.removals.reason(&question.key, question.rules.space.namespace()),
                Mode::Refresh | Mode::Bypass => MissReason::Bypass,
            };
            return Found::Missing(reason, None);
        };
        let freshness = entry.judge(now);
        if question.mode == Mode::Normal && matches!(freshness, Freshness::Fresh | Freshness::Revalidate) {
            if self.is_unproved(question, &entry, now) {
                return Found::Unproved(entry);
            }
            if freshness == Freshness::Fresh {
                return Found::Fresh(entry);
            }
        }
        let reason = match (question.mode, entry.token().broken_by()) {
            (Mode::Refresh | Mode::Bypass, _) => MissReason::Bypass,
            (Mode::Normal, Some(Break::Invalidated(dep))) => MissReason::Invalidated(dep.clone()),
            (Mode::Normal, Some(Break::PushedOut(_))) => MissReason::Evicted,
            (Mode::Normal, None) => MissReason::Expired,
        };
        match (freshness, question.mode) {
            (Freshness::Revalidate, Mode::Normal) => Found::Revalidate(entry),
            // Whoever asks past the cache is not answered out of it, whatever becomes of the source.
            (_, Mode::Bypass) => Found::Missing(reason, None),
            _ => Found::Missing(reason, Some(entry)),
        }
    }

    pub(super) fn turn(&self, question: &Question) -> Turn {
        self.turn_unless_fresh(question, None)
    }

    /// A turn at the flight of the key. None is needed where there is a fresh entry, other than `ahead`.
    pub(super) fn turn_unless_fresh(&self, question: &Question, ahead: Option<&Entry>) -> Turn {
        if question.mode == Mode::Bypass {
            return Turn::Alone;
        }
        let look = || match self.look(question, self.0.runtime.now()) {
            Found::Fresh(entry) if ahead.is_some_and(|ahead| ahead.is(&entry)) => Look::Missing(Some(entry)),
            Found::Fresh(entry) => Look::Fresh(entry),
            Found::Revalidate(entry) | Found::Unproved(entry) => Look::Missing(Some(entry)),
            Found::Missing(_, entry) => Look::Missing(entry),
        };
        let capture = || self.capture(question);
        // A load that is under way may have asked its source before the change that must be seen.
        let is_forced = question.mode == Mode::Refresh || question.insists;
        self.0.flights.ask(&question.key, is_forced, look, capture)
    }

    /// Whether a fresh entry that has just been hit is to be refreshed before its time is over.
    fn is_due_ahead(&self, question: &Question, entry: &Entry, now: Moment) -> bool {
        let hits = entry.count_hit(now);
        question.rules.policy.refresh_ahead
            && refresh_ahead(&entry.lifetime(), entry.ahead(), hits, now, || self.0.runtime.random())
    }

    /// Refreshes behind the caller's back, unless somebody already does, or has. `ahead` is the entry that is to be
    /// replaced although it is still fresh.
    fn revalidate(&self, question: &Question, load: Load, ahead: Option<&Entry>) {
        if let Turn::Lead(landing, _) = self.turn_unless_fresh(question, ahead) {
            let before = Before::Nothing(ahead.map(|ahead| ahead.lifetime().loaded_at));
            self.launch(question.clone(), landing, load, Urgency::Background, before);
        }
    }

    /// Answers with what perhaps still holds, labelled, and loads it behind the caller's back.
    pub(super) fn answer_suspect(
        &self,
        question: &Question,
        load: Load,
        entry: Entry,
        now: Moment,
    ) -> Outcome {
        question.rules.counters.stale(StaleReason::Unproved);
        self.revalidate(question, load, Some(&entry));
        stale(entry, now, None, StaleReason::Unproved, false)
    }

    /// Waits for a load, which another caller leads if this one `has_joined`; at most until the soft limit where something can
    /// stand in by then. `None`: it was too slow.
    pub(super) async fn wait(
        &self,
        question: &Question,
        mut landed: Landed,
        spare: Option<&Entry>,
        has_joined: bool,
    ) -> Result<Option<Settled>, Unsettled> {
        let landing = std::pin::pin!(async move {
            // The one who leads waits on where those who joined are sent away.
            let is_end = |end: &Option<Result<Settled, Unsettled>>| match end {
                Some(Err(unsettled)) => has_joined || !unsettled.goes_on,
                end => end.is_some(),
            };
            match landed.wait_for(is_end).await {
                Ok(result) => result.clone().expect("it has just been checked").map(Some),
                Err(_) => {
                    let error = Error::new(&catalogue::CLOSED, "the load was given up");
                    Err(Unsettled { error, concerns_nobody: true, goes_on: false })
                }
            }
        });
        // Whoever asks for the source waits for it.
        let stands_in = |spare: &&Entry| question.mode == Mode::Normal && self.may_stand_in(question, spare);
        let Some(spare) = spare.filter(stands_in) else { return landing.await };
        let limit = self.0.runtime.sleep(question.rules.policy.soft_timeout);
        match select(landing, limit).await {
            Either::Left((result, _)) => result,
            // Judged now: it may have been invalidated, or have gone beyond its limit, since the caller looked.
            Either::Right((_, landing)) if !self.may_stand_in(question, spare) => landing.await,
            Either::Right((_, landing)) => match self.judge_now(spare) {
                Freshness::Fresh | Freshness::Revalidate | Freshness::StandIn => Ok(None),
                Freshness::LastResort | Freshness::Dead => landing.await,
            },
        }
    }

    pub(super) fn answer(
        &self,
        question: &Question,
        waited: Waited,
        reason: MissReason,
        spare: Option<Entry>,
    ) -> Result<Outcome, Error> {
        let counters = &question.rules.counters;
        let Waited { result, collapsed } = waited;
        let now = self.0.runtime.now();
        let (why, error) = match result {
            Ok(Some(Settled { entry, not_stored, origin: Origin::Source, .. })) => {
                counters.miss(&reason);
                let (miss, stale) = (Some(reason), None);
                let besides = Besides { origin: Origin::Source, miss, stale, collapsed, not_stored };
                return Ok(Outcome::besides(entry, now, besides));
            }
            // It was there all the time.
            Ok(Some(Settled { entry, origin, .. })) => {
                return Ok(proved(&question.rules, entry, now, origin));
            }
            Ok(None) => (StaleReason::SoftTimeout, None),
            Err(error) => (StaleReason::SourceError, Some(error)),
        };
        counters.miss(&reason);
        let spare = spare.filter(|spare| match &error {
            // Judged when the wait ended, a moment ago.
            None => true,
            Some(error) => {
                may_stand_in_for(error)
                    && self.judge_now(spare) != Freshness::Dead
                    && self.may_stand_in(question, spare)
            }
        });
        match (spare, error) {
            (Some(entry), _) => {
                counters.stale(why);
                Ok(stale(entry, now, Some(reason), why, collapsed))
            }
            (None, Some(error)) => {
                counters.increment(Count::Errors);
                Err(error)
            }
            (None, None) => unreachable!("only a wait with something to stand in ends early"),
        }
    }

    /// Whether what another caller's load has brought home may answer a reader who came at `came`. Other nodes may have
    /// invalidated since it began what the reader must know of, and this one may not have heard of it.
    ///
    /// ```text
    ///   caller A            source          another node         caller B
    ///   leads, asks    →    old
    ///                                       changes it, invalidates: applied
    ///                                                            strict, joins A
    ///   lands: old                                               old?
    /// ```
    pub(super) fn knows_enough(&self, question: &Question, settled: &Settled, came: Moment) -> bool {
        let slack = if question.is_strict() { Duration::ZERO } else { HORIZON };
        self.0.second.get().is_none() || came <= settled.began + slack
    }

    /// Whether an entry may stand in for what a source does not answer: not where its hard tags cannot be proved.
    fn may_stand_in(&self, question: &Question, spare: &Entry) -> bool {
        let is_certain = || self.0.markers.stand_by_at(spare.token(), self.0.runtime.now());
        self.0.second.get().is_none() || question.hard_tags.is_empty() || is_certain()
    }

    fn judge_now(&self, entry: &Entry) -> Freshness {
        entry.judge(self.0.runtime.now())
    }
}

/// How a caller's wait ended.
pub(super) struct Waited {
    /// `None`: the load was too slow, and something stands in.
    result: Result<Option<Settled>, Error>,
    /// Whether the load was led by another caller.
    collapsed: bool,
}

impl Waited {
    pub(super) fn of(result: Result<Option<Settled>, impl Into<Error>>, collapsed: bool) -> Self {
        Self { result: result.map_err(Into::into), collapsed }
    }
}

/// An answer that the second tier has given, or has proved.
pub(super) fn proved(rules: &Rules, entry: Entry, now: Moment, origin: Origin) -> Outcome {
    rules.counters.increment(Count::Hits);
    match origin {
        Origin::L2 => rules.counters.increment(Count::L2Hits),
        Origin::Local => rules.counters.increment(Count::LocalHits),
        Origin::L1 | Origin::Source | Origin::Stale => {}
    }
    let besides = Besides { origin, miss: None, stale: None, collapsed: false, not_stored: None };
    Outcome::besides(entry, now, besides)
}

/// Why a flight was given up that nobody needs.
fn unproved() -> Error {
    Error::new(&catalogue::CLOSED, "it is loaded behind the callers' backs")
}

/// The failure that a key rests after, as whoever comes meanwhile hears it.
pub(super) fn resting(error: Error, pause: Duration) -> Error {
    match error.retry() {
        Retry::Never => error,
        Retry::After(_) => error.retry_after(pause),
    }
}

/// An answer that nobody else need be asked about.
fn hit(rules: &Rules, entry: Entry, now: Moment) -> Outcome {
    let Rules { counters, policy, .. } = rules;
    counters.increment(Count::Hits);
    if let Some(age_max) = policy.sliding_max {
        entry.slide(now, age_max);
    }
    if now < entry.lifetime().fresh_until {
        return Outcome::fresh(entry, now);
    }
    counters.stale(StaleReason::Revalidating);
    stale(entry, now, None, StaleReason::Revalidating, false)
}

/// Whether an entry past its time may be answered instead of this error: the source could not be asked or did not
/// answer. A source that says "no" is answered as it said.
fn may_stand_in_for(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Invalid | Kind::Denied)
}

fn stale(entry: Entry, now: Moment, miss: Option<MissReason>, why: StaleReason, collapsed: bool) -> Outcome {
    let (origin, stale) = (Origin::Stale, Some(why));
    Outcome::besides(entry, now, Besides { origin, miss, stale, collapsed, not_stored: None })
}
