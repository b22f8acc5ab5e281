//! What lies above the file: environment names that hosts already use, `ALACENA__SECTION__FIELD`, flags.
//!
//! Each layer only puts text into the tree; what the text means, and whether it is accepted, is the check's to say.
//! The wrong order would let `PORT`, which a host sets for every program, win over `ALACENA__SERVER__LISTEN`, which
//! somebody wrote for this one.

mod hosts;
mod redis;

use std::collections::BTreeMap;

use alacena_core::declared::nearest;

use super::{
    Origin,
    check::shown,
    problem::{NOT_BUILT_REMEDY, Problem},
    schema::{Field, Kind, ROOT},
    tree::{Table, Value},
};

pub(super) use hosts::ENVIRONMENT_NAMES;

/// What the environment switches, which is no field of the file.
#[derive(Clone, Copy, Default)]
pub(super) struct Switches {
    /// What `CACHE_ENABLED` says, if anything.
    pub(super) cache: Option<bool>,
    /// What `REDIS_ENABLED` says, if anything.
    pub(super) redis: Option<bool>,
}

impl Switches {
    /// Each with the path by which it is explained and the name that sets it.
    pub(super) fn named(self) -> [(&'static str, &'static str, Option<bool>); 2] {
        [("cache_enabled", "CACHE_ENABLED", self.cache), ("redis_enabled", "REDIS_ENABLED", self.redis)]
    }
}

/// What names of our own in the environment begin with.
const PREFIX: &str = "ALACENA__";

/// Puts everything above the file into `tree`, lowest layer first; answers what the environment switches.
pub(super) fn apply(
    tree: &mut Table,
    environment: &BTreeMap<String, String>,
    flags: &[(String, String)],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Switches {
    let switches = hosts::apply(tree, environment, says_of_redis(environment, flags), problems, warnings);
    for (name, value) in environment.iter().filter(|(_, value)| !value.is_empty()) {
        let prefix = name.get(..PREFIX.len()).filter(|prefix| prefix.eq_ignore_ascii_case(PREFIX));
        if prefix.is_some() {
            let segments: Vec<&str> = name[PREFIX.len()..].split("__").collect();
            place(tree, &segments, value, &Origin::environment(name), problems);
        }
    }
    for (path, value) in flags {
        let segments: Vec<&str> = path.split('.').collect();
        place(tree, &segments, value, &Origin::flag(path), problems);
    }
    redis::settle(tree, switches.redis, warnings);
    switches
}

/// Whether a name of our own or a flag says something of `[redis]`.
fn says_of_redis(environment: &BTreeMap<String, String>, flags: &[(String, String)]) -> bool {
    let is_of = |text: &str, section: &str| {
        text.get(..section.len()).is_some_and(|start| start.eq_ignore_ascii_case(section))
    };
    let mut names = environment.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
    names.any(|name| is_of(name, "ALACENA__REDIS__")) || flags.iter().any(|(path, _)| is_of(path, "redis."))
}

/// Puts `value` where `segments` lead, whatever their case.
fn place(tree: &mut Table, segments: &[&str], value: &str, origin: &Origin, problems: &mut Vec<Problem>) {
    let section = ROOT.iter().find(|field| field.name.eq_ignore_ascii_case(segments[0]));
    if let Some(Field { kind: Kind::Later, name, .. }) = section {
        problems.push(Problem::not_built(origin, name, NOT_BUILT_REMEDY));
        return;
    }
    match spell(tree, segments) {
        Ok(path) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            tree.overlay(&path, value, origin);
        }
        Err((path, message, remedy)) => problems.push(Problem::new(origin, &path, message, remedy)),
    }
}

/// The path as the schema and the file spell it; or the part that leads nowhere, why, and what to do.
fn spell(tree: &Table, segments: &[&str]) -> Result<Vec<String>, (String, String, String)> {
    let classes = classes_of(tree);
    let mut spelled: Vec<String> = Vec::new();
    let mut fields: &'static [Field] = ROOT;
    let mut table = Some(tree);
    let mut rest = segments;
    while let [segment, after @ ..] = rest {
        let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(segment));
        let Some(field) = field else { return Err(unknown(&spelled, segment, names_of(fields))) };
        spelled.push(field.name.to_owned());
        table = table.and_then(|table| table.table(field.name));
        rest = after;
        fields = match &field.kind {
            Kind::Table(fields) => fields,
            Kind::Named { fields, .. } => {
                let Some((name, after)) = rest.split_first() else { break };
                let name = name_of(table, name);
                // Any other section of its own lacks something without which it is refused; a class does not.
                if field.name == "classes" && !classes.contains(&name) {
                    return Err(unknown(&spelled, &name, classes.iter().map(String::as_str)));
                }
                spelled.push(name);
                table = table.and_then(|table| table.table(spelled.last()?));
                rest = after;
                fields
            }
            Kind::Headers { .. } => {
                if let Some((name, after)) = rest.split_first() {
                    spelled.push(name.to_ascii_lowercase().replace('_', "-"));
                    rest = after;
                }
                &[]
            }
            Kind::Texts { .. } => {
                if let Some((name, after)) = rest.split_first() {
                    spelled.push(name_of(table, name));
                    rest = after;
                }
                &[]
            }
            _ => &[],
        };
    }
    Ok(spelled)
}

/// The name in the file that is the same but for its case; where there is none, the name in lower case.
fn name_of(table: Option<&Table>, segment: &str) -> String {
    let existing = table.and_then(|table| table.keys().find(|key| key.eq_ignore_ascii_case(segment)));
    existing.map_or_else(|| segment.to_ascii_lowercase(), str::to_owned)
}

fn names_of(fields: &'static [Field]) -> impl Iterator<Item = &'static str> + Clone {
    fields.iter().filter(|field| field.is_accepted()).map(|field| field.name)
}

fn unknown<'a>(
    spelled: &[String],
    segment: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> (String, String, String) {
    let segment = shown(&segment.to_ascii_lowercase());
    let path = spelled.iter().cloned().chain([segment.clone()]).collect::<Vec<_>>().join(".");
    let message = match nearest(&segment, names.clone()) {
        Some(near) => format!("leads nowhere; did you mean `{near}`?"),
        None => "leads nowhere".to_owned(),
    };
    let accepted = names.collect::<Vec<_>>().join(", ");
    let remedy = match accepted.as_str() {
        "" => "Name nothing here that the file does not have.".to_owned(),
        accepted => format!("Correct it or remove it; accepted here: {accepted}."),
    };
    (path, message, remedy)
}

/// The classes that the configuration has: declared ones, and one for each read that names none.
fn classes_of(tree: &Table) -> Vec<String> {
    let mut names: Vec<String> =
        tree.table("classes").into_iter().flat_map(Table::keys).map(str::to_owned).collect();
    for entry in tree.table("reads").into_iter().flat_map(|reads| &reads.0) {
        let Value::Table(read) = &entry.node.value else { continue };
        let class = read.text("class").unwrap_or(&entry.key);
        if !names.iter().any(|name| name == class) && class == entry.key {
            names.push(class.to_owned());
        }
    }
    names
}
