//! Chains of parents: what can only be judged once all reads are known.

use std::collections::BTreeSet;

use alacena_core::{
    declared::{Hole, Parameter, Piece, ScalarKind, Template, nearest},
    dep::DEPS_MAX,
};

use super::{Meaning, Problem, Settings, holes::is_optional, keys, parents::names};
use crate::{
    config::model::{ParentConfig, ReadConfig},
    keys::{constants, segments},
};

/// Most parents above one another.
pub(super) const PARENTS_MAX: usize = 4;

impl Meaning<'_> {
    /// What can only be judged once all reads are known: chains, the parents' parameters, and everything together.
    pub(super) fn parents(&mut self, reads: &[ReadConfig]) {
        let cyclic = self.cycles();
        for (name, settings) in self.root.named("reads") {
            let Some(read) = reads.iter().find(|read| read.name == *name && !cyclic.contains(name)) else {
                continue;
            };
            let (Some(parent), Some(section)) = (&read.parent, settings.table_maybe("parent")) else {
                continue;
            };
            if let Some(asked) = reads.iter().find(|asked| asked.name == parent.read) {
                self.parent_parameters(section, read, parent, asked);
            }
            self.chain(section, read, reads);
            self.no_sliding(read);
            self.keeps_something(section, read, reads);
        }
    }

    /// Tells of every cycle once; answers the reads that are in one or lead into one.
    fn cycles(&mut self) -> BTreeSet<String> {
        let sections = self.root.named("reads");
        let parent_of = |name: &str| {
            let (_, settings) = sections.iter().find(|(other, _)| other == name)?;
            settings.table_maybe("parent")?.text_maybe("read")
        };
        let (mut cyclic, mut told) = (BTreeSet::new(), BTreeSet::new());
        for (name, _) in sections {
            let mut path = vec![name.as_str()];
            while let Some(parent) = parent_of(path[path.len() - 1]) {
                let Some(begin) = path.iter().position(|seen| *seen == parent) else {
                    path.push(parent);
                    continue;
                };
                cyclic.insert(name.clone());
                let cycle = &path[begin..];
                // Each of its reads finds it: the first one of the file tells.
                if begin == 0 && cycle.iter().all(|one| told.insert(*one)) {
                    let whole: Vec<String> =
                        cycle.iter().chain(&cycle[..1]).map(|one| format!("`{one}`")).collect();
                    let message = format!("needs itself: {}", whole.join(" → "));
                    let section = sections
                        .iter()
                        .find(|(other, _)| other == name)
                        .and_then(|(_, settings)| settings.table_maybe("parent"));
                    if let Some(section) = section {
                        self.refuse(
                            section,
                            "read",
                            message,
                            "Remove the `parent` of one of them: some read must be asked first.",
                        );
                    }
                }
                break;
            }
        }
        cyclic
    }

    /// What the child gives is what the parent accepts, and all that it requires.
    fn parent_parameters(
        &mut self,
        section: &Settings,
        child: &ReadConfig,
        parent: &ParentConfig,
        asked: &ReadConfig,
    ) {
        for (name, template) in &parent.parameters {
            let Some(parameter) = asked.parameters.iter().find(|parameter| parameter.name == *name) else {
                let message =
                    match nearest(name, asked.parameters.iter().map(|parameter| parameter.name.as_str())) {
                        Some(near) => {
                            format!("is no parameter of `reads.{}`; did you mean `{near}`?", asked.name)
                        }
                        None => format!("is no parameter of `reads.{}`", asked.name),
                    };
                self.refuse_parameter(section, name, message, "Correct the name, or remove it.");
                continue;
            };
            if let Some((message, remedy)) = misfit(template, parameter, child, asked) {
                self.refuse_parameter(section, name, message, &remedy);
            }
        }
        let is_missing = |parameter: &&Parameter| {
            parameter.required && parent.parameters.iter().all(|(name, _)| *name != parameter.name)
        };
        for parameter in asked.parameters.iter().filter(is_missing) {
            let message =
                format!("does not give `{}`, which `reads.{}` requires", parameter.name, asked.name);
            let remedy = format!(
                "Add it: params = {{ {} = \"{{…}}\" }}, with a parameter of this read.",
                parameter.name
            );
            self.refuse(section, "params", message, remedy);
        }
    }

    fn refuse_parameter(&mut self, section: &Settings, name: &str, message: String, remedy: &str) {
        let item = section.texts_by_name("params").iter().find(|(other, _)| other == name);
        let origin = item.map_or(&section.origin, |(_, item)| &item.origin);
        let path = format!("{}.{name}", section.path_of("params"));
        self.problems.push(Problem::new(origin, &path, message, remedy));
    }

    /// Hits must not extend an end that the parent has set.
    fn no_sliding(&mut self, read: &ReadConfig) {
        let class = self.root.named("classes").iter().find(|(name, _)| *name == read.class);
        if let Some((_, class)) = class.filter(|(_, class)| Self::is_given(class, "sliding_max")) {
            let message =
                format!("would let hits extend an end that the parent of `reads.{}` has set", read.name);
            self.refuse(class, "sliding_max", message, "Remove it, or give that read a class of its own.");
        }
    }

    /// Of a read whose parent keeps nothing, nothing is kept either.
    fn keeps_something(&mut self, section: &Settings, read: &ReadConfig, reads: &[ReadConfig]) {
        let keeps_nothing = |read: &ReadConfig| {
            let class = self.root.named("classes").iter().find(|(name, _)| *name == read.class);
            class.is_some_and(|(_, class)| class.duration("ttl").is_zero())
        };
        let asked =
            read.parent.as_ref().and_then(|parent| reads.iter().find(|asked| asked.name == parent.read));
        if let Some(asked) = asked.filter(|asked| keeps_nothing(asked) && !keeps_nothing(read)) {
            let path = section.path_of("read");
            let message =
                format!("nothing is kept of this read: the class of `reads.{}` keeps nothing", asked.name);
            let remedy = "Give that class a `ttl`, or this read a class without one.";
            self.warnings.push(Problem::new(section.origin_of("read"), &path, message, remedy));
        }
    }

    /// How many parents stand above one another, and how much an entry depends on with all of theirs.
    fn chain(&mut self, section: &Settings, read: &ReadConfig, reads: &[ReadConfig]) {
        let above = |read: &ReadConfig| {
            let parent = &read.parent.as_ref()?.read;
            reads.iter().find(|other| other.name == *parent)
        };
        let parents: Vec<&ReadConfig> = std::iter::successors(above(read), |read| above(read)).collect();
        if parents.len() > PARENTS_MAX {
            let names: Vec<String> = parents.iter().map(|read| format!("`{}`", read.name)).collect();
            let message = format!(
                "has {} parents above it ({}), and at most {PARENTS_MAX} are accepted",
                parents.len(),
                names.join(", ")
            );
            self.refuse(section, "read", message, "Ask one of them for more at once.");
        }
        let deps = keys::DEPS_OF_ALL - 1 + self.deps_of_chain(read, &parents);
        if deps > DEPS_MAX {
            let message = format!(
                "together with all that its parents depend on, an entry would depend on {deps} things, and at most {DEPS_MAX} are accepted"
            );
            let remedy =
                "Use fewer tags, a shorter `index`, or fewer constant segments at the beginning of the keys.";
            self.refuse(section, "read", message, remedy);
        }
    }

    /// Classes, prefixes, values of indexes, tags, and the keys of the parents: each of them once.
    fn deps_of_chain(&self, read: &ReadConfig, parents: &[&ReadConfig]) -> usize {
        let chain = || std::iter::once(&read).chain(parents);
        let mut texts = BTreeSet::new();
        let mut indexed = 0;
        for read in chain() {
            texts.insert(format!("class {}", read.class));
            let segments = segments(&read.key).unwrap_or_default();
            let constants: Vec<&str> = constants(&segments).collect();
            texts.extend((1..=constants.len()).map(|end| format!("prefix {}", constants[..end].join(":"))));
            indexed += read.index.iter().filter(|name| names(&read.key, name)).count();
        }
        let tags: usize = chain().map(|read| read.every_tag().count()).sum();
        let partition = chain().any(|read| self.passes_credentials(read));
        texts.len() + indexed + tags + parents.len() + usize::from(partition)
    }

    fn passes_credentials(&self, read: &ReadConfig) -> bool {
        let source = self.root.named("sources").iter().find(|(name, _)| *name == read.source);
        source.is_some_and(|(_, source)| !source.list("credentials").is_empty())
    }
}

