//! The path of a read.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::sync::watch;

use super::{
    Engine, Loaded, Mode, Question,
    load::{self, Load},
};
use crate::{
    error::{Error, Kind, catalogue},
    flight::{Settled, Turn},
    freshness::{Freshness, judge},
    guard::Urgency,
    memory::Entry,
    outcome::{MissReason, NotStored, Origin, Outcome, StaleReason},
    runtime::Moment,
};

/// What the memory knows of a key.
enum Found {
    /// An answer.
    Fresh(Arc<Entry>),
    /// An answer that is to be refreshed.
    Revalidate(Arc<Entry>),
    /// No answer, why, and what may stand in for one.
    Missing(MissReason, Option<Spare>),
}

/// An entry past its time that may stand in for an answer.
#[derive(Clone)]
struct Spare {
    entry: Arc<Entry>,
    /// Whether it may also stand in for a source that is merely slow.
    when_slow: bool,
}

impl Engine {
    /// Answers from memory, or not at all: never asks a source.
    #[must_use]
    pub fn get(&self, question: &Question) -> Option<Outcome> {
        let now = self.0.runtime.now();
        match self.look(question, now) {
            Found::Fresh(entry) | Found::Revalidate(entry) => Some(hit(question, &entry, now)),
            Found::Missing(..) => None,
        }
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
        question: Question,
        load: impl FnOnce(bool) -> F + Send + 'static,
    ) -> Result<Outcome, Error>
    where
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        let now = self.0.runtime.now();
        let (reason, spare) = match self.look(&question, now) {
            Found::Fresh(entry) => return Ok(hit(&question, &entry, now)),
            Found::Revalidate(entry) => {
                self.revalidate(&question, load::boxed(load));
                return Ok(hit(&question, &entry, now));
            }
            Found::Missing(reason, spare) => (reason, spare),
        };
        let load = load::boxed(load);
        let result = match self.turn(&question) {
            Turn::Hit(entry) => return Ok(hit(&question, &entry, self.0.runtime.now())),
            Turn::Lead(landing, landed) => {
                self.launch(question.clone(), landing, load, &reason, Urgency::Foreground);
                self.wait(&question, landed, spare.as_ref()).await.map(|settled| (settled, false))
            }
            Turn::Join(landed) => {
                question.rules.counters.collapsed.increment();
                match self.wait(&question, landed, spare.as_ref()).await {
                    // It may not be shared after all: this caller asks for itself.
                    Ok(Waited::Settled(settled)) if settled.is_private() => {
                        self.load_alone(&question, load).await.map(|settled| (settled, false))
                    }
                    other => other.map(|settled| (settled, true)),
                }
            }
            Turn::Rest(error, pause) => Err(error.retry_after(pause)),
            Turn::Alone => self.load_alone(&question, load).await.map(|settled| (settled, false)),
        };
        self.answer(&question, result, reason, spare)
    }

    /// Looks in the memory and judges what is there.
    fn look(&self, question: &Question, now: Moment) -> Found {
        let held = self.0.memory.get(question.key.as_bytes());
        let Some(entry) = held else {
            let reason = match question.mode {
                Mode::Normal => self.0.removals.reason(&question.key, question.rules.space.namespace()),
                Mode::Refresh | Mode::Bypass => MissReason::Bypass,
            };
            return Found::Missing(reason, None);
        };
        let broken_by = entry.token.broken_by();
        let freshness = judge(&entry.lifetime, broken_by.is_none(), now);
        let reason = match (question.mode, broken_by) {
            (Mode::Refresh | Mode::Bypass, _) => MissReason::Bypass,
            (Mode::Normal, Some(dep)) => MissReason::Invalidated(dep.clone()),
            (Mode::Normal, None) => MissReason::Expired,
        };
        match freshness {
            Freshness::Fresh if question.mode == Mode::Normal => Found::Fresh(entry),
            Freshness::Revalidate if question.mode == Mode::Normal => Found::Revalidate(entry),
            Freshness::Dead => Found::Missing(reason, None),
            Freshness::LastResort => Found::Missing(reason, Some(Spare { entry, when_slow: false })),
            Freshness::Fresh | Freshness::Revalidate | Freshness::StandIn => {
                Found::Missing(reason, Some(Spare { entry, when_slow: question.mode == Mode::Normal }))
            }
        }
    }

    fn turn(&self, question: &Question) -> Turn {
        if question.mode == Mode::Bypass {
            return Turn::Alone;
        }
        let look = || match self.look(question, self.0.runtime.now()) {
            Found::Fresh(entry) => Some(entry),
            Found::Revalidate(_) | Found::Missing(..) => None,
        };
        let capture = || self.0.markers.capture(question.deps());
        self.0.flights.ask(&question.key, question.mode == Mode::Refresh, look, capture)
    }

    /// Refreshes behind the caller's back, unless somebody already does.
    fn revalidate(&self, question: &Question, load: Load) {
        if let Turn::Lead(landing, _) = self.turn(question) {
            self.launch(question.clone(), landing, load, &MissReason::Expired, Urgency::Background);
        }
    }

    /// Waits for a load; at most until the soft limit where something can stand in.
    async fn wait(
        &self,
        question: &Question,
        mut landed: watch::Receiver<Option<Result<Settled, Error>>>,
        spare: Option<&Spare>,
    ) -> Result<Waited, Error> {
        let landing = async move {
            match landed.wait_for(Option::is_some).await {
                Ok(result) => result.clone().expect("it has just been checked").map(Waited::Settled),
                Err(_) => Err(Error::new(&catalogue::CLOSED, "the load was given up")),
            }
        };
        if !spare.is_some_and(|spare| spare.when_slow) {
            return landing.await;
        }
        let limit = self.0.runtime.sleep(question.rules.policy.soft_timeout);
        match select(std::pin::pin!(landing), limit).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Ok(Waited::TooSlow),
        }
    }

    fn answer(
        &self,
        question: &Question,
        result: Result<(Waited, bool), Error>,
        reason: MissReason,
        spare: Option<Spare>,
    ) -> Result<Outcome, Error> {
        let counters = &question.rules.counters;
        counters.miss(&reason);
        let now = self.0.runtime.now();
        let stand_in = |spare: Spare, collapsed, why| {
            counters.stale(why);
            Outcome { collapsed, ..outcome(&spare.entry, now, Some(reason.clone()), Some(why)) }
        };
        match (result, spare) {
            (Ok((Waited::Settled(Settled { entry, not_stored }), collapsed)), _) => {
                let loaded = outcome(&entry, now, Some(reason), None);
                let fresh_for = if not_stored.is_none() { loaded.fresh_for } else { Duration::ZERO };
                Ok(Outcome { origin: Origin::Source, collapsed, not_stored, fresh_for, ..loaded })
            }
            (Ok((Waited::TooSlow, collapsed)), Some(spare)) => {
                Ok(stand_in(spare, collapsed, StaleReason::SoftTimeout))
            }
            (Err(error), Some(spare)) if may_stand_in_for(&error) => {
                Ok(stand_in(spare, false, StaleReason::SourceError))
            }
            (Err(error), _) => {
                counters.errors.increment();
                Err(error)
            }
            (Ok((Waited::TooSlow, _)), None) => {
                unreachable!("only a wait with something to stand in ends early")
            }
        }
    }
}

