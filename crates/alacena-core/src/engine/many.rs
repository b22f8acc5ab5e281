//! Many keys at once: what is in memory is answered, the rest is loaded together.
//!
//! Nobody waits while holding what others need. A batch takes its turn at every key before it waits for any: what it
//! leads is loaded in a task of its own, which waits for nobody, and only then are the loads awaited that others lead.
//! So two batches that lead each other's keys both go on, whatever the order.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    Engine, Loaded, Question,
    load::{Failure, Took},
    read::{Found, Waited, resting},
    second::Licence,
};
use crate::{
    error::{Error, catalogue},
    figures::Count,
    flight::{Landed, Landing, Settled, Turn},
    guard::Urgency,
    memory::Entry,
    outcome::{MissReason, Outcome},
    runtime::Moment,
};

/// Most questions of one batch.
pub const BATCH_MAX: usize = 1000;

/// How a question of a batch comes to its answer.
enum Way {
    /// It has it.
    Answered(Outcome),
    /// It waits for a load, which another caller leads if `collapsed`.
    Wait { landed: Landed, collapsed: bool, reason: MissReason, spare: Option<Entry> },
    /// Its load has failed a moment ago.
    Rest { error: Error, reason: MissReason, spare: Option<Entry> },
    /// It is loaded for this batch only.
    Alone { reason: MissReason, spare: Option<Entry> },
}

impl Engine {
    /// Answers each question from memory, or by one `load` for all that nobody else is loading; the answers stand in
    /// the order of the questions, each with an outcome or an error of its own.
    ///
    /// `load` is given the positions of the questions to load, and whether caches on the way must be asked to look
    /// again; it answers as many values in the same order. It is called once, and a second time only for what turns
    /// out not to be shareable with those who lead it. The questions must be subject to the same rules.
    ///
    /// # Errors
    /// `Invalid` for more than [`BATCH_MAX`] questions, or questions of different rules. What goes wrong with a
    /// question stands in its place.
    ///
    /// # Cancellation
    /// As [`get_or_fetch`](Engine::get_or_fetch): a batch that goes away leaves its load running.
    pub async fn get_many_or_fetch<F>(
        &self,
        questions: Vec<Question>,
        load: impl Fn(Vec<usize>, bool) -> F + Send + Sync + 'static,
    ) -> Result<Vec<Result<Outcome, Error>>, Error>
    where
        F: Future<Output = Result<Vec<Loaded>, Error>> + Send + 'static,
    {
        let Some(first) = questions.first() else { return Ok(Vec::new()) };
        if questions.len() > BATCH_MAX {
            let detail =
                format!("a batch has at most {BATCH_MAX} questions, this one has {}", questions.len());
            return Err(Error::new(&catalogue::PARAMETER_INVALID, detail));
        }
        if !questions.iter().all(|question| Arc::ptr_eq(&question.rules, &first.rules)) {
            let detail = "the questions of a batch must be subject to the same rules";
            return Err(Error::new(&catalogue::PARAMETER_INVALID, detail));
        }
        let (load, came) = (Arc::new(load), self.0.runtime.now());
        let mut led = Vec::new();
        let ways: Vec<Way> =
            questions.iter().enumerate().map(|(at, question)| self.way(at, question, &mut led)).collect();
        self.launch_many(&questions, led, Arc::clone(&load));
        let waited = join_all(
            ways.into_iter().zip(&questions).map(|(way, question)| self.follow(question, way, came)),
        )
        .await;
        Ok(self.answer_many(&questions, waited, &*load).await)
    }

    /// Looks, and takes a turn at the key where that brings no answer. Never waits.
    fn way(&self, at: usize, question: &Question, led: &mut Vec<(usize, Landing)>) -> Way {
        let now = self.0.runtime.now();
        let (reason, spare) = match self.look(question, now) {
            Found::Fresh(entry) => return Way::Answered(self.hit_out_of_memory(&question.rules, entry, now)),
            // In a batch it costs nothing more to load it with the rest.
            Found::Revalidate(entry) | Found::Unproved(entry) => (MissReason::Expired, Some(entry)),
            Found::Missing(reason, spare) => (reason, spare),
        };
        match self.turn(question) {
            Turn::Hit(entry) => {
                Way::Answered(self.hit_out_of_memory(&question.rules, entry, self.0.runtime.now()))
            }
            Turn::Lead(landing, landed) => {
                let reason = reason.after(landing.follows_failure());
                led.push((at, landing));
                Way::Wait { landed, collapsed: false, reason, spare }
            }
            Turn::Join(landed) => {
                question.rules.counters.increment(Count::Collapsed);
                Way::Wait { landed, collapsed: true, reason, spare }
            }
            Turn::Rest(error, pause) => {
                Way::Rest { error: resting(error, pause), reason: reason.after(true), spare }
            }
            Turn::Alone => Way::Alone { reason, spare },
        }
    }

