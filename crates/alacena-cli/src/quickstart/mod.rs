//! What `alacena serve` shows where there is no configuration: a slow CRM and a help desk's database, both made up,
//! both real in every other way, in a temporary folder that is gone when the process ends.

mod announce;
mod guard;
mod tickets;

use std::{
    future,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alacena::{
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::simulate;

pub(crate) use announce::announce;

/// What the data follows from: every quickstart is the same.
const SEED: u64 = 42;
/// The configuration as it is shown; the address of the CRM is put in when it is known.
const CONFIGURATION: &str = include_str!("alacena.toml");
const CRM_IN_CONFIGURATION: &str = "http://127.0.0.1:9000";

/// A running CRM, a database, and the configuration that uses them. Dropping it removes the folder.
pub(crate) struct Quickstart {
    folder: TempDir,
    crm: SocketAddr,
}

impl Quickstart {
    /// Creates the database, starts the CRM, and writes the configuration, unless something says that a configuration
    /// has been lost.
    ///
    /// # Errors
    /// `Invalid` where the example must not be shown, `Unavailable` where the temporary folder cannot be used.
    pub(crate) async fn prepare(runtime: &SharedRuntime) -> Result<Self, Error> {
        guard::check(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        let folder =
            TempDir::with_prefix("alacena-").map_err(|cause| unusable("cannot be created", cause))?;
        tickets::create(&folder.path().join("tickets.db"), SEED)
            .map_err(|cause| unusable("cannot hold the example's database", cause))?;
        let crm = start_crm(runtime).await?;
        let text = CONFIGURATION.replace(CRM_IN_CONFIGURATION, &format!("http://{crm}"));
        let quickstart = Self { folder, crm };
        std::fs::write(quickstart.config(), text)
            .map_err(|cause| unusable("cannot hold the example's configuration", cause))?;
        Ok(quickstart)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder().join("alacena.toml")
    }

    /// The folder that everything lies in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the CRM can be reached.
    pub(crate) fn crm(&self) -> SocketAddr {
        self.crm
    }
}

async fn start_crm(runtime: &SharedRuntime) -> Result<SocketAddr, Error> {
    let failed = |cause| {
        Error::new(&catalogue::LISTEN_FAILED, "there is no free port on loopback for the simulated CRM")
            .caused_by(cause)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let settings = simulate::Settings { seed: SEED, ..simulate::Settings::default() };
    let serving = simulate::serve(listener, settings, runtime.clone(), future::pending());
    runtime.spawn(Box::pin(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the simulated CRM has ended");
        }
    }));
    Ok(address)
}

fn unusable(what: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    let folder = std::env::temp_dir();
    Error::new(
        &catalogue::STORE_FAILED,
        format!("the temporary folder in {} {what}: {cause}", folder.display()),
    )
    .caused_by(cause)
}
