//! Checked fields → configuration: what must hold *between* values is checked here, all of it, and then nothing can
//! be wrong any more.

mod server;
mod embedded;
mod redis;
#[cfg(feature = "redis")]
mod address;
mod tiers;
mod sources;
mod parameters;
mod holes;
mod questions;
mod sql;
mod parents;
mod chains;
mod keys;
mod ttl_from;
mod compression;
mod reads;
mod warm;
mod writes;

use std::{collections::BTreeMap, path::Path};

use alacena_core::{class::Policy, declared::nearest, memory::QuickMemory};

use super::{
    Config, Origin, check::shown, layers::Switches, model::MemoryConfig, problem::Problem, setting::Settings,
    units::shown_bytes,
};

/// The configuration that `root` means. It is only good when no problem has been found.
pub(super) fn of(
    root: &Settings,
    file: Option<&Path>,
    origins: BTreeMap<String, Origin>,
    switches: Switches,
    warnings: Vec<Problem>,
    problems: &mut Vec<Problem>,
) -> Config {
    let mut meaning = Meaning { root, switches, problems, warnings };
    let tokens = meaning.tokens();
    let reads = meaning.reads();
    meaning.indexes(&reads);
    meaning.parents(&reads);
    Config {
        file: file.map(Path::to_owned),
        server: meaning.server(!tokens.is_empty()),
        memory: memory(root.table("memory")),
        embedded: meaning.embedded(),
        redis: meaning.redis(),
        tokens,
        sources: meaning.sources(),
        classes: meaning.classes(),
        writes: meaning.writes(&reads),
        reads,
        cache_enabled: switches.cache.unwrap_or(true),
        origins,
        warnings: meaning.warnings,
    }
}

fn memory(settings: &Settings) -> MemoryConfig {
    MemoryConfig { bytes_max: settings.bytes("max"), markers_max: settings.integer("markers_max") }
}

struct Meaning<'a> {
    root: &'a Settings,
    switches: Switches,
    problems: &'a mut Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Meaning<'_> {
    /// Refuses a field; where it is not given, its section is where the problem stands.
    fn refuse(
        &mut self,
        settings: &Settings,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let path = settings.path_of(field);
        self.problems.push(Problem::new(settings.origin_of(field), &path, message, remedy));
    }

    /// Every class by name: the declared ones, and one of its own for each read that names none.
    fn classes(&mut self) -> BTreeMap<String, Policy> {
        let mut classes = BTreeMap::new();
        for (name, settings) in self.root.named("classes") {
            classes.insert(name.clone(), self.policy(settings));
            self.ttl_sources(name, settings);
            self.conditional(name, settings);
        }
        let reads = self.root.named("reads");
        let class_of =
            |(name, read): &(String, Settings)| read.text_maybe("class").unwrap_or(name).to_owned();
        let used: Vec<String> = reads.iter().map(class_of).collect();
        for (name, settings) in self.root.named("classes").iter().filter(|(name, _)| !used.contains(name)) {
            let message = match nearest(name, used.iter().map(String::as_str)) {
                Some(near) => format!("no read is of this class; did you mean `{}`?", shown(near)),
                None => "no read is of this class".to_owned(),
            };
            let remedy = "Give a read `class`, or remove it.";
            self.warnings.push(Problem::new(&settings.origin, &settings.path, message, remedy));
        }
        let undeclared =
            Policy { readable_key_names: self.has_readable_key_names(None), ..Policy::default() };
        for name in reads.iter().zip(used).filter(|((read, _), class)| read == class).map(|(_, class)| class)
        {
            classes.entry(name).or_insert_with(|| undeclared.clone());
        }
        classes
    }

    fn policy(&mut self, settings: &Settings) -> Policy {
        self.fits_memory(settings);
        let hard_timeout = settings.duration("hard_timeout");
        let mut soft_timeout = settings.duration("soft_timeout");
        if soft_timeout > hard_timeout {
            let is_given = settings.get("soft_timeout").is_some_and(|item| item.origin != Origin::Default);
            if is_given && !settings.is_wrong("hard_timeout") {
                let remedy = "Lower it, or raise `hard_timeout`.";
                self.refuse(settings, "soft_timeout", "is longer than `hard_timeout`", remedy);
            }
            soft_timeout = hard_timeout;
        }
        let ttl = settings.duration("ttl");
        let sliding_max = settings.duration_maybe("sliding_max");
        if sliding_max.is_some_and(|max| max < ttl) && !settings.is_wrong("ttl") {
            let remedy = "Raise it, or remove it: it is the age up to which hits extend the `ttl`.";
            self.refuse(settings, "sliding_max", "is shorter than `ttl`", remedy);
        }
        Policy {
            ttl,
            jitter: settings.number_maybe("jitter").expect("the schema gives this field a default"),
            negative_ttl: settings.duration("negative_ttl"),
            stale_while_revalidate: settings.duration("stale_while_revalidate"),
            stale_if_error: settings.duration("stale_if_error"),
            refresh_ahead: settings
                .boolean_maybe("refresh_ahead")
                .expect("the schema gives this field a default"),
            sliding_max,
            soft_timeout,
            hard_timeout,
            item_bytes_max: settings.size("item_max"),
            // For applications that put values in themselves: a declared read never does.
            unordered: false,
            ..self.tiers(settings)
        }
    }

    /// A value that the memory has no room for would be asked for again and again, and nobody would know why.
    fn fits_memory(&mut self, settings: &Settings) {
        let memory = self.root.table("memory");
        let room = QuickMemory::entry_bytes_max(memory.bytes("max"));
        if settings.bytes("item_max") > room && !memory.is_wrong("max") && !settings.is_wrong("item_max") {
            let message = format!(
                "is more than {}, the largest entry that `memory.max` has room for",
                shown_bytes(room)
            );
            self.refuse(settings, "item_max", message, "Lower it, or raise `memory.max`.");
        }
    }
}
