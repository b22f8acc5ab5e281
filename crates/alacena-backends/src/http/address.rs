//! Path and query of a question, with holes that no value can reach out of.
//!
//! Text of the declaration stands as it was written, except for what no URL can hold. Values are escaped down to the
//! unreserved characters of RFC 3986, so that none can begin a segment, a pair or a fragment; what escaping cannot
//! help with (nothing at all, `.` and `..`, which URLs resolve in any encoding) is refused in a path. In a query value
//! that is JSON they are escaped for a string of JSON first, so that none can end it.

use alacena_core::{
    declared::{Hole, Parameters, Piece, Template},
    error::{Error, catalogue},
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value as Json;

use super::settings::wrong;

/// Longest path and query, in bytes: more is refused by servers anyway.
const ADDRESS_BYTES_MAX: usize = 16 * 1024;

/// What is escaped in a value: everything but the unreserved characters.
const IN_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is escaped in text of the declaration: what no URL can hold. Separators and `%` keep their meaning there.
const IN_TEXT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'\'')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A target taken apart once, at start.
#[derive(Debug)]
pub(super) struct Address {
    /// What stands between the slashes of the path.
    segments: Vec<Vec<Piece>>,
    /// What stands between the ampersands of the query.
    pairs: Vec<Pair>,
}

/// One `name=value` of the query.
#[derive(Debug)]
struct Pair {
    pieces: Vec<Piece>,
    /// Whether the value is JSON, as in `filter={{"must":…}}`: then holes are escaped for a JSON string, too.
    json: bool,
}

impl Address {
    /// Takes `target` apart and checks what does not depend on a value.
    pub(super) fn parse(target: &Template) -> Result<Self, Error> {
        let (path, query) = part(target.pieces());
        for text in target.pieces().iter().filter_map(literal) {
            check_text(text)?;
        }
        let Some(Piece::Literal(first)) = path.first() else {
            return Err(wrong("a target begins with `/`"));
        };
        if !first.starts_with('/') {
            return Err(wrong("a target begins with `/`"));
        }
        let segments: Vec<Vec<Piece>> = split(&path, '/').into_iter().skip(1).collect();
        for (at, segment) in segments.iter().enumerate() {
            check_segment(segment, at + 1 == segments.len())?;
        }
        let pairs = split(&query, '&').into_iter().filter(|pair| !pair.is_empty()).map(Pair::of).collect();
        Ok(Self { segments, pairs })
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().chain(self.pairs.iter().map(|pair| &pair.pieces)).flatten().filter_map(|piece| {
            match piece {
                Piece::Hole(hole) => Some(hole.name.as_str()),
                Piece::Literal(_) => None,
            }
        })
    }

    /// Path and query for these parameters.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter, when one cannot stand where it is declared.
    pub(super) fn render(&self, parameters: &Parameters) -> Result<String, Error> {
        let mut address = String::new();
        for segment in &self.segments {
            address.push('/');
            render_segment(segment, parameters, &mut address)?;
        }
        let pairs: Vec<String> = self.pairs.iter().filter_map(|pair| pair.render(parameters)).collect();
        if !pairs.is_empty() {
            address.push('?');
            address.push_str(&pairs.join("&"));
        }
        if address.len() > ADDRESS_BYTES_MAX {
            let detail = format!("path and query would have more than {ADDRESS_BYTES_MAX} bytes");
            return Err(Error::new(&catalogue::PARAMETER_INVALID, detail));
        }
        Ok(address)
    }
}

fn render_segment(segment: &[Piece], parameters: &Parameters, address: &mut String) -> Result<(), Error> {
    let start = address.len();
    let mut last = None;
    for piece in segment {
        match piece {
            Piece::Literal(text) => address.extend(utf8_percent_encode(text, IN_TEXT)),
            Piece::Hole(hole) => {
                let value = hole.fill(parameters)?.unwrap_or_default();
                if value.is_empty() {
                    return Err(refuse(hole, "must not be empty"));
                }
                address.extend(utf8_percent_encode(&value, IN_VALUE));
                last = Some(hole);
            }
        }
    }
    match last {
        Some(hole) if is_dots(&address[start..]) => Err(refuse(hole, "must not make it `.` or `..`")),
        _ => Ok(()),
    }
}

