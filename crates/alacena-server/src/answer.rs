//! An outcome as an HTTP answer: status, validators, what the cache did.
//!
//! The short way of a hit and the long way of everything else say the same, because both say it here; what they add is
//! the kind of body that they send.

use std::{fmt::Write as _, time::Duration};

use alacena::{
    Mode, Read,
    error::{Error, catalogue},
    outcome::{Origin, Outcome},
    value::Body,
};
use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
    },
    response::{IntoResponse, Response},
};
use bytes::BytesMut;

use crate::{cache_status::write_cache_status, problem::Problem};

/// RFC 9211.
static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// How long the server took, in the terms of the W3C's Server Timing: browsers and tools show it beside the network.
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Browsers may keep the answer and must ask again each time: with the ETag that costs a 304.
static REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// As much as the values of the headers below take, nearly always.
const VALUE_BYTES: usize = 192;

/// How one caller sees an outcome.
pub(crate) struct View<'a> {
    /// How the read was asked.
    pub(crate) mode: Mode,
    /// The read.
    pub(crate) read: &'a Read,
    /// Whether the caller may learn what the cache did.
    pub(crate) sees_cache: bool,
    /// How long making the answer has taken.
    pub(crate) took: Duration,
}

/// The answer to a read; `conditions` are the headers that may name what the caller holds, where the method has any.
pub(crate) fn answer(outcome: &Outcome<Body>, view: &View<'_>, conditions: Option<&HeaderMap>) -> Response {
    let mut values = BytesMut::with_capacity(VALUE_BYTES);
    let mut response = match outcome.value() {
        Some(body) => {
            let found = Found::new(body, conditions);
            let mut response = Response::new(found.bytes().into());
            *response.status_mut() = found.status();
            found.describe(response.headers_mut(), &mut values);
            response
        }
        None => Problem(absent(view.read)).into_response(),
    };
    describe(outcome, view, response.headers_mut(), &mut values);
    response
}

/// What is said of a read whose source has nothing.
pub(crate) fn absent(read: &Read) -> Error {
    let detail = format!("the source of `{}` has nothing under these parameters", read.name);
    Error::new(&catalogue::ABSENT, detail).with("read", &read.name)
}

/// Says what the cache did, whatever the answer is. `values` lends room for what is written.
pub(crate) fn describe(
    outcome: &Outcome<Body>,
    view: &View<'_>,
    headers: &mut HeaderMap,
    values: &mut BytesMut,
) {
    values.reserve(VALUE_BYTES);
    headers.insert(CACHE_CONTROL, REVALIDATE.clone());
    // An answer that has just been made has no age (RFC 9111, 5.1).
    if outcome.origin() != Origin::Source {
        headers.insert(AGE, written(values, |line| write!(line, "{}", outcome.age().as_secs())));
    }
    if view.sees_cache {
        let status = written(values, |line| write_cache_status(line, outcome, view.mode));
        headers.insert(&CACHE_STATUS, status);
        headers.insert(&SERVER_TIMING, written(values, |line| write_timing(line, view.took)));
    }
    if let [first, others @ ..] = &*view.read.credentials {
        let varies = written(values, |line| {
            line.write_str(first)?;
            others.iter().try_for_each(|header| write!(line, ", {header}"))
        });
        headers.append(VARY, varies);
    }
}

/// A value that was found, as one caller is answered with it.
pub(crate) struct Found<'a> {
    body: &'a Body,
    /// Whether the caller has shown that it holds it already.
    is_held: bool,
}

impl<'a> Found<'a> {
    pub(crate) fn new(body: &'a Body, conditions: Option<&HeaderMap>) -> Self {
        Self { body, is_held: conditions.is_some_and(|headers| names(headers, body)) }
    }

    pub(crate) fn status(&self) -> StatusCode {
        if self.is_held { StatusCode::NOT_MODIFIED } else { StatusCode::OK }
    }

    /// What is sent of it.
    pub(crate) fn bytes(&self) -> Bytes {
        if self.is_held { Bytes::new() } else { self.body.bytes().clone() }
    }

    /// Says what it is. `values` lends room for what is written.
    pub(crate) fn describe(&self, headers: &mut HeaderMap, values: &mut BytesMut) {
        if !self.is_held {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.body.content_type()));
        }
        values.reserve(VALUE_BYTES);
        headers.insert(ETAG, written(values, |line| line.write_str(EntityTag::of(self.body).as_str())));
    }
}

/// What `write` writes, as the value of a header; it has no control characters.
fn written(values: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> std::fmt::Result) -> HeaderValue {
    write(values).expect("there is always room");
    HeaderValue::from_maybe_shared(values.split().freeze()).expect("it has no control characters")
}

/// The value of `Server-Timing`: milliseconds to the microsecond, so that a hit is not just "0".
fn write_timing(line: &mut impl std::fmt::Write, took: Duration) -> std::fmt::Result {
    let micros = took.as_micros();
    write!(line, "alacena;dur={}.{:03}", micros / 1000, micros % 1000)
}

/// The strong entity tag of a body.
pub(crate) struct EntityTag([u8; 34]);

impl EntityTag {
    pub(crate) fn of(body: &Body) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'"'; 34];
        for (two, byte) in text[1..33].chunks_exact_mut(2).zip(body.etag()) {
            two[0] = DIGITS[usize::from(byte >> 4)];
            two[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

/// Whether `If-None-Match` names the entity tag of `body`; weak and strong count alike (RFC 9110, 13.1.2).
fn names(headers: &HeaderMap, body: &Body) -> bool {
    if !headers.contains_key(IF_NONE_MATCH) {
        return false;
    }
    let etag = EntityTag::of(body);
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
        // A cache on the way that compresses may have made our tag a weak one.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_strong_and_matches_in_any_list() {
        let body = Body::json(&b"{}"[..]);
        let etag = EntityTag::of(&body);
        let etag = etag.as_str();
        assert_eq!(etag, format!("\"{:032x}\"", u128::from_be_bytes(body.etag())));
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::try_from(value).unwrap());
            names(&headers, &body)
        };
        assert!(given(etag) && given("*") && given(&format!("W/{etag}")) && given(&format!("\"a\", {etag}")));
        assert!(!given("\"a\"") && !given(etag.trim_matches('"')) && !given(""));
        assert!(!names(&HeaderMap::new(), &body));
    }

    #[test]
    fn the_time_is_in_milliseconds_to_the_microsecond() {
        let timing = |took| {
            let mut line = String::new();
            write_timing(&mut line, took).unwrap();
            line
        };
        assert_eq!(timing(Duration::from_nanos(41_999)), "alacena;dur=0.041");
        assert_eq!(timing(Duration::from_micros(12_003_040)), "alacena;dur=12003.040");
    }
}
