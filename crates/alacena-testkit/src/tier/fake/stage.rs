//! The fake as a stage for the suite.

use std::{sync::Arc, time::Duration};

use alacena_core::{runtime::BoxFuture, tier::Shard};

use super::FakeTier;
use crate::{
    FakeRuntime,
    tier::{
        Name,
        suite::{Happening, Stage},
    },
};

/// A [`FakeTier`] on a [`FakeRuntime`] as a stage for [the suite](crate::tier::suite).
pub struct FakeStage {
    runtime: FakeRuntime,
    tier: FakeTier,
}

impl FakeStage {
    /// An empty server without a replica; chance follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let runtime = FakeRuntime::new(seed);
        let tier = FakeTier::new(Arc::new(runtime.clone()));
        Self { runtime, tier }
    }

    /// The server.
    #[must_use]
    pub fn tier(&self) -> &FakeTier {
        &self.tier
    }
}

impl Stage for FakeStage {
    fn shard(&self) -> Arc<dyn Shard> {
        Arc::new(self.tier.shard())
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.runtime.advance(time))
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
