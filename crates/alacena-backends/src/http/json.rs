//! The answer as JSON: checked without building a tree, and cut where the pointer points.

use std::fmt;

use alacena_core::error::{Error, catalogue};
use bytes::Bytes;
use serde::{
    Deserializer as _,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Deserializer, value::RawValue};

use super::settings::wrong;

/// A JSON pointer (RFC 6901) into an answer, to somewhere below its root.
#[derive(Debug)]
pub(super) struct Pointer {
    text: String,
    tokens: Vec<String>,
}

impl Pointer {
    /// Parses `text`; nothing where it points to all of the answer.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Error> {
        let Some(path) = text.strip_prefix('/') else {
            return match text {
                "" => Ok(None),
                _ => Err(wrong(format!("pointer `{text}` must begin with `/`: `/results/0`"))),
            };
        };
        let tokens = path.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
        Ok(Some(Self { text: text.to_owned(), tokens }))
    }

    /// The part of `document` that it points to, as it is written there.
    fn find<'a>(&self, document: &'a RawValue) -> serde_json::Result<Option<&'a RawValue>> {
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

/// Checks that `bytes` are one JSON document and cuts out what is wanted of it. Nothing is written anew: numbers,
/// order and spelling stay those of the source.
///
/// # Errors
/// `Corrupt`, naming the place, never the text at it.
pub(super) fn check(bytes: Vec<u8>, pointer: Option<&Pointer>) -> Result<Bytes, Error> {
    let malformed = |detail: String| Error::new(&catalogue::ANSWER_MALFORMED, detail);
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| malformed(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(malformed("it is empty where JSON is expected".to_owned()));
    }
    let not_json = |error: serde_json::Error| {
        malformed(format!("not JSON at line {}, column {}", error.line(), error.column()))
    };
    let document: &RawValue = serde_json::from_str(text).map_err(not_json)?;
    let Some(pointer) = pointer else {
        // An entry must not keep more memory alive than it weighs.
        return Ok(bytes.into_boxed_slice().into());
    };
    match pointer.find(document).map_err(not_json)? {
        Some(part) => Ok(Bytes::copy_from_slice(part.get().as_bytes())),
        None => {
            let detail = format!("it has nothing at pointer `{}`", pointer.text);
            Err(Error::new(&catalogue::ANSWER_LACKS_PART, detail))
        }
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

    fn cut(answer: &str, pointer: &str) -> Result<String, String> {
        let pointer = Pointer::parse(pointer).unwrap();
        let bytes =
            check(answer.as_bytes().to_vec(), pointer.as_ref()).map_err(|error| error.detail().to_owned())?;
        Ok(String::from_utf8(bytes.into()).unwrap())
    }

    #[test]
    fn what_is_kept_stays_as_the_source_wrote_it() {
        let answer =
            "{ \"a/b\" : { \"m~n\" : [ 1.00 , {\"x\": 10000000000000000000000} ] } , \"\\u0061\" : \"é\" }";
        assert_eq!(cut(answer, "").unwrap(), answer);
        assert_eq!(cut(answer, "/a~1b/m~0n/0").unwrap(), "1.00");
        assert_eq!(cut(answer, "/a~1b/m~0n/1").unwrap(), "{\"x\": 10000000000000000000000}");
        assert_eq!(cut(answer, "/a").unwrap(), "\"é\"");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_without_its_text() {
        for pointer in ["/b", "/a/2", "/a/00", "/a/+1", "/a/-", "/a/0/x", "/"] {
            assert_eq!(
                cut("{\"a\":[1,2]}", pointer).unwrap_err(),
                format!("it has nothing at pointer `{pointer}`")
            );
        }
        assert_eq!(cut("{\"canary\":\n canary}", "").unwrap_err(), "not JSON at line 2, column 2");
        assert_eq!(cut("{\"a\":1", "").unwrap_err(), "not JSON at line 1, column 6");
        assert_eq!(cut("{} {}", "").unwrap_err(), "not JSON at line 1, column 4");
        assert_eq!(cut(" \n", "").unwrap_err(), "it is empty where JSON is expected");
        assert_eq!(check(b"\"ab\xff\"".to_vec(), None).unwrap_err().detail(), "not UTF-8 at byte 3");
        assert!(Pointer::parse("results").is_err());
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(cut(&deep, "/0/0").unwrap().len(), deep.len() - 4);
    }

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
            let found = cut(&tree.to_string(), &pointer).ok().map(|part| serde_json::from_str(&part).unwrap());
            prop_assert_eq!(found, tree.pointer(&pointer).cloned());
        }
    }
}
