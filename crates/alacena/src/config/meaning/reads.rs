//! The reads.

use alacena_core::declared::{Parameter, Template, nearest};

use super::{
    Meaning, Problem, Settings,
    holes::{Absence, Placed},
    keys::{self, Shape},
    questions::Purpose,
};
use crate::{
    config::{
        model::ReadConfig,
        setting::{Item, Setting},
    },
    keys::segments,
};

impl Meaning<'_> {
    /// The reads without a problem of their own, in the order of the file.
    pub(super) fn reads(&mut self) -> Vec<ReadConfig> {
        let sections = self.root.named("reads");
        let reads: Vec<ReadConfig> =
            sections.iter().filter_map(|(name, settings)| self.read(name, settings)).collect();
        self.distinct_keys(&reads);
        reads
    }

    fn read(&mut self, name: &str, settings: &Settings) -> Option<ReadConfig> {
        let before = self.problems.len();
        let mut parameters = self.parameters(settings);
        let source = self.named_by(settings, "source", "sources", "source");
        let class = self.class_of(name, settings);
        let ttl_from = self.ttl_from(&class);
        if Self::has_wrong_parent(settings) {
            return None;
        }
        let parent = self.parent(settings, &parameters);
        // What is taken is there for the question, and for nothing else.
        let declared = parameters.len();
        let taken = Self::taken(settings);
        parameters.extend_from_slice(&taken);
        let question = source
            .as_ref()
            .and_then(|(_, source)| self.question(settings, source, Purpose::Read, &mut parameters));
        parameters.drain(declared..declared + taken.len());
        self.parent_holes(settings, &parameters);
        // Without its question it is not known which parameters a read has: what names them cannot be judged.
        let (source, source_settings) = source?;
        let question = question?;
        let tags = self.tags("tags", settings, &parameters);
        let hard_tags = self.tags("hard_tags", settings, &parameters);
        let partitions = usize::from(!source_settings.list("credentials").is_empty());
        let index = self.index_of(&class);
        let key = match settings.template_maybe("key") {
            Some(key) => {
                self.key(settings, key, &parameters);
                key.clone()
            }
            // A key that is wrong has been told, and so has a parameter that may have no name.
            None if settings.is_wrong("key") || self.problems.len() > before => return None,
            None => keys::of_name(name, &parameters),
        };
        let warm = self.warm(settings, &parameters);
        self.deps(settings, &key, &index, tags.len() + hard_tags.len() + partitions);
        let is_good = self.problems.len() == before
            && ["key", "tags", "hard_tags", "answer"].iter().all(|field| !settings.is_wrong(field));
        is_good.then(|| ReadConfig {
            name: name.to_owned(),
            title: settings.text_maybe("title").unwrap_or(name).to_owned(),
            description: settings.text("description"),
            source,
            question,
            key,
            index,
            parameters,
            tags,
            hard_tags,
            parent,
            ttl_from,
            conditional: self.is_conditional(&class),
            compression: self.compression(&class),
            answer: settings.answer_maybe("answer").cloned(),
            public: settings.boolean_maybe("public").unwrap_or(false),
            warm,
            class,
        })
    }

    /// The parameters that patterns over keys of `class` may name.
    fn index_of(&self, class: &str) -> Vec<String> {
        let section = self.root.named("classes").iter().find(|(name, _)| name == class);
        section.map(|(_, settings)| settings.texts("index")).unwrap_or_default()
    }

    /// An index that no key has a value of helps nobody; a slip in its name would be found by who needs it.
    pub(super) fn indexes(&mut self, reads: &[ReadConfig]) {
        // While a read is missing for a problem of its own, nobody knows what its key would have named.
        if reads.len() < self.root.named("reads").len() {
            return;
        }
        for (class, settings) in self.root.named("classes") {
            let of_class: Vec<&ReadConfig> = reads.iter().filter(|read| read.class == *class).collect();
            let holes = of_class.iter().flat_map(|read| read.key.holes());
            let names: Vec<&str> = holes.map(|hole| hole.name.as_str()).collect();
            let index = settings.texts("index");
            for (at, name) in index.iter().enumerate() {
                let message = if index[..at].contains(name) {
                    "is named twice".to_owned()
                } else if of_class.is_empty() || names.contains(&name.as_str()) {
                    // That no read is of this class has been told.
                    continue;
                } else {
                    match nearest(name, names.iter().copied()) {
                        Some(near) => {
                            format!("no key of this class names this parameter; did you mean `{near}`?")
                        }
                        None => "no key of this class names this parameter".to_owned(),
                    }
                };
                let path = format!("{}[{at}]", settings.path_of("index"));
                let remedy = "Name parameters that stand in the `key` of a read of this class.";
                self.problems.push(Problem::new(settings.origin_of("index"), &path, message, remedy));
            }
        }
    }

    /// The class that a read names, or one of its own name.
    fn class_of(&mut self, name: &str, settings: &Settings) -> String {
        match settings.text_maybe("class") {
            Some(class) if class != name => {
                let named = self.named_by(settings, "class", "classes", "class");
                named.map_or_else(|| name.to_owned(), |(class, _)| class)
            }
            _ => name.to_owned(),
        }
    }

    fn tags(&mut self, field: &'static str, settings: &Settings, parameters: &[Parameter]) -> Vec<Template> {
        let template = |item: &Item| match &item.setting {
            Setting::Template(template) => Some((item.origin.clone(), template.clone())),
            _ => None,
        };
        let tags: Vec<_> = settings.list(field).iter().filter_map(template).collect();
        for (at, (origin, template)) in tags.iter().enumerate() {
            let path = format!("{}[{at}]", settings.path_of(field));
            let placed = Placed { template, origin, path };
            if !self.takes(settings, &placed) {
                self.holes(&placed, parameters, Absence::Refused);
            }
        }
        tags.into_iter().map(|(_, template)| template).collect()
    }

    /// Two reads of one class must not have a key in common: each would be answered what the other one asked.
    fn distinct_keys(&mut self, reads: &[ReadConfig]) {
        let shape = |read: &'_ ReadConfig| segments(&read.key).unwrap_or_default();
        let shapes: Vec<_> = reads
            .iter()
            .map(|read| (read, Shape { segments: shape(read), parameters: &read.parameters }))
            .collect();
        for (at, (read, shape)) in shapes.iter().enumerate() {
            let clash = shapes[..at]
                .iter()
                .find(|(other, theirs)| other.class == read.class && theirs.overlaps(shape));
            let section = self.root.named("reads").iter().find(|(name, _)| *name == read.name);
            if let (Some((other, _)), Some((_, settings))) = (clash, section) {
                let message = format!(
                    "can be the same key as one of `reads.{}`, which is of the same class",
                    other.name
                );
                let remedy =
                    "Begin it with a constant segment of its own, or give one of them another class.";
                self.refuse(settings, "key", message, remedy);
            }
        }
    }
}
