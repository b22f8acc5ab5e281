//! From a configuration to running components.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alacena_core::{
    engine::{Engine, EngineSettings, Rules},
    error::Error,
    figures::{Counter, Counters},
    guard::{BreakerSettings, BulkheadSettings, Guard, GuardSettings},
    runtime::SharedRuntime,
};
use parking_lot::Mutex;

use crate::{
    config::{Config, GuardConfig, ReadConfig, TargetTemplate, WriteConfig},
    declared_reads::{Read, Write},
    handle::{Alacena, Inner},
    keys::Keys,
    prepared::{Prepared, PreparedRead, PreparedWrite},
    sources::Source,
    store::Store,
    ttl::TtlRule,
};

impl Alacena {
    /// Opens the store, prepares the sources, and applies what an earlier process left open, before the first read.
    ///
    /// # Errors
    /// `Invalid` where a declaration does not fit its source, named; `Unavailable` where the store or a source's
    /// files cannot be used, or the store belongs to another process, named.
    pub async fn open(config: &Config, runtime: SharedRuntime) -> Result<Alacena, Error> {
        let store = Store::open(config, &runtime)?;
        let prepared = prepare(config, &runtime, &store)?;
        let memory = EngineSettings {
            memory_bytes_max: config.memory.bytes_max,
            markers_max: config.memory.markers_max,
        };
        let alacena = Self::assemble(memory, runtime, store, prepared, config.cache_enabled);
        alacena.recover().await?;
        Ok(alacena)
    }

    /// An Alacena for an application that loads its values itself: nothing is declared, nothing is on disk, 64 MiB of
    /// memory.
    #[must_use]
    pub fn in_memory(runtime: SharedRuntime) -> Alacena {
        let store = Store::in_memory(&*runtime);
        let nothing = Prepared {
            namespace: "default".to_owned(),
            classes: BTreeSet::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            guards: Vec::new(),
            secret: [0; 32],
        };
        Self::assemble(EngineSettings::default(), runtime, store, nothing, true)
    }

    pub(crate) fn assemble(
        memory: EngineSettings,
        runtime: SharedRuntime,
        store: Store,
        prepared: Prepared,
        cache_enabled: bool,
    ) -> Alacena {
        Alacena {
            inner: Arc::new(Inner {
                started: runtime.now(),
                engine: Engine::new(memory, runtime),
                store,
                reads: prepared.reads.iter().map(|read| read.read.clone()).collect(),
                writes: prepared.writes.iter().map(|write| write.write.clone()).collect(),
                prepared,
                cache_enabled,
                class_types: Mutex::default(),
                writes_sent: Counter::default(),
            }),
        }
    }
}

fn prepare(config: &Config, runtime: &SharedRuntime, store: &Store) -> Result<Prepared, Error> {
    let mut sources = BTreeMap::new();
    for source in &config.sources {
        let guard = Guard::new(&source.name, guard_settings(&source.guard), Arc::clone(runtime));
        sources.insert(source.name.as_str(), (Source::open(source, runtime)?, guard));
    }
    let mut reads = config
        .reads
        .iter()
        .map(|read| prepare_read(config, read, &sources))
        .collect::<Result<Vec<_>, _>>()?;
    reads.sort_by(|a, b| a.read.name.cmp(&b.read.name));
    let mut writes =
        config.writes.iter().map(|write| prepare_write(write, &sources)).collect::<Result<Vec<_>, _>>()?;
    writes.sort_by(|a, b| a.write.name.cmp(&b.write.name));
    Ok(Prepared {
        namespace: config.server.namespace.clone(),
        classes: config.classes.keys().cloned().collect::<BTreeSet<_>>(),
        reads,
        writes,
        guards: sources.into_iter().map(|(name, (_, guard))| (name.to_owned(), guard)).collect(),
        secret: store.principal_secret(config),
    })
}

type Sources<'a> = BTreeMap<&'a str, (Source, Guard)>;

fn prepare_read(config: &Config, read: &ReadConfig, sources: &Sources<'_>) -> Result<PreparedRead, Error> {
    let (source, guard) = &sources[read.source.as_str()];
    let keys = Keys::new(&config.server.namespace, &read.class, &read.key, &read.parameters, &read.index)?;
    let policy = config.classes[&read.class].clone();
    let fetch = source.read(&read.question).map_err(|error| error.with("read", &read.name))?;
    Ok(PreparedRead {
        read: Read {
            name: read.name.clone(),
            title: read.title.clone(),
            description: read.description.clone(),
            parameters: read.parameters.clone(),
            class: read.class.clone(),
            source: read.source.clone(),
            public: read.public,
            credentials: source.credentials().to_vec(),
            key: read.key.to_string(),
            tags: read.every_tag().map(ToString::to_string).collect(),
            ttl: policy.ttl,
        },
        rules: Arc::new(Rules {
            space: keys.space().clone(),
            policy,
            guard: Some(guard.clone()),
            counters: Counters::default(),
        }),
        keys,
        tags: read.tags.clone(),
        hard_tags: read.hard_tags.clone(),
        fetch,
        ttl: Arc::new(TtlRule::new(&read.name, &read.ttl_from)),
    })
}

fn prepare_write(write: &WriteConfig, sources: &Sources<'_>) -> Result<PreparedWrite, Error> {
    let (source, guard) = &sources[write.source.as_str()];
    let invalidates = write.invalidates.iter().map(|target| match target {
        TargetTemplate::Tag(tag) => format!("tag {tag}"),
        TargetTemplate::Prefix(prefix) => format!("prefix {prefix}"),
        TargetTemplate::Pattern(pattern) => format!("pattern {pattern}"),
        TargetTemplate::Key(key) => format!("key {key}"),
        TargetTemplate::Class(class) => format!("class {class}"),
    });
    Ok(PreparedWrite {
        write: Write {
            name: write.name.clone(),
            description: write.description.clone(),
            parameters: write.parameters.clone(),
            source: write.source.clone(),
            credentials: source.credentials().to_vec(),
            invalidates: invalidates.collect(),
        },
        invalidates: write.invalidates.clone(),
        guard: guard.clone(),
        deliver: source.write(&write.question).map_err(|error| error.with("write", &write.name))?,
    })
}

fn guard_settings(guard: &GuardConfig) -> GuardSettings {
    GuardSettings {
        breaker: BreakerSettings {
            failures: guard.failures,
            window: guard.window,
            reset_max: guard.reset_max,
            ..BreakerSettings::default()
        },
        bulkhead: BulkheadSettings {
            concurrency: guard.concurrency,
            queue: guard.queue,
            queue_wait: guard.queue_wait,
        },
    }
}
