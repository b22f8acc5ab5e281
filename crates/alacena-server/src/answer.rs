//! An outcome as an HTTP answer: status, validators, what the cache did.

use std::time::Duration;

use alacena::{
    Mode, Read,
    error::{Error, catalogue},
    outcome::{Origin, Outcome},
    value::Body,
};
use axum::{
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
    },
    response::{IntoResponse, Response},
};

use crate::{cache_status::cache_status, problem::Problem};

/// RFC 9211.
static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// How long the server took, in the terms of the W3C's Server Timing: browsers and tools show it beside the network.
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Browsers may keep the answer and must ask again each time: with the ETag that costs a 304.
static REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// How one caller sees an outcome.
pub(crate) struct View<'a> {
    /// How the read was asked.
    pub(crate) mode: Mode,
    /// The read.
    pub(crate) read: &'a Read,
    /// The headers with the caller's conditions, where the method has any.
    pub(crate) conditions: Option<&'a HeaderMap>,
    /// Whether the caller may learn what the cache did.
    pub(crate) sees_cache: bool,
    /// How long making the answer has taken.
    pub(crate) took: Duration,
}

/// The answer to a read.
pub(crate) fn answer(outcome: &Outcome<Body>, view: &View<'_>) -> Response {
    let mut response = match outcome.value() {
        Some(body) => found(body, view.conditions),
        None => Problem(absent(view.read)).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, REVALIDATE.clone());
    // An answer that has just been made has no age (RFC 9111, 5.1).
    if outcome.origin() != Origin::Source {
        headers.insert(AGE, outcome.age().as_secs().into());
    }
    if view.sees_cache {
        let line = cache_status(outcome, view.mode);
        headers.insert(
            CACHE_STATUS.clone(),
            HeaderValue::try_from(line).expect("the words of the table are ASCII"),
        );
        headers.insert(SERVER_TIMING.clone(), server_timing(view.took));
    }
    if let Ok(varies) = HeaderValue::try_from(view.read.credentials.join(", "))
        && !varies.is_empty()
    {
        headers.append(VARY, varies);
    }
    response
}

/// What is said of a read whose source has nothing.
pub(crate) fn absent(read: &Read) -> Error {
    let detail = format!("the source of `{}` has nothing under these parameters", read.name);
    Error::new(&catalogue::ABSENT, detail).with("read", &read.name)
}

/// The value of `Server-Timing`: milliseconds to the microsecond, so that a hit is not just "0".
fn server_timing(took: Duration) -> HeaderValue {
    let micros = took.as_micros();
    let line = format!("alacena;dur={}.{:03}", micros / 1000, micros % 1000);
    HeaderValue::try_from(line).expect("digits are ASCII")
}

fn found(body: &Body, conditions: Option<&HeaderMap>) -> Response {
    let etag = etag(body);
    if conditions.is_some_and(|headers| matches(headers, &etag)) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, header(&etag))]).into_response();
    }
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(body.content_type())), (ETAG, header(&etag))];
    (StatusCode::OK, headers, body.bytes().clone()).into_response()
}

fn header(etag: &str) -> HeaderValue {
    HeaderValue::try_from(etag).expect("an entity tag of hexadecimal digits is a header value")
}

/// The strong entity tag of a body.
pub(crate) fn etag(body: &Body) -> String {
    format!("\"{:032x}\"", u128::from_be_bytes(body.etag()))
}

/// Whether `If-None-Match` names `etag`; weak and strong count alike (RFC 9110, 13.1.2).
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
        // A cache on the way that compresses may have made our tag a weak one.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_strong_and_matches_in_any_list() {
        let body = Body::json(&b"{}"[..]);
        let etag = etag(&body);
        assert_eq!(etag.len(), 34);
        assert!(etag.starts_with('"') && etag.ends_with('"'));
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::try_from(value).unwrap());
            matches(&headers, &etag)
        };
        assert!(
            given(&etag) && given("*") && given(&format!("W/{etag}")) && given(&format!("\"a\", {etag}"))
        );
        assert!(!given("\"a\"") && !given(etag.trim_matches('"')) && !given(""));
    }
    #[test]
    fn the_time_is_in_milliseconds_to_the_microsecond() {
        assert_eq!(server_timing(Duration::from_nanos(41_999)), "alacena;dur=0.041");
        assert_eq!(server_timing(Duration::from_micros(12_003_040)), "alacena;dur=12003.040");
    }
}
