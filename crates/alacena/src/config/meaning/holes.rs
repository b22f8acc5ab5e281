//! Holes of templates: each one names a parameter, and something stands in it whenever something must.

use std::collections::BTreeSet;

use alacena_core::declared::{Hole, Parameter, Piece, ScalarKind, Template, nearest};

use super::{Meaning, Problem, Settings};
use crate::config::Origin;

/// What may become of a hole whose parameter is absent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// It cannot be: the text would mean something else.
    Refused,
    /// What surrounds it disappears.
    Accepted,
}

/// A template with its place, for problems.
pub(super) struct Placed<'a> {
    pub(super) template: &'a Template,
    pub(super) origin: &'a Origin,
    pub(super) path: String,
}

impl<'a> Placed<'a> {
    pub(super) fn field(settings: &'a Settings, field: &str, template: &'a Template) -> Self {
        Placed { template, origin: settings.origin_of(field), path: settings.path_of(field) }
    }
}

impl Meaning<'_> {
    /// Checks every hole of one template.
    pub(super) fn holes(&mut self, placed: &Placed<'_>, parameters: &[Parameter], absence: Absence) {
        for hole in placed.template.holes() {
            self.hole(placed, hole, parameters, absence);
        }
    }

    pub(super) fn hole(
        &mut self,
        placed: &Placed<'_>,
        hole: &Hole,
        parameters: &[Parameter],
        absence: Absence,
    ) {
        let name = &hole.name;
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == *name) else {
            let message = match nearest(name, parameters.iter().map(|parameter| parameter.name.as_str())) {
                Some(near) => format!("`{{{name}}}` names no parameter; did you mean `{near}`?"),
                None => format!("`{{{name}}}` names no parameter"),
            };
            let remedy = format!("Declare it: params.{name} = {{ type = \"string\" }}.");
            self.problems.push(Problem::new(placed.origin, &placed.path, message, remedy));
            return;
        };
        let can_be_absent = is_optional(parameter) && hole.fallback.is_none();
        if !can_be_absent {
            return;
        }
        let (message, remedy) = match (absence, hole.optional) {
            (Absence::Accepted, true) => return,
            (Absence::Accepted, false) => (
                format!("`{{{name}}}` may be absent"),
                format!("Write `{{{name}?}}` if that is meant, or give the parameter a default."),
            ),
            (Absence::Refused, _) => (
                format!("`{{{name}}}` may be absent, and here something must stand"),
                format!(
                    "Make `{name}` required, give it a default, or write `{{{name}|text}}` with a stand-in."
                ),
            ),
        };
        self.problems.push(Problem::new(placed.origin, &placed.path, message, remedy));
    }
}

/// Whether a call may have no value for it at all.
pub(super) fn is_optional(parameter: &Parameter) -> bool {
    !parameter.required && parameter.default.is_none()
}

/// Adds what optional holes declare by themselves: `{filter?}` is an optional text parameter. A name that looks like
/// a slip of a declared one declares nothing, and is told where it stands.
pub(super) fn declare<'a>(holes: impl Iterator<Item = &'a Hole>, parameters: &mut Vec<Parameter>) {
    let declared: BTreeSet<String> = parameters.iter().map(|parameter| parameter.name.clone()).collect();
    for hole in holes.filter(|hole| hole.optional && hole.fallback.is_none()) {
        let is_known = parameters.iter().any(|parameter| parameter.name == hole.name);
        let is_slip = nearest(&hole.name, declared.iter().map(String::as_str)).is_some();
        if !is_known && !is_slip {
            let text = Parameter::required(&hole.name, ScalarKind::Text);
            parameters.push(Parameter { required: false, ..text });
        }
    }
}

/// Whether both templates could become the same text: a hole may become anything.
pub(super) fn overlap(one: &Template, other: &Template) -> bool {
    let (one, other) = (pattern(one), pattern(other));
    // reachable[j]: the first i parts of `one` and the first j of `other` can be the same text.
    let mut reachable = vec![false; other.len() + 1];
    reachable[0] = true;
    for j in 0..other.len() {
        reachable[j + 1] = reachable[j] && other[j].is_none();
    }
    for part in &one {
        let mut next = vec![false; other.len() + 1];
        next[0] = reachable[0] && part.is_none();
        for j in 0..other.len() {
            next[j + 1] = match (part, &other[j]) {
                (None, None) => reachable[j] || reachable[j + 1] || next[j],
                (None, Some(_)) => reachable[j + 1] || next[j],
                (Some(_), None) => reachable[j] || reachable[j + 1] || next[j],
                (Some(one), Some(other)) => reachable[j] && one == other,
            };
        }
        reachable = next;
    }
    reachable[other.len()]
}

/// The characters of a template; `None` stands for any text.
fn pattern(template: &Template) -> Vec<Option<char>> {
    let mut pattern = Vec::new();
    for piece in template.pieces() {
        match piece {
            Piece::Literal(text) => pattern.extend(text.chars().map(Some)),
            Piece::Hole(_) => pattern.push(None),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_overlap_where_some_text_is_both() {
        let both = |a: &str, b: &str| overlap(&Template::parse(a).unwrap(), &Template::parse(b).unwrap());
        assert!(both("job:{id}", "job:{job_id}") && both("job:{id}", "job:42") && both("jobs", "jobs"));
        assert!(both("{a}:x", "y:{b}") && both("{a}", "") && both("a{x}c", "a{y}bc"));
        assert!(!both("job:{id}", "jobs") && !both("a{x}b", "a{y}c") && !both("a", "ab"));
    }
}
