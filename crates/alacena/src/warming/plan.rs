//! What a configuration wants warm, and which of it an invalidation touches.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use alacena_core::{dep::Dep, engine::Change, key::Key};

use super::run::Job;
use crate::{
    config::WarmConfig,
    prepared::{Prepared, PreparedRead},
};

/// One question of one read: their places in the plan.
type Place = (usize, usize);

/// Everything that one configuration wants warm.
#[derive(Default)]
pub(super) struct Plan {
    /// What it was made of.
    of: Weak<Prepared>,
    pub(super) reads: Vec<WarmRead>,
    /// The questions whose answers depend on something, and are loaded again once it is invalidated.
    by_dep: HashMap<Dep, Vec<Place>>,
    by_key: HashMap<Key, Vec<Place>>,
}

/// One read of it.
pub(super) struct WarmRead {
    pub(super) name: String,
    source: String,
    pub(super) warm: WarmConfig,
    /// Loads at once.
    loads_max: usize,
}

impl Plan {
    /// What `prepared` wants warm.
    pub(super) fn of(prepared: &Arc<Prepared>) -> Self {
        let mut plan = Plan { of: Arc::downgrade(prepared), ..Plan::default() };
        for read in &prepared.reads {
            let Some(warm) = &read.declaration.warm else { continue };
            if warm.after_invalidation {
                plan.index(read, warm);
            }
            plan.reads.push(WarmRead::new(read, warm.clone()));
        }
        plan
    }

    /// Whether it is the plan of `prepared`.
    pub(super) fn is_of(&self, prepared: &Arc<Prepared>) -> bool {
        std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(prepared))
    }

    /// The questions whose answers `change` takes away.
    pub(super) fn touched_by(&self, change: Change<'_>) -> &[Place] {
        let places = match change {
            Change::Dep(dep) => self.by_dep.get(dep),
            Change::Key(key) => self.by_key.get(key),
        };
        places.map_or(&[], Vec::as_slice)
    }

    fn index(&mut self, read: &PreparedRead, warm: &WarmConfig) {
        for (set, parameters) in warm.parameters.iter().enumerate() {
            let place = (self.reads.len(), set);
            // A question that cannot be asked fails when it is warmed, and says why.
            let Ok(question) = read.question(parameters, &[]) else { continue };
            let deps = question.rules.space.deps().iter().chain(question.tags.iter());
            for dep in deps.chain(question.hard_tags.iter()) {
                let places = self.by_dep.entry(dep.clone()).or_default();
                // A tag that stands twice would touch it twice.
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            self.by_key.entry(question.key).or_default().push(place);
        }
    }
}

impl WarmRead {
    pub(super) fn new(read: &PreparedRead, warm: WarmConfig) -> Self {
        Self {
            name: read.read.name.clone(),
            source: read.read.source.clone(),
            loads_max: loads_max(read, warm.concurrency),
            warm,
        }
    }

    /// The work of warming those of its questions that `wanted` names.
    pub(super) fn job(&self, wanted: impl Fn(usize) -> bool) -> Job {
        let sets = self.warm.parameters.iter().enumerate();
        Job {
            read: self.name.clone(),
            source: self.source.clone(),
            sets: sets.filter(|(at, _)| wanted(*at)).map(|(_, set)| set.clone()).collect(),
            loads_max: self.loads_max,
        }
    }
}

/// Loads of a read at once: those that its source gives background work, at most.
pub(super) fn loads_max(read: &PreparedRead, wanted: usize) -> usize {
    wanted.min(read.source.config.guard.concurrency / 4).max(1)
}
