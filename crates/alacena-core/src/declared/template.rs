//! Text with holes for parameters: `/jobs?from={from}&filter={filter?}`, `company:{company}`, `jobs:list:{status|all}`.

use std::{borrow::Cow, fmt};

use super::{Parameters, Scalar};
use crate::error::{Error, catalogue};

/// Longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 16 * 1024;

/// One hole of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The parameter that fills it.
    pub name: String,
    /// `{name?}`: it may be absent; what that means is up to whoever renders.
    pub optional: bool,
    /// `{name|text}`: what stands there when the parameter is absent.
    pub fallback: Option<String>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands as it is.
    Literal(String),
    /// Text that a parameter fills in.
    Hole(Hole),
}

/// A parsed template. `{{` and `}}` stand for the braces themselves.
///
/// ```
/// use alacena_core::declared::{Parameter, Parameters, Scalar, Template};
///
/// let template = Template::parse("jobs:list:{status|all}:{from}")?;
/// let declared = [Parameter::with_default("from", Scalar::Integer(0))];
/// let call = Parameters::from_text(&declared, [])?;
/// assert_eq!(template.render(&call, |text| text.to_owned())?, "jobs:list:all:0");
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// `Invalid`, naming the position in bytes, when a brace has no partner, a name is not one, or the text is
    /// longer than 16 KiB.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(wrong(format!("a template has at most {TEMPLATE_BYTES_MAX} bytes")));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let position = text.len() - rest.len() + at;
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(wrong(format!(
                    "`}}` at byte {position} closes nothing; write `}}}}` for the brace itself"
                )));
            }
            let end = rest.find('}').ok_or_else(|| {
                wrong(format!("`{{` at byte {position} is never closed; write `{{{{` for the brace itself"))
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Hole(Hole::parse(&rest[..end], position)?));
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }

    /// Its parts, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Its holes, in order.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Literal(_) => None,
        })
    }

    /// The text with every hole filled, each value passed through `escape`. An absent optional parameter leaves
    /// nothing behind.
    ///
    /// # Errors
    /// `Invalid` when a hole is neither filled, optional nor furnished with a fallback.
    pub fn render(&self, parameters: &Parameters, escape: impl Fn(&str) -> String) -> Result<String, Error> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Hole(hole) => {
                    if let Some(value) = hole.fill(parameters)? {
                        text.push_str(&escape(&value));
                    }
                }
            }
        }
        Ok(text)
    }
}

impl Hole {
    fn parse(inside: &str, position: usize) -> Result<Self, Error> {
        let (name, fallback) = match inside.split_once('|') {
            Some((name, fallback)) => (name, Some(fallback.to_owned())),
            None => (inside, None),
        };
        let (name, optional) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let continues = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        if !starts || !continues {
            return Err(wrong(format!(
                "`{{{inside}}}` at byte {position} does not name a parameter; names are letters, digits and `_`"
            )));
        }
        Ok(Self { name: name.to_owned(), optional, fallback })
    }

    /// What stands in this hole: the parameter's value, the fallback, or nothing where the hole is optional.
    ///
    /// # Errors
    /// `Invalid` when it is none of these.
    pub fn fill<'a>(&'a self, parameters: &'a Parameters) -> Result<Option<Cow<'a, str>>, Error> {
        match (parameters.get(&self.name), &self.fallback) {
            (Some(Scalar::Text(text)), _) => Ok(Some(Cow::Borrowed(text))),
            (Some(value), _) => Ok(Some(Cow::Owned(value.to_string()))),
            (None, Some(fallback)) => Ok(Some(Cow::Borrowed(fallback))),
            (None, None) if self.optional => Ok(None),
            (None, None) => {
                Err(Error::new(&catalogue::PARAMETER_INVALID, format!("`{}` is missing", self.name))
                    .with("parameter", &self.name))
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => f.write_str(&literal.replace('{', "{{").replace('}', "}}"))?,
                Piece::Hole(Hole { name, optional, fallback }) => {
                    let mark = if *optional { "?" } else { "" };
                    match fallback {
                        Some(fallback) => write!(f, "{{{name}{mark}|{fallback}}}")?,
                        None => write!(f, "{{{name}{mark}}}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

fn wrong(detail: String) -> Error {
    Error::new(&catalogue::CONFIGURATION_INVALID, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn braces_without_partner_are_named_with_their_place() {
        let detail = |text| Template::parse(text).unwrap_err().detail().to_owned();
        assert!(detail("/jobs/{id").contains("at byte 6 is never closed"));
        assert!(detail("/jobs/id}").contains("at byte 8 closes nothing"));
        assert!(detail("/jobs/{a b}").contains("does not name a parameter"));
        assert_eq!(Template::parse("{{a}}").unwrap().pieces(), [Piece::Literal("{a}".to_owned())]);
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_the_same(text in "[a-c{}?|:/]{0,12}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(Template::parse(&template.to_string()).unwrap(), template);
            }
        }
    }
}
