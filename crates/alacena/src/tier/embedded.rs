//! The disk of the one node there is as its second tier: what it has loaded survives its restart.

use std::{sync::Arc, time::Duration};

use alacena_backends::embedded::{EmbeddedTier, TierSettings};
use alacena_core::{
    engine::Tier, error::Error, guard::BreakerSettings, journal::ShardName, runtime::SharedRuntime,
    tier::HashKey,
};
use futures_util::future::{Either, select};

use crate::{config::Config, figures::DiskFigures, handle::Alacena, store::Store};

/// The name of its one shard.
const SHARD: &str = "embedded";
/// How long a start waits for the file; after a kill all of it is looked at. Then the node goes on in memory, until it is
/// there.
const OPENED_WITHIN: Duration = Duration::from_secs(10);
/// For how long a load holds its key; it renews that. In one process nobody waits for whoever is gone.
const LEASE: Duration = Duration::from_secs(3);

/// The entries on disk, open or about to be.
pub(super) struct OnDisk {
    tier: Arc<EmbeddedTier>,
    settings: TierSettings,
    secret: [u8; 32],
}

impl OnDisk {
    /// Opens them where the configuration gives them room, and there is no Redis; else removes what an earlier process has
    /// left.
    ///
    /// # Errors
    /// `Internal` where no thread could be started. A disk that fails is none.
    pub(super) async fn with(
        config: &Config,
        store: &Store,
        runtime: &SharedRuntime,
    ) -> Result<Option<Self>, Error> {
        let embedded = &config.embedded;
        if config.redis.is_some() || embedded.entries_bytes_max == 0 {
            EmbeddedTier::remove(&embedded.path);
            return Ok(None);
        }
        let Some(ledger) = store.embedded() else { return Ok(None) };
        let secret = store.names_secret(config);
        let mut settings = TierSettings::default();
        settings.entries_bytes_max = embedded.entries_bytes_max;
        settings.markers_max = embedded.markers_max;
        settings.mark = mark(config, &secret);
        settings.keeps_damaged = embedded.keys.is_none();
        let tier = EmbeddedTier::open(ledger, settings, Arc::clone(runtime))?;
        if let Either::Right(_) = select(std::pin::pin!(tier.opened()), runtime.sleep(OPENED_WITHIN)).await {
            tracing::warn!(
                "the entries on disk take long to open; until they are, this node answers without them"
            );
        }
        Ok(Some(Self { tier, settings, secret }))
    }

    pub(super) fn tier(&self) -> Arc<EmbeddedTier> {
        Arc::clone(&self.tier)
    }

    /// Lets the engine keep its entries there.
    pub(super) fn share(self, config: &Config, alacena: &Alacena) {
        alacena.inner.engine.share(Tier {
            shards: vec![(ShardName::new(SHARD), Arc::new(self.tier.only_shard()))],
            names: HashKey::derive(&self.secret),
            seal: config.embedded.keys.clone(),
            // What the file of the entries does not take that of the store may: then it survives a crash after all.
            journal: alacena.inner.store.journal(),
            breaker: BreakerSettings::default(),
            step_within: self.settings.step_within,
            lease: LEASE,
            good_replicas_min: 0,
            is_only_node: true,
        });
    }
}

/// How much is kept there.
pub(super) fn figures(tier: &EmbeddedTier) -> DiskFigures {
    let figures = tier.figures();
    DiskFigures {
        shard: SHARD,
        entries: figures.entries,
        bytes: figures.bytes,
        bytes_max: figures.bytes_max,
        evictions: figures.evicted,
        markers: figures.markers,
    }
}

/// What a file must have been written with to be of any use: other names find nothing in it, and another key opens nothing.
/// A file that was readable does not stay once there is a key.
fn mark(config: &Config, secret: &[u8; 32]) -> [u8; 32] {
    let key = config.embedded.keys.as_ref().map_or([0; 8], |keys| keys.current().to_bytes());
    blake3::derive_key("alacena entries on disk v1", &[secret.as_slice(), &key].concat())
}
