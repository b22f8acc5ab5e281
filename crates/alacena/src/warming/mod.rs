//! Loading answers before anybody asks: when the server starts, once they were invalidated, at times that recur, and
//! when somebody says so.
//!
//! ```text
//!   a start, a reload ─┐
//!   an invalidation ───┤► schedule ─► run ─► work: a source at a time ─► Engine::warm
//!   a time (cron) ─────┘               ▲
//!   POST /cache/warming ─ demand ──────┘
//! ```
//!
//! Nothing here holds what is declared: a schedule is made of the [`Plan`] of the configuration now, and each load
//! looks up its read by name when its turn comes, so that a reload reaches whatever has not begun. What bounds it: a
//! source is warmed for one read at a time; the loads take the places of background work; a breaker that is not closed
//! is sent nothing; and a read waits for an invalidation's warming once, however many invalidations there are.

mod cron;
mod demand;
mod plan;
mod run;
mod schedule;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use alacena_core::{
    engine::{Change, Listener},
    runtime::{Moment, SharedRuntime},
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use cron::{Cron, NoCron};
pub use demand::WarmCall;
pub use run::{ReadWarming, WarmingRun, WarmingTrigger};

pub(crate) use run::WarmingCounters;

use plan::Plan;
use run::Runs;

/// What is warmed, and how far it is.
pub(crate) struct Warming {
    runtime: SharedRuntime,
    /// What is to be warm, of the configuration that was last looked at.
    plan: ArcSwap<Plan>,
    runs: Runs,
    /// What invalidations have touched and nobody warms yet, by read. Held for a few instructions.
    touched: Mutex<BTreeMap<String, Touched>>,
    /// One a source, held while a read of it is warmed. The map is held for a few instructions.
    turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Rung when the schedule has to look again.
    bell: Notify,
    is_kept: AtomicBool,
    is_closed: AtomicBool,
}

/// What of one read was invalidated.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Touched {
    /// Which of its questions, by their place in the plan.
    sets: BTreeSet<usize>,
    first: Moment,
    last: Moment,
}

impl Warming {
    pub(crate) fn new(runtime: SharedRuntime) -> Self {
        Self {
            plan: ArcSwap::from_pointee(Plan::default()),
            runs: Runs::default(),
            touched: Mutex::default(),
            turns: Mutex::default(),
            bell: Notify::new(),
            is_kept: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            runtime,
        }
    }

    /// Lets the schedule look at what is declared now.
    pub(crate) fn look_again(&self) {
        self.bell.notify_one();
    }

    /// Ends the schedule. What runs ends with the engine, which takes no more loads then.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    pub(crate) fn counters(&self) -> &WarmingCounters {
        &self.runs.counters
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

impl Listener for Warming {
    fn invalidated(&self, change: Change<'_>) {
        let plan = self.plan.load();
        let places = plan.touched_by(change);
        if places.is_empty() {
            return;
        }
        let now = self.runtime.now();
        let mut touched = self.touched.lock();
        for (read, set) in places {
            let name = &plan.reads[*read].name;
            match touched.get_mut(name) {
                Some(touched) => {
                    touched.sets.insert(*set);
                    touched.last = now;
                }
                None => {
                    let sets = BTreeSet::from([*set]);
                    touched.insert(name.clone(), Touched { sets, first: now, last: now });
                }
            }
        }
        drop(touched);
        self.bell.notify_one();
    }
}

/// The warming of one Alacena, which ends with it.
pub(crate) struct Kept(pub(crate) Arc<Warming>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.close();
    }
}
