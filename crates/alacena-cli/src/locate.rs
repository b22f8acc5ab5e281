//! Which configuration a command works with, and which running server.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use alacena::{
    config::{Config, Layers, Problems},
    error::{Error, catalogue},
};

use crate::{
    args::{ConfigFile, ServerAddress},
    failure::Failure,
    remote::Remote,
};

const FILE_DEFAULT: &str = "alacena.toml";
/// Where a server listens unless it is told otherwise: there the example can be found, which has no configuration here.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Who can answer.
pub(crate) enum Found {
    /// A running server.
    Server(Remote),
    /// Nobody: this process has to do it itself.
    Alone(Box<Config>),
}

/// The configuration file: the one that was named, or that of this folder; none where there is none.
pub(crate) fn file(given: &ConfigFile) -> Option<PathBuf> {
    given.config.clone().or_else(|| {
        // One that is there and cannot be looked at has not been meant to be overlooked.
        let absent =
            fs::symlink_metadata(FILE_DEFAULT).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        (!absent).then(|| PathBuf::from(FILE_DEFAULT))
    })
}

/// The configuration file, where there must be one.
///
/// # Errors
/// `Invalid`, with how to go on.
pub(crate) fn file_required(given: &ConfigFile) -> Result<PathBuf, Error> {
    file(given).ok_or_else(|| {
        Error::new(&catalogue::CONFIGURATION_ABSENT, "there is no alacena.toml in this folder")
    })
}

/// Reads and checks a configuration, with the environment and this process's flags laid over it.
///
/// # Errors
/// `Invalid`, with every problem.
pub(crate) fn load(file: &Path, listen: Option<SocketAddr>) -> Result<Config, Problems> {
    Config::load(&layers(file, listen))
}

/// What a configuration is made of in this process: the file, the environment, and the flags that were typed.
pub(crate) fn layers(file: &Path, listen: Option<SocketAddr>) -> Layers {
    let mut layers = Layers::of_process(Some(file.to_owned()));
    layers.flags.extend(listen.map(|listen| ("server.listen".to_owned(), listen.to_string())));
    layers
}

/// Finds the server that was named, that of the configuration, or the example's.
///
/// # Errors
/// As of [`find`], and `Unavailable` where none is running: `consequence` says what follows.
pub(crate) async fn running(
    config: &ConfigFile,
    server: &ServerAddress,
    consequence: &str,
) -> Result<Remote, Failure> {
    match find(config, server).await? {
        Found::Server(remote) => Ok(remote),
        Found::Alone(config) => {
            let listen = config.server.listen;
            let detail = format!(
                "no server of this configuration is running (it would listen at {listen}), {consequence}"
            );
            Err(Error::new(&catalogue::SERVER_ABSENT, detail).into())
        }
    }
}

/// Finds who can answer: the server that was named, that of the configuration, the example's, or nobody.
///
/// # Errors
/// `Invalid` where the configuration or the address is wrong; `Unavailable` where there is neither a configuration nor
/// a server.
pub(crate) async fn find(config: &ConfigFile, server: &ServerAddress) -> Result<Found, Failure> {
    if let Some(url) = &server.server {
        return Ok(Found::Server(Remote::named(url)?));
    }
    if let Some(file) = file(config) {
        let config = load(&file, None)?;
        return Ok(match Remote::of(&config).await {
            Some(remote) => Found::Server(remote),
            None => Found::Alone(Box::new(config)),
        });
    }
    let example = Remote::at(LISTEN_DEFAULT);
    if example.is_alive().await {
        return Ok(Found::Server(example));
    }
    let detail =
        format!("there is no alacena.toml in this folder that names one, and none at {LISTEN_DEFAULT}");
    Err(Error::new(&catalogue::SERVER_ABSENT, detail).into())
}
