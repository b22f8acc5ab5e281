//! What a checked configuration is: plain values, every one within its limits, ready to become components.
//!
//! Nothing here can be wrong any more: names refer to what exists, templates parse, paths are absolute or relative to
//! the working directory. Defaults and limits are written once, in [`super::schema`].

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use alacena_core::{
    class::Policy,
    declared::{AnswerSchema, Parameter, Parameters, Pointer, Template},
    envelope::SealKeys,
    secret::Secret,
    value::Compression,
};

use super::{origin::Origin, problem::Problem};
use crate::warming::Cron;

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

/// `[reads.<name>]`: a named, parameterised, cached question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReadConfig {
    /// Its name: endpoint, tool and log.
    pub name: String,
    /// A short name for people; the read's name where none is given.
    pub title: String,
    /// What it answers, for people and agents.
    pub description: String,
    /// The source that is asked.
    pub source: String,
    /// The class of its entries.
    pub class: String,
    /// What the source is asked.
    pub question: Question,
    /// What a caller may give, in the order of the file.
    pub parameters: Vec<Parameter>,
    /// The tags of an entry.
    pub tags: Vec<Template>,
    /// Tags whose invalidation forbids an entry for good, whatever becomes of its source.
    pub hard_tags: Vec<Template>,
    /// The key of an entry: segments separated by `:`, each of them constant text or exactly one hole, the first one
    /// constant.
    pub key: Template,
    /// The parameters that patterns may name, as its class declares them.
    pub index: Vec<String>,
    /// The read that is asked first, and what is taken out of its answer; none: it needs no other.
    pub parent: Option<ParentConfig>,
    /// What may shorten the TTL of an answer, as its class declares it.
    pub ttl_from: TtlFrom,
    /// Whether its source is shown the version that is held, as its class declares it.
    pub conditional: bool,
    /// How its answers are kept in memory, as its class declares it.
    pub compression: Compression,
    /// What it promises to answer; every answer of its source is checked against it.
    pub answer: Option<AnswerSchema>,
    /// Whether it needs no token.
    pub public: bool,
    /// What of it is loaded before anybody asks; none: nothing.
    pub warm: Option<WarmConfig>,
}

/// `reads.<name>.warm`: answers that are loaded before anybody asks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WarmConfig {
    /// What is asked, each question complete and none of them twice; at least one.
    pub parameters: Vec<Parameters>,
    /// Whether they are loaded when the server starts.
    pub at_start: bool,
    /// Whether they are loaded again once they have been invalidated.
    pub after_invalidation: bool,
    /// When they are loaded besides.
    pub cron: Option<Cron>,
    /// Loads at once.
    pub concurrency: usize,
}

/// `parent` of a read: the read whose answer its question needs something of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentConfig {
    /// Its name.
    pub read: String,
    /// Its parameters, as templates over those of the child.
    pub parameters: Vec<(String, Template)>,
    /// What the child's question calls each value, and where in the answer it stands.
    pub take: Vec<(String, Pointer)>,
}

/// What is heard of how long an answer is fresh, besides its class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TtlFrom {
    /// Whether the headers of an HTTP source are heard.
    pub headers: bool,
    /// Where in the answer it says so itself: a span in seconds, or a time.
    pub value: Option<Pointer>,
    /// The longest TTL that either can set.
    pub max: Duration,
}

impl ReadConfig {
    /// Every tag that an invalidation of its entries may name, hard or not.
    pub fn every_tag(&self) -> impl Iterator<Item = &Template> {
        self.tags.iter().chain(&self.hard_tags)
    }
}

/// `[writes.<name>]`: a named call that passes through to a source and invalidates.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WriteConfig {
    /// Its name: endpoint and log.
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// The source that is changed.
    pub source: String,
    /// What the source is told.
    pub question: Question,
    /// What a caller may give, in the order of the file.
    pub parameters: Vec<Parameter>,
    /// What is invalidated.
    pub invalidates: Vec<TargetTemplate>,
}

/// What a source is asked or told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Question {
    /// An HTTP request.
    Http(HttpQuestion),
    /// An SQL statement.
    Sql(SqlQuery),
    /// Several SQL statements with their names, in the order of the file, which see one state of the database.
    Queries(Vec<(String, SqlQuery)>),
}

/// An SQL statement with named parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlQuery {
    /// The statement.
    pub sql: String,
    /// What becomes of its rows.
    pub shape: Shape,
}

/// An HTTP request with holes for parameters. Its `Debug` shows no more than the method: `${NAME}` may have put a
/// secret anywhere else.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpQuestion {
    /// The method, in upper case.
    pub method: String,
    /// Path and query, beginning with `/`.
    pub target: Template,
    /// Headers of this request, names in lower case.
    pub headers: Vec<(String, Template)>,
    /// A JSON document whose strings are templates.
    pub body: Option<serde_json::Value>,
    /// The part of the answer that is kept, as a JSON pointer (RFC 6901). Empty: all of it.
    pub pointer: String,
}

impl fmt::Debug for HttpQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpQuestion").field("method", &self.method).finish_non_exhaustive()
    }
}

/// What becomes of the rows of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An array of objects.
    Rows,
    /// The first row as an object; without one there is no such thing.
    Row,
}

/// What a write invalidates, with holes for its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetTemplate {
    /// Everything that carries this tag.
    Tag(Template),
    /// Everything whose key begins with these constant segments.
    Prefix(Template),
    /// Everything whose key matches, `*` standing for one segment and a last `*` for the rest.
    Pattern(Template),
    /// One key, in every caller's partition.
    Key(Template),
    /// Everything of this class.
    Class(String),
}
