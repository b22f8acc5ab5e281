//! The writes: what they change is invalidated, and what they say is invalidated exists.

use alacena_core::declared::{Parameter, ScalarKind, Template, nearest};

use super::{
    Meaning, Problem, Settings,
    holes::{Absence, Placed, overlap},
    keys::Shape,
    questions::Purpose,
};
use crate::{
    config::{
        Origin,
        model::{ReadConfig, TargetTemplate, WriteConfig},
        setting::Setting,
    },
    keys::{Keys, Segment, constants, segments},
    patterns::{Pattern, Undeclared},
};

impl Meaning<'_> {
    /// The writes without a problem of their own, in the order of the file.
    pub(super) fn writes(&mut self, reads: &[ReadConfig]) -> Vec<WriteConfig> {
        let sections = self.root.named("writes");
        sections.iter().filter_map(|(name, settings)| self.write(name, settings, reads)).collect()
    }

    fn write(&mut self, name: &str, settings: &Settings, reads: &[ReadConfig]) -> Option<WriteConfig> {
        let mut parameters = self.parameters(settings);
        let (source, source_settings) = self.named_by(settings, "source", "sources", "source")?;
        let question = self.question(settings, &source_settings, Purpose::Write, &mut parameters)?;
        // While a read is missing for a problem of its own, nobody knows what it would have depended on.
        let knows_reads = reads.len() == self.root.named("reads").len();
        let mut invalidates = Vec::new();
        for (at, item) in settings.list("invalidates").iter().enumerate() {
            let Setting::Target(kind, template) = &item.setting else { continue };
            let placed = Placed {
                template,
                origin: &item.origin,
                path: format!("{}[{at}]", settings.path_of("invalidates")),
            };
            self.holes(&placed, &parameters, Absence::Refused);
            let target = match *kind {
                "tag" => TargetTemplate::Tag(template.clone()),
                "prefix" => TargetTemplate::Prefix(template.clone()),
                "pattern" => TargetTemplate::Pattern(template.clone()),
                "key" => TargetTemplate::Key(template.clone()),
                _ => TargetTemplate::Class(template.to_string()),
            };
            if knows_reads {
                self.target(&placed, &target, &parameters, reads);
            }
            invalidates.push(target);
        }
        Some(WriteConfig {
            name: name.to_owned(),
            description: settings.text("description"),
            source,
            question,
            parameters,
            invalidates,
        })
    }

    /// An invalidation that nothing depends on does nothing, and nobody would notice.
    fn target(
        &mut self,
        placed: &Placed<'_>,
        target: &TargetTemplate,
        parameters: &[Parameter],
        reads: &[ReadConfig],
    ) {
        match target {
            TargetTemplate::Class(class) => {
                let classes = reads.iter().map(|read| read.class.as_str());
                let declared = self.root.named("classes").iter().map(|(name, _)| name.as_str());
                let names: Vec<&str> = classes.chain(declared).collect();
                if !names.contains(&class.as_str()) {
                    self.nothing(placed, "class", nearest(class, names.iter().copied()));
                }
            }
            TargetTemplate::Prefix(prefix) => {
                let text = prefix.to_string();
                let prefixes: Vec<String> = reads.iter().flat_map(prefixes_of).collect();
                let is_known = is_prefix_of_some(prefix, reads);
                if !is_known {
                    self.nothing(placed, "prefix", nearest(&text, prefixes.iter().map(String::as_str)));
                }
            }
            TargetTemplate::Pattern(pattern) => self.pattern(placed, pattern, reads),
            TargetTemplate::Key(key) => {
                let shape = Shape { segments: segments(key).unwrap_or_default(), parameters: &[] };
                let is_known = reads.iter().any(|read| {
                    let theirs = segments(&read.key).unwrap_or_default();
                    shape.overlaps(&Shape { segments: theirs, parameters: &read.parameters })
                });
                if !is_known {
                    self.nothing(placed, "key", None);
                }
            }
            TargetTemplate::Tag(tag) => self.tag(placed, tag, parameters, reads),
        }
    }

    fn pattern(&mut self, placed: &Placed<'_>, pattern: &Template, reads: &[ReadConfig]) {
        let pattern = match Pattern::of_template(pattern) {
            Ok(pattern) => pattern,
            Err(message) => {
                let remedy = "Write segments separated by `:`, each of them text, `*` or one hole: \"jobs:list:*:{id}:*\".";
                self.problems.push(Problem::new(placed.origin, &placed.path, message, remedy));
                return;
            }
        };
        let mut is_known = false;
        for read in reads {
            // A key that is none has been told already.
            let Ok(keys) = Keys::new("", &read.class, &read.key, &read.parameters, &read.index) else {
                continue;
            };
            match keys.reach(&pattern) {
                Ok(dep) => is_known |= dep.is_some(),
                Err(Undeclared { name, declaration }) => {
                    is_known = true;
                    let message = format!(
                        "names a value of `{name}`, on which no answer of `reads.{}` depends",
                        read.name
                    );
                    let remedy = format!("Declare it: {declaration}.");
                    self.problems.push(Problem::new(placed.origin, &placed.path, message, remedy));
                }
            }
        }
        if !is_known {
            self.nothing(placed, "pattern", None);
        }
    }

    fn tag(&mut self, placed: &Placed<'_>, tag: &Template, parameters: &[Parameter], reads: &[ReadConfig]) {
        let mut warn = |message: String, remedy: &str| {
            self.warnings.push(Problem::new(placed.origin, &placed.path, message, remedy));
        };
        let tags = || reads.iter().flat_map(|read| read.every_tag().map(move |theirs| (read, theirs)));
        if !tags().any(|(_, theirs)| overlap(theirs, tag)) {
            let texts: Vec<String> = tags().map(|(_, theirs)| theirs.to_string()).collect();
            let message = match nearest(&tag.to_string(), texts.iter().map(String::as_str)) {
                Some(near) => format!("no read carries this tag; did you mean `{near}`?"),
                None => "no read carries this tag".to_owned(),
            };
            warn(message, "Add it to the `tags` of the reads that it changes.");
        }
        for (read, theirs) in tags().filter(|(_, theirs)| overlap(theirs, tag)) {
            for hole in tag.holes().filter(|hole| theirs.holes().any(|theirs| theirs.name == hole.name)) {
                let kind = |parameters: &[Parameter]| {
                    parameters.iter().find(|parameter| parameter.name == hole.name).map(|found| found.kind)
                };
                let (Some(ours), Some(theirs)) = (kind(parameters), kind(&read.parameters)) else { continue };
                // A number is written in one way only, text as the caller wrote it.
                if (ours == ScalarKind::Text) != (theirs == ScalarKind::Text) {
                    let (name, ours, theirs) = (&hole.name, ours.as_str(), theirs.as_str());
                    let message = format!(
                        "`{name}` is \"{ours}\" here and \"{theirs}\" in `reads.{}`: `007` and `7` would be two tags",
                        read.name
                    );
                    warn(message, "Give both the same type.");
                }
            }
        }
    }

    fn nothing(&mut self, placed: &Placed<'_>, noun: &str, near: Option<&str>) {
        let message = match near {
            Some(near) => format!("nothing depends on this {noun}; did you mean `{near}`?"),
            None => format!("nothing depends on this {noun}"),
        };
        let remedy = match noun {
            "prefix" => "Use constant segments that the key of a read begins with.",
            "pattern" => {
                "Write it as the key of a read is written, with `*` for a segment, or at the end for the rest."
            }
            "key" => "Write it as the key of a read is written, with this write's parameters in its holes.",
            _ => "Name the class of a read.",
        };
        let origin: &Origin = placed.origin;
        self.problems.push(Problem::new(origin, &placed.path, message, remedy));
    }
}

/// The prefixes that entries of a read depend on: `jobs`, `jobs:list`.
fn prefixes_of(read: &ReadConfig) -> Vec<String> {
    let segments = segments(&read.key).unwrap_or_default();
    let constants: Vec<&str> = constants(&segments).collect();
    (1..=constants.len()).map(|end| constants[..end].join(":")).collect()
}

/// Whether keys of some read begin with these constant segments; a hole stands for any of them.
fn is_prefix_of_some(prefix: &Template, reads: &[ReadConfig]) -> bool {
    let Ok(wanted) = segments(prefix) else { return false };
    reads.iter().any(|read| {
        let segments = segments(&read.key).unwrap_or_default();
        let constants: Vec<&str> = constants(&segments).collect();
        wanted.len() <= constants.len()
            && wanted.iter().zip(constants).all(|(wanted, constant)| match wanted {
                Segment::Constant(text) => text == constant,
                Segment::Hole(_) => true,
            })
    })
}