/// An answer out of the memory.
fn hit(question: &Question, entry: &Entry, now: Moment) -> Outcome {
    let counters = &question.rules.counters;
    counters.hits.increment();
    let stale = (now >= entry.lifetime.fresh_until).then_some(StaleReason::Revalidating);
    if let Some(why) = stale {
        counters.stale(why);
    }
    outcome(entry, now, None, stale)
}

/// How a wait ended, if not with an error.
pub(super) enum Waited {
    Settled(Settled),
    TooSlow,
}

impl Settled {
    /// Whether the source forbade sharing it.
    fn is_private(&self) -> bool {
        self.not_stored == Some(NotStored::Uncacheable)
    }
}

/// Whether an entry past its time may be answered instead of this error: the source could not be asked or did not
/// answer. A source that says "no" is answered as it said.
fn may_stand_in_for(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Invalid | Kind::Denied)
}

fn outcome(entry: &Entry, now: Moment, miss: Option<MissReason>, stale: Option<StaleReason>) -> Outcome {
    Outcome {
        value: entry.value.clone(),
        origin: if stale.is_some() { Origin::Stale } else { Origin::L1 },
        age: now - entry.lifetime.loaded_at,
        fresh_for: if stale.is_some() { Duration::ZERO } else { entry.lifetime.fresh_until - now },
        stale_for: now - entry.lifetime.fresh_until,
        miss,
        stale,
        collapsed: false,
        not_stored: None,
    }
}
