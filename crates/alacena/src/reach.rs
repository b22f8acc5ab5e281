//! What an invalidation would take away: to look before one leaps.

use alacena_core::{engine::Change, error::Error, ledger::Target};

use crate::{handle::Alacena, targets::Step};

/// What an invalidation would take away.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reach {
    /// Each target, in the order in which they were named.
    pub targets: Vec<TargetReach>,
    /// Entries that would be answered now and would not be then. One that several targets reach counts once.
    pub entries: u64,
}

/// What a target comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetReach {
    /// The target.
    pub target: Target,
    /// What would be invalidated for it: deps, or keys, with how many entries that would be answered now depend on
    /// each. A pattern can come to more than it says, never to less.
    pub deps: Vec<(String, u64)>,
}

impl Alacena {
    /// What invalidating `targets` now would take away. Nothing is invalidated. Looks at every entry in memory.
    ///
    /// # Errors
    /// `Invalid` where a target names nothing that anything can depend on.
    pub fn reach(&self, targets: &[Target]) -> Result<Reach, Error> {
        let prepared = self.prepared_full();
        let own = self.inner.own.list();
        let steps = targets.iter().map(|target| Ok((target, prepared.steps(target, &own)?)));
        let steps = steps.collect::<Result<Vec<_>, Error>>()?;
        let changes: Vec<Change<'_>> = steps.iter().flat_map(|(_, steps)| steps).map(Step::change).collect();
        let counted = self.inner.engine.reach(&changes);
        let mut counts = changes.iter().map(named).zip(counted.each);
        let reached = |(target, steps): &(&Target, Vec<Step>)| TargetReach {
            target: (*target).clone(),
            deps: counts.by_ref().take(steps.len()).collect(),
        };
        Ok(Reach { targets: steps.iter().map(reached).collect(), entries: counted.entries })
    }
}

fn named(change: &Change<'_>) -> String {
    match change {
        Change::Dep(dep) => dep.to_string(),
        Change::Key(key) => format!("key {}", key.text()),
    }
}
