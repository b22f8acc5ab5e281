//! Key templates: two different questions never share an entry.

use alacena_core::{
    declared::{Hole, Parameter, Scalar, Template},
    dep::DEPS_MAX,
    key::SEGMENTS_MAX,
};

use super::{
    Meaning, Problem, Settings,
    holes::{Absence, Placed, is_optional},
};
use crate::keys::{Segment, constants, segments};

/// Most constant segments at the beginning of a key: each one is a prefix that every entry depends on.
const CONSTANT_MAX: usize = 8;
/// Longest constant segment, in bytes.
const CONSTANT_BYTES_MAX: usize = 128;
/// What every entry depends on: everything, its namespace, its class.
pub(super) const DEPS_OF_ALL: usize = 3;

/// The key of a read that declares none: its name, then every parameter.
pub(super) fn of_name(name: &str, parameters: &[Parameter]) -> Template {
    let hole = |parameter: &Parameter| {
        let mark = if is_optional(parameter) { "?" } else { "" };
        format!(":{{{}{mark}}}", parameter.name)
    };
    let text = format!("{name}{}", parameters.iter().map(hole).collect::<String>());
    Template::parse(&text).expect("names of reads and parameters are accepted in a template")
}

impl Meaning<'_> {
    /// Checks how much an entry depends on; `tags` is how many tags it has.
    pub(super) fn deps(&mut self, settings: &Settings, key: &Template, index: &[String], tags: usize) {
        let Ok(segments) = segments(key) else { return };
        let indexed = index.iter().filter(|name| key.holes().any(|hole| hole.name == **name)).count();
        let deps = DEPS_OF_ALL + constants(&segments).count() + indexed + tags;
        if deps > DEPS_MAX {
            let message = format!(
                "its `tags` and the `index` of its class make an entry depend on {deps} things, and at most {DEPS_MAX} are accepted"
            );
            let remedy =
                "Use fewer tags, a shorter `index`, or fewer constant segments at the beginning of the key.";
            self.refuse(settings, "key", message, remedy);
        }
    }

    /// Checks a declared key.
    pub(super) fn key(
        &mut self,
        settings: &Settings,
        key: &Template,
        parameters: &[Parameter],
    ) -> Option<()> {
        const FORM: &str = "Write segments separated by `:`, each of them constant text or one hole: \"jobs:list:{status|all}:{from}\".";
        let placed = Placed::field(settings, "key", key);
        let before = self.problems.len();
        if self.takes(settings, &placed) {
            return None;
        }
        self.holes(&placed, parameters, Absence::Accepted);
        let mut refuse = |message: String, remedy: &str| {
            self.problems.push(Problem::new(placed.origin, &placed.path, message, remedy));
        };
        let segments = match segments(key) {
            Ok(segments) => segments,
            Err(message) => {
                refuse(message.to_owned(), FORM);
                return None;
            }
        };
        let constant: Vec<&str> = constants(&segments).collect();
        if constant.is_empty() {
            refuse("does not begin with a constant segment".to_owned(), FORM);
        }
        if constant.len() > CONSTANT_MAX {
            refuse(format!("begins with more than {CONSTANT_MAX} constant segments"), "Join some of them.");
        }
        if segments.len() > SEGMENTS_MAX {
            refuse(format!("has more than {SEGMENTS_MAX} segments"), "Shorten it.");
        }
        let is_bad = |text: &str| {
            text.len() > CONSTANT_BYTES_MAX || text.contains(|c: char| c == '%' || c.is_control())
        };
        if segments.iter().any(|segment| matches!(segment, Segment::Constant(text) if is_bad(text))) {
            let message =
                format!("has a constant segment of more than {CONSTANT_BYTES_MAX} bytes, or with `%`");
            refuse(message, "Use short words of letters, digits, `-` and `_`.");
        }
        let is_named = |parameter: &&Parameter| key.holes().any(|hole| hole.name == parameter.name);
        let missing: Vec<String> = parameters
            .iter()
            .filter(|parameter| !is_named(parameter))
            .map(|parameter| format!("`{}`", parameter.name))
            .collect();
        if !missing.is_empty() {
            let message =
                format!("does not name {}: two different questions would share an entry", missing.join(", "));
            refuse(message, "Add a segment for each of them.");
        }
        for hole in key.holes() {
            let Some(fallback) = &hole.fallback else { continue };
            let parameter = parameters.iter().find(|parameter| parameter.name == hole.name);
            if parameter.is_some_and(|parameter| is_optional(parameter) && can_be(parameter, fallback)) {
                let message = format!(
                    "`{{{}|…}}` stands for an absent parameter by a text that a caller may also send, which is another question",
                    hole.name
                );
                refuse(
                    message,
                    "Limit the parameter by `choices` that do not hold the stand-in, make the stand-in its `default`, or write `{name?}`.",
                );
            }
        }
        (self.problems.len() == before).then_some(())
    }
}

