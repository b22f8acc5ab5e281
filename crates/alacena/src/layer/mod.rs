//! A tower layer that caches what an HTTP service answers.
//!
//! ```text
//! request ─▶ keyed (may it be cached? what is its key?) ─▶ engine ─▶ hit
//!                │ no                                        │ miss
//!                ▼                                           ▼
//!          the service, untouched                 the service, given what is in the key and
//!                                                 nothing else ─▶ answer (may it be kept?)
//! ```
//!
//! The rule that makes it safe: the service sees of a request only what is part of the key. A header that is not, it
//! never gets, so that no client can put something of its own into what others are answered with.

mod answer;
mod body;
mod keyed;

pub use body::LayerBody;

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use alacena_core::{
    dep::Dep,
    engine::{Question, Rules},
    error::{Error, catalogue},
};
use bytes::Bytes;
use http::{HeaderName, Request, Response, header::HOST, request::Parts};
use http_body::Body;
use parking_lot::Mutex;
use tower::{Layer, Service};

use crate::{
    handle::{Alacena, Mode},
    own::{ClassSettings, OwnKind},
};
use answer::{Answer, Failed, answered, failed, with_error};

/// Most headers that a key may vary by.
const KEYED_HEADERS_MAX: usize = 8;

type Tags = dyn Fn(&Parts) -> Vec<String> + Send + Sync;

/// Caches what the service below it answers to `GET`, under the rules of one class: single flight, staleness,
/// invalidation by tag.
///
/// Cached are answers to requests without a body, without `Range`, `If-Match` and `If-Unmodified-Since`, and without
/// `Authorization` and `Cookie` unless [`keyed_by`](CacheLayer::keyed_by) makes them part of the key. Kept are the
/// statuses 200, 203, 301, 308, 404 and 410 (the last two for the class's `negative_ttl`), unless the answer says
/// `no-store`, `private` or `Vary: *`, or sets a cookie; `max-age` and the like shorten the class's TTL. A status of 500
/// or more counts as a failure of the source: the class decides whether an older answer stands in. Where none does, whoever led gets it as it came, and those who
/// waited get the same unless it is long or meant for one (`private`, `no-store`, a cookie): then they get its status
/// alone. Everything else passes through, untouched.
///
/// The service below is given the method, the URI, the keyed headers and the extensions of a request, and no other
/// header: what it does not see cannot end up in an answer to somebody else. What layers above put into the extensions
/// is handed on and is *not* part of the key; put this layer above those that find out who is asking.
///
/// A request that is no hit runs in a task of its own, once for everyone who asks meanwhile, and goes on when its caller
/// goes away. Answers longer than the class's `item_bytes_max` are passed on as they come and not kept.
///
/// ```
/// use alacena::{Alacena, class::Policy, outcome::Facts};
/// use http::{Request, Response};
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let alacena = Alacena::builder().build();
/// let layer = alacena.cache_layer("pages", Policy::default())?.tagged(|request| {
///     vec![format!("page:{}", request.uri.path())]
/// });
/// let slow = service_fn(|request: Request<String>| async move {
///     Ok::<_, std::convert::Infallible>(Response::new(format!("page of {}", request.uri())))
/// });
/// let mut pages = layer.layer(slow);
///
/// let ask = || Request::get("/menu?day=1").body(String::new()).unwrap();
/// let first = pages.ready().await?.call(ask()).await?;
/// let second = pages.ready().await?.call(ask()).await?;
/// assert!(second.extensions().get::<Facts>().is_some_and(|facts| facts.miss.is_none()));
///
/// // After a change of the page:
/// alacena.invalidate(&[alacena::ledger::Target::Tag("page:/menu".into())], "editor").await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct CacheLayer {
    alacena: Alacena,
    rules: Arc<Rules>,
    tags: Option<Arc<Tags>>,
    keyed_by: Arc<[HeaderName]>,
}

impl Alacena {
    /// A layer whose answers are entries of the class called `name`. `settings` is a [`Policy`](crate::class::Policy),
    /// or [`ClassSettings`] that put a guard before the service.
    ///
    /// Clones of a layer share entries, so the services below them must answer alike what is asked alike. A router that
    /// is nested below a path does not see that path: it needs a layer of its own, of another name.
    ///
    /// # Errors
    /// `Invalid` when the name is empty or longer than 128 bytes, when it is that of a class of declared reads, of typed
    /// values or of another layer, when its source is a declared one or is guarded with other limits, and beyond 1,024
    /// classes.
    pub fn cache_layer(&self, name: &str, settings: impl Into<ClassSettings>) -> Result<CacheLayer, Error> {
        let rules = self.own_class::<CacheLayer>(name, settings.into(), OwnKind::Layer)?;
        Ok(CacheLayer { alacena: self.clone(), rules, tags: None, keyed_by: Arc::default() })
    }
}