impl Pair {
    fn of(pieces: Vec<Piece>) -> Self {
        let value = pieces.first().and_then(literal).and_then(|text| text.split_once('='));
        Self { json: value.is_some_and(|(_, value)| value.starts_with(['{', '['])), pieces }
    }

    /// The pair, or nothing where one of its parameters is absent.
    fn render(&self, parameters: &Parameters) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.extend(utf8_percent_encode(literal, IN_TEXT)),
                Piece::Hole(hole) => {
                    let mut value = value(hole, parameters)?;
                    if self.json {
                        // Numbers and booleans have nothing to escape, so that they may stand without quotes.
                        let quoted = Json::from(value).to_string();
                        value = quoted[1..quoted.len() - 1].to_owned();
                    }
                    text.extend(utf8_percent_encode(&value, IN_VALUE));
                }
            }
        }
        Some(text)
    }
}

/// What stands in a hole that may stay empty: the parameter's value, else the fallback. That required parameters are
/// there has been seen to before.
pub(super) fn value(hole: &Hole, parameters: &Parameters) -> Option<String> {
    parameters.get(&hole.name).map(ToString::to_string).or_else(|| hole.fallback.clone())
}

/// Pieces of the path and pieces of the query: the first question mark in text parts them.
fn part(pieces: &[Piece]) -> (Vec<Piece>, Vec<Piece>) {
    let mark = pieces.iter().enumerate().find_map(|(at, piece)| {
        let (before, after) = literal(piece)?.split_once('?')?;
        Some((at, Piece::Literal(before.to_owned()), Piece::Literal(after.to_owned())))
    });
    match mark {
        None => (pieces.to_vec(), Vec::new()),
        Some((at, before, after)) => {
            let path = pieces[..at].iter().cloned().chain([before]).collect();
            let query = [after].into_iter().chain(pieces[at + 1..].iter().cloned()).collect();
            (path, query)
        }
    }
}

/// What stands between the separators; holes never hold one.
fn split(pieces: &[Piece], separator: char) -> Vec<Vec<Piece>> {
    let mut parts = vec![Vec::new()];
    for piece in pieces {
        let Some(text) = literal(piece) else {
            parts.last_mut().expect("there is always one").push(piece.clone());
            continue;
        };
        for (at, text) in text.split(separator).enumerate() {
            if at > 0 {
                parts.push(Vec::new());
            }
            if !text.is_empty() {
                parts.last_mut().expect("there is always one").push(Piece::Literal(text.to_owned()));
            }
        }
    }
    parts
}

fn literal(piece: &Piece) -> Option<&str> {
    match piece {
        Piece::Literal(text) => Some(text),
        Piece::Hole(_) => None,
    }
}

fn check_text(text: &str) -> Result<(), Error> {
    if text.contains('#') {
        return Err(wrong("a target has no fragment; write `%23` for the character `#`"));
    }
    let broken = text.match_indices('%').any(|(at, _)| {
        !text.as_bytes().get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return Err(wrong(
            "`%` must be followed by two hexadecimal digits; write `%25` for the character itself",
        ));
    }
    Ok(())
}

fn check_segment(segment: &[Piece], last: bool) -> Result<(), Error> {
    if segment.is_empty() && !last {
        return Err(wrong("a path must not have an empty segment (`//`)"));
    }
    for piece in segment {
        match piece {
            Piece::Literal(text) if segment.len() == 1 && is_dots(text) => {
                return Err(wrong("a path must not have a segment `.` or `..`"));
            }
            Piece::Hole(Hole { name, optional: true, fallback: None }) => {
                let detail =
                    format!("`{{{name}?}}` stands in the path and must be there; write `{{{name}}}`");
                return Err(wrong(detail));
            }
            Piece::Literal(_) | Piece::Hole(_) => {}
        }
    }
    Ok(())
}

/// Whether a segment, in any encoding, means "here" or "one up".
fn is_dots(segment: &str) -> bool {
    matches!(percent_decode_str(segment).collect::<Vec<u8>>().as_slice(), b"." | b"..")
}

fn refuse(hole: &Hole, detail: &str) -> Error {
    let Hole { name, .. } = hole;
    Error::new(&catalogue::PARAMETER_INVALID, format!("`{name}` {detail}: it is a segment of a path"))
        .with("parameter", name)
}

#[cfg(test)]
mod tests;
