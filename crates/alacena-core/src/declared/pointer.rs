//! Where in a JSON document something stands.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Deserializer, value::RawValue};

use crate::error::{Error, catalogue};

/// A JSON pointer (RFC 6901).
///
/// It finds its part of a document without building a tree of it, as it is written there.
///
/// ```
/// use alacena_core::declared::Pointer;
///
/// let pointer = Pointer::parse("/data/jobs/0")?;
/// assert_eq!(pointer.find(r#"{"data": {"jobs": [ 1.00 ]}}"#).expect("it is JSON"), Some("1.00"));
/// assert!(Pointer::parse("data").is_err());
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    tokens: Vec<String>,
}

/// Why a text is no JSON document: where it stops being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson {
    /// The line, from one.
    pub line: usize,
    /// The column, from one.
    pub column: usize,
}

impl Pointer {
    /// Parses `text`; an empty one points to all of a document.
    ///
    /// # Errors
    /// `Invalid` for any other that does not begin with a slash.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let tokens = match text.strip_prefix('/') {
            Some(path) => path.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect(),
            None if text.is_empty() => Vec::new(),
            None => {
                let detail = format!("pointer `{text}` must begin with `/`: `/results/0`");
                return Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail));
            }
        };
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it points to all of a document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The part of `document` that it points to, as it is written there; `None` where there is nothing.
    ///
    /// # Errors
    /// With the place at which `document` is no JSON, whether or not it points there.
    pub fn find<'a>(&self, document: &'a str) -> Result<Option<&'a str>, NotJson> {
        let found = serde_json::from_str(document).and_then(|document| self.walk(document));
        found
            .map(|part| part.map(RawValue::get))
            .map_err(|error| NotJson { line: error.line(), column: error.column() })
    }

    fn walk<'a>(&self, document: &'a RawValue) -> serde_json::Result<Option<&'a RawValue>> {
        let mut here = document;
        for token in &self.tokens {
            match step(here, token)? {
                Some(next) => here = next,
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }
}

/// One step down: into a member or an item.
fn step<'a>(here: &'a RawValue, token: &str) -> serde_json::Result<Option<&'a RawValue>> {
    let mut deserializer = Deserializer::from_str(here.get());
    match here.get().as_bytes().first() {
        Some(b'{') => deserializer.deserialize_map(Member(token)),
        Some(b'[') => deserializer.deserialize_seq(Item(index(token))),
        _ => Ok(None),
    }
}

/// An index as RFC 6901 writes it: digits without leading zeros.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| plain)
}

struct Member<'t>(&'t str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = members.next_key_seed(NameIs(self.0))? {
            if is_it {
                // Of members with one name the last counts, as it does for everybody who parses the whole.
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Item(Option<usize>);

impl<'de> Visitor<'de> for Item {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut at) = (None, 0);
        while let Some(item) = items.next_element()? {
            if Some(at) == self.0 {
                found = Some(item);
            }
            at += 1;
        }
        Ok(found)
    }
}

struct NameIs<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for NameIs<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn tree() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<i32>().prop_map(Json::from),
            "[a-c/~]{0,3}".prop_map(Json::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let members = prop::collection::btree_map("[a-c/~0]{0,2}", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Json::from),
                members.prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_pointer_finds_what_serde_json_finds(tree in tree(), pointer in "(/[a-c0-2~]{0,2}){1,3}") {
            let document = tree.to_string();
            let found = Pointer::parse(&pointer).unwrap().find(&document).unwrap();
            let found: Option<Json> = found.map(|part| serde_json::from_str(part).unwrap());
            prop_assert_eq!(found, tree.pointer(&pointer).cloned());
        }
    }
}
