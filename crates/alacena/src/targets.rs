//! What an invalidation names, and what that is to the engine.

use std::sync::Arc;

use alacena_core::{
    declared::{Parameters, nearest},
    dep::{Dep, DepKind},
    engine::{Change, Engine},
    error::{Error, catalogue},
    key::{Key, split_text},
    ledger::Target,
    tier::EntryName,
};

use crate::{
    config::TargetTemplate,
    own::OwnClass,
    patterns::{self, Pattern, Undeclared, Within},
    prepared::Prepared,
};

/// One thing that the engine can invalidate in one step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Dep(Dep),
    Key(Key),
}

impl Step {
    /// What it changes.
    pub(crate) fn change(&self) -> Change<'_> {
        match self {
            Step::Dep(dep) => Change::Dep(dep),
            Step::Key(key) => Change::Key(key),
        }
    }

    /// What it is as people and files write it; `None`: no target says just that.
    pub(crate) fn target(&self) -> Option<Target> {
        let dep = match self {
            Step::Dep(dep) => dep,
            Step::Key(key) => return Some(Target::Key(key.text())),
        };
        let text = || dep.text().to_owned();
        match dep.kind() {
            DepKind::Everything => Some(Target::Everything),
            DepKind::Namespace => Some(Target::Namespace(text())),
            DepKind::Class => Some(Target::Class(text())),
            DepKind::Prefix => Some(Target::Prefix(text())),
            DepKind::Tag => Some(Target::Tag(text())),
            DepKind::Key => Some(Target::Key(text())),
            // Index and bucket: no target says just that.
            _ => None,
        }
    }

    /// The entry that other nodes read, where it is one of a key.
    pub(crate) fn entry(&self, engine: &Engine) -> Option<EntryName> {
        match self {
            Step::Dep(_) => None,
            Step::Key(key) => engine.shared_entry(key),
        }
    }
}

impl Prepared {
    /// The steps that `target` takes, `own` being the classes of the application's own.
    ///
    /// # Errors
    /// `Invalid`, naming what could have been meant, when nothing can depend on it: an invalidation that silently
    /// does nothing is a mistake that nobody sees.
    pub(crate) fn steps(&self, target: &Target, own: &[Arc<OwnClass>]) -> Result<Vec<Step>, Error> {
        let namespace = self.namespace.as_str();
        let dep = match target {
            Target::Everything => Dep::everything(),
            Target::Tag(tag) => Dep::tag(namespace, tag)?,
            Target::Namespace(name) => {
                known("namespace", name, &[namespace])?;
                Dep::namespace(namespace)
            }
            Target::Class(class) => {
                let declared = self.classes.iter().map(String::as_str);
                let classes = declared.chain(own.iter().map(|class| class.name()));
                known("class", class, &classes.collect::<Vec<_>>())?;
                Dep::class(namespace, class)
            }
            Target::Prefix(prefix) => {
                let spaces = self.reads.iter().map(|read| read.keys.space());
                let spaces = spaces.chain(own.iter().map(|class| &class.rules.space));
                let mut prefixes: Vec<&str> = spaces.flat_map(|space| space.prefixes()).collect();
                prefixes.sort_unstable();
                prefixes.dedup();
                let prefix = prefix.strip_suffix(':').unwrap_or(prefix);
                known("prefix", prefix, &prefixes)?;
                Dep::prefix(namespace, prefix)
            }
            Target::Pattern(text) => return self.pattern_steps(text, own),
            Target::Key(text) => return self.key_steps(text, own),
        };
        Ok(vec![Step::Dep(dep)])
    }

