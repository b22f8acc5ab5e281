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
//! Whoever is covered by it is acknowledged once it is written down, and has its own source's time to settle.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    dep::{Dep, DepKind},
    engine::Wish,
    ledger::{Intent, IntentId, Target},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    handle::Alacena,
    prepared::{Prepared, PreparedRead},
    recovery::settled,
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
    /// The repetition that stands for all that there was no room for, while it waits.
    whole: Option<Whole>,
}

struct Whole {
    /// Whether it is written down.
    written: watch::Receiver<bool>,
    /// What has been invalidated since it began to wait: it is not the last one, and the next one waits for so long.
    again: Option<Duration>,
}

/// What one invalidation is followed by.
struct Repetition {
    after: Duration,
    is_whole: bool,
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
    ) -> Option<watch::Receiver<bool>> {
        let of = self.prepared_full();
        let after = of.settles_after(steps)?;
        let (tell, told) = watch::channel(false);
        let repetition = match self.inner.settling.enter(after, &told) {
            Entered::Alone => {
                // A class of the application names steps alone.
                let targets = match targets {
                    [] => steps.iter().filter_map(Step::target).collect(),
                    targets => targets.to_vec(),
                };
                Repetition { after, is_whole: false, steps: steps.to_vec(), targets, who: settled(who), of }
            }
            Entered::Whole => Repetition::of_all(after, of),
            Entered::Covered(written) => return Some(written),
        };
        let alacena = self.clone();
        self.runtime().spawn(Box::pin(async move { alacena.repeat(repetition, tell).await }));
        Some(told)
    }

    async fn repeat(self, repetition: Repetition, tell: watch::Sender<bool>) {
        // Whoever closes waits for it, as long as it waits for anything.
        let work = self.inner.engine.begin_work();
        let written = self.write_down(&repetition).await;
        // Whoever asked may be gone; whoever is covered comes later.
        tell.send_replace(true);
        let mut next = Some(repetition.after);
        while let Some(after) = next {
            self.runtime().sleep(after).await;
            let (steps, who) = (self.steps_of(&repetition), &repetition.who);
            let level = self.apply_once(&steps, &repetition.targets, who, Wish::Applied).await.level;
            self.record(&repetition.targets, who, level).await;
            next = self.inner.settling.leave(repetition.is_whole);
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
    fn of_all(after: Duration, of: Arc<Prepared>) -> Self {
        let steps = vec![Step::Dep(Dep::namespace(&of.namespace))];
        let targets = vec![Target::Namespace(of.namespace.clone())];
        Self { after, is_whole: true, steps, targets, who: settled("too much"), of }
    }
}

enum Entered {
    Alone,
    Whole,
    /// By one that waits already, whose `written` says whether it is written down.
    Covered(watch::Receiver<bool>),
}

impl Settling {
    /// One is to be repeated `after` so long, and once it is written down that is `told`.
    fn enter(&self, after: Duration, told: &watch::Receiver<bool>) -> Entered {
        let mut waiting = self.0.lock();
        if waiting.count < WAITING_MAX {
            waiting.count += 1;
            return Entered::Alone;
        }
        match &mut waiting.whole {
            Some(whole) => {
                whole.again = whole.again.max(Some(after));
                Entered::Covered(whole.written.clone())
            }
            none => {
                *none = Some(Whole { written: told.clone(), again: None });
                Entered::Whole
            }
        }
    }

    /// One has been repeated. After how long it is to be once more, if so.
    fn leave(&self, is_whole: bool) -> Option<Duration> {
        let mut waiting = self.0.lock();
        if !is_whole {
            waiting.count -= 1;
            return None;
        }
        let again = waiting.whole.as_mut().and_then(|whole| whole.again.take());
        if again.is_none() {
            waiting.whole = None;
        }
        again
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_covered_is_acknowledged_once_what_covers_it_is_written_down() {
        let (settling, second) = (Settling::default(), Duration::from_secs(1));
        let (tell, told) = watch::channel(false);
        let (_other, other_told) = watch::channel(true);
        for _ in 0..WAITING_MAX {
            assert!(matches!(settling.enter(second, &told), Entered::Alone));
        }
        assert!(matches!(settling.enter(second, &told), Entered::Whole));
        let Entered::Covered(written) = settling.enter(2 * second, &other_told) else {
            panic!("one stands for all")
        };
        assert!(!*written.borrow());
        tell.send_replace(true);
        assert!(*written.borrow());
        assert!(matches!(settling.enter(second, &other_told), Entered::Covered(_)));
        // The longest of those that are covered, and then it is over.
        assert_eq!((settling.leave(true), settling.leave(true)), (Some(2 * second), None));
        assert!(matches!(settling.enter(second, &told), Entered::Whole));
    }
}
