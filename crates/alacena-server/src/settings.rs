//! How the server is reached, as plain values.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use alacena::config::{Config, Role};

/// Connections at once where nobody says otherwise: some tens of kilobytes each. The configuration has no setting yet.
pub(crate) const CONNECTIONS_MAX: u32 = 10_000;

/// How the server is reached and by whom.
///
/// ```
/// use alacena_server::ServerSettings;
///
/// let settings = ServerSettings { cors_origins: vec!["https://app.example".to_owned()], ..ServerSettings::default() };
/// assert!(settings.listen.ip().is_loopback());
/// ```
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The address to listen on, for [`bind`](crate::bind). Default 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// Names by which a loopback listener without tokens may be asked besides the loopback names; with or without a
    /// port. Default none.
    pub hosts: Vec<String>,
    /// Origins whose pages may ask and read answers: `https://app.example`. Default none.
    pub cors_origins: Vec<String>,
    /// How long a stop waits for requests that are running. Default 10 seconds. Zero: not at all.
    pub drain: Duration,
    /// The largest request body accepted, in bytes. Default 1 MiB.
    pub request_bytes_max: usize,
    /// Connections that may be open at once; whoever comes on top waits until one ends. Default 10 000, at least 1.
    pub connections_max: u32,
    /// Who may ask. None: everyone, which is refused on any but a loopback address.
    pub tokens: Vec<Token>,
    /// The version that the server says it is.
    pub version: String,
}

impl ServerSettings {
    /// The settings that `config` says, for a server that calls itself `version`.
    #[must_use]
    pub fn of(config: &Config, version: &str) -> Self {
        let tokens = config.tokens.iter().map(|token| Token {
            name: token.name.clone(),
            hash: *token.hash.as_bytes(),
            role: token.role,
        });
        Self {
            listen: config.server.listen,
            hosts: config.server.hosts.clone(),
            cors_origins: config.server.cors_origins.clone(),
            drain: config.server.drain,
            request_bytes_max: config.server.request_bytes_max,
            connections_max: CONNECTIONS_MAX,
            tokens: tokens.collect(),
            version: version.to_owned(),
        }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            drain: Duration::from_secs(10),
            request_bytes_max: 1024 * 1024,
            connections_max: CONNECTIONS_MAX,
            tokens: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Somebody who may ask. Its `Debug` does not show the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What the log and the history call whoever uses it.
    pub name: String,
    /// The BLAKE3 hash of the token.
    pub hash: [u8; 32],
    /// What it allows.
    pub role: Role,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, {})", self.name, self.role.as_str())
    }
}
