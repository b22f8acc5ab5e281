//! From a configuration to what is declared, prepared: all of it, or what has changed since another configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alacena_core::{
    engine::Rules,
    error::{Error, catalogue},
    guard::{BreakerSettings, BulkheadSettings, Guard, GuardSettings},
    runtime::SharedRuntime,
    value::BodyCodec,
};

use crate::{
    config::{Config, GuardConfig, ParentConfig, ReadConfig, SourceConfig, TargetTemplate, WriteConfig},
    declaration::Meaning,
    declared_reads::{Read, Write},
    keys::Keys,
    parents::Parent,
    prepared::{OpenSource, Prepared, PreparedRead, PreparedWrite},
    promise,
    sources::Source,
    store::Store,
    ttl::TtlRule,
};

/// The components of `config`. What is in `before` and has not changed is taken over as it is: a source with its
/// connections, its breaker and its counts, a read with its counts and its entries.
///
/// # Errors
/// `Invalid` where a declaration does not fit its source, `Unavailable` where a source's files cannot be used.
pub(crate) fn prepare(
    config: &Config,
    runtime: &SharedRuntime,
    store: &Store,
    before: Option<&Prepared>,
) -> Result<Prepared, Error> {
    is_built(config)?;
    let mut sources = BTreeMap::new();
    for source in &config.sources {
        let known = before.and_then(|before| before.sources.get(&source.name));
        sources.insert(source.name.clone(), open_source(source, runtime, known)?);
    }
    let namespace = before.map_or(&config.server.namespace, |before| &before.namespace);
    let newest = before.map_or(0, |before| before.newest_generation);
    let mut preparing = Preparing {
        config,
        namespace,
        secret: store.principal_secret(config),
        sources: &sources,
        is_sealed: before.map_or_else(|| is_sealed(config), |before| before.is_sealed),
        before,
        reads: BTreeMap::new(),
        newest,
    };
    let reads = config.reads.iter().map(|read| preparing.read_after_its_parent(read));
    let reads = reads.collect::<Result<Vec<_>, _>>()?;
    let writes = config.writes.iter().map(|write| {
        let known = before.and_then(|before| before.write(&write.name).ok());
        preparing.write(write, known)
    });
    let writes = writes.collect::<Result<Vec<_>, _>>()?;
    let (newest_generation, is_sealed) = (preparing.newest, preparing.is_sealed);
    let classes = config.classes.keys().cloned().collect::<BTreeSet<_>>();
    Ok(Prepared::new(namespace.clone(), classes, sources, reads, writes, newest_generation, is_sealed))
}

/// Whether entries are sealed in the second tier: that of Redis where there is one, else on disk.
fn is_sealed(config: &Config) -> bool {
    let keys = config.redis.as_ref().map_or(&config.embedded.keys, |redis| &redis.keys);
    keys.is_some()
}

/// Refuses what of a second tier a configuration can declare and this version does not have.
fn is_built(config: &Config) -> Result<(), Error> {
    let asked = [(
        "embedded.entries_max",
        cfg!(not(feature = "embedded")) && config.embedded.entries_bytes_max > 0,
        "remove it, or build with the feature `embedded`",
    )];
    match asked.into_iter().find(|(_, is_asked, _)| *is_asked) {
        Some((path, _, remedy)) => {
            let detail = format!("{path}: {remedy}");
            Err(Error::new(&catalogue::NOT_BUILT_YET, detail))
        }
        None => Ok(()),
    }
}

/// The source of `config`, or `known`, as far as it is that.
fn open_source(
    config: &SourceConfig,
    runtime: &SharedRuntime,
    known: Option<&Arc<OpenSource>>,
) -> Result<Arc<OpenSource>, Error> {
    let known = known.filter(|known| known.config.kind == config.kind);
    // A file of certificates may hold others than before.
    let source = known.filter(|_| !Source::may_have_changed(config));
    let guard = known.filter(|known| known.config.guard == config.guard);
    if let (Some(known), Some(_)) = (source, guard)
        && known.config.settle == config.settle
    {
        return Ok(Arc::clone(known));
    }
    Ok(Arc::new(OpenSource {
        config: config.clone(),
        source: match source {
            Some(known) => Arc::clone(&known.source),
            None => Arc::new(Source::open(config, runtime)?),
        },
        guard: match guard {
            Some(known) => known.guard.clone(),
            None => Guard::new(&config.name, guard_settings(&config.guard), Arc::clone(runtime)),
        },
    }))
}

/// What reads and writes are made of.
struct Preparing<'a> {
    config: &'a Config,
    namespace: &'a str,
    secret: [u8; 32],
    /// Whether entries are sealed in the second tier.
    is_sealed: bool,
    sources: &'a BTreeMap<String, Arc<OpenSource>>,
    /// What was declared before.
    before: Option<&'a Prepared>,
    /// The reads that are ready, by name.
    reads: BTreeMap<&'a str, Arc<PreparedRead>>,
    /// The generation of keys that was given away last.
    newest: u32,
}

