//! Another configuration for a running Alacena: everything is made ready aside, and put in place in one step.
//!
//! ```text
//!   begin_reload (one at a time) ──▶ Reloading ── prepare ──▶ Ready ── commit ──▶ Reloaded
//!                                                    └ an error: nothing has changed
//! ```
//!
//! A call takes what is declared when it begins, and ends with that: none is dropped, and none meets a half of each.
//! What has not changed is taken over as it is. A read that has changed has keys of a new *generation*, so that nothing
//! that was loaded by the old declaration answers the new one, whenever it is stored:
//!
//! ```text
//!   caller A                     reload                   caller B
//!   takes the read (1)
//!                                puts the read (2) in place
//!                                                         takes the read (2), asks for a key of generation 2:
//!   leads a load of generation 1                          meets neither the entry of A nor its flight
//!                                frees what is of generation 1
//!   stores under generation 1: nobody asks for it, and it gives way as such entries do
//! ```
//!
//! Invalidations need no more care: one that is resolved before the step is followed only by loads that begin after it
//! was asked for. Only a write that is under way looks twice (see `writing`).

use std::{collections::BTreeSet, fmt, sync::Arc};

use alacena_core::{
    engine::Work,
    envelope::{KeyId, SealKeys},
    error::{Error, catalogue},
    memory::QuickMemory,
};
use tokio::sync::OwnedMutexGuard;

use crate::{
    config::{Config, EmbeddedConfig, MemoryConfig, RedisConfig, ServerConfig},
    handle::Alacena,
    prepared::{Prepared, PreparedRead},
    preparing::prepare,
};

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Reads that were not declared before, in order of name.
    pub reads_added: Vec<String>,
    /// Reads that are not declared any more, in order of name.
    pub reads_removed: Vec<String>,
    /// Reads that are declared otherwise than before, in order of name: in themselves, in their class, in their source
    /// or in the read that they ask first.
    pub reads_changed: Vec<String>,
    /// Settings that are other than those in force, and take effect at the next start: `server.listen`.
    pub needs_restart: Vec<&'static str>,
    /// What is accepted and probably not meant.
    pub warnings: Vec<String>,
}

/// The turn to reload. While it is held no other reload begins, and [`Alacena::close`] waits.
#[must_use = "nothing is reloaded until it is prepared and committed"]
pub struct Reloading {
    alacena: Alacena,
    _turn: OwnedMutexGuard<()>,
    _work: Work,
}

/// Another configuration, ready to be put in place. Dropped, it changes nothing.
#[must_use = "nothing changes until it is committed"]
pub struct Ready {
    reloading: Reloading,
    prepared: Prepared,
    memory_bytes_max: u64,
    reloaded: Reloaded,
}

/// What was opened with a configuration and stays for the life of the process.
pub(crate) struct Opened {
    server: ServerConfig,
    memory: MemoryConfig,
    embedded: EmbeddedConfig,
    redis: Option<RedisConfig>,
    cache_enabled: bool,
}

impl Alacena {
    /// Puts another configuration in place without dropping a call: those under way end with what they began with. The
    /// memory, its entries and the counts of what has not changed stay.
    ///
    /// ```
    /// # use alacena::{Alacena, SystemRuntime, config::{Config, Layers}};
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = format!("[embedded]\npath = \"{}\"\n", folder.path().join("store").display());
    /// # let crm = format!("{store}[sources.crm]\nkind = \"http\"\nbase_url = \"http://127.0.0.1:9\"\n");
    /// # let parse = |text: &str| Config::parse(&format!("{crm}{text}"), "example", &Layers::default());
    /// let alacena = Alacena::open(&parse("")?, SystemRuntime::shared()).await?;
    ///
    /// let config = parse("[reads.jobs]\nsource = \"crm\"\nhttp = \"GET /jobs\"\n")?;
    /// assert_eq!(alacena.reload(&config).await?.reads_added, ["jobs"]);
    /// assert!(alacena.declared_read("jobs").is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`begin_reload`](Alacena::begin_reload) and [`Reloading::prepare`]; then nothing has changed.
    ///
    /// # Cancellation
    /// Dropped while another reload is under way, it changes nothing; after that it does not wait.
    pub async fn reload(&self, config: &Config) -> Result<Reloaded, Error> {
        Ok(self.begin_reload().await?.prepare(config)?.commit())
    }

    /// Waits until no other reload is under way. Whoever reads a file reads it after this: of two reloads at once, the
    /// one that comes last must not bring what it read first.
    ///
    /// # Errors
    /// `Closed` after [`close`](Alacena::close).
    pub async fn begin_reload(&self) -> Result<Reloading, Error> {
        let turn = Arc::clone(&self.inner.reloading).lock_owned().await;
        let work = self.inner.engine.begin_work()?;
        Ok(Reloading { alacena: self.clone(), _turn: turn, _work: work })
    }
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reloading")
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ready").field(&self.reloaded).finish()
    }
}

