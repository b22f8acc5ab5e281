//! Every section and every field, with unit, default, limits and what zero means; those of classes, of Redis and of
//! reads and writes are in files of their own.

use super::{
    Field, Format, Kind, Names,
    classes::CLASSES,
    declarations::{READS, WRITES},
    redis::REDIS,
};

pub(super) const fn duration(min: &'static str, max: &'static str) -> Kind {
    Kind::Duration { min, max }
}

pub(super) const fn bytes(min: &'static str, max: &'static str) -> Kind {
    Kind::Bytes { min, max }
}

pub(super) const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

pub(super) const fn choice(words: &'static [&'static str]) -> Kind {
    Kind::Choice { words, later: &[] }
}

pub(super) const fn list(of: &'static Kind, max: usize) -> Kind {
    Kind::List { of, max }
}

/// The sections, in the order of the reference.
pub(in crate::config) const ROOT: &[Field] = &[
    Field::new("server", Kind::Table(SERVER), "How Alacena is reached."),
    Field::new("memory", Kind::Table(MEMORY), "The cache in memory."),
    Field::new(
        "embedded",
        Kind::Table(EMBEDDED),
        "The store on local disk: invalidations and declared writes in flight, and entries where `entries_max` says so.",
    ),
    Field::new(
        "redis",
        Kind::Table(REDIS),
        "A Redis (6.2 or newer) or Valkey that several nodes share: their second tier, and what tells each of them what the others invalidate. Without this section there is one node.",
    ),
    Field::new(
        "tokens",
        Kind::Named { names: Names::Section, fields: TOKENS, max: 100 },
        "Who may ask. Without any, Alacena listens on loopback only and needs no token.",
    ),
    Field::new(
        "sources",
        Kind::Named { names: Names::Section, fields: SOURCES, max: 100 },
        "Where truth lives.",
    ),
    Field::new(
        "classes",
        Kind::Named { names: Names::Section, fields: CLASSES, max: 1000 },
        "How long data is fresh, and what happens after that. A read without a class has one of its own name.",
    ),
    Field::new(
        "reads",
        Kind::Named { names: Names::Section, fields: READS, max: 1000 },
        "Named questions: each one an endpoint, an MCP tool and a family of cached entries.",
    ),
    Field::new(
        "writes",
        Kind::Named { names: Names::Section, fields: WRITES, max: 1000 },
        "Named changes, passed through to their source; what they change is invalidated.",
    ),
    Field::later("events"),
    Field::later("queues"),
    Field::later("topics"),
    Field::later("sessions"),
    Field::later("limits"),
    Field::later("webhooks"),
    Field::later("delivery"),
    Field::later("tenants"),
    Field::later("alerts"),
    Field::later("insight"),
];

