//! What survives the process, and where it is kept.

use std::sync::Arc;

#[cfg(feature = "embedded")]
use alacena_backends::embedded::{EmbeddedLedger, Owner};
use alacena_core::{
    error::Error,
    ledger::{Ledger, VolatileLedger},
    runtime::{Runtime, SharedRuntime},
};

use crate::config::Config;

/// The ledger, and what else the store knows.
pub(crate) struct Store {
    pub(crate) ledger: Arc<dyn Ledger>,
    /// A secret that is as old as the store.
    secret: [u8; 32],
    /// The same ledger, where it is the embedded one.
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<EmbeddedLedger>>,
}

impl Store {
    /// The embedded store in the folder that the configuration names; in memory where this build has none.
    #[cfg(feature = "embedded")]
    pub(crate) fn open(config: &Config, runtime: &SharedRuntime) -> Result<Self, Error> {
        let owner = Owner { pid: std::process::id(), listen: None, started_at: runtime.unix_millis() };
        let embedded = EmbeddedLedger::open(
            &config.embedded.path,
            owner,
            config.embedded.keys.clone(),
            Arc::clone(runtime),
        )?;
        Ok(Self {
            ledger: Arc::clone(&embedded) as Arc<dyn Ledger>,
            secret: *embedded.secret(),
            embedded: Some(embedded),
        })
    }

    #[cfg(not(feature = "embedded"))]
    pub(crate) fn open(_config: &Config, runtime: &SharedRuntime) -> Result<Self, Error> {
        Ok(Self::in_memory(&**runtime))
    }

    /// A store that ends with the process.
    pub(crate) fn in_memory(runtime: &dyn Runtime) -> Self {
        let mut secret = [0; 32];
        secret.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&runtime.random().to_le_bytes()));
        Self {
            ledger: Arc::new(VolatileLedger::default()),
            secret,
            #[cfg(feature = "embedded")]
            embedded: None,
        }
    }

    /// Takes a secret that other nodes have, too.
    #[cfg(feature = "redis")]
    pub(crate) fn agree_on(&mut self, secret: [u8; 32]) {
        self.secret = secret;
    }

    /// Where invalidations are kept that a shard could not be told of.
    #[cfg(any(feature = "embedded", feature = "redis"))]
    pub(crate) fn journal(&self) -> Arc<dyn alacena_core::journal::Journal> {
        #[cfg(feature = "embedded")]
        if let Some(embedded) = &self.embedded {
            return Arc::clone(embedded) as _;
        }
        Arc::new(alacena_core::journal::VolatileJournal::default())
    }

    /// The same ledger, where it is the embedded one.
    #[cfg(feature = "embedded")]
    pub(crate) fn embedded(&self) -> Option<&EmbeddedLedger> {
        self.embedded.as_deref()
    }

    /// What names of entries and markers are hashed with, where this node has a tier to itself.
    #[cfg(feature = "embedded")]
    pub(crate) fn names_secret(&self, config: &Config) -> [u8; 32] {
        match &config.server.secret {
            Some(secret) => blake3::derive_key("alacena shared secret v1", secret.reveal().as_bytes()),
            None => self.secret,
        }
    }

    /// Makes known where this process listens.
    pub(crate) async fn announce(&self, listen: &str) -> Result<(), Error> {
        #[cfg(feature = "embedded")]
        if let Some(embedded) = &self.embedded {
            return embedded.announce(listen).await;
        }
        let _ = listen;
        Ok(())
    }

    /// Gives the store back.
    pub(crate) async fn close(&self) {
        #[cfg(feature = "embedded")]
        if let Some(embedded) = &self.embedded {
            embedded.close().await;
        }
    }

    /// A secret that is as old as the store, where no configuration has another.
    #[cfg(feature = "tower")]
    pub(crate) fn own_secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What the partitions of callers are keyed with: derived from the configured secret, or else the store's own.
    pub(crate) fn principal_secret(&self, config: &Config) -> [u8; 32] {
        match &config.server.secret {
            Some(secret) => blake3::derive_key("alacena principal partitions v1", secret.reveal().as_bytes()),
            None => self.secret,
        }
    }
}
