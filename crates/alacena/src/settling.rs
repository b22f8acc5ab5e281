//! Invalidations that are repeated once their source has settled.
//!
//! ```text
//!   application     primary     replica (the source)     this node         a reader
//!   commits 2  →    2           1
//!   invalidates                                       →  drops 1
//!                                                                          loads 1: the replica lags
//!                               2                                          answered with 1
//!                                    settle is over      drops it again
//!                                                                          loads 2
//! ```
//!
//! What is to be repeated is written into the ledger before the first time is acknowledged, where there is anything that
//! outlives the process: entries that other nodes hold, too. A process that finds it there at its start invalidates at
//! once, and once more when the time is over. Without a second tier the entries are gone with the process, and nothing is
//! written.
//!
//! What waits is bounded. Beyond that one repetition of the whole namespace stands for all: rather too much than too late.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    dep::{Dep, DepKind},
    engine::Wish,
    ledger::{Intent, IntentId, Target},
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    handle::Alacena,
    prepared::{Prepared, PreparedRead},
    targets::Step,
};

/// Most invalidations that wait to be repeated one by one.
const WAITING_MAX: usize = 1_024;

/// What waits to be repeated. Locked for a few instructions.
#[derive(Default)]
pub(crate) struct Settling(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    count: usize,
    whole: Whole,
}

/// The repetition that stands for all that there was no room for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Whole {
    /// There was room.
    #[default]
    Spared,
    /// It waits.
    Waits,
    /// It waits, and something has been invalidated since it began to: it is not the last one.
    WaitsAgain,
}

/// What one invalidation is followed by.
struct Repetition {
    after: Duration,
    steps: Vec<Step>,
    targets: Vec<Target>,
    who: String,
    /// By which `steps` were resolved.
    of: Arc<Prepared>,
}

impl Alacena {
    /// Has this invalidation repeated, where a source that it concerns has to settle. Completes once that outlives the
    /// process, as far as anything does; it is done whether anybody waits for that or not.
    pub(crate) fn repeat_settled(
        &self,
        steps: &[Step],
        targets: &[Target],
        who: &str,
    ) -> Option<oneshot::Receiver<()>> {
        let of = self.prepared_full();
        let after = of.settles_after(steps)?;
        let settling = &self.inner.settling;
        let repetition = match settling.enter() {
            Entered::Alone => {
                // A class of the application names steps alone.
                let targets = match targets {
                    [] => steps.iter().filter_map(Step::target).collect(),
                    targets => targets.to_vec(),
                };
                let (steps, who) = (steps.to_vec(), format!("settle of {who}"));
                Repetition { after, steps, targets, who, of }
            }
            Entered::Whole => Repetition::of_all(of),
            Entered::Covered => return None,
        };
        let (tell, told) = oneshot::channel();
        let alacena = self.clone();
        self.runtime().spawn(Box::pin(async move { alacena.repeat(repetition, tell).await }));
        Some(told)
    }

    async fn repeat(self, repetition: Repetition, tell: oneshot::Sender<()>) {
        // Whoever closes waits for it, as long as it waits for anything.
        let work = self.inner.engine.begin_work();
        let written = self.write_down(&repetition).await;
        // Whoever asked may be gone.
        let _ = tell.send(());
        loop {
            self.runtime().sleep(repetition.after).await;
            let (steps, who) = (self.steps_of(&repetition), &repetition.who);
            let level = self.apply_once(&steps, &repetition.targets, who, Wish::Applied).await.level;
            self.record(&repetition.targets, who, level).await;
            if self.inner.settling.leave(repetition.is_whole()) {
                break;
            }
        }
        if let Some(id) = written
            && let Err(error) = self.inner.store.ledger.close_intent(id).await
        {
            // It is applied once more at the next start, which costs a few misses and nothing else.
            tracing::warn!(error = ?error, "that an invalidation was repeated could not be recorded");
        }
        drop(work);
    }

    /// Writes down what is to be repeated, where that means anything to another process.
    async fn write_down(&self, repetition: &Repetition) -> Option<IntentId> {
        if self.inner.engine.second_tier().is_empty() || repetition.targets.is_empty() {
            return None;
        }
        let (write, targets) = (repetition.who.clone(), repetition.targets.clone());
        let intent = Intent { write, targets, at: self.runtime().unix_millis() };
        let opened = self.inner.store.ledger.open_intent(intent).await;
        let lost = |error| tracing::warn!(who = repetition.who, error = ?error, "an invalidation is repeated only if this process lives on");
        opened.map_err(lost).ok()
    }

    /// What is to be done once more: what was done, and what the same means by a configuration that has come into force
    /// since.
    fn steps_of(&self, repetition: &Repetition) -> Vec<Step> {
        let now = self.prepared_full();
        let mut steps = repetition.steps.clone();
        if !Arc::ptr_eq(&now, &repetition.of) {
            let own = self.inner.own.list();
            let again =
                repetition.targets.iter().flat_map(|target| now.steps(target, &own).unwrap_or_default());
            steps.extend(again);
        }
        steps
    }
}

impl Repetition {
    fn of_all(of: Arc<Prepared>) -> Self {
        let after = of.reads.iter().map(|read| read.source.config.settle).max().unwrap_or_default();
        let steps = vec![Step::Dep(Dep::namespace(&of.namespace))];
        let targets = vec![Target::Namespace(of.namespace.clone())];
        Self { after, steps, targets, who: WHOLE.to_owned(), of }
    }

    fn is_whole(&self) -> bool {
        self.who == WHOLE
    }
}

const WHOLE: &str = "settle of too much";

enum Entered {
    Alone,
    Whole,
    Covered,
}

impl Settling {
    fn enter(&self) -> Entered {
        let mut waiting = self.0.lock();
        if waiting.count < WAITING_MAX {
            waiting.count += 1;
            return Entered::Alone;
        }
        match waiting.whole {
            Whole::Spared => {
                waiting.whole = Whole::Waits;
                Entered::Whole
            }
            Whole::Waits | Whole::WaitsAgain => {
                waiting.whole = Whole::WaitsAgain;
                Entered::Covered
            }
        }
    }

    /// One has been repeated. Whether that was all of it.
    fn leave(&self, is_whole: bool) -> bool {
        let mut waiting = self.0.lock();
        if !is_whole {
            waiting.count -= 1;
            return true;
        }
        let is_last = waiting.whole != Whole::WaitsAgain;
        waiting.whole = if is_last { Whole::Spared } else { Whole::Waits };
        is_last
    }
}

impl Prepared {
    /// After how long this is to be invalidated again; `None`: no source that it concerns has to settle.
    fn settles_after(&self, steps: &[Step]) -> Option<Duration> {
        let settling = self.reads.iter().filter(|read| !read.source.config.settle.is_zero());
        let concerned = settling.filter(|read| steps.iter().any(|step| concerns(step, read)));
        concerned.map(|read| read.source.config.settle).max()
    }
}

/// Whether an answer of this read may depend on it.
fn concerns(step: &Step, read: &PreparedRead) -> bool {
    let space = read.keys.space();
    match step {
        Step::Key(key) => key.class() == space.class(),
        Step::Dep(dep) => match dep.kind() {
            DepKind::Class => dep.text() == space.class(),
            DepKind::Prefix => space.prefixes().any(|prefix| prefix == dep.text()),
            // Of a parent, too, whose tags are those of its children.
            _ => true,
        },
    }
}
