//! One warming: what it does, how far it is, and what became of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use alacena_core::{declared::Parameters, figures::Counter};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Warmings that are remembered once they have ended.
const ENDED_MAX: usize = 50;

/// What a warming was begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WarmingTrigger {
    /// The server has started, or taken another configuration.
    Start,
    /// Something was invalidated.
    Invalidation,
    /// Its time has come.
    Cron,
    /// Somebody has said so.
    Demand,
}

impl WarmingTrigger {
    /// All of them.
    pub const ALL: [WarmingTrigger; 4] =
        [WarmingTrigger::Start, WarmingTrigger::Invalidation, WarmingTrigger::Cron, WarmingTrigger::Demand];

    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            WarmingTrigger::Start => "start",
            WarmingTrigger::Invalidation => "invalidation",
            WarmingTrigger::Cron => "cron",
            WarmingTrigger::Demand => "demand",
        }
    }
}

/// One warming, as far as it was when somebody looked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WarmingRun {
    /// Its number since the start of the process.
    pub id: u64,
    /// What it was begun for.
    pub trigger: WarmingTrigger,
    /// Who said so: the name of a token where somebody did, else the trigger.
    pub who: String,
    /// When it began, in milliseconds since 1970.
    pub started_at: u64,
    /// When it ended, in milliseconds since 1970; `None` while it runs.
    pub ended_at: Option<u64>,
    /// How far each read is.
    pub reads: Vec<ReadWarming>,
}

impl WarmingRun {
    /// Whether everything that it was to warm is warm.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.reads.iter().all(|read| read.loaded + read.fresh == read.total)
    }
}

/// How far a warming is with one read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadWarming {
    /// The read.
    pub read: String,
    /// Questions to be warm.
    pub total: u64,
    /// Questions done with, whatever became of them.
    pub done: u64,
    /// Of those, loaded.
    pub loaded: u64,
    /// Of those, fresh already, or by somebody else's load.
    pub fresh: u64,
    /// Of those, not sent to the source, by the reason: `breaker-open`, `closed`, `not-declared`, `cache-disabled`.
    pub skipped_by_reason: BTreeMap<&'static str, u64>,
    /// Of those, failed or not kept, by the reason.
    pub failed_by_reason: BTreeMap<&'static str, u64>,
    /// What went wrong last, for people.
    pub last_problem: Option<String>,
}

/// What became of one question.
pub(super) enum Became {
    Loaded,
    Fresh,
    Skipped(&'static str, String),
    Failed(&'static str, String),
}

/// The questions of one read that a warming asks.
pub(super) struct Job {
    pub(super) read: String,
    pub(super) source: String,
    pub(super) sets: Vec<Parameters>,
    pub(super) loads_max: usize,
}

/// What all warmings have come to.
#[derive(Debug, Default)]
pub(crate) struct WarmingCounters {
    /// Warmings begun, by trigger.
    pub(crate) runs: [Counter; WarmingTrigger::ALL.len()],
    pub(crate) loaded: Counter,
    pub(crate) fresh: Counter,
    pub(crate) skipped: Counter,
    pub(crate) failed: Counter,
}

/// One warming.
pub(super) struct Run {
    /// Held for a few instructions.
    state: Mutex<WarmingRun>,
    ended: watch::Sender<bool>,
}

impl Run {
    pub(super) fn now(&self) -> WarmingRun {
        self.state.lock().clone()
    }

    /// Waits for its end.
    pub(super) async fn end(&self) {
        // The sender lives as long as `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    fn is_running(&self) -> bool {
        !*self.ended.borrow()
    }
}

/// The warmings under way and those that have ended last.
#[derive(Default)]
pub(super) struct Runs {
    /// Oldest first. Held for a few instructions.
    runs: Mutex<VecDeque<Arc<Run>>>,
    last_id: Counter,
    pub(super) counters: WarmingCounters,
}

impl Runs {
    /// Begins one that does `jobs`.
    pub(super) fn begin(&self, trigger: WarmingTrigger, who: &str, now: u64, jobs: &[Job]) -> Arc<Run> {
        let read = |job: &Job| ReadWarming {
            read: job.read.clone(),
            total: job.sets.len() as u64,
            ..ReadWarming::default()
        };
        let at = WarmingTrigger::ALL.iter().position(|other| *other == trigger);
        self.counters.runs[at.expect("all of them are there")].increment();
        let mut runs = self.runs.lock();
        self.last_id.increment();
        let run = WarmingRun {
            id: self.last_id.get(),
            trigger,
            who: who.to_owned(),
            started_at: now,
            ended_at: None,
            reads: jobs.iter().map(read).collect(),
        };
        let run = Arc::new(Run { state: Mutex::new(run), ended: watch::Sender::new(false) });
        runs.push_back(Arc::clone(&run));
        let ended = runs.iter().filter(|run| !run.is_running()).count();
        if ended > ENDED_MAX
            && let Some(oldest) = runs.iter().position(|run| !run.is_running())
        {
            runs.remove(oldest);
        }
        run
    }

    /// Notes what became of one question of the read at `at`.
    pub(super) fn note(&self, run: &Run, at: usize, became: Became) {
        let mut state = run.state.lock();
        let read = &mut state.reads[at];
        read.done += 1;
        match became {
            Became::Loaded => {
                read.loaded += 1;
                self.counters.loaded.increment();
            }
            Became::Fresh => {
                read.fresh += 1;
                self.counters.fresh.increment();
            }
            Became::Skipped(reason, problem) => {
                *read.skipped_by_reason.entry(reason).or_default() += 1;
                read.last_problem = Some(problem);
                self.counters.skipped.increment();
            }
            Became::Failed(reason, problem) => {
                *read.failed_by_reason.entry(reason).or_default() += 1;
                read.last_problem = Some(problem);
                self.counters.failed.increment();
            }
        }
    }

    /// Ends `run`.
    pub(super) fn finish(&self, run: &Run, now: u64) -> WarmingRun {
        let ended = {
            let mut state = run.state.lock();
            state.ended_at = Some(now);
            state.clone()
        };
        run.ended.send_replace(true);
        ended
    }

    /// Newest first.
    pub(super) fn all(&self) -> Vec<WarmingRun> {
        let runs: Vec<Arc<Run>> = self.runs.lock().iter().rev().cloned().collect();
        runs.iter().map(|run| run.now()).collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Run>> {
        self.runs.lock().iter().find(|run| run.state.lock().id == id).cloned()
    }

    /// How many of a trigger are under way.
    pub(super) fn running(&self, trigger: WarmingTrigger) -> usize {
        let runs = self.runs.lock();
        runs.iter().filter(|run| run.is_running() && run.state.lock().trigger == trigger).count()
    }

    /// Whether one of this trigger has yet to finish with `read`.
    pub(super) fn is_warming(&self, trigger: WarmingTrigger, read: &str) -> bool {
        let unfinished = |run: &Arc<Run>| {
            let state = run.state.lock();
            let of_read = |one: &ReadWarming| one.read == read && one.done < one.total;
            state.trigger == trigger && state.reads.iter().any(of_read)
        };
        self.runs.lock().iter().filter(|run| run.is_running()).any(unfinished)
    }
}
