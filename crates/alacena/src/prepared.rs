//! Declared reads and writes with everything that answering them takes: made at the start, and anew with another
//! configuration. Never changed: whoever has begun with one ends with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alacena_core::{
    declared::{Parameters, Template},
    dep::Dep,
    engine::{Question, Rules},
    error::{Error, catalogue},
    guard::Guard,
    source::{Credential, Deliver, Fetch},
};

use crate::{
    config::{ReadConfig, SourceConfig, WriteConfig},
    declaration::Meaning,
    declared_reads::{Read, Write},
    keys::Keys,
    parents::Parent,
    sources::Source,
    ttl::TtlRule,
};

/// Everything that is declared.
pub(crate) struct Prepared {
    pub(crate) namespace: String,
    pub(crate) classes: BTreeSet<String>,
    /// In order of name.
    pub(crate) reads: Vec<Arc<PreparedRead>>,
    /// In order of name.
    pub(crate) writes: Vec<Arc<PreparedWrite>>,
    /// By name.
    pub(crate) sources: BTreeMap<String, Arc<OpenSource>>,
    /// What the reads look like from outside, in the same order.
    pub(crate) declared_reads: Arc<[Arc<Read>]>,
    /// The same of the writes.
    pub(crate) declared_writes: Arc<[Arc<Write>]>,
    /// The generation of keys that was given away last.
    pub(crate) newest_generation: u32,
    /// Whether entries are sealed in the second tier.
    pub(crate) is_sealed: bool,
}

/// A source with what stands before it.
pub(crate) struct OpenSource {
    pub(crate) config: SourceConfig,
    pub(crate) source: Arc<Source>,
    pub(crate) guard: Guard,
}

pub(crate) struct PreparedRead {
    pub(crate) read: Arc<Read>,
    /// As the configuration has it.
    pub(crate) declaration: ReadConfig,
    pub(crate) meaning: Meaning,
    pub(crate) source: Arc<OpenSource>,
    pub(crate) keys: Keys,
    /// Whether another read is made of its answers.
    pub(crate) is_parent: bool,
    pub(crate) tags: Vec<Template>,
    pub(crate) hard_tags: Vec<Template>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) ttl: Arc<TtlRule>,
    /// The read that is asked first.
    pub(crate) parent: Option<Arc<Parent>>,
}

pub(crate) struct PreparedWrite {
    pub(crate) write: Arc<Write>,
    /// As the configuration has it.
    pub(crate) declaration: WriteConfig,
    pub(crate) source: Arc<OpenSource>,
    pub(crate) deliver: Arc<dyn Deliver>,
}

impl Prepared {
    /// These reads and writes, put in the order of their names.
    pub(crate) fn new(
        namespace: String,
        classes: BTreeSet<String>,
        sources: BTreeMap<String, Arc<OpenSource>>,
        mut reads: Vec<Arc<PreparedRead>>,
        mut writes: Vec<Arc<PreparedWrite>>,
        newest_generation: u32,
        is_sealed: bool,
    ) -> Self {
        reads.sort_by(|a, b| a.read.name.cmp(&b.read.name));
        writes.sort_by(|a, b| a.write.name.cmp(&b.write.name));
        let declared_reads = reads.iter().map(|read| Arc::clone(&read.read)).collect();
        let declared_writes = writes.iter().map(|write| Arc::clone(&write.write)).collect();
        Self {
            namespace,
            classes,
            reads,
            writes,
            sources,
            declared_reads,
            declared_writes,
            newest_generation,
            is_sealed,
        }
    }

    /// Nothing declared.
    pub(crate) fn nothing(namespace: &str) -> Self {
        Self::new(namespace.to_owned(), BTreeSet::new(), BTreeMap::new(), Vec::new(), Vec::new(), 0, false)
    }

    /// The generations that keys of the reads are of.
    pub(crate) fn generations(&self) -> impl Iterator<Item = u32> {
        self.reads.iter().map(|read| read.rules.space.generation())
    }

    pub(crate) fn find_read(&self, name: &str) -> Option<&Arc<PreparedRead>> {
        let at = self.reads.binary_search_by(|read| read.read.name.as_str().cmp(name));
        at.ok().map(|at| &self.reads[at])
    }

    pub(crate) fn read(&self, name: &str) -> Result<&Arc<PreparedRead>, Error> {
        self.find_read(name).ok_or_else(|| {
            let names = self.reads.iter().map(|read| read.read.name.as_str());
            not_declared("read", name, names)
        })
    }

    pub(crate) fn write(&self, name: &str) -> Result<&Arc<PreparedWrite>, Error> {
        self.writes.iter().find(|write| write.write.name == name).ok_or_else(|| {
            let names = self.writes.iter().map(|write| write.write.name.as_str());
            not_declared("write", name, names)
        })
    }
}

impl PreparedRead {
    /// The question of one call: its key and what the answer depends on.
    pub(crate) fn question(
        &self,
        parameters: &Parameters,
        credentials: &[Credential],
    ) -> Result<Question, Error> {
        let principal = self.keys.principal(credentials);
        let key = self.keys.of_call(principal, parameters)?;
        let namespace = self.keys.space().namespace();
        let rendered = |tags: &[Template]| {
            let tags = tags.iter().map(|tag| Dep::tag(namespace, &tag.render(parameters, str::to_owned)?));
            tags.collect::<Result<Vec<_>, Error>>()
        };
        let mut tags = rendered(&self.tags)?;
        tags.extend(self.keys.index_deps(parameters)?);
        // What is made of its answers depends on its key: so does the answer, by the same cell. Else one of the two could
        // be invalidated before the other, and in between the child be made anew of the old parent.
        if principal.is_some() || self.is_parent {
            tags.push(Dep::key(namespace, &key.text()));
        }
        let mut hard_tags = rendered(&self.hard_tags)?;
        if let Some(parent) = &self.parent {
            let known = self.keys.space().deps();
            parent.add_deps(parameters, credentials, known, &mut tags, &mut hard_tags)?;
        }
        Question::new(&self.rules, key, tags)?.with_hard_tags(hard_tags)
    }

    /// Whether `other` is the read that it asks first.
    pub(crate) fn is_child_of(&self, other: &PreparedRead) -> bool {
        self.parent.as_ref().is_some_and(|parent| parent.read.read.name == other.read.name)
    }
}

/// The credentials that a declaration passes through, in its order, and no others.
///
/// # Errors
/// `Denied`, naming the header, when the caller sent none: without it the answer of one caller could be kept for all.
pub(crate) fn required(declared: &[String], sent: &[Credential]) -> Result<Arc<[Credential]>, Error> {
    if declared.is_empty() {
        return Ok(Arc::default());
    }
    declared
        .iter()
        .map(|header| {
            sent.iter().find(|credential| *credential.header == **header).cloned().ok_or_else(|| {
                Error::new(&catalogue::CREDENTIAL_REQUIRED, format!("the header `{header}` is missing"))
                    .with("header", header)
            })
        })
        .collect()
}

fn not_declared<'a>(kind: &'static str, name: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let shown: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
    let hint = match alacena_core::declared::nearest(name, names) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    };
    Error::new(&catalogue::NOT_DECLARED, format!("there is no {kind} `{shown}`{hint}")).with(kind, shown)
}
