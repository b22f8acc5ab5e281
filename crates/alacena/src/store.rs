//! What survives the process, and where it is kept.

use std::sync::Arc;

use alacena_core::{error::Error, ledger::Ledger, runtime::SharedRuntime};

use crate::config::Config;

/// The ledger, and what else the store knows.
pub(crate) struct Store {
    pub(crate) ledger: Arc<dyn Ledger>,
    #[cfg(feature = "embedded")]
    embedded: Arc<alacena_backends::embedded::EmbeddedLedger>,
    #[cfg(not(feature = "embedded"))]
    secret: [u8; 32],
}

#[cfg(feature = "embedded")]
impl Store {
    /// The embedded store in the folder that the configuration names.
    pub(crate) fn open(config: &Config, runtime: &SharedRuntime) -> Result<Self, Error> {
        let owner = alacena_backends::embedded::Owner {
            pid: std::process::id(),
            listen: None,
            started_at: runtime.unix_millis(),
        };
        let path = &config.embedded.path;
        let embedded = alacena_backends::embedded::EmbeddedLedger::open(path, owner, &**runtime)?;
        Ok(Self { ledger: Arc::clone(&embedded) as Arc<dyn Ledger>, embedded })
    }

    /// Makes known where this process listens.
    pub(crate) async fn announce(&self, listen: &str) -> Result<(), Error> {
        self.embedded.announce(listen).await
    }

    /// Gives the store back.
    pub(crate) async fn close(&self) {
        self.embedded.close().await;
    }

    fn secret(&self) -> &[u8; 32] {
        self.embedded.secret()
    }
}

#[cfg(not(feature = "embedded"))]
impl Store {
    /// A ledger in memory: this build has no other.
    pub(crate) fn open(_config: &Config, runtime: &SharedRuntime) -> Result<Self, Error> {
        let mut secret = [0; 32];
        secret.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&runtime.random().to_le_bytes()));
        Ok(Self { ledger: Arc::new(alacena_core::ledger::VolatileLedger::default()), secret })
    }

    pub(crate) async fn announce(&self, _listen: &str) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) async fn close(&self) {}

    fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl Store {
    /// What the partitions of callers are keyed with: derived from the configured secret, or else the store's own.
    pub(crate) fn principal_secret(&self, config: &Config) -> [u8; 32] {
        match &config.server.secret {
            Some(secret) => blake3::derive_key("alacena principal partitions v1", secret.reveal().as_bytes()),
            None => *self.secret(),
        }
    }
}