const SERVER: &[Field] = &[
    Field::new(
        "listen",
        Kind::Text(Format::Address),
        "The address to listen on. Any other than loopback needs a token in `[tokens]`.",
    )
    .default("127.0.0.1:8080")
    .zero("port 0: any free port"),
    Field::new(
        "hosts",
        list(&Kind::Text(Format::Host), 100),
        "Names by which a server without tokens may be asked besides its own address; any other is refused, so that no page in a browser can reach it under a name of its own.",
    ),
    Field::new(
        "cors_origins",
        list(&Kind::Text(Format::WebOrigin), 100),
        "Origins whose pages may read answers, such as `https://app.example`.",
    ),
    Field::new(
        "authorization_servers",
        list(&Kind::Text(Format::Issuer), 8),
        "Where a client gets a token for this server, such as `https://login.example`, for its description as a protected resource (RFC 9728). Alacena knows the tokens of `[tokens]` and no others: name a server that hands those out, or one whose tokens a gateway in front exchanges for them. Without it: whoever runs this server hands them out.",
    ),
    Field::new("drain", duration("0s", "10m"), "How long a stop waits for requests that are running.")
        .default("10s")
        .zero("they are cut off"),
    Field::new("request_bytes_max", bytes("1KiB", "64MiB"), "The largest request body accepted.").default("1MiB"),
    Field::new(
        "connections_max",
        integer(1, 1_000_000),
        "Connections that may be open at once; whoever comes on top waits until one ends. No more than three quarters of the files that the process may open.",
    )
    .default("10000"),
    Field::new(
        "connections_per_address_max",
        integer(0, 1_000_000),
        "Of those, connections of one address; whoever comes on top is closed. An IPv6 address counts with its /64, loopback does not count. Behind a proxy everybody has its address.",
    )
    .default("1000")
    .zero("no limit"),
    Field::new(
        "idle_timeout",
        duration("1s", "1h"),
        "How long a connection may be idle between two requests; while all connections are taken, 5 s at most. Longer than a proxy before it keeps its own.",
    )
    .default("60s"),
    Field::new("namespace", Kind::Text(Format::Namespace), "The key space of this application.")
        .default("default"),
    Field::new(
        "secret",
        Kind::Secret { min: 16 },
        "What the partitions of callers with credentials of their own, and the names of keys in Redis, are keyed with, at least 16 bytes; the same on every node. Without it, one that is kept in Redis, or without a Redis in the embedded store.",
    ),
    Field::new(
        "log",
        Kind::Text(Format::LogFilter),
        "Which log lines are written: `error`, `warn`, `info`, `debug`, `trace` or `off`, or a list such as `info,alacena_core=debug`.",
    )
    .default("info"),
    Field::new("log_format", choice(&["text", "json"]), "Log lines for people, or one JSON object a line.")
        .default("text"),
    Field::new(
        "replicas",
        integer(1, 10_000),
        "How many nodes share the namespace. `1`: nobody else could invalidate what this one holds, so that it keeps its time while Redis cannot be reached. Without it: it may be several.",
    ),
    Field::later("aliases"),
];

const MEMORY: &[Field] = &[
    Field::new(
        "max",
        bytes("1MiB", "1024GiB"),
        "Most bytes that entries take; then the least useful are evicted.",
    )
    .default("64MiB"),
    Field::new(
        "markers_max",
        integer(1024, 16_777_216),
        "Most markers of tags, of values of an `index`, and of keys with callers' credentials, that are kept; one that is pushed out invalidates what depends on it. Prefixes, classes and the namespace have markers of their own, which are never pushed out.",
    )
    .default("65536"),
];

const EMBEDDED: &[Field] = &[
    Field::new(
        "path",
        Kind::Text(Format::Path),
        "Its folder, relative to the configuration file. One process owns it.",
    )
    .default(".alacena"),
    Field::new(
        "entries_max",
        bytes("0B", "1024GiB"),
        "Most bytes of entries that are kept there as a second tier, so that they survive a restart; then the least useful are evicted. At least 1MiB; on disk they may take a third more. With a `[redis]` section, that is the second tier, and this means nothing.",
    )
    .default("0B")
    .zero("no entries are kept there, and those of an earlier start are removed"),
    Field::new(
        "markers_max",
        integer(8192, 16_777_216),
        "Most markers that are kept beside the entries: one for each tag, prefix, class and value of an `index` that is in use, and up to 4,096 for keys, at about 100 bytes each. One that gives way invalidates what depends on it. Without entries it means nothing.",
    )
    .default("262144"),
    Field::new(
        "key",
        Kind::Secret { min: 43 },
        "What its records are sealed with: 32 bytes in base64 or hexadecimal, as `openssl rand -base64 32` makes them, in `${ALACENA_KEY}` or a `file:`. A store that was readable is sealed at the next start. Without it, who can read the file can read the names and keys in it.",
    ),
    Field::new(
        "key_previous",
        Kind::Secret { min: 43 },
        "The key that `key` takes the place of. The next start seals the store with `key`; after that it is not needed any more.",
    ),
];