    fn key_steps(&self, text: &str, own: &[Arc<OwnClass>]) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        for read in &self.reads {
            let Some(key) = read.keys.of_text(text)? else { continue };
            // With callers' credentials in the key there is one entry a caller: they share a dep.
            let partitioned = !read.read.credentials.is_empty();
            // Answers that were made with its own depend on its key, too.
            let is_parent = self.reads.iter().any(|child| child.is_child_of(read));
            if partitioned || is_parent {
                steps.push(Step::Dep(Dep::key(&self.namespace, &key.text())));
            }
            if !partitioned {
                steps.push(Step::Key(key));
            }
        }
        if !own.is_empty() {
            let segments = split_text(text);
            for class in own {
                steps.extend(class.key_steps(&segments)?);
            }
        }
        if steps.is_empty() {
            return Err(unknown_form("key", text, "nothing has a key of this form", &self.forms(own)));
        }
        Ok(steps)
    }

    fn pattern_steps(&self, text: &str, own: &[Arc<OwnClass>]) -> Result<Vec<Step>, Error> {
        let refuse = |detail: String| Error::new(&catalogue::KEY_INVALID, detail).with("pattern", text);
        let pattern = Pattern::of_text(text).map_err(|wrong| refuse(format!("the pattern {wrong}")))?;
        let mut deps: Vec<Dep> = Vec::new();
        for read in &self.reads {
            let dep = read.keys.reach(&pattern).map_err(|Undeclared { name, declaration }| {
                let why = format!(
                    "no answer of `{}` depends on `{name}`, of which it names a value",
                    read.read.name
                );
                refuse(format!("{why}; declare it: {declaration}"))
            })?;
            deps.extend(dep.filter(|dep| !deps.contains(dep)));
        }
        let mut steps: Vec<Step> = deps.into_iter().map(Step::Dep).collect();
        for class in own {
            let space = &class.rules.space;
            match pattern.within(space.constant()) {
                Within::Nothing => {}
                Within::All => steps.extend(space.deps().last().cloned().map(Step::Dep)),
                Within::One(segments) => steps.extend(class.key_steps(&segments)?),
                Within::Part => {
                    let name = class.name();
                    return Err(refuse(format!(
                        "no value of the class `{name}` depends on a part of its key; give its values a tag and \
                         invalidate that, or all of the class"
                    )));
                }
            }
        }
        if steps.is_empty() {
            let why = "nothing has a key that it could match";
            return Err(unknown_form("pattern", text, why, &self.forms(own)));
        }
        Ok(steps)
    }

    /// What keys look like.
    fn forms(&self, own: &[Arc<OwnClass>]) -> Vec<String> {
        let declared = self.reads.iter().map(|read| read.read.key.clone());
        declared.chain(own.iter().map(|class| class.form())).collect()
    }
}

impl TargetTemplate {
    /// What is invalidated when a write is called with these parameters.
    pub(crate) fn fill(&self, parameters: &Parameters) -> Result<Target, Error> {
        let as_is = |text: &str| text.to_owned();
        Ok(match self {
            TargetTemplate::Tag(tag) => Target::Tag(tag.render(parameters, as_is)?),
            TargetTemplate::Prefix(prefix) => Target::Prefix(prefix.render(parameters, as_is)?),
            TargetTemplate::Pattern(pattern) => {
                Target::Pattern(pattern.render(parameters, patterns::escape)?)
            }
            TargetTemplate::Key(key) => Target::Key(key.render(parameters, alacena_core::key::escape)?),
            TargetTemplate::Class(class) => Target::Class(class.clone()),
        })
    }
}

fn known(kind: &'static str, name: &str, names: &[&str]) -> Result<(), Error> {
    if names.contains(&name) {
        return Ok(());
    }
    Err(unknown(kind, name, &format!("nothing depends on this {kind}"), names))
}

fn unknown_form(kind: &'static str, text: &str, why: &str, forms: &[String]) -> Error {
    unknown(kind, text, why, &forms.iter().map(String::as_str).collect::<Vec<_>>())
}

fn unknown(kind: &'static str, name: &str, why: &str, names: &[&str]) -> Error {
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let shown: Vec<&str> = names.iter().copied().take(20).collect();
            let more = if names.len() > shown.len() { ", …" } else { "" };
            format!("there are: {}{more}", shown.join(", "))
        }
    };
    Error::new(&catalogue::KEY_INVALID, format!("{why}; {hint}")).with(kind, name)
}
