//! Patterns over keys: `activities:list:*:42:*`. What must be invalidated so that no key that matches stays fresh.
//!
//! Nobody looks at keys for that. An entry depends on the constant segments that its key begins with, and on the values
//! of the parameters that its class declares as `index`; a pattern is one of these deps for each read that it can match.
//! It may reach more than it says, never less.

use std::slice;

use alacena_core::{
    declared::{Hole, Template},
    dep::Dep,
    key,
};

use crate::keys::{Keys, Segment, segments};

/// A pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Without the last `*`.
    parts: Vec<Part>,
    /// Whether it ends in `*`, which stands for the rest, if there is one.
    is_open: bool,
}

/// One part of a pattern between two colons.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `*`: whatever stands there.
    Any,
    /// This and nothing else.
    Literal(String),
    /// What a call of a write will bring.
    Later,
}

/// A pattern tells entries apart by a parameter that none of them depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undeclared {
    /// The parameter.
    pub(crate) name: String,
    /// What to write into the configuration.
    pub(crate) declaration: String,
}

impl Pattern {
    /// Reads a pattern; the error says what is none.
    pub(crate) fn of_text(text: &str) -> Result<Self, &'static str> {
        text.split(':').map(Part::read).collect::<Result<_, _>>().map(Self::new)
    }

    /// Reads the pattern of a write, before there are values for its holes.
    pub(crate) fn of_template(template: &Template) -> Result<Self, &'static str> {
        let part = |segment| match segment {
            Segment::Constant(text) => Part::read(&text),
            Segment::Hole(_) => Ok(Part::Later),
        };
        segments(template)?.into_iter().map(part).collect::<Result<_, _>>().map(Self::new)
    }

    fn new(mut parts: Vec<Part>) -> Self {
        let is_open = parts.last() == Some(&Part::Any);
        if is_open {
            parts.pop();
        }
        Self { parts, is_open }
    }
}

/// What a pattern matches of keys of which only the constant beginning is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// None of them.
    Nothing,
    /// All of them, or all of some length.
    All,
    /// The key of these segments and no other.
    One(Vec<String>),
    /// Those with something in a place after the beginning.
    Part,
}

impl Pattern {
    /// What it matches of the keys that begin with `constant`.
    pub(crate) fn within(&self, constant: &[String]) -> Within {
        let (front, rest) = self.parts.split_at(self.parts.len().min(constant.len()));
        let reaches = front.len() == constant.len() || self.is_open;
        if !reaches || !constant.iter().zip(front).all(|(text, part)| part.is(text)) {
            return Within::Nothing;
        }
        let literal = |part: &Part| match part {
            Part::Literal(text) => Some(text.clone()),
            Part::Any | Part::Later => None,
        };
        let literals = rest.iter().map(literal).collect::<Option<Vec<_>>>().filter(|_| !self.is_open);
        match literals {
            Some(literals) => Within::One([constant, &literals].concat()),
            None if rest.iter().all(|part| *part == Part::Any) => Within::All,
            None => Within::Part,
        }
    }
}

impl Part {
    /// Whether it can stand where `text` does.
    fn is(&self, text: &str) -> bool {
        match self {
            Part::Any | Part::Later => true,
            Part::Literal(literal) => literal == text,
        }
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "*" => Ok(Part::Any),
            text if text.contains('*') => Err(
                "has a `*` beside other text: it stands for a whole segment; write `%2A` for the character",
            ),
            text => {
                Ok(Part::Literal(key::split_text(&text.replace("%2A", "*").replace("%2a", "*")).concat()))
            }
        }
    }
}

/// Writes one segment as it stands in a pattern.
pub(crate) fn escape(segment: &str) -> String {
    key::escape(segment).replace('*', "%2A")
}

/// A hole where a pattern says what must stand there: the value, once it is known.
type Wanted<'a> = (&'a Hole, Option<String>);

impl Keys {
    /// What every key of this read that `pattern` matches depends on; `None` where it can match none.
    ///
    /// # Errors
    /// The parameter that would have to be declared.
    pub(crate) fn reach(&self, pattern: &Pattern) -> Result<Option<Dep>, Undeclared> {
        let Some(wanted) = self.wanted(pattern) else { return Ok(None) };
        let declared: Vec<&Wanted<'_>> = self
            .index()
            .iter()
            .flat_map(|name| wanted.iter().filter(move |(hole, _)| hole.name == *name))
            .collect();
        let dep = declared.iter().find_map(|(hole, value)| self.index_dep(hole, value.as_deref()?));
        if dep.is_some() {
            return Ok(dep);
        }
        // Nobody depends on what stands in for an absent value: all that is left is everything below the constants.
        let is_telling =
            |(hole, value): &&Wanted<'_>| value.as_ref().is_none_or(|value| !self.says_nothing(hole, value));
        match wanted.iter().find(is_telling) {
            Some((hole, _)) if declared.is_empty() => Err(self.undeclared(&hole.name)),
            _ => Ok(self.space().deps().last().cloned()),
        }
    }

    /// The holes in which `pattern` wants something; `None` where no key of this read is like it.
    fn wanted(&self, pattern: &Pattern) -> Option<Vec<Wanted<'_>>> {
        let (constant, rest) = (self.space().constant(), self.rest());
        let (given, has) = (pattern.parts.len(), constant.len() + rest.len());
        let fits = given == has || (pattern.is_open && given < has);
        let begins = constant.iter().zip(&pattern.parts).all(|(text, part)| part.is(text));
        if !fits || !begins {
            return None;
        }
        let mut wanted = Vec::new();
        for (segment, part) in rest.iter().zip(pattern.parts.iter().skip(constant.len())) {
            match (segment, part) {
                (Segment::Constant(text), part) if part.is(text) => {}
                (Segment::Constant(_), _) => return None,
                (Segment::Hole(_), Part::Any) => {}
                (Segment::Hole(hole), Part::Later) => wanted.push((hole, None)),
                (Segment::Hole(hole), Part::Literal(text)) => {
                    wanted.push((hole, Some(self.stands(hole, text)?)));
                }
            }
        }
        Some(wanted)
    }

    fn undeclared(&self, name: &str) -> Undeclared {
        let name = name.to_owned();
        let index: Vec<String> =
            self.index().iter().chain(slice::from_ref(&name)).map(|name| format!("\"{name}\"")).collect();
        let declaration = format!("classes.{}.index = [{}]", self.space().class(), index.join(", "));
        Undeclared { name, declaration }
    }
}

#[cfg(test)]
mod tests;