const TOKENS: &[Field] = &[
    Field::new(
        "hash",
        Kind::Text(Format::TokenHash),
        "`blake3:` and the 64 hexadecimal digits that `printf %s \"$TOKEN\" | b3sum` prints. The token itself never stands in a file.",
    )
    .required(),
    Field::new(
        "role",
        choice(&["read", "load", "operate", "admin"]),
        "What it allows, each including the ones before: reads; writes; invalidation and figures; everything.",
    )
    .required(),
];

const SOURCES: &[Field] = &[
    Field::new(
        "kind",
        Kind::Choice { words: &["http", "sqlite"], later: &["postgres", "mongodb", "libsql", "redis"] },
        "What it is: a REST API, or an SQLite file.",
    )
    .required(),
    Field::new(
        "base_url",
        Kind::Text(Format::BaseUrl),
        "Required. What every path of a read or write is appended to.",
    )
    .only("http"),
    Field::new(
        "headers",
        Kind::Headers { secret: true },
        "Headers sent with every call. Their values are secrets: `authorization = \"Bearer ${CRM_KEY}\"`, or `file:` and a path.",
    )
    .only("http"),
    Field::new(
        "credentials",
        list(&Kind::Text(Format::HeaderName), 8),
        "Headers of the caller that are passed through. They are part of the key, so that no caller sees what another one's credentials fetched.",
    )
    .only("http"),
    Field::new(
        "ca",
        Kind::Text(Format::Path),
        "A file of PEM certificates that are trusted besides the usual ones.",
    )
    .only("http"),
    Field::new("connect_timeout", duration("1ms", "1m"), "How long connecting may take.")
        .default("1s")
        .only("http"),
    Field::new("retries", integer(0, 5), "How often a failed question is asked again. A write never is.")
        .default("1")
        .zero("never")
        .only("http"),
    Field::new("path", Kind::Text(Format::Path), "Required. The SQLite file, relative to the configuration file.")
        .only("sqlite"),
    Field::new("connections", integer(1, 64), "Connections for reads, all of them read-only.")
        .default("4")
        .only("sqlite"),
    Field::new("statement_timeout", duration("1ms", "10m"), "How long one statement may run.")
        .default("2s")
        .only("sqlite"),
    Field::new("rows_max", integer(1, 1_000_000), "Most rows of one answer; one with more is refused.")
        .default("10000")
        .only("sqlite"),
    Field::new("body_max", bytes("1KiB", "256MiB"), "The largest answer accepted, decompressed.").default("2MiB"),
    Field::new("concurrency", integer(1, 10_000), "Calls that run at once.").default("64"),
    Field::new("queue", integer(0, 100_000), "Calls that wait for their turn; the next one is refused.")
        .default("128")
        .zero("none waits"),
    Field::new("queue_wait", duration("0s", "1m"), "How long a call waits for its turn.")
        .default("100ms")
        .zero("not at all"),
    Field::new("breaker", Kind::Table(BREAKER), "When a source that fails is left alone."),
    Field::new(
        "settle",
        duration("0s", "10m"),
        "How long it may go on answering with what was there before a change: the lag of a database replica. Whatever is invalidated that its reads may depend on is invalidated once more after this, so that what was loaded too early goes. Where entries outlive the process, in Redis or on disk, that is written to the store before the first time is acknowledged, and survives a crash.",
    )
    .default("0s")
    .zero("it answers with every change at once"),
];

const BREAKER: &[Field] = &[
    Field::new("failures", integer(1, 10_000), "Failures within `window` that switch the source off.")
        .default("5"),
    Field::new("window", duration("1s", "1h"), "How far back failures count.").default("120s"),
    Field::new(
        "reset_max",
        duration("1s", "1h"),
        "The longest pause before the source is tried again; the first one is 1 s, then they double.",
    )
    .default("60s"),
];
