//! What stands before every route: which host is asked, and from which page.
//!
//! A page that somebody visits can send requests to this machine, and can make its own name point here (DNS
//! rebinding). A listener that needs no token therefore answers only under names that no stranger can own; a request
//! that changes something is refused when it comes from a foreign page; and only pages of configured origins may read
//! answers.

use std::net::IpAddr;

use alacena::error::{Error, catalogue};
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
            CACHE_CONTROL, Entry, HOST, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{app::App, problem::Problem, settings::ServerSettings};

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_SECONDS: &str = "600";
/// What a page may read of an answer besides its body.
const EXPOSED: &str = "age, alacena-after, alacena-level, cache-status, etag, retry-after, server-timing";
/// What a page may send besides the headers that reads pass through.
const ACCEPTED: &str = "alacena-after, alacena-token, authorization, cache-control, content-type, if-none-match, \
                        mcp-method, mcp-name, mcp-protocol-version";

/// Said by browsers of the page that makes them ask.
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Checks host and origin, answers preflights, and gives every answer its safe defaults.
pub(crate) async fn edge(State(app): State<App>, request: Request, next: Next) -> Response {
    let page = match admit(&app.settings(), request.method(), request.uri(), request.headers()) {
        Ok(page) => page,
        Err(error) => return Problem(error).into_response(),
    };
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { preflight_answer(&app) } else { next.run(request).await };
    finish(&app.settings(), page, response.headers_mut());
    response
}

/// Gives the answer to a page that was let in what every answer has.
pub(crate) fn finish(settings: &ServerSettings, page: Option<Page>, headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Entry::Vacant(unsaid) = headers.entry(CACHE_CONTROL) {
        unsaid.insert(HeaderValue::from_static("no-store"));
    }
    if !settings.cors_origins.is_empty() {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(Page::Listed(origin)) = page {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// Where the page that sends a request comes from.
pub(crate) enum Page {
    /// From this server.
    Own,
    /// From an origin that may ask.
    Listed(HeaderValue),
    /// From anywhere else.
    Foreign,
}

/// Lets a request in, whatever it asks for; with the page that sends it, if one does.
///
/// # Errors
/// `Denied` where it names no host of ours, or comes from a page that may not send it.
pub(crate) fn admit(
    settings: &ServerSettings,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Page>, Error> {
    if headers.get_all(HOST).iter().nth(1).is_some() {
        // Two readers of such a request could each believe another one (RFC 9112, 3.2).
        return Err(Error::new(&catalogue::HOST_REFUSED, "the request names more than one host"));
    }
    let host = host_of(uri, headers);
    if settings.is_open() && !host.is_some_and(|host| is_served(host, &settings.hosts)) {
        let shown = host.map_or_else(|| "no host".to_owned(), |host| format!("`{}`", printable(host)));
        let detail = format!(
            "the request names {shown}; this listener needs no token and answers to loopback names only"
        );
        return Err(Error::new(&catalogue::HOST_REFUSED, detail));
    }
    let Some(origin) = headers.get(ORIGIN) else {
        if settings.is_open() && is_embedded_elsewhere(headers) {
            let detail = "a page of another site may not load this in the background";
            return Err(Error::new(&catalogue::ORIGIN_REFUSED, detail));
        }
        return Ok(None);
    };
    let page = page_of(origin, host, &settings.cors_origins);
    if matches!(page, Page::Foreign) && !matches!(*method, Method::GET | Method::HEAD) {
        let shown = printable(origin.to_str().unwrap_or("?"));
        let detail = format!("a page of `{shown}` may not send {method} requests");
        return Err(Error::new(&catalogue::ORIGIN_REFUSED, detail));
    }
    Ok(Some(page))
}

/// Whether a page of another site asks without anybody following a link: pictures and the like need no `Origin`, but
/// could make a listener that needs no token load its sources at the will of whoever wrote the page.
fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let says = |name: &HeaderName, what: &str| headers.get(name).is_some_and(|value| value == what);
    says(&SEC_FETCH_SITE, "cross-site") && !says(&SEC_FETCH_MODE, "navigate")
}

fn page_of(origin: &HeaderValue, host: Option<&str>, listed: &[String]) -> Page {
    let text = origin.to_str().unwrap_or_default();
    let own = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if own.zip(host).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host)) {
        Page::Own
    } else if listed.iter().any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(text)) {
        Page::Listed(origin.clone())
    } else {
        Page::Foreign
    }
}

/// The host that the request names: HTTP/2 says it in the URI, HTTP/1 in the `Host` header.
pub(crate) fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

/// Whether `host` is a loopback name, or one of `names` (each with or without a port).
fn is_served(host: &str, names: &[String]) -> bool {
    let name = without_port(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let last = name.rsplit('.').next().unwrap_or_default();
    address.is_ok_and(|address| address.is_loopback())
        // The top-level domain `localhost` belongs to nobody (RFC 6761).
        || last.eq_ignore_ascii_case("localhost")
        || names.iter().any(|served| served.eq_ignore_ascii_case(name) || served.eq_ignore_ascii_case(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(100).collect()
}

fn preflight_answer(app: &App) -> Response {
    let mut accepted = ACCEPTED.to_owned();
    let reads = app.alacena().reads();
    let mut passed: Vec<&str> = reads.iter().flat_map(|read| &read.credentials).map(String::as_str).collect();
    passed.sort_unstable();
    passed.dedup();
    for header in passed
        .into_iter()
        .filter(|header| HeaderName::try_from(*header).is_ok() && *header != "authorization")
    {
        accepted.push_str(", ");
        accepted.push_str(header);
    }
    let accepted = HeaderValue::try_from(accepted).expect("header names make a header value");
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST")),
        (ACCESS_CONTROL_ALLOW_HEADERS, accepted),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS)),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_stranger_can_own_are_served() {
        let names = ["box.lan".to_owned(), "box.lan:81".to_owned(), "only.lan:81".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "a.localhost:1",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:80",
            "box.lan:9",
        ] {
            assert!(is_served(host, &names), "{host}");
        }
        assert!(is_served("only.lan:81", &names));
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "only.lan",
            "10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(!is_served(host, &names), "{host}");
        }
    }

    #[test]
    fn a_page_is_ours_listed_or_foreign() {
        let listed = ["https://app.example/".to_owned()];
        let page = |origin| page_of(&HeaderValue::from_static(origin), Some("localhost:8080"), &listed);
        assert!(matches!(page("http://localhost:8080"), Page::Own));
        assert!(matches!(page("https://app.example"), Page::Listed(_)));
        for foreign in ["null", "http://localhost:9999", "https://app.example.evil", "localhost:8080", ""] {
            assert!(matches!(page(foreign), Page::Foreign), "{foreign}");
        }
    }
}
