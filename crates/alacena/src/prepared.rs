//! Declared reads and writes with everything that answering them takes, made once at the start.

use std::{collections::BTreeSet, sync::Arc};

use alacena_core::{
    declared::{Parameters, Template},
    dep::Dep,
    engine::{Question, Rules},
    error::{Error, catalogue},
    guard::Guard,
    key::Principal,
    source::{Credential, Deliver, Fetch},
};

use crate::{
    config::TargetTemplate,
    declared_reads::{Read, Write},
    keys::Keys,
    ttl::TtlRule,
};

/// Everything that is declared.
pub(crate) struct Prepared {
    pub(crate) namespace: String,
    pub(crate) classes: BTreeSet<String>,
    /// In order of name.
    pub(crate) reads: Vec<PreparedRead>,
    /// In order of name.
    pub(crate) writes: Vec<PreparedWrite>,
    /// One a source, in order of name.
    pub(crate) guards: Vec<(String, Guard)>,
    /// What the partitions of callers are keyed with.
    pub(crate) secret: [u8; 32],
}

pub(crate) struct PreparedRead {
    pub(crate) read: Read,
    pub(crate) keys: Keys,
    pub(crate) tags: Vec<Template>,
    pub(crate) hard_tags: Vec<Template>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) ttl: Arc<TtlRule>,
}

pub(crate) struct PreparedWrite {
    pub(crate) write: Write,
    pub(crate) invalidates: Vec<TargetTemplate>,
    pub(crate) guard: Guard,
    pub(crate) deliver: Arc<dyn Deliver>,
}

impl Prepared {
    pub(crate) fn read(&self, name: &str) -> Result<&PreparedRead, Error> {
        self.reads.iter().find(|read| read.read.name == name).ok_or_else(|| {
            let names = self.reads.iter().map(|read| read.read.name.as_str());
            not_declared("read", name, names)
        })
    }

    pub(crate) fn write(&self, name: &str) -> Result<&PreparedWrite, Error> {
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
        secret: &[u8; 32],
        parameters: &Parameters,
        credentials: &[Credential],
    ) -> Result<Question, Error> {
        let principal = (!credentials.is_empty())
            .then(|| Principal::of(secret, credentials.iter().map(|one| (&*one.header, &*one.secret))));
        let key = self.keys.of_call(principal, parameters)?;
        let namespace = self.keys.space().namespace();
        let rendered = |tags: &[Template]| {
            let tags = tags.iter().map(|tag| Dep::tag(namespace, &tag.render(parameters, str::to_owned)?));
            tags.collect::<Result<Vec<_>, Error>>()
        };
        let mut tags = rendered(&self.tags)?;
        tags.extend(self.keys.index_deps(parameters)?);
        if principal.is_some() {
            tags.push(Dep::key(namespace, &key.text()));
        }
        Question::new(&self.rules, key, tags)?.with_hard_tags(rendered(&self.hard_tags)?)
    }
}

/// The credentials that a declaration passes through, in its order, and no others.
///
/// # Errors
/// `Denied`, naming the header, when the caller sent none: without it the answer of one caller could be kept for all.
pub(crate) fn required(declared: &[String], sent: &[Credential]) -> Result<Arc<[Credential]>, Error> {
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