    /// Loads all that this batch leads, in one task.
    fn launch_many<F>(
        &self,
        questions: &[Question],
        led: Vec<(usize, Landing)>,
        load: Arc<impl Fn(Vec<usize>, bool) -> F + Send + Sync + 'static>,
    ) where
        F: Future<Output = Result<Vec<Loaded>, Error>> + Send + 'static,
    {
        if led.is_empty() {
            return;
        }
        let work = match self.0.running.enter() {
            Ok(work) => work,
            Err(closed) => return led.into_iter().for_each(|(_, landing)| landing.fail(&closed, false)),
        };
        let no_cache = led.iter().any(|(at, _)| self.must_look_again(&questions[*at]));
        let led: Vec<Led> = led
            .into_iter()
            .map(|(at, landing)| Led { at, question: questions[at].clone(), landing })
            .collect();
        let engine = self.clone();
        self.0.runtime.spawn(Box::pin(async move {
            engine.lead_many(led, no_cache, &*load).await;
            drop(work);
        }));
    }

    /// Loads what this batch leads, and what no other node does meanwhile: all of it at once, and what others load after
    /// that, without holding anything that they could wait for.
    async fn lead_many<F>(
        &self,
        led: Vec<Led>,
        no_cache: bool,
        load: &(impl Fn(Vec<usize>, bool) -> F + Send + Sync),
    ) where
        F: Future<Output = Result<Vec<Loaded>, Error>> + Send,
    {
        let mut pending = self.find_many(led).await;
        let Some(rules) = pending.first().map(|(led, _)| Arc::clone(&led.question.rules)) else { return };
        let waits_until = self.0.runtime.now() + rules.policy.hard_timeout;
        while !pending.is_empty() {
            let may_wait = self.0.runtime.now() < waits_until;
            let (licensed, busy) = self.license_many(pending, may_wait).await;
            self.load_licensed(&rules, licensed, no_cache, load).await;
            pending = match busy {
                Some(busy) => busy.wait(&self.0.runtime).await,
                None => Vec::new(),
            };
        }
    }

    /// Loads together, and ends each flight with its own.
    async fn load_licensed<F>(
        &self,
        rules: &super::Rules,
        licensed: Vec<(Led, Licence)>,
        no_cache: bool,
        load: &(impl Fn(Vec<usize>, bool) -> F + Send + Sync),
    ) where
        F: Future<Output = Result<Vec<Loaded>, Error>> + Send,
    {
        let wanted: Vec<usize> = licensed.iter().map(|(led, _)| led.at).collect();
        if wanted.is_empty() {
            return;
        }
        let leases = licensed.iter().filter_map(|(_, licence)| match licence {
            Licence::Lease(lease) => Some(lease),
            Licence::Nothing(_) | Licence::Found(..) => None,
        });
        let loading = self.load_exactly(rules, wanted, no_cache, load);
        let loaded = self.while_renewing_all(leases.collect(), loading).await;
        let each: Vec<Result<(Loaded, Took), Failure>> = match loaded {
            Ok((loaded, took)) => loaded.into_iter().map(|loaded| Ok((loaded, took.into()))).collect(),
            Err(Failure { error, looked }) => {
                licensed.iter().map(|_| Err(Failure { error: error.clone(), looked })).collect()
            }
        };
        let ends = licensed.into_iter().zip(each).map(|((led, licence), loaded)| async move {
            let Led { question, landing, .. } = led;
            // Those who wait hear how it ended.
            let _ = match licence {
                Licence::Lease(lease) => {
                    self.end_leased(&question, landing, Urgency::Foreground, lease, loaded).await
                }
                Licence::Nothing(why) => {
                    let why = why.or_else(|| self.withheld_locally(&question, &landing));
                    self.end_load(&question, landing, Urgency::Foreground, loaded, why)
                }
                Licence::Found(..) => unreachable!("what was found is not loaded"),
            };
        });
        join_all(ends).await;
    }

