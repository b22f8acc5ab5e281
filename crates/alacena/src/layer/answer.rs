//! What a service answered: whether it is kept, and how it is answered again.

use std::{any::Any, error::Error as StdError, fmt, time::Duration};

use alacena_backends::http::cache_control;
use alacena_core::{
    class::Policy,
    engine::Loaded,
    error::{Error, Kind, Retry, catalogue},
    outcome::{Origin, Outcome},
    source::Terms,
    value::Value,
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, ETAG, RETRY_AFTER, SET_COOKIE, TRANSFER_ENCODING,
    },
};
use http_body::Body;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3Default;

use super::LayerBody;

/// How long a service that failed is left alone, unless it says how long it wants to be.
const PAUSE: Duration = Duration::from_secs(1);

/// An answer of a service, or the beginning of one that is too long to be kept.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// What follows `body`: taken by the one caller whom a long answer is for.
    rest: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Answer {
    /// Reads as much of a response as may be kept, and says what the engine is to make of it.
    pub(super) async fn loaded<B>(response: Response<B>, policy: &Policy) -> Result<Loaded, Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (head, mut rest) = response.into_parts();
        let mut body = BytesMut::new();
        let mut is_long = false;
        while let Some(frame) = rest.frame().await {
            let frame = frame.map_err(|cause| cut_short(cause.into()))?;
            // Trailers are not kept: few clients look at them, and nothing here says what they mean.
            if let Ok(data) = frame.into_data() {
                body.extend_from_slice(&data);
            }
            if body.len() > policy.item_bytes_max {
                is_long = true;
                break;
            }
        }
        let (cacheable, terms) = admission(head.status, &head.headers, policy);
        let mut headers = head.headers;
        // Of the connection between the service and whoever asked first. The length is that of the body.
        for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
            headers.remove(name);
        }
        let rest: Option<Box<dyn Any + Send>> = is_long.then(|| Box::new(rest) as _);
        let answer = Self { status: head.status, headers, body: body.freeze(), rest: Mutex::new(rest) };
        if answer.status.is_server_error() && !is_long {
            return Err(Failed::with(answer));
        }
        Ok(Loaded { value: Some(answer.into()), cacheable: cacheable && !is_long, withheld: None, terms })
    }

    fn respond<B: Unpin + 'static>(&self, body: LayerBody<B>) -> Response<LayerBody<B>> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }

    fn digest(&self) -> u64 {
        let mut hash = Xxh3Default::new();
        hash.update(self.status.as_str().as_bytes());
        for (name, value) in &self.headers {
            hash.update(name.as_str().as_bytes());
            hash.update(value.as_bytes());
        }
        hash.update(&self.body);
        hash.digest()
    }
}

impl From<Answer> for Value {
    fn from(answer: Answer) -> Value {
        let headers = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
        let weight = size_of::<Answer>() + headers.sum::<usize>() + answer.body.len();
        let digest = answer.digest();
        Value::new(answer, weight, digest)
    }
}

/// Whether an answer may be kept for others, and for how long.
fn admission(status: StatusCode, headers: &HeaderMap, policy: &Policy) -> (bool, Terms) {
    let is_private = headers.get_all(CACHE_CONTROL).iter().any(|value| {
        // `private="name"` is about one header, which would have to be left out: the whole answer is.
        value.as_bytes().to_ascii_lowercase().windows(7).any(|word| word == b"private")
    });
    let said = cache_control::is_cacheable(headers) && !is_private && !headers.contains_key(SET_COOKIE);
    let terms = cache_control::terms(headers);
    match status.as_u16() {
        200 | 203 | 301 | 308 => (said, terms),
        404 | 410 => {
            let ttl = terms.ttl.map_or(policy.negative_ttl, |ttl| ttl.min(policy.negative_ttl));
            (said, Terms { ttl: Some(ttl), ..terms })
        }
        _ => (false, terms),
    }
}

/// What one caller is answered with, who has the entity tags in `conditions` already.
pub(super) fn answered<B>(outcome: Outcome, conditions: &[HeaderValue]) -> Response<LayerBody<B>>
where
    B: Unpin + Send + 'static,
{
    let facts = outcome.facts();
    let Some(answer) = outcome.downcast::<Answer>().and_then(Outcome::into_value) else {
        let detail = "an entry of this layer's class is not an answer";
        return failed(&Error::new(&catalogue::INTERNAL, detail));
    };
    let rest = answer.rest.lock().take().and_then(|rest| rest.downcast::<B>().ok());
    let body = match rest {
        Some(rest) => LayerBody::Long(Some(answer.body.clone()), *rest),
        None => LayerBody::Whole(answer.body.clone()),
    };
    let mut response = answer.respond(body);
    if response.headers().get(ETAG).is_some_and(|etag| has_already(conditions, etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = LayerBody::Empty;
    }
    if facts.origin != Origin::Source {
        response.headers_mut().insert(AGE, facts.age.as_secs().into());
    }
    response.extensions_mut().insert(facts);
    response
}

/// Whether one of the `If-None-Match` lines names `etag`; weak and strong count alike (RFC 9110, 13.1.2).
fn has_already(conditions: &[HeaderValue], etag: &HeaderValue) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    let etag = opaque(etag.as_bytes());
    let mut tags = conditions.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    tags.any(|tag| tag.trim_ascii() == b"*" || opaque(tag.trim_ascii()) == etag)
}

/// What a caller is answered with when there is nothing to answer with: the failure as the service told it, or a status
/// that says what became of the question.
pub(super) fn failed<B: Unpin + 'static>(error: &Error) -> Response<LayerBody<B>> {
    let told = StdError::source(error).and_then(|cause| cause.downcast_ref::<Failed>());
    let mut response = match told.and_then(|failed| failed.answer.as_ref()) {
        Some(answer) => answer.respond(LayerBody::Whole(answer.body.clone())),
        None => {
            let mut response = Response::new(LayerBody::Empty);
            *response.status_mut() = match error.kind() {
                Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                Kind::Overloaded | Kind::Unavailable | Kind::Closed => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_GATEWAY,
            };
            response
        }
    };
    if let Retry::After(pause) = error.retry() {
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        response.headers_mut().entry(RETRY_AFTER).or_insert(seconds.into());
    }
    response.extensions_mut().insert(error.clone());
    response
}

/// Why a load of a layer failed: with an answer that says so, which everyone who waited is given, or without one.
pub(super) struct Failed {
    answer: Option<Answer>,
}

impl Failed {
    fn with(answer: Answer) -> Error {
        let wanted = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let pause = wanted.map_or(PAUSE, Duration::from_secs);
        Error::new(&catalogue::SOURCE_FAILED, format!("the service answered {}", answer.status.as_u16()))
            .retry_after(pause)
            .caused_by(Self { answer: Some(answer) })
    }

    /// The service had an error instead of an answer.
    pub(super) fn without_an_answer() -> Error {
        Error::new(&catalogue::SOURCE_FAILED, "the service failed")
            .retry_after(PAUSE)
            .caused_by(Self { answer: None })
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failed")
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service below the layer failed")
    }
}

impl StdError for Failed {}

fn cut_short(cause: Box<dyn StdError + Send + Sync>) -> Error {
    // The cause may hold what the service answered: it is the service's own to log.
    drop(cause);
    Error::new(&catalogue::SOURCE_FAILED, "the answer of the service ended too early").retry_after(PAUSE)
}
