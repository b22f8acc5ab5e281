//! The loads of a warming: a read of each source at a time, a few at once, patient where there is no room.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alacena_core::{
    declared::Parameters,
    engine::Warmed,
    error::{Code, Error, Retry, catalogue},
    freshness::Freshness,
    outcome::NotStored,
    runtime::BoxFuture,
};
use futures_util::{StreamExt, future::join_all, stream};

use super::run::{Became, Job, Run, WarmingTrigger};
use crate::{handle::Alacena, prepared::PreparedRead};

/// How often one question is tried: again where its source had no room, or it was invalidated while it was loading.
const TRIES: usize = 5;
/// What says that the source was spared, and nothing about the question.
static SPARED: [&Code; 3] = [&catalogue::BREAKER_OPEN, &catalogue::CLOSED, &catalogue::NOT_DECLARED];

impl Alacena {
    /// Begins a warming, in a task of its own.
    pub(super) fn begin_warming(&self, trigger: WarmingTrigger, who: &str, jobs: Vec<Job>) -> Arc<Run> {
        let run = self.inner.warming.0.runs.begin(trigger, who, self.runtime().unix_millis(), &jobs);
        let (alacena, begun) = (self.clone(), Arc::clone(&run));
        self.runtime().spawn(Box::pin(async move { alacena.warm_all_of(&begun, jobs).await }));
        run
    }

    async fn warm_all_of(&self, run: &Run, jobs: Vec<Job>) {
        let mut by_source: BTreeMap<String, Vec<(usize, Job)>> = BTreeMap::new();
        for (at, job) in jobs.into_iter().enumerate() {
            by_source.entry(job.source.clone()).or_default().push((at, job));
        }
        let sources = by_source.into_iter().map(|(source, jobs)| async move {
            let turn = self.turn_at(&source);
            for (at, job) in jobs {
                let _turn = turn.lock().await;
                self.warm_read(run, at, job).await;
            }
        });
        join_all(sources).await;
        let ended = self.inner.warming.0.runs.finish(run, self.runtime().unix_millis());
        let complete = ended.is_complete();
        tracing::info!(id = ended.id, trigger = ended.trigger.as_str(), complete, "warming ended");
        // What was invalidated meanwhile has waited for this.
        self.inner.warming.0.look_again();
    }

    /// What is held while a read of `source` is warmed.
    fn turn_at(&self, source: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.inner.warming.0.turns.lock().entry(source.to_owned()).or_default())
    }

    async fn warm_read(&self, run: &Run, at: usize, job: Job) {
        let read = &job.read;
        stream::iter(job.sets)
            .for_each_concurrent(job.loads_max, |set| async move {
                let became = self.warm_patiently(read, &set).await;
                self.inner.warming.0.runs.note(run, at, became);
            })
            .await;
    }

    async fn warm_patiently(&self, read: &str, set: &Parameters) -> Became {
        if !self.inner.cache_enabled {
            return Became::Skipped("cache-disabled", "the cache is switched off".to_owned());
        }
        let mut tries = 1;
        loop {
            let pause = match self.warm_once(read, set).await {
                Ok(Warmed::NotStored(NotStored::Superseded)) if tries < TRIES => Duration::ZERO,
                Err(error) if *error.code() == catalogue::BULKHEAD_FULL && tries < TRIES => {
                    match error.retry() {
                        Retry::After(pause) => pause,
                        Retry::Never => Duration::ZERO,
                    }
                }
                result => return became(result),
            };
            tries += 1;
            if !pause.is_zero() {
                self.runtime().sleep(pause).await;
            }
        }
    }

    /// One question of the read that has this name now.
    async fn warm_once(&self, read: &str, set: &Parameters) -> Result<Warmed, Error> {
        let prepared = Arc::clone(self.prepared().read(read)?);
        super::demand::refuse_credentials(&prepared.read)?;
        self.warm_after_parents(&prepared, set.clone()).await
    }

    /// Warms what is asked first, and then the question: asked as by a caller, a parent would go before callers and
    /// could try out its source.
    fn warm_after_parents<'a>(
        &'a self,
        prepared: &'a PreparedRead,
        set: Parameters,
    ) -> BoxFuture<'a, Result<Warmed, Error>> {
        Box::pin(async move {
            let question = prepared.question(&set, &[])?;
            let held = self.inner.engine.explain(&question.key);
            if held.is_some_and(|held| held.freshness == Freshness::Fresh) {
                return Ok(Warmed::Fresh);
            }
            if let Some(parent) = &prepared.parent {
                let first = self.warm_after_parents(&parent.read, parent.parameters(&set)?).await?;
                if matches!(first, Warmed::NotStored(_)) {
                    return Ok(Warmed::NotStored(NotStored::ParentNotFresh));
                }
            }
            self.warm_prepared(prepared, &question, set).await
        })
    }
}

fn became(result: Result<Warmed, Error>) -> Became {
    match result {
        Ok(Warmed::Loaded) => Became::Loaded,
        Ok(Warmed::NotStored(reason)) => {
            Became::Failed(reason.as_str(), format!("the answer is not kept: {}", reason.as_str()))
        }
        Ok(_) => Became::Fresh,
        Err(error) => {
            let problem = match error.detail() {
                "" => error.code().title.to_owned(),
                detail => format!("{}: {detail}", error.code().title),
            };
            let is_spared = SPARED.iter().any(|code| *code == error.code());
            let became = if is_spared { Became::Skipped } else { Became::Failed };
            became(error.code().slug, problem)
        }
    }
}