impl<'a> Preparing<'a> {
    /// The read and before it, where it is not ready yet, the one that is asked first.
    fn read_after_its_parent(&mut self, read: &'a ReadConfig) -> Result<Arc<PreparedRead>, Error> {
        if let Some(ready) = self.reads.get(read.name.as_str()) {
            return Ok(Arc::clone(ready));
        }
        let parent = match &read.parent {
            None => None,
            Some(parent) => {
                let asked = self.config.reads.iter().find(|asked| asked.name == parent.read);
                let asked = asked.expect("a configuration that was checked has the parents that it names");
                Some((self.read_after_its_parent(asked)?, parent))
            }
        };
        let known = self.before.and_then(|before| before.read(&read.name).ok());
        let ready = self.read(read, known, parent)?;
        self.reads.insert(&read.name, Arc::clone(&ready));
        Ok(ready)
    }

    fn read(
        &mut self,
        read: &ReadConfig,
        known: Option<&Arc<PreparedRead>>,
        parent: Option<(Arc<PreparedRead>, &ParentConfig)>,
    ) -> Result<Arc<PreparedRead>, Error> {
        let open = &self.sources[read.source.as_str()];
        let policy = &self.config.classes[&read.class];
        let parents = parent.as_ref().map(|(parent, _)| parent.meaning);
        let has_child =
            |other: &ReadConfig| other.parent.as_ref().is_some_and(|parent| parent.read == read.name);
        let is_parent = self.config.reads.iter().any(has_child);
        let meaning = Meaning::of_read(&self.secret, read, &open.config.kind, policy, parents, is_parent);
        let has_same_parent = |known: &PreparedRead| match (&known.parent, &parent) {
            (Some(known), Some((parent, _))) => Arc::ptr_eq(&known.read, parent),
            (known, parent) => known.is_none() && parent.is_none(),
        };
        // Whether what the known one has loaded is an answer to this one.
        let heir = known.filter(|known| known.meaning == meaning);
        let same_rules =
            heir.filter(|known| Arc::ptr_eq(&known.source, open) && known.rules.policy == *policy);
        if let Some(known) = same_rules.filter(|known| known.declaration == *read && has_same_parent(known)) {
            return Ok(Arc::clone(known));
        }
        let generation = match heir {
            Some(known) => known.rules.space.generation(),
            None => {
                self.newest += 1;
                self.newest
            }
        };
        let keys = Keys::new(self.namespace, &read.class, &read.key, &read.parameters, &read.index)?
            .in_generation(generation, self.secret);
        let rules = match same_rules {
            Some(known) => Arc::clone(&known.rules),
            None => Arc::new(Rules {
                guard: Some(open.guard.clone()),
                shared: meaning.shared_form(Arc::new(BodyCodec), policy, self.is_sealed),
                ..Rules::new(keys.space().clone(), policy.clone())
            }),
        };
        let fetch = open.source.read(&read.question).map_err(|error| error.with("read", &read.name))?;
        let (fetch, answer) = promise::kept(fetch, read.answer.as_ref());
        Ok(Arc::new(PreparedRead {
            read: Arc::new(Read {
                name: read.name.clone(),
                title: read.title.clone(),
                description: read.description.clone(),
                parameters: read.parameters.clone(),
                class: read.class.clone(),
                source: read.source.clone(),
                answer,
                public: read.public,
                credentials: with_those_of(parent.as_ref(), open.source.credentials()),
                key: read.key.to_string(),
                tags: read.every_tag().map(ToString::to_string).collect(),
                ttl: policy.ttl,
            }),
            declaration: read.clone(),
            meaning,
            source: Arc::clone(open),
            rules,
            keys,
            is_parent,
            tags: read.tags.clone(),
            hard_tags: read.hard_tags.clone(),
            fetch,
            ttl: Arc::new(TtlRule::new(&read.name, &read.ttl_from)),
            parent: parent.map(|(parent, config)| Arc::new(Parent::new(parent, config))),
        }))
    }

    fn write(
        &self,
        write: &WriteConfig,
        known: Option<&Arc<PreparedWrite>>,
    ) -> Result<Arc<PreparedWrite>, Error> {
        let open = &self.sources[write.source.as_str()];
        if let Some(known) = known
            && Arc::ptr_eq(&known.source, open)
            && known.declaration == *write
        {
            return Ok(Arc::clone(known));
        }
        let invalidates = write.invalidates.iter().map(|target| match target {
            TargetTemplate::Tag(tag) => format!("tag {tag}"),
            TargetTemplate::Prefix(prefix) => format!("prefix {prefix}"),
            TargetTemplate::Pattern(pattern) => format!("pattern {pattern}"),
            TargetTemplate::Key(key) => format!("key {key}"),
            TargetTemplate::Class(class) => format!("class {class}"),
        });
        Ok(Arc::new(PreparedWrite {
            write: Arc::new(Write {
                name: write.name.clone(),
                description: write.description.clone(),
                parameters: write.parameters.clone(),
                source: write.source.clone(),
                credentials: open.source.credentials().to_vec(),
                invalidates: invalidates.collect(),
            }),
            declaration: write.clone(),
            source: Arc::clone(open),
            deliver: open.source.write(&write.question).map_err(|error| error.with("write", &write.name))?,
        }))
    }
}

/// The callers' headers that a read needs: those of its own source, and those of its parent.
fn with_those_of(parent: Option<&(Arc<PreparedRead>, &ParentConfig)>, own: &[String]) -> Vec<String> {
    let mut credentials = own.to_vec();
    for theirs in parent.into_iter().flat_map(|(parent, _)| &parent.read.credentials) {
        if !credentials.contains(theirs) {
            credentials.push(theirs.clone());
        }
    }
    credentials
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