/// A key with what may stand in its holes.
pub(super) struct Shape<'a> {
    pub(super) segments: Vec<Segment>,
    pub(super) parameters: &'a [Parameter],
}

impl Shape<'_> {
    /// Whether some call of one read and some call of the other have the same key.
    pub(super) fn overlaps(&self, other: &Shape<'_>) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Constant(one), Segment::Constant(two)) => one == two,
                (Segment::Hole(hole), Segment::Constant(text)) => self.fills(hole, text),
                (Segment::Constant(text), Segment::Hole(hole)) => other.fills(hole, text),
                (Segment::Hole(one), Segment::Hole(two)) => match (self.values(one), other.values(two)) {
                    (Some(values), _) => values.iter().any(|value| other.fills(two, value)),
                    (None, Some(values)) => values.iter().any(|value| self.fills(one, value)),
                    (None, None) => true,
                },
            })
    }

    fn parameter(&self, hole: &Hole) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == hole.name)
    }

    /// Whether `text` can stand in `hole`.
    fn fills(&self, hole: &Hole, text: &str) -> bool {
        self.parameter(hole).is_none_or(|parameter| can_be(parameter, text))
            || hole.fallback.as_deref() == Some(text)
            || (hole.optional && text.is_empty())
    }

    /// Everything that can stand in `hole`, where that is little enough to be written down.
    fn values(&self, hole: &Hole) -> Option<Vec<String>> {
        let parameter = self.parameter(hole)?;
        let mut values: Vec<String> = match parameter.kind {
            alacena_core::declared::ScalarKind::Boolean => vec!["true".to_owned(), "false".to_owned()],
            _ if parameter.choices.is_empty() => return None,
            _ => parameter.choices.iter().map(Scalar::to_string).collect(),
        };
        values.extend(hole.fallback.clone());
        values.extend(hole.optional.then(String::new));
        Some(values)
    }
}

/// Whether a caller may send a value that is written `text`.
fn can_be(parameter: &Parameter, text: &str) -> bool {
    parameter.from_text(text).is_ok_and(|scalar| scalar.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena_core::declared::ScalarKind;

    fn overlap(one: &str, two: &str) -> bool {
        let choice = Parameter {
            choices: vec![Scalar::Text("open".to_owned()), Scalar::Text("closed".to_owned())],
            ..Parameter::required("status", ScalarKind::Text)
        };
        let parameters = [
            Parameter::required("id", ScalarKind::Integer),
            Parameter::required("q", ScalarKind::Text),
            choice,
        ];
        let shape = |text| Shape {
            segments: segments(&Template::parse(text).unwrap()).unwrap(),
            parameters: &parameters,
        };
        assert_eq!(shape(one).overlaps(&shape(two)), shape(two).overlaps(&shape(one)));
        shape(one).overlaps(&shape(two))
    }

    #[test]
    fn keys_overlap_where_some_call_has_both() {
        assert!(
            overlap("jobs:{q}", "jobs:list") && overlap("jobs:{id}", "jobs:42") && overlap("a:{id}", "a:{q}")
        );
        assert!(overlap("jobs:{status}", "jobs:open") && overlap("jobs:{status|all}", "jobs:all"));
        assert!(!overlap("jobs:{id}", "jobs:list") && !overlap("jobs:{q}", "job:{q}"));
        assert!(!overlap("jobs:{q}", "jobs:{q}:{id}") && !overlap("jobs:{status}", "jobs:{id}"));
    }
}
