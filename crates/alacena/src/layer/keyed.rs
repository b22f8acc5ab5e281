//! What of a request is its identity.

use std::mem;

use alacena_core::key::Principal;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Version,
    header::{
        AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE,
        TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};
use http_body::Body;

use crate::handle::Alacena;

/// Whether the answer to `request` may come out of a cache.
pub(super) fn may_be_cached<A: Body>(request: &Request<A>, keyed_by: &[HeaderName]) -> bool {
    let headers = request.headers();
    let is_keyed = |name: &HeaderName| keyed_by.contains(name);
    let is_someones =
        [AUTHORIZATION, COOKIE].iter().any(|name| headers.contains_key(name) && !is_keyed(name));
    // Over HTTP/2 no header has to say so. What it says would reach the service, and is in no key.
    let has_body = !request.body().is_end_stream()
        || headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    let mut hosts = headers.get_all(HOST).iter();
    // An empty one would have the key of none.
    let is_clear = |host: &HeaderValue| host.to_str().is_ok_and(|host| !host.is_empty());
    let has_clear_host = hosts.next().is_none_or(is_clear) && hosts.next().is_none();
    let for_the_service = [RANGE, UPGRADE, IF_MATCH, IF_UNMODIFIED_SINCE];
    let wants_more = for_the_service.iter().any(|name| headers.contains_key(name));
    *request.method() == Method::GET && !is_someones && !has_body && has_clear_host && !wants_more
}

/// The segments of the key: host and address, as they came. Two ways of writing one thing are two keys, since the
/// service below may tell them apart; whoever names the key of one means all of them (see `OwnClass::key_steps`).
pub(super) fn segments(request: &Parts) -> [String; 2] {
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    [host.to_owned(), request.uri.to_string()]
}

/// The partition of the values of the keyed headers: they may be credentials, so the key holds a digest.
pub(super) fn principal(
    alacena: &Alacena,
    keyed_by: &[HeaderName],
    headers: &HeaderMap,
) -> Option<Principal> {
    if keyed_by.is_empty() {
        return None;
    }
    let values = keyed_by.iter().flat_map(|name| {
        // One pair for each value: an absent header, an empty one and one that came twice are three things.
        headers.get_all(name).iter().map(move |value| (name.as_str(), value.as_bytes()))
    });
    Some(Principal::of(alacena.inner.store.own_secret(), values))
}

/// The request as the service below sees it: what is in the key, and the extensions.
pub(super) fn reduced(mut request: Parts, keyed_by: &[HeaderName]) -> Parts {
    request.headers = seen(&request.headers, keyed_by);
    request.version = Version::HTTP_11;
    request
}

/// What `look` finds in the request as the service below sees it.
pub(super) fn seen_by<T>(request: &mut Parts, keyed_by: &[HeaderName], look: impl FnOnce(&Parts) -> T) -> T {
    let seen = seen(&request.headers, keyed_by);
    let headers = mem::replace(&mut request.headers, seen);
    let found = look(request);
    request.headers = headers;
    found
}

/// The headers that are in the key.
fn seen(headers: &HeaderMap, keyed_by: &[HeaderName]) -> HeaderMap {
    let mut seen = HeaderMap::new();
    for name in keyed_by.iter().chain([&HOST]) {
        for value in headers.get_all(name) {
            seen.append(name, value.clone());
        }
    }
    seen
}

/// The entity tags that the caller has already.
pub(super) fn conditions(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(IF_NONE_MATCH).iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    fn nothing() -> Empty<bytes::Bytes> {
        Empty::new()
    }

    #[test]
    fn what_is_somebodys_own_or_not_a_whole_answer_is_no_cache_matter() {
        let asked = |name: &str, value: &str| Request::get("/a").header(name, value).body(nothing()).unwrap();
        for (name, value, cached) in [
            ("accept", "text/html", true),
            ("content-length", "0", true),
            ("content-length", "1", false),
            ("transfer-encoding", "chunked", false),
            ("authorization", "Bearer x", false),
            ("cookie", "a=b", false),
            ("range", "bytes=0-1", false),
            ("upgrade", "websocket", false),
            ("if-match", "\"a\"", false),
            ("host", "shop.example", true),
            ("host", "", false),
        ] {
            assert_eq!(may_be_cached(&asked(name, value), &[]), cached, "{name}: {value}");
        }
        assert!(may_be_cached(&asked("authorization", "Bearer x"), &[AUTHORIZATION]));
        assert!(!may_be_cached(&asked("cookie", "a=b"), &[AUTHORIZATION]));
        assert!(!may_be_cached(&Request::post("/a").body(nothing()).unwrap(), &[]));
        let with_body = Request::get("/a").body(Full::new(bytes::Bytes::from_static(b"x"))).unwrap();
        assert!(!may_be_cached(&with_body, &[]), "whatever its headers say");
        let two_hosts = Request::get("/a").header(HOST, "a").header(HOST, "b").body(nothing()).unwrap();
        assert!(!may_be_cached(&two_hosts, &[]));
    }

    #[test]
    fn the_service_sees_what_is_in_the_key_and_nothing_else() {
        let request = Request::get("/a?b=c")
            .header(HOST, "shop.example")
            .header("accept-language", "es")
            .header("x-forwarded-host", "evil.example")
            .extension(7_u8)
            .body(())
            .unwrap();
        let reduced = reduced(request.into_parts().0, &[http::header::ACCEPT_LANGUAGE]);
        let names: Vec<&str> = reduced.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["accept-language", "host"]);
        assert_eq!(reduced.extensions.get(), Some(&7_u8));
        assert_eq!(segments(&reduced), ["shop.example", "/a?b=c"]);
    }
}
