//! One load: through the guard, within its time, home into the memory.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::{
    FutureExt,
    future::{Either, select},
};

use super::{
    Engine, Mode, Question, Rules,
    second::{Consulted, Proved, Ticket},
};
use crate::{
    error::{Error, Retry, catalogue},
    figures::Count,
    flight::{Landing, Settled},
    freshness::Lifetime,
    guard::{Permit, Urgency},
    marker::Token,
    memory::Draft,
    outcome::{NotStored, Origin},
    runtime::{BoxFuture, Moment},
    source::Terms,
    value::Value,
};

/// What a load brought home.
#[derive(Debug)]
pub struct Loaded {
    /// The value; `None`: the source knows that there is no such thing.
    pub value: Option<Value>,
    /// Whether it may be shared and kept.
    pub cacheable: bool,
    /// Why it is not to be kept although it may be shared; `None`: nothing speaks against it. Whoever is answered with it
    /// hears this, whatever else would have kept it from being kept.
    pub withheld: Option<NotStored>,
    /// How long it holds, where that is not for its class alone to say.
    pub terms: Terms,
}

impl Loaded {
    /// A value that may be kept.
    #[must_use]
    pub fn found(value: Value) -> Self {
        Self { value: Some(value), ..Self::absent() }
    }

    /// There is no such thing, and that may be kept.
    #[must_use]
    pub fn absent() -> Self {
        Self { value: None, cacheable: true, withheld: None, terms: Terms::default() }
    }
}

/// What a load that had to learn something first has learned.
pub enum Learned<L> {
    /// What to ask the source.
    Ask(L),
    /// The answer: there is nothing left to ask.
    Known(Loaded),
}

/// A load that has not begun.
pub(super) enum Load {
    /// Asks its source.
    Ask(Ask),
    /// Must learn something first. Other keys may be loaded for that, perhaps from the same source: so it happens
    /// before there is a place at the source, since whoever held one while it waits for another could wait for itself.
    After(BoxFuture<'static, Result<Learned<Ask>, Error>>),
}

/// What has been done for a load before it is launched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    /// The second tier has been asked, or there is none.
    Consulted(Ticket),
    /// Nothing. What is to be replaced, if anything, was loaded at this moment: only what is newer is an answer.
    Nothing(Option<Moment>),
}

/// How the leader of a flight came to a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Led {
    /// The second tier had it.
    Found,
    /// By loading it. Why it was not kept, if it was not.
    Loaded(Option<NotStored>),
}

/// Asks the source. Told whether caches on the way must be asked to look again.
pub(super) type Ask = Box<dyn FnOnce(bool) -> BoxFuture<'static, Result<Loaded, Error>> + Send>;

/// How long it took to come by what a load brought home.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    /// To ask the source: what a refresh ahead and statistics go by.
    pub(super) load: Duration,
    /// Before that, since something of it was asked for: what the load had to learn first may be as old as that.
    pub(super) before: Duration,
}

impl From<Duration> for Took {
    fn from(load: Duration) -> Self {
        Self { load, before: Duration::ZERO }
    }
}

impl Load {
    pub(super) fn new<F>(load: impl FnOnce(bool) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        Self::Ask(boxed(load))
    }

    pub(super) fn after<L, F>(first: impl Future<Output = Result<Learned<L>, Error>> + Send + 'static) -> Self
    where
        L: FnOnce(bool) -> F + Send + 'static,
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        Self::After(Box::pin(async move {
            Ok(match first.await? {
                Learned::Ask(load) => Learned::Ask(boxed(load)),
                Learned::Known(loaded) => Learned::Known(loaded),
            })
        }))
    }
}

