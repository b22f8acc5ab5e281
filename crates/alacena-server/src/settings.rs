//! How the server is reached, as plain values.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use alacena::config::{Config, Role};

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
    /// The authorization servers that hand out tokens for this one, as they call themselves. Default none: whoever runs
    /// the server does.
    pub authorization_servers: Vec<String>,
    /// How long a stop waits for requests that are running. Default 10 seconds. Zero: not at all.
    pub drain: Duration,
    /// The largest request body accepted, in bytes. Default 1 MiB.
    pub request_bytes_max: usize,
    /// Connections that may be open at once, each of some tens of kilobytes; whoever comes on top waits until one ends.
    /// Default 10 000, at least 1; no more than three quarters of the files that the process may open.
    pub connections_max: u32,
    /// Of those, connections of one address (of IPv6, of one /64); whoever comes on top is closed. Loopback counts for
    /// nothing. Default 1000: behind a proxy on another machine everybody has its address. Zero: no limit.
    pub connections_per_address_max: u32,
    /// How long a connection may be idle between two requests. Default 60 seconds; while all connections are taken,
    /// 5 seconds at most.
    pub idle_timeout: Duration,
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
            authorization_servers: config.server.authorization_servers.clone(),
            drain: config.server.drain,
            request_bytes_max: config.server.request_bytes_max,
            connections_max: config.server.connections_max,
            connections_per_address_max: config.server.connections_per_address_max,
            idle_timeout: config.server.idle_timeout,
            tokens: tokens.collect(),
            version: version.to_owned(),
        }
    }
}

impl ServerSettings {
    /// The same server as `config` has it, as far as a running one can change: who may ask, from where, and how long
    /// it takes to stop.
    pub(crate) fn reloaded(&self, config: &Config) -> Self {
        let Self { hosts, cors_origins, authorization_servers, drain, tokens, .. } = Self::of(config, "");
        Self { hosts, cors_origins, authorization_servers, drain, tokens, ..self.clone() }
    }

    /// Whether everybody who reaches the listener may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            authorization_servers: Vec::new(),
            drain: Duration::from_secs(10),
            request_bytes_max: 1024 * 1024,
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            idle_timeout: Duration::from_secs(60),
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