    /// Loads, and insists on as many values as were asked for: one too few would give keys each other's values.
    async fn load_exactly<F>(
        &self,
        rules: &super::Rules,
        wanted: Vec<usize>,
        no_cache: bool,
        load: &(impl Fn(Vec<usize>, bool) -> F + Send + Sync),
    ) -> Result<(Vec<Loaded>, Duration), Failure>
    where
        F: Future<Output = Result<Vec<Loaded>, Error>> + Send,
    {
        let number = wanted.len();
        let exactly = || async {
            let loaded = load(wanted, no_cache).await?;
            if loaded.len() == number {
                return Ok(loaded);
            }
            let detail = format!("the load answered {} values for {number} keys", loaded.len());
            Err(Error::new(&catalogue::INTERNAL, detail))
        };
        self.ask_source(rules, Urgency::Foreground, exactly).await
    }

    async fn follow(&self, question: &Question, way: Way, came: Moment) -> Followed {
        match way {
            Way::Answered(outcome) => Followed::Answered(outcome),
            Way::Wait { landed, collapsed, reason, spare } => {
                match self.wait(question, landed, spare.as_ref(), collapsed).await {
                    Ok(Some(settled)) if settled.private && collapsed => Followed::Alone(reason, spare),
                    Ok(Some(settled)) if collapsed && !self.knows_enough(question, &settled, came) => {
                        Followed::Alone(reason, spare)
                    }
                    Err(unsettled) if collapsed && unsettled.concerns_nobody => {
                        Followed::Alone(reason, spare)
                    }
                    result => Followed::Waited(Waited::of(result, collapsed), reason, spare),
                }
            }
            Way::Rest { error, reason, spare } => {
                Followed::Waited(Waited::of(Err(error), false), reason, spare)
            }
            Way::Alone { reason, spare } => Followed::Alone(reason, spare),
        }
    }

    /// Loads together what could not be shared, and puts everything in order.
    async fn answer_many<F>(
        &self,
        questions: &[Question],
        followed: Vec<Followed>,
        load: &(impl Fn(Vec<usize>, bool) -> F + Send + Sync),
    ) -> Vec<Result<Outcome, Error>>
    where
        F: Future<Output = Result<Vec<Loaded>, Error>> + Send,
    {
        let alone = followed.iter().enumerate().filter(|(_, one)| matches!(one, Followed::Alone(..)));
        let alone: Vec<usize> = alone.map(|(at, _)| at).collect();
        let mut settled = self.settle_many_alone(questions, alone, load).await.into_iter();
        let answers = followed.into_iter().zip(questions).map(|(one, question)| match one {
            Followed::Answered(outcome) => Ok(outcome),
            Followed::Waited(waited, reason, spare) => self.answer(question, waited, reason, spare),
            Followed::Alone(reason, spare) => {
                let result = settled.next().expect("one was loaded for each");
                self.answer(question, Waited::of(result.map(Some), false), reason, spare)
            }
        });
        answers.collect()
    }

    async fn settle_many_alone<F>(
        &self,
        questions: &[Question],
        alone: Vec<usize>,
        load: &(impl Fn(Vec<usize>, bool) -> F + Send + Sync),
    ) -> Vec<Result<Settled, Error>>
    where
        F: Future<Output = Result<Vec<Loaded>, Error>> + Send,
    {
        let Some(first) = alone.first() else { return Vec::new() };
        let failed = |error: &Error| alone.iter().map(|_| Err(error.clone())).collect();
        let _work = match self.0.running.enter() {
            Ok(work) => work,
            Err(closed) => return failed(&closed),
        };
        let no_cache = alone.iter().any(|at| self.must_look_again(&questions[*at]));
        let tokens: Vec<_> = alone.iter().map(|at| questions[*at].capture(&self.0.markers)).collect();
        match self.load_exactly(&questions[*first].rules, alone.clone(), no_cache, load).await {
            Ok((loaded, took)) => {
                let each = alone.iter().zip(tokens).zip(loaded);
                each.map(|((at, token), loaded)| {
                    Ok(self.settle_alone(&questions[*at], token, loaded, took.into()))
                })
                .collect()
            }
            Err(failure) => failed(&failure.error),
        }
    }
}

/// A question of a batch that leads the flight of its key.
pub(super) struct Led {
    pub(super) at: usize,
    pub(super) question: Question,
    pub(super) landing: Landing,
}

/// A question of a batch, once there is nothing left to wait for.
enum Followed {
    Answered(Outcome),
    Waited(Waited, MissReason, Option<Entry>),
    /// It has to be loaded for this batch only.
    Alone(MissReason, Option<Entry>),
}
