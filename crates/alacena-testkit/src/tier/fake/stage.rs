//! The fake as a stage for the suite.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    runtime::{BoxFuture, Runtime},
    tier::Shard,
};

use super::{FakeTier, Faults};
use crate::{
    FakeRuntime,
    simulation::SimRuntime,
    tier::{
        Name,
        suite::{Happening, Stage},
    },
};

/// A [`FakeTier`] as a stage for [the suite](crate::tier::suite).
pub struct FakeStage {
    clock: Clock,
    tier: FakeTier,
    faults: Faults,
}

/// Who lets time pass.
enum Clock {
    Held(FakeRuntime),
    Simulated(SimRuntime),
}

impl FakeStage {
    /// An empty server without a replica, on a runtime of its own; chance follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let runtime = FakeRuntime::new(seed);
        let tier = FakeTier::new(Arc::new(runtime.clone()));
        Self { clock: Clock::Held(runtime), tier, faults: Faults::default() }
    }

    /// The same within a simulation: the rounds of the server take so long, and between every node and it there is this.
    #[must_use]
    pub fn simulated(runtime: &SimRuntime, round: Duration, faults: Faults) -> Self {
        let tier = FakeTier::new(Arc::new(runtime.clone())).with_round(round);
        Self { clock: Clock::Simulated(runtime.clone()), tier, faults }
    }
}

impl Stage for FakeStage {
    fn shard(&self) -> Arc<dyn Shard> {
        let shard = self.tier.shard();
        shard.set_faults(self.faults);
        Arc::new(shard)
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        match &self.clock {
            Clock::Held(runtime) => Box::pin(runtime.advance(time)),
            Clock::Simulated(runtime) => runtime.sleep(time),
        }
    }

    fn happen(&self, happening: Happening) -> BoxFuture<'_, bool> {
        match happening {
            Happening::Evicted(text) => self.tier.server(|server, _| {
                let name: Option<Name> = server.kept().map(|(name, _)| name).find(|name| name.text() == text);
                name.is_some_and(|name| server.evict(name))
            }),
            Happening::Flushed => {
                self.tier.server(|server, _| server.flush());
                true
            }
            Happening::Full(full) => {
                self.tier.server(|server, _| server.set_full(full));
                true
            }
            Happening::Restarted { keeps } => {
                self.tier.restart(keeps);
                true
            }
        };
        Box::pin(std::future::ready(true))
    }

    fn names(&self) -> BoxFuture<'_, Vec<String>> {
        let names = self.tier.server(|server, _| server.kept().map(|(name, _)| name.text()).collect());
        Box::pin(std::future::ready(names))
    }
}
