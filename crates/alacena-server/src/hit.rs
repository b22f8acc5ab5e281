//! The short way: a plain hit is answered within the call, without a future, a layer or a box.
//!
//! Plain is a request that asks a declared read by `GET` or `HEAD`, may ask it, leaves it to the cache, and finds a
//! fresh entry in memory. Whatever else there is to say, that a name is not known, a token is missing, a parameter is
//! wrong or the source has to be asked, is left to the long way, which gets the request as it came. No rule is written
//! twice: `edge` and `token` decide who is let in, `query` and the declaration what is asked, `answer` what is said of
//! it, here as there.

use std::mem;

use alacena::{
    DeclaredRead, Gzip, Mode, declared::Parameters, outcome::Outcome, runtime::Moment, value::Body,
};
use axum::{
    body::{Bytes, HttpBody},
    http::{
        Method, Request, Response,
        header::{CONTENT_LENGTH, HeaderValue},
    },
};
use bytes::BytesMut;

use crate::{
    accept_encoding,
    answer::{View, describe},
    app::App,
    edge::{self, Page},
    front::Payload,
    query::query_pairs,
    representation::Representation,
    request::{ALACENA_AFTER, credentials, mode},
    settings::ServerSettings,
    token::{self, Access, Peer},
};

/// Where the declared reads are.
const READS: &str = "/reads/";

/// A request that is let in, and the entry that answers it.
struct Hit {
    page: Option<Page>,
    sees_cache: bool,
    gzip: Gzip,
    read: DeclaredRead,
    outcome: Outcome<Body>,
}

/// The answer to what `peer` asks, where that is a plain hit; else the request stays as it is. `values` lends room for
/// the values of headers.
pub(crate) fn answer<B: HttpBody>(
    app: &App,
    peer: Peer,
    request: &mut Request<B>,
    values: &mut BytesMut,
) -> Option<Response<Payload>> {
    let runtime = app.alacena().runtime();
    let (settings, begun) = (app.settings(), runtime.now());
    let Hit { page, sees_cache, gzip, read, outcome } = find(app, &settings, peer, request, begun)?;
    let sent = Representation::new(outcome.value()?, gzip, Some(request.headers()));

    // The map of the request becomes that of the answer: its room is there already.
    let mut headers = mem::take(request.headers_mut());
    headers.clear();
    sent.describe(&mut headers, values);
    let view = View { mode: Mode::Normal, gzip, read: &read, sees_cache, took: runtime.now() - begun };
    describe(&outcome, &view, &mut headers, values);
    edge::finish(&settings, page, &mut headers);
    let mut bytes = sent.bytes();
    if *request.method() == Method::HEAD && !bytes.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        bytes = Bytes::new();
    }
    let mut response = Response::new(Payload::of(bytes));
    *response.status_mut() = sent.status();
    *response.headers_mut() = headers;
    Some(response)
}

fn find<B: HttpBody>(
    app: &App,
    settings: &ServerSettings,
    peer: Peer,
    request: &Request<B>,
    now: Moment,
) -> Option<Hit> {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let name = uri.path().strip_prefix(READS).filter(|name| is_plain(name))?;
    // A body that comes with it is for those who know what to do about it.
    if !matches!(*method, Method::GET | Method::HEAD) || !request.body().is_end_stream() {
        return None;
    }
    let page = edge::admit(settings, method, uri, headers).ok()?;
    let read = app.alacena().find_read(name)?;
    let caller = token::admit(settings, Access::Public.needs(read.public), Some(peer), headers).ok()?;
    // The read may be newer than the settings, and the door be closed before it.
    if caller.by_open_door() && !app.is_open() {
        return None;
    }
    // What carries a token of ours is no credential of a source.
    let is_ours = read.credentials.iter().any(|header| caller.carried.is_in(header));
    if is_ours || mode(headers, caller.role) != Mode::Normal {
        return None;
    }
    // Whoever must see what it has changed is not answered by this node alone.
    if headers.contains_key(&ALACENA_AFTER) {
        return None;
    }
    let pairs = query_pairs(uri.query().unwrap_or_default()).ok()?;
    let given = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let parameters = Parameters::from_text(&read.parameters, given).ok()?;
    let credentials = credentials(&read.credentials, headers).ok()?;
    // To make gzip for who takes nothing else is work.
    let gzip = accept_encoding::gzip(headers).ok().filter(|gzip| *gzip != Gzip::Required)?;
    let outcome = read.hit(&parameters, &credentials, gzip, now)?;
    Some(Hit { page, sees_cache: caller.sees_cache, gzip, read, outcome })
}

/// Whether this is the name of one read, written without escapes.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '%'])
}

#[cfg(test)]
mod tests;