fn boxed<F>(load: impl FnOnce(bool) -> F + Send + 'static) -> Ask
where
    F: Future<Output = Result<Loaded, Error>> + Send + 'static,
{
    Box::new(|no_cache| Box::pin(load(no_cache)))
}

impl Engine {
    /// Loads in a task of its own, as the leader of a flight.
    pub(super) fn launch(
        &self,
        question: Question,
        landing: Landing,
        load: Load,
        urgency: Urgency,
        before: Before,
    ) {
        let work = match self.0.running.enter() {
            Ok(work) => work,
            Err(closed) => return landing.fail(&closed, false),
        };
        let no_cache = self.must_look_again(&question);
        let engine = self.clone();
        self.0.runtime.spawn(Box::pin(async move {
            let run = || engine.run(&question.rules, urgency, load, no_cache);
            // Those who wait hear how it ended.
            let _ = engine.lead(&question, landing, urgency, before, run).await;
            drop(work);
        }));
    }

    /// Loads as the leader of a flight, on whatever its answer depends on.
    pub(super) async fn lead<F>(
        &self,
        question: &Question,
        mut landing: Landing,
        urgency: Urgency,
        before: Before,
        load: impl FnOnce() -> F,
    ) -> Result<Led, Error>
    where
        F: Future<Output = Result<(Loaded, Took), Failure>>,
    {
        if let Some(second) = self.0.second.get().filter(|_| !landing.token().is_shared()) {
            second.rouse().await;
            // The second tier may have come back since the flight began.
            if !self.is_away(question) {
                landing.stand_on(self.capture(question));
            }
        }
        if !landing.token().is_shared() {
            let why = self.withheld_locally(question, &landing);
            let loaded = load().await;
            return self.end_load(question, landing, urgency, loaded, why);
        }
        let ticket = match before {
            Before::Consulted(ticket) => ticket,
            Before::Nothing(held) => match self.consult(question, landing.token(), None).await {
                Consulted::Found(found) if held.is_none_or(|held| found.is_newer_than(held)) => {
                    self.land_found(landing, found.entry, found.origin, found.is_kept);
                    return Ok(Led::Found);
                }
                Consulted::Found(Proved { ticket, .. }) | Consulted::Missing(_, ticket) => ticket,
                Consulted::Suspect(_) | Consulted::Away => Ticket::default(),
            },
        };
        self.fill(question, landing, urgency, ticket, load).await
    }

    /// Ends a flight with what was loaded; `withheld` is why that may not be kept, if so.
    pub(super) fn end_load(
        &self,
        question: &Question,
        landing: Landing,
        urgency: Urgency,
        loaded: Result<(Loaded, Took), Failure>,
        withheld: Option<NotStored>,
    ) -> Result<Led, Error> {
        match loaded {
            Ok((loaded, took)) => {
                let withheld = loaded.withheld.or(withheld);
                Ok(Led::Loaded(self.land(question, landing, Loaded { withheld, ..loaded }, took)))
            }
            Err(failure) => {
                failure.land(landing, urgency);
                Err(failure.error)
            }
        }
    }

    /// Loads for one caller only; nothing is shared, nothing is kept. The load ends when the caller goes away.
    pub(super) async fn load_alone(&self, question: &Question, load: Load) -> Result<Settled, Error> {
        let _work = self.0.running.enter()?;
        let token = question.capture(&self.0.markers);
        let no_cache = self.must_look_again(question);
        let asked = self.run(&question.rules, Urgency::Foreground, load, no_cache).await;
        let (loaded, took) = asked.map_err(|failure| failure.error)?;
        Ok(self.settle_alone(question, token, loaded, took))
    }

    /// Learns what the load must know first, and asks the source.
    pub(super) async fn run(
        &self,
        rules: &Rules,
        urgency: Urgency,
        load: Load,
        no_cache: bool,
    ) -> Result<(Loaded, Took), Failure> {
        let began = self.0.runtime.now();
        let first = match load {
            Load::Ask(ask) => {
                let (loaded, took) = self.ask_source(rules, urgency, || ask(no_cache)).await?;
                return Ok((loaded, took.into()));
            }
            Load::After(first) => first,
        };
        let (loaded, load) = match first.await.map_err(Failure::not_looked)? {
            Learned::Ask(ask) => self.ask_source(rules, urgency, || ask(no_cache)).await?,
            Learned::Known(loaded) => (loaded, Duration::ZERO),
        };
        // What was learned first was asked for before that, and before the wait for a place.
        let before = (self.0.runtime.now() - began).saturating_sub(load);
        Ok((loaded, Took { load, before }))
    }

    /// What one caller alone is answered with.
    pub(super) fn settle_alone(
        &self,
        question: &Question,
        token: Token,
        loaded: Loaded,
        took: Took,
    ) -> Settled {
        let not_stored = match loaded.withheld {
            Some(reason) => reason,
            None if question.mode == Mode::Bypass => NotStored::Bypass,
            None => NotStored::Uncacheable,
        };
        question.rules.counters.not_stored(not_stored);
        let draft = self.draft(question, loaded, token, took, Duration::ZERO);
        let entry = draft.under(question.key.as_bytes());
        let began = entry.lifetime().loaded_at;
        Settled { entry, not_stored: Some(not_stored), private: true, origin: Origin::Source, began }
    }

    /// Whether caches on the way to the source may hold what was invalidated here, or the caller wants none of them.
    pub(super) fn must_look_again(&self, question: &Question) -> bool {
        let trail = &self.0.trail;
        question.mode != Mode::Normal || trail.has(&question.key) || question.deps().any(|dep| trail.has(dep))
    }

    /// Asks the source through its guard, within the hard limit, and survives a panic. How long it took stands beside
    /// what it said.
    pub(super) async fn ask_source<T, F: Future<Output = Result<T, Error>>>(
        &self,
        rules: &Rules,
        urgency: Urgency,
        load: impl FnOnce() -> F,
    ) -> Result<(T, Duration), Failure> {
        let permit = self.admit(rules, urgency).await.map_err(Failure::not_looked)?;
        self.ask_admitted(rules, permit, load).await.map_err(|error| Failure { error, looked: true })
    }

    /// Waits until the source may be asked; nothing where nothing stands before it.
    pub(super) async fn admit(&self, rules: &Rules, urgency: Urgency) -> Result<Option<Permit>, Error> {
        let Some(guard) = &rules.guard else { return Ok(None) };
        let permit = guard.admit(urgency).await?;
        Ok(Some(permit.allowing(rules.policy.hard_timeout)))
    }

    /// Asks the source, within the hard limit, and survives a panic.
    pub(super) async fn ask_admitted<T, F: Future<Output = Result<T, Error>>>(
        &self,
        rules: &Rules,
        permit: Option<Permit>,
        load: impl FnOnce() -> F,
    ) -> Result<(T, Duration), Error> {
        let Rules { policy, counters, .. } = rules;
        counters.increment(Count::Loads);
        let began = self.0.runtime.now();
        // The closure is called inside, so that its panic is caught as well as that of its future.
        let load = AssertUnwindSafe(async move { load().await }).catch_unwind();
        let limit = self.0.runtime.sleep(policy.hard_timeout);
        let result = match select(std::pin::pin!(load), limit).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(_), _)) => {
                Err(Error::new(&catalogue::LOAD_PANICKED, "").retry_after(Duration::from_secs(1)))
            }
            Either::Right(_) => Err(too_slow(policy.hard_timeout)),
        };
        let took = self.0.runtime.now() - began;
        counters.add(Count::LoadNanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        match (&result, permit) {
            (Ok(_), Some(permit)) => permit.succeed(took),
            (Err(error), Some(permit)) => permit.fail(error, took),
            (_, None) => {}
        }
        result.map(|loaded| (loaded, took)).inspect_err(|error| {
            counters.increment(Count::LoadErrors);
            tracing::warn!(class = rules.space.class(), error = ?error, "load failed");
        })
    }

    /// Admission: what is kept, for how long, or why not.
    pub(super) fn land(
        &self,
        question: &Question,
        landing: Landing,
        loaded: Loaded,
        took: Took,
    ) -> Option<NotStored> {
        let rules = &question.rules;
        let policy = &rules.policy;
        let ttl = if loaded.value.is_some() { policy.ttl } else { policy.negative_ttl };
        // What its source lets nobody use without asking is kept all the same: to be asked about by its version, and to
        // take the place of what it has made out of date.
        let is_kept = !ttl.is_zero() || loaded.terms.ttl.is_some();
        let too_large = loaded.value.as_ref().is_some_and(|value| value.weight() > policy.item_bytes_max);
        let (cacheable, withheld) = (loaded.cacheable, loaded.withheld);
        let mut draft = self.draft(question, loaded, landing.token().clone(), took, ttl);
        let previous = self.0.memory.get(question.key.as_bytes());
        draft.changed = previous.map(|previous| !draft.says_the_same_as(&previous));
        let changed = draft.changed;
        let version = draft.value.as_ref().and_then(Value::version);
        let entry = self.entry_of(question, draft);
        // Taken in the critical section, and dropped outside of it.
        let mut held = None;
        let not_stored = if cacheable {
            landing.land(entry, withheld, |entry| {
                held = self.0.memory.get(entry.key_bytes());
                match &held {
                    _ if !is_kept => Err(NotStored::NoTtl),
                    _ if too_large => Err(NotStored::TooLarge),
                    // A newer version was put while this one was loading.
                    Some(held) if held.outranks(version) => Err(NotStored::Superseded),
                    _ => self.0.memory.put(entry).ok_or(NotStored::TooLarge),
                }
            })
        } else {
            landing.land_private(entry, withheld)
        };
        match (not_stored, changed) {
            (Some(reason), _) => rules.counters.not_stored(reason),
            (None, Some(true)) => rules.counters.increment(Count::Changed),
            (None, Some(false)) => rules.counters.increment(Count::Unchanged),
            (None, None) => {}
        }
        not_stored
    }

    fn draft(&self, question: &Question, loaded: Loaded, token: Token, took: Took, ttl: Duration) -> Draft {
        let (now, random) = (self.0.runtime.now(), self.0.runtime.random());
        let lifetime = Lifetime::on_terms(&question.rules.policy, ttl, &loaded.terms, now, random);
        let Took { load: load_took, before: asked_before } = took;
        Draft { value: loaded.value, token, lifetime, load_took, asked_before, changed: None }
    }
}

/// A load that brought nothing home.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the source was asked at all.
    pub(super) looked: bool,
}

impl Failure {
    fn not_looked(error: Error) -> Self {
        Self { error, looked: false }
    }

    /// Ends the flight of a load of this urgency.
    pub(super) fn land(&self, landing: Landing, urgency: Urgency) {
        match urgency {
            // A caller may have been let through.
            Urgency::Background | Urgency::Warming if !self.looked => landing.give_up(&self.error),
            Urgency::Foreground | Urgency::Spared | Urgency::Background | Urgency::Warming => {
                landing.fail(&self.error, self.looked);
            }
        }
    }
}

fn too_slow(limit: Duration) -> Error {
    let error = Error::new(&catalogue::SOURCE_TIMEOUT, format!("no answer within {limit:?}"));
    debug_assert_eq!(error.retry(), Retry::Never);
    error.retry_after(Duration::from_secs(1))
}
