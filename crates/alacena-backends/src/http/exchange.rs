//! One request out, one response back, over connections that are kept.

use std::time::Duration;

use alacena_core::error::{Error, catalogue};
use http::{StatusCode, header::LOCATION};
use reqwest::{Client, Response, redirect};
use url::Url;

use super::{
    base::Base,
    failure::Failure,
    plan::Request,
    question::Method,
    settings::{HttpSettings, wrong},
};
use crate::tls;

/// Redirects followed for one request.
const REDIRECTS_MAX: usize = 5;

/// Connections kept open while nothing is asked.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// Largest header list accepted over HTTP/2, in bytes.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;

/// How often the other side of an HTTP/2 connection must give a sign of life, and how long it may take to do so: a
/// connection that has died in silence would otherwise take every request with it.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The client of one source.
///
/// Proxies of the environment, cookies, decompression and redirects of the library below are off: the first two
/// would let something outside the configuration decide what is sent where, the other two know no limits or hosts.
/// What it does repeat by itself, writes included, is a request that certainly reached nobody: one whose kept
/// connection turned out to be closed before the first byte, or that HTTP/2 gave back as not processed.
pub(super) fn connect(settings: &HttpSettings) -> Result<Client, Error> {
    let mut tls = tls::configure(settings.ca_file.as_deref()).map_err(wrong)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(settings.connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build()
        .map_err(|error| wrong("the HTTP client cannot be set up").caused_by(error))
}

/// Sends `request` and follows redirects as long as they stay at `base`.
pub(super) async fn send(client: &Client, base: &Base, request: &Request) -> Result<Response, Failure> {
    let mut url = request.url.clone();
    for hop in 0..=REDIRECTS_MAX {
        let response = client.execute(put_into_http(request, url)).await.map_err(|error| {
            let failure = Failure::transport(error);
            // What an earlier hop has done is not known.
            Failure { refused: failure.refused && hop == 0, ..failure }
        })?;
        match next(&response, base, request.method)? {
            Some(target) => url = target,
            None => return Ok(response),
        }
    }
    let detail = format!("it redirected more than {REDIRECTS_MAX} times");
    Err(Failure::unusable(Error::new(&catalogue::SOURCE_FAILED, detail)))
}

fn put_into_http(request: &Request, url: Url) -> reqwest::Request {
    let mut message = reqwest::Request::new(request.method.to_http(), url);
    message.headers_mut().clone_from(&request.headers);
    *message.body_mut() = request.body.clone().map(Into::into);
    message
}

/// Where the response sends us, if it does.
fn next(response: &Response, base: &Base, method: Method) -> Result<Option<Url>, Failure> {
    let status = response.status();
    let keeps_method = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => method == Method::Get,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        _ => return Ok(None),
    };
    if !keeps_method {
        let detail = "it answers with a redirect that would ask something else (GET without the body)";
        return Err(Failure::redirect(status, detail));
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(mut target) = location.and_then(|location| response.url().join(location).ok()) else {
        return Err(Failure::redirect(status, "it answers with a redirect to nowhere"));
    };
    if !base.holds(&target) {
        let detail =
            "it redirects to another host, which is never followed; if that is right, name it in `base_url`";
        return Err(Failure::redirect(status, detail));
    }
    target.set_fragment(None);
    Ok(Some(target))
}
