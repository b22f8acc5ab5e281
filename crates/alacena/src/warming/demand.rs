//! Warming when somebody says so, and looking at what warms.

use std::{collections::BTreeMap, sync::Arc};

use alacena_core::{
    declared::Parameters,
    error::{Error, catalogue},
};

use super::{
    WarmingRun, WarmingTrigger,
    plan::{Plan, loads_max},
    run::Job,
};
use crate::{declared_reads::Read, handle::Alacena, prepared::PreparedRead};

/// Warmings of [`WarmingTrigger::Demand`] under way at once.
const RUNNING_MAX: usize = 16;
/// Questions of one warming.
const QUESTIONS_MAX: usize = 10_000;
/// Loads at once of a read that does not say how many.
const LOADS: usize = 2;

/// One read that is to be warm.
#[derive(Clone, Debug)]
pub struct WarmCall {
    /// Its name.
    pub read: String,
    /// One question of it; `None`: those that its `warm` names, or, without any, the one with everything at its
    /// default.
    pub parameters: Option<Parameters>,
}

impl Alacena {
    /// Begins to warm `calls`, and answers how far it is: at most 16 such warmings run at once, of at most 10,000
    /// questions each. Equal questions are asked once.
    ///
    /// # Errors
    /// `Invalid` where a read is not declared, passes on callers' credentials, or cannot be asked as it is; then
    /// nothing is warmed. `Overloaded` while too many warmings run, `Closed` after [`close`](Alacena::close).
    pub fn warm(&self, calls: &[WarmCall], who: &str) -> Result<WarmingRun, Error> {
        self.warm_on_demand(self.jobs_of(calls)?, who)
    }

    /// Begins to warm everything that the configuration declares as `warm`.
    ///
    /// # Errors
    /// `Invalid` where it declares nothing of the kind, and as of [`warm`](Alacena::warm).
    pub fn warm_all(&self, who: &str) -> Result<WarmingRun, Error> {
        let plan = Plan::of(&self.prepared_full());
        if plan.reads.is_empty() {
            let detail = "no read says what of it is to be warm";
            return Err(Error::new(&catalogue::NOTHING_WARM, detail));
        }
        self.warm_on_demand(plan.reads.iter().map(|read| read.job(|_| true)).collect(), who)
    }

    /// The warmings under way and the 50 that have ended last, newest first.
    #[must_use]
    pub fn warmings(&self) -> Vec<WarmingRun> {
        self.inner.warming.0.runs.all()
    }

    /// How far the warming of this number is; `None` where it was never begun or is no longer remembered.
    #[must_use]
    pub fn warming(&self, id: u64) -> Option<WarmingRun> {
        self.inner.warming.0.runs.get(id).map(|run| run.now())
    }

    /// Waits until the warming of this number has ended, and answers what became of it.
    ///
    /// # Cancellation
    /// Dropping the future stops nothing but the wait.
    pub async fn warmed(&self, id: u64) -> Option<WarmingRun> {
        let run = self.inner.warming.0.runs.get(id)?;
        run.end().await;
        Some(run.now())
    }

    fn warm_on_demand(&self, jobs: Vec<Job>, who: &str) -> Result<WarmingRun, Error> {
        let warming = &self.inner.warming.0;
        if warming.is_closed() {
            return Err(Error::new(&catalogue::CLOSED, "nothing is warmed any more"));
        }
        if warming.runs.running(WarmingTrigger::Demand) >= RUNNING_MAX {
            let detail = format!("{RUNNING_MAX} are under way");
            return Err(
                Error::new(&catalogue::WARMING_BUSY, detail).retry_after(std::time::Duration::from_secs(1))
            );
        }
        Ok(self.begin_warming(WarmingTrigger::Demand, who, jobs).now())
    }

    fn jobs_of(&self, calls: &[WarmCall]) -> Result<Vec<Job>, Error> {
        let prepared = self.prepared_full();
        let mut jobs: BTreeMap<&str, Job> = BTreeMap::new();
        let mut questions = 0;
        for call in calls {
            let read = prepared.read(&call.read)?;
            refuse_credentials(&read.read)?;
            let job = jobs.entry(&read.read.name).or_insert_with(|| job_of(read));
            let wanted = match &call.parameters {
                Some(parameters) => vec![parameters.clone()],
                None => usual(read)?,
            };
            for set in wanted {
                // Whatever cannot be asked is refused before anything is.
                read.question(&set, &[])?;
                if !job.sets.contains(&set) {
                    job.sets.push(set);
                    questions += 1;
                }
            }
            if questions > QUESTIONS_MAX {
                let detail = format!("one warming asks at most {QUESTIONS_MAX} questions");
                return Err(Error::new(&catalogue::BATCH_TOO_LARGE, detail));
            }
        }
        Ok(jobs.into_values().collect())
    }
}

fn job_of(read: &Arc<PreparedRead>) -> Job {
    let wanted = read.declaration.warm.as_ref().map_or(LOADS, |warm| warm.concurrency);
    Job {
        read: read.read.name.clone(),
        source: read.read.source.clone(),
        sets: Vec::new(),
        loads_max: loads_max(read, wanted),
    }
}

/// What is asked where nobody says what.
fn usual(read: &PreparedRead) -> Result<Vec<Parameters>, Error> {
    match &read.declaration.warm {
        Some(warm) => Ok(warm.parameters.clone()),
        None => Ok(vec![Parameters::from_json(&read.read.parameters, [])?]),
    }
}

/// Without a caller there are no credentials to pass on.
pub(super) fn refuse_credentials(read: &Read) -> Result<(), Error> {
    if read.credentials.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "`{}` cannot be warmed: it passes on what callers send as `{}`, and nobody asks yet whose that could be",
        read.name,
        read.credentials.join("`, `")
    );
    Err(Error::new(&catalogue::PARAMETER_INVALID, detail).with("read", &read.name))
}