impl Reloading {
    /// Makes everything ready: opens what is new or has changed, and checks each declaration against its source. May
    /// take as long as opening a database does, and blocks meanwhile.
    ///
    /// # Errors
    /// `Invalid` where a declaration does not fit its source, or a class or a source is one of the application's own;
    /// `Unavailable` where a source's files cannot be used. Nothing has changed then.
    pub fn prepare(self, config: &Config) -> Result<Ready, Error> {
        let inner = &self.alacena.inner;
        let refuse = |kind: &'static str, name: &str| {
            let detail = format!("`{name}` is a {kind} of the application's own");
            Err(Error::new(&catalogue::CLASS_REFUSED, detail).with(kind, name))
        };
        if let Some(class) = config.classes.keys().find(|class| inner.own.has(class)) {
            return refuse("class", class);
        }
        if let Some(source) = config.sources.iter().find(|source| inner.own.ask(&source.name)) {
            return refuse("source", &source.name);
        }
        let before = self.alacena.prepared_full();
        let prepared = prepare(config, inner.engine.runtime(), &inner.store, Some(&before))?;
        let opened = inner.opened.as_ref();
        let reloaded = Reloaded {
            needs_restart: opened.map_or_else(Vec::new, |opened| opened.otherwise_in(config)),
            warnings: config.warnings.iter().map(ToString::to_string).collect(),
            ..differences(&before, &prepared)
        };
        Ok(Ready { reloading: self, prepared, memory_bytes_max: config.memory.bytes_max, reloaded })
    }
}

impl Ready {
    /// Puts it in place. Takes time in proportion to the number of entries where reads have changed or are gone.
    pub fn commit(self) -> Reloaded {
        let Self { reloading, prepared, memory_bytes_max, mut reloaded } = self;
        let Reloading { alacena, .. } = &reloading;
        let engine = &alacena.inner.engine;
        let asked_for: BTreeSet<u32> = prepared.generations().collect();
        let before = alacena.inner.prepared.swap(Arc::new(prepared));
        let now = alacena.prepared();
        for read in &now.reads {
            if let Ok(known) = before.read(&read.read.name)
                && !Arc::ptr_eq(&known.rules, &read.rules)
            {
                read.rules.counters.go_on_from(&known.rules.counters);
            }
        }
        if before.generations().any(|generation| !asked_for.contains(&generation)) {
            // Those of an application's own classes are of generation 0.
            engine.forget(|key| key.generation() != 0 && !asked_for.contains(&key.generation()));
        }
        reloaded.warnings.extend(resize(alacena, memory_bytes_max));
        alacena.inner.warming.0.look_again();
        reloaded
    }
}

/// Changes the size of the memory; a warning where what the check of the configuration promises does not hold.
fn resize(alacena: &Alacena, bytes_max: u64) -> Option<String> {
    let largest = alacena.inner.engine.resize(bytes_max);
    let promised = QuickMemory::entry_bytes_max(bytes_max);
    (largest < promised).then(|| {
        format!(
            "memory.max: until the next start, an entry of more than {largest} bytes is not kept; after it, up to {promised}"
        )
    })
}

/// Which reads differ.
fn differences(before: &Prepared, after: &Prepared) -> Reloaded {
    let missing_in = |other: &Prepared, one: &Prepared| {
        let names = one.reads.iter().map(|read| &read.read.name);
        names.filter(|name| other.read(name).is_err()).cloned().collect()
    };
    let generation = |read: &PreparedRead| read.rules.space.generation();
    let changed = after.reads.iter().filter(|read| {
        before.read(&read.read.name).is_ok_and(|known| {
            generation(known) != generation(read)
                || known.declaration != read.declaration
                || known.rules.policy != read.rules.policy
                || known.source.config != read.source.config
        })
    });
    Reloaded {
        reads_added: missing_in(before, after),
        reads_removed: missing_in(after, before),
        reads_changed: changed.map(|read| read.read.name.clone()).collect(),
        ..Reloaded::default()
    }
}

impl Opened {
    pub(crate) fn with(config: &Config) -> Self {
        Self {
            server: config.server.clone(),
            memory: config.memory.clone(),
            embedded: config.embedded.clone(),
            redis: config.redis.clone(),
            cache_enabled: config.cache_enabled,
        }
    }

    /// Whether the cache is on.
    pub(crate) fn caches(&self) -> bool {
        self.cache_enabled
    }

