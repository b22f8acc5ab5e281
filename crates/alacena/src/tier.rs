//! The tier that nodes share, as the configuration names it.

#[cfg(feature = "redis")]
mod agreement;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "embedded", feature = "redis"))]
mod watch;

use std::sync::Arc;

use alacena_core::{
    error::Error,
    journal::{Invalidator, Poller},
    ledger::Target,
    runtime::{BoxFuture, SharedRuntime},
};

use crate::{
    config::Config,
    figures::{DiskFigures, TierKind},
    handle::{Alacena, Inner},
    store::Store,
};

/// What has to be known of the tier before anything is prepared.
pub(crate) struct Agreed {
    #[cfg(feature = "redis")]
    redis: Option<redis::Agreed>,
    #[cfg(feature = "embedded")]
    disk: Option<embedded::OnDisk>,
}

/// What runs beside the engine for the tier's sake.
#[derive(Default)]
pub(crate) struct Beside {
    /// Takes up what applications write into a table.
    poller: Option<Poller>,
    /// The entries on disk, where that is the tier.
    #[cfg(feature = "embedded")]
    disk: Option<Arc<alacena_backends::embedded::EmbeddedTier>>,
}

impl Agreed {
    /// Agrees with the other nodes on what all of them must say alike.
    ///
    /// # Errors
    /// `Unavailable` where that takes a server that cannot be reached, `Invalid` where it cannot be meant.
    pub(crate) async fn with(
        config: &Config,
        store: &mut Store,
        runtime: &SharedRuntime,
    ) -> Result<Self, Error> {
        // Those of an earlier start are removed where there is a Redis: nothing would tell them what is invalidated.
        #[cfg(feature = "embedded")]
        let disk = embedded::OnDisk::with(config, store, runtime).await?;
        #[cfg(feature = "redis")]
        if let Some(section) = &config.redis {
            let agreed = redis::Agreed::with(config, section, runtime).await?;
            if config.server.secret.is_none() {
                store.agree_on(agreed.secret());
            }
            return Ok(Self {
                redis: Some(agreed),
                #[cfg(feature = "embedded")]
                disk,
            });
        }
        let _ = (config, store, runtime);
        Ok(Self {
            #[cfg(feature = "redis")]
            redis: None,
            #[cfg(feature = "embedded")]
            disk,
        })
    }

    /// Lets this node share what it has loaded, from here on.
    ///
    /// # Errors
    /// `Invalid` where the journal is to be in a source that cannot hold one, `Unavailable` where it cannot be used.
    pub(crate) fn share(self, config: &Config, alacena: &Alacena) -> Result<(), Error> {
        #[cfg(feature = "redis")]
        if let Some((agreed, section)) = self.redis.zip(config.redis.as_ref()) {
            agreed.share(config, section, alacena)?;
            alacena.watch_tier();
            return Ok(());
        }
        #[cfg(feature = "embedded")]
        if let Some(disk) = self.disk {
            // The first one is the only one.
            let _ = alacena.inner.beside.set(Beside { disk: Some(disk.tier()), ..Beside::default() });
            disk.share(config, alacena);
            alacena.watch_tier();
        }
        let _ = (config, alacena);
        Ok(())
    }
}

impl Beside {
    /// Ends it.
    pub(crate) async fn close(&self) {
        if let Some(poller) = &self.poller {
            poller.close().await;
        }
    }
}

/// Invalidates what an application has written down, for as long as there is an Alacena to do it.
struct ByOutbox(std::sync::Weak<Inner>);

impl Invalidator for ByOutbox {
    fn invalidate(&self, targets: Vec<Target>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let Some(inner) = self.0.upgrade() else { return Ok(()) };
            Alacena { inner }.invalidate(&targets, "outbox").await.map(drop)
        })
    }
}

impl Alacena {
    /// Has what the tier does without written to the log.
    #[cfg(any(feature = "embedded", feature = "redis"))]
    fn watch_tier(&self) {
        let runtime = self.runtime();
        runtime.spawn(Box::pin(watch::watch(Arc::downgrade(&self.inner), Arc::clone(runtime))));
    }

    /// What the tier is made of; none: there is none.
    pub(crate) fn tier_kind(&self) -> Option<TierKind> {
        #[cfg(feature = "embedded")]
        if self.inner.beside.get().is_some_and(|beside| beside.disk.is_some()) {
            return Some(TierKind::Embedded);
        }
        (!self.inner.engine.second_tier().is_empty()).then_some(TierKind::Redis)
    }

    /// How much is kept on disk; none: that is not the tier.
    pub(crate) fn disk_figures(&self) -> Option<DiskFigures> {
        #[cfg(feature = "embedded")]
        if let Some(disk) = self.inner.beside.get().and_then(|beside| beside.disk.as_ref()) {
            return Some(embedded::figures(disk));
        }
        None
    }

    /// Has rows that applications write taken up.
    #[cfg_attr(
        not(all(feature = "redis", feature = "sqlite")),
        expect(dead_code, reason = "a table of a database belongs to a tier")
    )]
    fn take_up(&self, outbox: Arc<dyn alacena_core::journal::Outbox>, every: std::time::Duration) {
        let invalidator = Arc::new(ByOutbox(Arc::downgrade(&self.inner)));
        let poller = Poller::new(outbox, invalidator, every, Arc::clone(self.runtime()));
        poller.start();
        // The first one is the only one.
        let beside = Beside {
            poller: Some(poller),
            #[cfg(feature = "embedded")]
            disk: None,
        };
        let _ = self.inner.beside.set(beside);
    }
}
