//! An outcome as an HTTP answer: status, validators, what the cache did.
//!
//! The short way of a hit and the long way of everything else say the same, because both say it here; what they add is
//! the kind of body that they send.

use std::{fmt::Write as _, time::Duration};

use alacena::{
    Gzip, Mode, Read,
    error::{Error, catalogue},
    outcome::{Origin, Outcome},
    value::Body,
};
use axum::{
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{AGE, CACHE_CONTROL, VARY},
    },
    response::{IntoResponse, Response},
};
use bytes::BytesMut;

use crate::{cache_status::write_cache_status, problem::Problem, representation::Representation};

/// RFC 9211.
static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// How long the server took, in the terms of the W3C's Server Timing: browsers and tools show it beside the network.
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Browsers may keep the answer and must ask again each time: with the ETag that costs a 304.
static REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What every answer depends on: each may be had in gzip, by who insists.
static VARIES: HeaderValue = HeaderValue::from_static("accept-encoding");

/// As much as the values of the headers below take, nearly always.
pub(crate) const VALUE_BYTES: usize = 192;

/// How one caller sees an outcome.
pub(crate) struct View<'a> {
    /// How the read was asked.
    pub(crate) mode: Mode,
    /// Whether it takes gzip.
    pub(crate) gzip: Gzip,
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
            let sent = Representation::new(body, view.gzip, conditions);
            let mut response = Response::new(sent.bytes().into());
            *response.status_mut() = sent.status();
            sent.describe(response.headers_mut(), &mut values);
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
    let varies = match &*view.read.credentials {
        [] => VARIES.clone(),
        credentials => written(values, |line| {
            line.write_str("accept-encoding")?;
            credentials.iter().try_for_each(|header| write!(line, ", {header}"))
        }),
    };
    headers.append(VARY, varies);
}

/// What `write` writes, as the value of a header; it has no control characters.
pub(crate) fn written(
    values: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> std::fmt::Result,
) -> HeaderValue {
    write(values).expect("there is always room");
    HeaderValue::from_maybe_shared(values.split().freeze()).expect("it has no control characters")
}

/// The value of `Server-Timing`: milliseconds to the microsecond, so that a hit is not just "0".
fn write_timing(line: &mut impl std::fmt::Write, took: Duration) -> std::fmt::Result {
    let micros = took.as_micros();
    write!(line, "alacena;dur={}.{:03}", micros / 1000, micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

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