    /// The settings that are other in `config` and that only a start can change.
    ///
    /// Taken apart without `..`: whoever adds a setting decides here whether a reload brings it into force. If it does,
    /// it is left out by name.
    fn otherwise_in(&self, config: &Config) -> Vec<&'static str> {
        let ServerConfig {
            listen,
            hosts: _,
            cors_origins: _,
            authorization_servers: _,
            drain: _,
            request_bytes_max,
            connections_max,
            connections_per_address_max,
            idle_timeout,
            namespace,
            secret: _,
            log,
            log_format,
            replicas,
        } = &self.server;
        let MemoryConfig { bytes_max: _, markers_max } = &self.memory;
        let EmbeddedConfig { path, entries_bytes_max, markers_max: entry_markers_max, keys } = &self.embedded;
        let (server, memory, embedded) = (&config.server, &config.memory, &config.embedded);
        let settings = [
            ("server.listen", *listen != server.listen),
            ("server.request_bytes_max", *request_bytes_max != server.request_bytes_max),
            ("server.connections_max", *connections_max != server.connections_max),
            (
                "server.connections_per_address_max",
                *connections_per_address_max != server.connections_per_address_max,
            ),
            ("server.idle_timeout", *idle_timeout != server.idle_timeout),
            ("server.namespace", *namespace != server.namespace),
            ("server.log", *log != server.log),
            ("server.log_format", *log_format != server.log_format),
            ("server.replicas", *replicas != server.replicas),
            ("memory.markers_max", *markers_max != memory.markers_max),
            ("embedded.path", *path != embedded.path),
            ("embedded.entries_max", *entries_bytes_max != embedded.entries_bytes_max),
            ("embedded.markers_max", *entry_markers_max != embedded.markers_max),
            ("embedded.key", key_of(keys.as_ref()) != key_of(embedded.keys.as_ref())),
            ("CACHE_ENABLED", self.cache_enabled != config.cache_enabled),
        ];
        let of_redis = redis_otherwise(self.redis.as_ref(), config.redis.as_ref());
        settings.into_iter().chain(of_redis).filter(|(_, differs)| *differs).map(|(path, _)| path).collect()
    }
}

/// Each setting of `[redis]` and whether it differs; the section as a whole where only one of them has it.
fn redis_otherwise(one: Option<&RedisConfig>, other: Option<&RedisConfig>) -> Vec<(&'static str, bool)> {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return vec![("redis", one.is_some() != other.is_some())],
    };
    let RedisConfig {
        #[cfg(feature = "redis")]
        address,
        ca,
        connect_timeout,
        timeout,
        in_flight_max,
        lease,
        push,
        replicas_min,
        commands_per_day,
        keys,
        journal,
        breaker,
    } = one;
    vec![
        #[cfg(feature = "redis")]
        ("redis.url", *address != other.address),
        ("redis.ca", *ca != other.ca),
        ("redis.connect_timeout", *connect_timeout != other.connect_timeout),
        ("redis.timeout", *timeout != other.timeout),
        ("redis.in_flight_max", *in_flight_max != other.in_flight_max),
        ("redis.lease", *lease != other.lease),
        ("redis.push", *push != other.push),
        ("redis.replicas_min", *replicas_min != other.replicas_min),
        ("redis.metered", *commands_per_day != other.commands_per_day),
        ("redis.key", key_of(keys.as_ref()) != key_of(other.keys.as_ref())),
        ("redis.key_previous", key_before(keys.as_ref()) != key_before(other.keys.as_ref())),
        ("redis.journal", *journal != other.journal),
        ("redis.breaker", *breaker != other.breaker),
    ]
}

fn key_before(keys: Option<&SealKeys>) -> Option<KeyId> {
    keys.and_then(SealKeys::previous)
}

fn key_of(keys: Option<&SealKeys>) -> Option<KeyId> {
    keys.map(SealKeys::current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    #[test]
    fn what_is_said_of_redis_is_for_the_next_start() {
        let config = |text: &str| Config::parse(text, "alacena.toml", &Layers::default()).unwrap();
        let redis = |fields: &str| config(&format!("[redis]\nurl = \"redis://a\"\n{fields}"));
        let opened = Opened::with(&redis(""));
        assert!(opened.otherwise_in(&redis("")).is_empty());
        let other = redis("timeout = \"1s\"\nmetered = \"10/day\"\nbreaker = { failures = 2 }\n");
        assert_eq!(opened.otherwise_in(&other), ["redis.timeout", "redis.metered", "redis.breaker"]);
        let (old, new) = ("A".repeat(43), "0123456789abcdef".repeat(4));
        let sealed = Opened::with(&redis(&format!("key = \"{old}\"\n")));
        let both = redis(&format!("key = \"{old}\"\nkey_previous = \"{new}\"\n"));
        assert_eq!(sealed.otherwise_in(&both), ["redis.key_previous"], "the first round of a change");
        assert_eq!(opened.otherwise_in(&config("")), ["redis"]);
        assert_eq!(Opened::with(&config("")).otherwise_in(&redis("")), ["redis"]);
    }
}
