//! When something is warmed without anybody saying so.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use alacena_core::{engine::Listener, runtime::Moment};
use futures_util::future::select;

use super::{Touched, Warming, WarmingTrigger, plan::Plan, run::Job};
use crate::handle::{Alacena, Inner};

/// How long it must have been quiet after an invalidation.
const QUIET: Duration = Duration::from_millis(500);
/// How long that is waited for.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// How often the wall clock is looked at: it may be set, and the machine may sleep.
const LOOK: Duration = Duration::from_secs(60);

impl Alacena {
    /// Keeps warm what the configuration declares as `warm`, from now until [`close`](Alacena::close): at the start,
    /// after invalidations, at its times. Nothing is awaited here. Twice is legal, and does nothing.
    ///
    /// A server does this by itself; an application that opens a configuration of its own says so here.
    pub fn keep_warm(&self) {
        let warming = Arc::clone(&self.inner.warming.0);
        if warming.is_kept.swap(true, Ordering::AcqRel) {
            return;
        }
        self.inner.engine.listen(Arc::clone(&warming) as Arc<dyn Listener>);
        let schedule = keep(warming, Arc::downgrade(&self.inner));
        self.runtime().spawn(Box::pin(schedule));
    }

    /// Warms what is due at a start, where what is declared has changed since anybody looked.
    fn warm_at_start(&self) {
        let prepared = self.prepared_full();
        let warming = &self.inner.warming.0;
        if warming.plan.load().is_of(&prepared) {
            return;
        }
        let plan = Arc::new(Plan::of(&prepared));
        let jobs: Vec<Job> =
            plan.reads.iter().filter(|read| read.warm.at_start).map(|read| read.job(|_| true)).collect();
        warming.adopt(plan);
        self.warm_by_itself(WarmingTrigger::Start, jobs);
    }

    /// Warms what was due by the wall clock since `last`.
    fn warm_in_time(&self, last: u64, now: u64) {
        let warming = &self.inner.warming.0;
        let plan = warming.plan.load_full();
        let is_due = |read: &&super::plan::WarmRead| {
            let next = read.warm.cron.as_ref().map(|cron| cron.next_after(last));
            next.is_some_and(|next| next <= now) && !warming.runs.is_warming(WarmingTrigger::Cron, &read.name)
        };
        let jobs = plan.reads.iter().filter(is_due).map(|read| read.job(|_| true)).collect();
        self.warm_by_itself(WarmingTrigger::Cron, jobs);
    }

    /// Warms what was invalidated long enough ago.
    fn warm_touched(&self) {
        let warming = &self.inner.warming.0;
        let plan = warming.plan.load_full();
        let ripe = warming.take_ripe();
        let job = |read: &super::plan::WarmRead| {
            let (_, sets) = ripe.iter().find(|(name, _)| *name == read.name)?;
            Some(read.job(|at| sets.contains(&at)))
        };
        let jobs = plan.reads.iter().filter_map(job).collect();
        self.warm_by_itself(WarmingTrigger::Invalidation, jobs);
    }

    fn warm_by_itself(&self, trigger: WarmingTrigger, jobs: Vec<Job>) {
        if !jobs.is_empty() {
            self.begin_warming(trigger, trigger.as_str(), jobs);
        }
    }
}

/// Looks whenever something may be due, until Alacena is closed or gone.
async fn keep(warming: Arc<Warming>, inner: Weak<Inner>) {
    let mut last = warming.runtime.unix_millis();
    while !warming.is_closed() {
        {
            let Some(inner) = inner.upgrade() else { return };
            let alacena = Alacena { inner };
            alacena.warm_at_start();
            let now = warming.runtime.unix_millis();
            alacena.warm_in_time(last, now);
            // A clock that is set back begins anew.
            last = now;
            alacena.warm_touched();
        }
        let bell = pin!(warming.bell.notified());
        match warming.pause(last) {
            Some(pause) => {
                select(bell, warming.runtime.sleep(pause)).await;
            }
            None => bell.await,
        }
    }
}

impl Warming {
    /// Takes another plan. What was touched of the one before is not known by its places any more: all of it is.
    fn adopt(&self, plan: Arc<Plan>) {
        let mut touched = self.touched.lock();
        for read in &plan.reads {
            if let Some(touched) = touched.get_mut(&read.name) {
                touched.sets = (0..read.warm.parameters.len()).collect();
            }
        }
        touched.retain(|name, _| plan.reads.iter().any(|read| read.name == *name));
        self.plan.store(plan);
    }

    /// Takes out what has been quiet for long enough, and is not being warmed for the same reason.
    fn take_ripe(&self) -> Vec<(String, BTreeSet<usize>)> {
        let now = self.runtime.now();
        let mut touched = self.touched.lock();
        let is_ripe = |name: &String, touched: &mut Touched| {
            touched.due() <= now && !self.runs.is_warming(WarmingTrigger::Invalidation, name)
        };
        touched.extract_if(.., is_ripe).map(|(name, touched)| (name, touched.sets)).collect()
    }

    /// How long nothing is due unless the bell rings; `None`: nothing ever is.
    fn pause(&self, last: u64) -> Option<Duration> {
        let now = self.runtime.now();
        // What is being warmed already waits for the bell.
        let waits = |name: &String| !self.runs.is_warming(WarmingTrigger::Invalidation, name);
        let ripe = self.touched.lock().iter().filter(|(name, _)| waits(name)).map(|(_, t)| t.due()).min();
        let plan = self.plan.load();
        let timed = plan.reads.iter().filter_map(|read| read.warm.cron.as_ref());
        let timed = timed.map(|cron| Duration::from_millis(cron.next_after(last) - last).min(LOOK)).min();
        ripe.map(|due| due - now).into_iter().chain(timed).min()
    }
}

impl Touched {
    fn due(&self) -> Moment {
        (self.last + QUIET).min(self.first + QUIET_MAX)
    }
}
