//! What is loaded before anybody asks: questions that the read really has, each of them once.

use alacena_core::declared::{Parameter, Parameters, Scalar, ScalarKind, nearest};

use super::{Meaning, Problem, Settings, chains::PARENTS_MAX};
use crate::config::{
    Origin,
    check::shown,
    model::WarmConfig,
    setting::{Item, Setting},
};

impl Meaning<'_> {
    /// What of a read is warmed; none where it does not say so, or says it wrong.
    pub(super) fn warm(&mut self, read: &Settings, parameters: &[Parameter]) -> Option<WarmConfig> {
        if !Self::is_given(read, "warm") {
            return None;
        }
        let credentials = self.passed_on(read);
        if !credentials.is_empty() {
            let message = format!(
                "cannot be: what callers send as `{}` is passed on, and nobody asks yet whose that could be",
                credentials.join("`, `")
            );
            let remedy = "Remove it, or ask a source without `credentials`.";
            self.refuse(read, "warm", message, remedy);
            return None;
        }
        let settings = read.table("warm");
        let sets = self.warm_sets(settings, parameters)?;
        Some(WarmConfig {
            parameters: sets,
            at_start: settings.boolean_maybe("at_start").unwrap_or(true),
            after_invalidation: settings.boolean_maybe("after_invalidation").unwrap_or(true),
            cron: settings.text_maybe("cron").and_then(|text| text.parse().ok()),
            concurrency: settings.integer("concurrency"),
        })
    }

    /// The headers of callers that a read passes on, those of the reads that it asks first included.
    fn passed_on(&self, read: &Settings) -> Vec<String> {
        let named = |of: &'static str, name: &str| {
            self.root.named(of).iter().find(|(other, _)| other == name).map(|(_, settings)| settings)
        };
        let parent = |read: &&Settings| named("reads", read.table_maybe("parent")?.text_maybe("read")?);
        let mut passed: Vec<String> = Vec::new();
        // A circle of parents has been told.
        for read in std::iter::successors(Some(read), parent).take(PARENTS_MAX + 1) {
            let source = read.text_maybe("source").and_then(|name| named("sources", name));
            for header in source.map(|source| source.texts("credentials")).unwrap_or_default() {
                if !passed.contains(&header) {
                    passed.push(header);
                }
            }
        }
        passed
    }

    /// Every question, complete.
    fn warm_sets(&mut self, settings: &Settings, parameters: &[Parameter]) -> Option<Vec<Parameters>> {
        if settings.is_wrong("params") {
            return None;
        }
        if !Self::is_given(settings, "params") {
            let set = Parameters::from_json(parameters, []).ok();
            if set.is_none() {
                let names = required(parameters, &[]).collect::<Vec<_>>().join("`, `");
                let message = format!("missing, and `{names}` has no default");
                let remedy = "Say what is asked: params = [{ name = value }].";
                self.refuse(settings, "params", message, remedy);
            }
            return Some(vec![set?]);
        }
        let before = self.problems.len();
        let mut sets: Vec<(usize, Parameters)> = Vec::new();
        for (at, item) in settings.list("params").iter().enumerate() {
            let Setting::Values(values) = &item.setting else { continue };
            let path = format!("{}[{at}]", settings.path_of("params"));
            let Some(set) = self.warm_set(&item.origin, &path, values, parameters) else { continue };
            match sets.iter().find(|(_, other)| *other == set) {
                Some((first, _)) => {
                    let message = format!("asks the same as params[{first}]");
                    self.problems.push(Problem::new(&item.origin, &path, message, "Remove one of them."));
                }
                None => sets.push((at, set)),
            }
        }
        if settings.list("params").is_empty() {
            let remedy = "Name at least one question, or remove it: then everything is at its default.";
            self.refuse(settings, "params", "is empty", remedy);
        }
        (self.problems.len() == before).then(|| sets.into_iter().map(|(_, set)| set).collect())
    }

    /// One question; what is wrong with it stands where the value stands.
    fn warm_set(
        &mut self,
        origin: &Origin,
        path: &str,
        values: &[(String, Item)],
        parameters: &[Parameter],
    ) -> Option<Parameters> {
        let before = self.problems.len();
        let mut given = Vec::new();
        for (name, item) in values {
            let inner = format!("{path}.{}", shown(name));
            let Setting::Scalar(scalar) = &item.setting else { continue };
            match accepted(parameters, name, scalar) {
                Ok(scalar) => given.push((name.as_str(), scalar.to_json())),
                Err((message, remedy)) => {
                    self.problems.push(Problem::new(&item.origin, &inner, message, remedy));
                }
            }
        }
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        for name in required(parameters, &names) {
            let message = format!("lacks `{name}`, which has no default");
            self.problems.push(Problem::new(origin, path, message, "Add it."));
        }
        let set = Parameters::from_json(parameters, given.iter().map(|(name, json)| (*name, json)));
        if self.problems.len() == before { set.ok() } else { None }
    }
}

/// The parameters that a call must give and `given` does not.
fn required<'a>(parameters: &'a [Parameter], given: &[&str]) -> impl Iterator<Item = &'a str> {
    let missing = |parameter: &&Parameter| parameter.required && !given.contains(&parameter.name.as_str());
    parameters.iter().filter(missing).map(|parameter| parameter.name.as_str())
}

/// The value as the read takes it, or what is wrong and what to do about it.
fn accepted(parameters: &[Parameter], name: &str, scalar: &Scalar) -> Result<Scalar, (String, String)> {
    let Some(parameter) = parameters.iter().find(|parameter| parameter.name == *name) else {
        let message = match nearest(name, parameters.iter().map(|parameter| parameter.name.as_str())) {
            Some(near) => format!("is no parameter of this read; did you mean `{near}`?"),
            None => "is no parameter of this read".to_owned(),
        };
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let remedy = match names.as_slice() {
            [] => "Remove it: this read has none.".to_owned(),
            names => format!("Correct it or remove it; there are: {}.", names.join(", ")),
        };
        return Err((message, remedy));
    };
    let scalar = match (parameter.kind, scalar) {
        (ScalarKind::Number, Scalar::Integer(integer)) => Scalar::Number(*integer as f64),
        (_, scalar) => scalar.clone(),
    };
    if !is_of(&scalar, parameter.kind) {
        let message = format!("is not of the type \"{}\"", parameter.kind.as_str());
        return Err((message, "Write a value of that type.".to_owned()));
    }
    parameter.accept(scalar).map_err(|_| {
        let remedy = "Change it, or the limits: `min`, `max`, `length_max`, `choices`.";
        ("is outside the parameter's own limits".to_owned(), remedy.to_owned())
    })
}

fn is_of(scalar: &Scalar, kind: ScalarKind) -> bool {
    matches!(
        (kind, scalar),
        (ScalarKind::Integer, Scalar::Integer(_))
            | (ScalarKind::Number, Scalar::Number(_))
            | (ScalarKind::Boolean, Scalar::Boolean(_))
            | (ScalarKind::Text, Scalar::Text(_))
    )
}
