//! What a checked configuration is: plain values, every one within its limits, ready to become components.
//!
//! Nothing here can be wrong any more: names refer to what exists, templates parse, paths are absolute or relative to
//! the working directory. Defaults and limits are written once, in [`super::schema`].

mod declarations;
mod redis;

pub use declarations::{
    HttpQuestion, ParentConfig, Question, ReadConfig, Shape, SqlQuery, TargetTemplate, TtlFrom, WarmConfig,
    WriteConfig,
};
pub use redis::{BreakerConfig, JournalConfig, PushConfig, RedisConfig};
#[cfg(feature = "redis")]
pub use redis::{RedisAddress, RedisCredentials, RedisPlace};

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use alacena_core::{class::Policy, envelope::SealKeys, secret::Secret};

use super::{origin::Origin, problem::Problem};

/// A whole configuration, checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The file it came from; none for text in memory and for the defaults alone.
    pub file: Option<PathBuf>,
    /// How Alacena is reached.
    pub server: ServerConfig,
    /// The cache in memory.
    pub memory: MemoryConfig,
    /// The store on local disk.
    pub embedded: EmbeddedConfig,
    /// The Redis that several nodes share; none: there is one node, or `REDIS_ENABLED=false`.
    pub redis: Option<RedisConfig>,
    /// Who may ask, in the order of the file.
    pub tokens: Vec<TokenConfig>,
    /// The sources, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// Every class, those that a read implies included, by name.
    pub classes: BTreeMap<String, Policy>,
    /// The reads, in the order of the file.
    pub reads: Vec<ReadConfig>,
    /// The writes, in the order of the file.
    pub writes: Vec<WriteConfig>,
    /// False where `CACHE_ENABLED=false` sends every read to its source.
    pub cache_enabled: bool,
    /// Where each value that is not a default came from, by path (`classes.jobs.ttl`).
    pub origins: BTreeMap<String, Origin>,
    /// What is accepted and probably not meant: a class that no read is of, a tag that no read carries.
    pub warnings: Vec<Problem>,
}

/// `[server]`: how Alacena is reached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The address to listen on. Loopback, unless there are tokens.
    pub listen: SocketAddr,
    /// Names by which the server may be asked besides its own address, in lower case.
    pub hosts: Vec<String>,
    /// Origins whose pages may read answers.
    pub cors_origins: Vec<String>,
    /// The authorization servers that hand out tokens for this one.
    pub authorization_servers: Vec<String>,
    /// How long a stop waits for requests that are running.
    pub drain: Duration,
    /// The largest request body accepted.
    pub request_bytes_max: usize,
    /// Connections that may be open at once.
    pub connections_max: u32,
    /// Of those, connections of one address. Zero: no limit.
    pub connections_per_address_max: u32,
    /// How long a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// The namespace of every key.
    pub namespace: String,
    /// What the partitions of callers are keyed with; none: a random one per process.
    pub secret: Option<Secret>,
    /// Which log lines are written: a level or a filter.
    pub log: String,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// How many nodes share the namespace; none: it may be several.
    pub replicas: Option<u32>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[memory]`: the cache in memory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// Most bytes that entries take.
    pub bytes_max: u64,
    /// Most markers kept; those pushed out invalidate what depends on them.
    pub markers_max: usize,
}

/// `[embedded]`: the store on local disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmbeddedConfig {
    /// Its folder.
    pub path: PathBuf,
    /// Most bytes of entries that are kept there as a second tier. Zero: none are.
    pub entries_bytes_max: u64,
    /// Most markers that are kept beside them.
    pub markers_max: u64,
    /// What its records are sealed with; `None`: who can read its file can read them.
    pub keys: Option<SealKeys>,
}

/// `[tokens.<name>]`: somebody who may ask.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenConfig {
    /// What the log calls whoever uses it.
    pub name: String,
    /// The BLAKE3 hash of the token.
    pub hash: TokenHash,
    /// What it allows.
    pub role: Role,
}

/// The BLAKE3 hash of a token. Its `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub(super) [u8; 32]);

impl TokenHash {
    /// The hash, to compare in constant time.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// What a token allows; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Ask reads.
    Read,
    /// Send writes, too.
    Load,
    /// Invalidate and look at figures, too.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// The word for it in the configuration, in answers and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Load => "load",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
}

/// `[sources.<name>]`: where truth lives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SourceConfig {
    /// Its name.
    pub name: String,
    /// What it is and how it is reached.
    pub kind: SourceKind,
    /// What protects it from too many calls, and callers from it when it fails.
    pub guard: GuardConfig,
    /// How long it may answer with what was there before a change: after this what was invalidated is invalidated once
    /// more. Zero: it never does.
    pub settle: Duration,
}

/// What a source is and how it is reached.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SourceKind {
    /// A REST API.
    Http(HttpConfig),
    /// An SQLite file.
    Sqlite(SqliteConfig),
}

impl SourceKind {
    /// The word for it in the configuration.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            SourceKind::Http(_) => "http",
            SourceKind::Sqlite(_) => "sqlite",
        }
    }
}

/// How an HTTP source is reached.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// What every path is appended to: `https://crm.example/api1`, without a slash at its end.
    pub base_url: String,
    /// Headers sent with every call, names in lower case.
    pub headers: Vec<(String, Secret)>,
    /// Headers of the caller that are passed through and are part of the key, names in lower case.
    pub credentials: Vec<String>,
    /// A file of PEM certificates that are trusted besides the usual ones.
    pub ca: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The largest answer accepted, decompressed.
    pub body_max: usize,
    /// How often a failed question is asked again.
    pub retries: u32,
}

/// How an SQLite source is reached.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// The file.
    pub path: PathBuf,
    /// Connections for reads.
    pub connections: usize,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// Most rows of one answer.
    pub rows_max: usize,
    /// The largest answer accepted.
    pub body_max: usize,
}

/// The bulkhead and the breaker of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardConfig {
    /// Calls that run at once.
    pub concurrency: usize,
    /// Calls that wait.
    pub queue: usize,
    /// How long they wait.
    pub queue_wait: Duration,
    /// Failures within `window` that open the breaker.
    pub failures: u32,
    /// How far back failures count.
    pub window: Duration,
    /// The longest pause between probes.
    pub reset_max: Duration,
}
