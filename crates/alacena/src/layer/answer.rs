//! What a service answered: whether it is kept, and how it is answered again.

use std::{any::Any, error::Error as StdError, fmt, time::Duration};

use alacena_backends::http::cache_control;
use alacena_core::{
    class::Policy,
    engine::Loaded,
    error::{Error, Kind, Retry, catalogue},
    outcome::{Origin, Outcome},
    source::Terms,
    value::{Value, if_none_match},
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, ETAG, PROXY_AUTHENTICATE, RETRY_AFTER, SET_COOKIE,
        TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use http_body::Body;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3Default;

use super::LayerBody;

/// How long a service that failed is left alone, unless it says how long it wants to be.
const PAUSE: Duration = Duration::from_secs(1);
/// The most bytes of a failure that are told to others than the one who led: they are held for as long as its key rests
/// and is remembered, outside of the memory that entries have.
const TOLD_BYTES_MAX: usize = 4096;
/// What is said of one connection, and not of the answer (RFC 9110, 7.6.1).
static OF_THE_CONNECTION: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// An answer of a service, or the beginning of one that is too long to be kept.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// What follows `body`: taken by the one caller whom a long answer is for.
    rest: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Answer {
    /// Reads as much of a response as may be kept.
    ///
    /// # Errors
    /// `Unavailable` where it ends before it is over, by its own account.
    pub(super) async fn read<B>(response: Response<B>, bytes_max: usize) -> Result<Self, Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (head, mut rest) = response.into_parts();
        let mut body = BytesMut::new();
        while let Some(frame) = rest.frame().await {
            let frame = frame.map_err(|cause| cut_short(cause.into()))?;
            // Trailers are not kept: few clients look at them, and nothing here says what they mean.
            if let Ok(data) = frame.into_data() {
                body.extend_from_slice(&data);
            }
            if body.len() > bytes_max {
                let rest: Box<dyn Any + Send> = Box::new(rest);
                return Ok(Self::new(head.status, head.headers, body.freeze(), Some(rest)));
            }
        }
        // Without its length, which is not handed on, a part of an answer would look like the whole of one.
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if head.status != StatusCode::NOT_MODIFIED && length.is_some_and(|length: usize| length != body.len())
        {
            return Err(cut_short("its length is another".into()));
        }
        Ok(Self::new(head.status, head.headers, body.freeze(), None))
    }

    fn new(status: StatusCode, headers: HeaderMap, body: Bytes, rest: Option<Box<dyn Any + Send>>) -> Self {
        Self { status, headers, body, rest: Mutex::new(rest) }
    }

    /// Whether it says that the service has failed.
    pub(super) fn is_failure(&self) -> bool {
        self.status.is_server_error()
    }

    /// What the engine is to make of it.
    pub(super) fn loaded(mut self, policy: &Policy) -> Loaded {
        let (cacheable, terms) = admission(self.status, &self.headers, policy);
        take_off_connection(&mut self.headers);
        let is_long = self.rest.get_mut().is_some();
        if !is_long {
            // It is that of the body.
            self.headers.remove(CONTENT_LENGTH);
        }
        Loaded { value: Some(self.into()), cacheable: cacheable && !is_long, withheld: None, terms }
    }

    /// The failure that it is for everyone who waits for it, or asks while its key rests: what it says to all. Whom it
    /// means by a cookie, or by `private` or `no-store`, is the one who led, and a long one is for nobody else either.
    pub(super) fn failure(&self) -> Error {
        let bytes = self.body.len() + header_bytes(&self.headers);
        let is_for_all = self.rest.lock().is_none() && bytes <= TOLD_BYTES_MAX && is_shared(&self.headers);
        let mut headers = if is_for_all { self.headers.clone() } else { HeaderMap::new() };
        take_off_connection(&mut headers);
        headers.remove(CONTENT_LENGTH);
        if let Some(pause) = self.headers.get(RETRY_AFTER) {
            headers.insert(RETRY_AFTER, pause.clone());
        }
        let body = if is_for_all { self.body.clone() } else { Bytes::new() };
        Failed::with(Self::new(self.status, headers, body, None))
    }

    /// The response that it was; its end is for the first who asks.
    pub(super) fn respond<B: Unpin + 'static>(&self) -> Response<LayerBody<B>> {
        let rest = self.rest.lock().take().and_then(|rest| rest.downcast::<B>().ok());
        let mut response = Response::new(match rest {
            Some(rest) => LayerBody::long(self.body.clone(), *rest),
            None => LayerBody::whole(self.body.clone()),
        });
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
        let weight = size_of::<Answer>() + header_bytes(&answer.headers) + answer.body.len();
        let digest = answer.digest();
        Value::new(answer, weight, digest)
    }
}

/// What headers cost in memory, about.
fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum()
}

/// Takes off what is of the connection between the service and whoever asked first: the well-known ones, and those that
/// the connection names.
fn take_off_connection(headers: &mut HeaderMap) {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let named = lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok());
    for name in named.collect::<Vec<HeaderName>>().iter().chain(&OF_THE_CONNECTION) {
        headers.remove(name);
    }
}

/// Whether an answer with these headers is meant for more than the one who asked.
fn is_shared(headers: &HeaderMap) -> bool {
    let is_private = headers.get_all(CACHE_CONTROL).iter().any(|value| {
        // `private="name"` is about one header, which would have to be left out: the whole answer is.
        value.as_bytes().to_ascii_lowercase().windows(7).any(|word| word == b"private")
    });
    cache_control::is_cacheable(headers) && !is_private && !headers.contains_key(SET_COOKIE)
}

/// Whether an answer may be kept for others, and for how long.
fn admission(status: StatusCode, headers: &HeaderMap, policy: &Policy) -> (bool, Terms) {
    let said = is_shared(headers);
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
    let mut response = answer.respond::<B>();
    // Conditions are for what would be a success (RFC 9110, 13.2.1).
    let etag = response.headers().get(ETAG).filter(|_| answer.status.is_success());
    if etag.is_some_and(|etag| is_held(conditions, etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = LayerBody::empty();
    }
    if facts.origin != Origin::Source {
        // It may have been in another cache before it came here.
        let before = response.headers().get(AGE).and_then(|age| age.to_str().ok()?.parse().ok());
        let age = facts.age.as_secs().saturating_add(before.unwrap_or(0));
        response.headers_mut().insert(AGE, age.into());
    }
    response.extensions_mut().insert(facts);
    response
}

fn is_held(conditions: &[HeaderValue], etag: &HeaderValue) -> bool {
    conditions.iter().any(|line| if_none_match(line.as_bytes(), etag.as_bytes()))
}

/// What a caller is answered with when there is nothing to answer with: the failure as the service told it, or a status
/// that says what became of the question.
pub(super) fn failed<B: Unpin + 'static>(error: &Error) -> Response<LayerBody<B>> {
    let told = StdError::source(error).and_then(|cause| cause.downcast_ref::<Failed>());
    let response = match told.and_then(|failed| failed.answer.as_ref()) {
        Some(answer) => answer.respond(),
        None => {
            let mut response = Response::new(LayerBody::empty());
            *response.status_mut() = match error.kind() {
                Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                Kind::Overloaded | Kind::Unavailable | Kind::Closed => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_GATEWAY,
            };
            response
        }
    };
    with_error(response, error)
}

/// A failure that says when to try again, and what it is.
pub(super) fn with_error<B>(mut response: Response<LayerBody<B>>, error: &Error) -> Response<LayerBody<B>> {
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