/// Why what the child gives is not what the parent accepts, and what to do.
fn misfit(
    template: &Template,
    parameter: &Parameter,
    child: &ReadConfig,
    asked: &ReadConfig,
) -> Option<(String, String)> {
    let theirs = format!("`{}` of `reads.{}`", parameter.name, asked.name);
    let given = |hole: &Hole| child.parameters.iter().find(|given| given.name == hole.name);
    match template.pieces() {
        [] => Some(("is empty".to_owned(), "Give a value, or remove it.".to_owned())),
        [Piece::Literal(text)] => {
            let error = parameter.from_text(text).err()?;
            Some((
                format!("is not accepted by `reads.{}`: {}", asked.name, error.detail()),
                "Correct it.".to_owned(),
            ))
        }
        [Piece::Hole(hole)] => {
            let given = given(hole)?;
            if !fits(given.kind, parameter.kind) {
                let (ours, kind) = (given.kind.as_str(), parameter.kind.as_str());
                let message = format!("`{}` is \"{ours}\", and {theirs} is \"{kind}\"", hole.name);
                return Some((message, "Give both the same type.".to_owned()));
            }
            let is_missing = is_optional(given) && hole.fallback.is_none() && parameter.required;
            is_missing.then(|| {
                let message = format!("`{}` may be absent, and {theirs} is required", hole.name);
                (message, format!("Make `{}` required, or give it a default.", hole.name))
            })
        }
        _ if parameter.kind == ScalarKind::Text => None,
        _ => {
            let kind = parameter.kind.as_str();
            let message = format!("is put together, and {theirs} is \"{kind}\"");
            Some((message, "Write one hole, or a constant.".to_owned()))
        }
    }
}

/// Whether every value of one kind can be read as one of another.
fn fits(given: ScalarKind, wanted: ScalarKind) -> bool {
    given == wanted
        || wanted == ScalarKind::Text
        || (given, wanted) == (ScalarKind::Integer, ScalarKind::Number)
}