impl CacheLayer {
    /// Says what the answer to a request depends on. The tags are taken before the service is asked, so they come from
    /// the request alone, and from no more of it than the service sees: the same question has the same tags.
    #[must_use]
    pub fn tagged(self, tags: impl Fn(&Parts) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self { tags: Some(Arc::new(tags)), ..self }
    }

    /// Makes these headers part of the key, and lets the service see them: `Accept-Language`, the header that names the
    /// tenant, `Authorization` where each caller is to have answers of its own.
    ///
    /// ```
    /// # use alacena::{Alacena, class::Policy};
    /// use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION};
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let alacena = Alacena::builder().build();
    /// let pages = alacena.cache_layer("pages", Policy::default())?.keyed_by(&[ACCEPT_LANGUAGE, AUTHORIZATION])?;
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `Invalid` for more than eight.
    pub fn keyed_by(self, headers: &[HeaderName]) -> Result<Self, Error> {
        let mut keyed_by: Vec<HeaderName> = Vec::new();
        // The host is part of every key.
        for name in headers.iter().filter(|name| **name != HOST) {
            if !keyed_by.contains(name) {
                keyed_by.push(name.clone());
            }
        }
        if keyed_by.len() > KEYED_HEADERS_MAX {
            let detail = format!("an answer can vary by at most {KEYED_HEADERS_MAX} headers");
            return Err(Error::new(&catalogue::KEY_INVALID, detail));
        }
        Ok(Self { keyed_by: keyed_by.into(), ..self })
    }

    fn question(&self, request: &mut Parts) -> Result<Question, Error> {
        let principal = keyed::principal(&self.alacena, &self.keyed_by, &request.headers);
        let space = &self.rules.space;
        let key = space.key(principal, keyed::segments(request))?;
        let tags = match &self.tags {
            Some(tags) => keyed::seen_by(request, &self.keyed_by, |request| tags(request)),
            None => Vec::new(),
        };
        let namespace = space.namespace();
        let tags = tags.iter().map(|tag| Dep::tag(namespace, tag));
        let mut deps = tags.collect::<Result<Vec<_>, _>>()?;
        // Of a key in the partition of one caller nobody else can name more than its text.
        deps.extend(principal.map(|_| Dep::key(namespace, &key.text())));
        Question::new(&self.rules, key, deps)
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService { inner, layer: self.clone() }
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheLayer({})", self.rules.space.class())
    }
}

/// A service behind a [`CacheLayer`].
#[derive(Clone, Debug)]
pub struct CacheService<S> {
    inner: S,
    layer: CacheLayer,
}

impl<S, A, B> Service<Request<A>> for CacheService<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<LayerBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // The one that is ready answers; its copy waits for the next request.
        let copy = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, copy);
        let layer = self.layer.clone();
        Box::pin(async move {
            if !keyed::may_be_cached(&request, &layer.keyed_by) {
                return Ok(inner.call(request).await?.map(LayerBody::passed));
            }
            let (mut parts, body) = request.into_parts();
            match layer.question(&mut parts) {
                Ok(question) => ask(layer, question, parts, body, inner).await,
                // Too long a path or tag for a key: nothing to cache, and nothing for the service to know about.
                Err(error) => {
                    tracing::debug!(%error, "a request that has no key passes the cache");
                    Ok(inner.call(Request::from_parts(parts, body)).await?.map(LayerBody::passed))
                }
            }
        })
    }
}

/// Answers out of the memory, or by asking the service in a task of its own.
async fn ask<S, A, B>(
    layer: CacheLayer,
    question: Question,
    request: Parts,
    body: A,
    mut inner: S,
) -> Result<Response<LayerBody<B>>, S::Error>
where
    S: Service<Request<A>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (policy, conditions) = (question.rules.policy.clone(), keyed::conditions(&request.headers));
    let reduced = keyed::reduced(request, &layer.keyed_by);
    // Whoever led is told by the service itself what went wrong: its error need not be cloneable, and its answer not be
    // for others.
    let own_failure = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&own_failure);
    let load = move |_no_cache| async move {
        match inner.call(Request::from_parts(reduced, body)).await {
            Ok(response) => {
                let answer = Answer::read(response, policy.item_bytes_max).await?;
                if !answer.is_failure() {
                    return Ok(answer.loaded(&policy));
                }
                let error = answer.failure();
                *heard.lock() = Some(Ok(answer.respond::<B>()));
                Err(error)
            }
            Err(error) => {
                *heard.lock() = Some(Err(error));
                Err(Failed::without_an_answer())
            }
        }
    };
    let question = question.with_mode(layer.alacena.mode(Mode::Normal));
    match layer.alacena.inner.engine.get_or_fetch(&question, load).await {
        Ok(outcome) => Ok(answered::<B>(outcome, &conditions)),
        Err(error) => match own_failure.lock().take() {
            Some(own) => own.map(|response| with_error(response, &error)),
            None => Ok(failed(&error)),
        },
    }
}
