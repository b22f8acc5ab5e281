//! The reads.

use alacena_core::declared::{Parameter, Template};

use super::{
    Meaning, Settings,
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
        let question = source
            .as_ref()
            .and_then(|(_, source)| self.question(settings, source, Purpose::Read, &mut parameters));
        // Without its question it is not known which parameters a read has: what names them cannot be judged.
        let (source, source_settings) = source?;
        let question = question?;
        let tags = self.tags("tags", settings, &parameters);
        let hard_tags = self.tags("hard_tags", settings, &parameters);
        let partitions = usize::from(!source_settings.list("credentials").is_empty());
        let key = settings.template_maybe("key").cloned();
        if let Some(key) = &key {
            self.key(settings, key, &parameters, tags.len() + hard_tags.len() + partitions);
        }
        let is_good = self.problems.len() == before
            && ["key", "tags", "hard_tags"].iter().all(|field| !settings.is_wrong(field));
        is_good.then(|| ReadConfig {
            name: name.to_owned(),
            title: settings.text_maybe("title").unwrap_or(name).to_owned(),
            description: settings.text("description"),
            source,
            class,
            question,
            key: key.unwrap_or_else(|| keys::of_name(name, &parameters)),
            parameters,
            tags,
            hard_tags,
            public: settings.boolean_maybe("public").unwrap_or(false),
        })
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
            self.holes(&Placed { template, origin, path }, parameters, Absence::Refused);
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
