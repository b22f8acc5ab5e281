//! The source itself: prepared reads, which may be asked again, and prepared writes, which are sent once.

use std::{pin::pin, sync::Arc, time::Duration};

use alacena_core::{
    error::{Error, catalogue},
    runtime::{BoxFuture, SharedRuntime, unit_interval},
    source::{Call, Deliver, Delivery, Fetch, Fetched, Validator},
    value::Body,
};
use futures_util::future::{Either, select};
use http::{
    HeaderMap, StatusCode,
    header::{ETAG, LAST_MODIFIED},
};
use reqwest::{Client, Response};

use super::{
    base::Base,
    body,
    budget::RetryBudget,
    cache_control, exchange,
    failure::Failure,
    headers::SourceHeaders,
    json,
    plan::{Plan, Request},
    question::HttpQuestion,
    settings::HttpSettings,
};

/// The ceiling of the random pause before the first retry; it doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// The longest pause that a retry waits while its caller does. Sources that ask for more get their error handed on.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// The longest validator that is kept beside an answer and shown again, in bytes.
const VALIDATOR_BYTES_MAX: usize = 256;

/// A REST API.
///
/// ```
/// use alacena_backends::http::{HttpQuestion, HttpSettings, HttpSource};
/// use alacena_testkit::FakeRuntime;
/// use std::sync::Arc;
///
/// let settings = HttpSettings::new("crm", "https://crm.example/api1");
/// let source = HttpSource::open(settings, Arc::new(FakeRuntime::new(1)))?;
/// let read = source.read(HttpQuestion::parse("GET /jobs?from={from}")?)?;
/// assert!(source.write(HttpQuestion::parse("GET /jobs")?).is_err());
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone)]
pub struct HttpSource(Arc<Upstream>);

/// What every question to one source shares.
struct Upstream {
    name: String,
    base: Base,
    headers: SourceHeaders,
    client: Client,
    body_bytes_max: usize,
    retries: u32,
    budget: RetryBudget,
    write_timeout: Duration,
    runtime: SharedRuntime,
}

impl HttpSource {
    /// Checks the settings and makes ready to connect; nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid`, naming the setting and never what a secret one says.
    pub fn open(settings: HttpSettings, runtime: SharedRuntime) -> Result<Self, Error> {
        let open = || {
            Ok(Upstream {
                base: Base::parse(&settings.base_url)?,
                headers: SourceHeaders::parse(&settings.headers, &settings.credentials)?,
                client: exchange::connect(&settings)?,
                name: settings.name.clone(),
                body_bytes_max: settings.body_bytes_max,
                retries: settings.retries,
                budget: RetryBudget::default(),
                write_timeout: settings.write_timeout,
                runtime,
            })
        };
        let upstream = open().map_err(|error: Error| error.with("source", &settings.name))?;
        Ok(Self(Arc::new(upstream)))
    }

    /// Prepares a question that only asks: by `GET`, or by `POST` with a document.
    ///
    /// # Errors
    /// `Invalid` when the question cannot be asked, whatever its parameters.
    pub fn read(&self, question: HttpQuestion) -> Result<Arc<dyn Fetch>, Error> {
        let plan = Plan::for_read(&question).map_err(|error| self.0.name(error))?;
        Ok(Arc::new(Read { upstream: Arc::clone(&self.0), plan: Arc::new(plan) }))
    }

    /// Prepares a question that changes something: by any method but `GET`.
    ///
    /// # Errors
    /// `Invalid` when the question cannot be asked, whatever its parameters.
    pub fn write(&self, question: HttpQuestion) -> Result<Arc<dyn Deliver>, Error> {
        let plan = Plan::for_write(&question).map_err(|error| self.0.name(error))?;
        Ok(Arc::new(Write { upstream: Arc::clone(&self.0), plan: Arc::new(plan) }))
    }
}

struct Read {
    upstream: Arc<Upstream>,
    plan: Arc<Plan>,
}

impl Fetch for Read {
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Error>> {
        let (upstream, plan) = (Arc::clone(&self.upstream), Arc::clone(&self.plan));
        Box::pin(async move { upstream.ask(&plan, &call).await.map_err(|error| upstream.name(error)) })
    }
}

struct Write {
    upstream: Arc<Upstream>,
    plan: Arc<Plan>,
}

impl Deliver for Write {
    fn deliver(&self, call: Call) -> BoxFuture<'static, Delivery> {
        let (upstream, plan) = (Arc::clone(&self.upstream), Arc::clone(&self.plan));
        Box::pin(async move {
            match upstream.tell(&plan, &call).await {
                Ok(body) => Delivery::Done(body),
                Err(Failure { error, refused: true, .. }) => Delivery::Refused(upstream.name(error)),
                Err(Failure { error, .. }) => Delivery::Unknown(upstream.name(error)),
            }
        })
    }
}

impl Upstream {
    /// Asks, and asks again where that can help: a read changes nothing, by whatever method it is sent.
    async fn ask(&self, plan: &Plan, call: &Call) -> Result<Fetched, Error> {
        let request = plan.render(&self.base, &self.headers, call)?;
        self.budget.earn();
        let mut attempt = 0;
        loop {
            let failure = match self.ask_once(plan, &request).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) => failure,
            };
            match self.pause_before_retry(&failure, attempt) {
                Some(pause) => self.runtime.sleep(pause).await,
                None => return Err(failure.error),
            }
            attempt += 1;
            tracing::debug!(source = self.name, attempt, failure = failure.error.code().slug, "asking again");
        }
    }

    async fn ask_once(&self, plan: &Plan, request: &Request) -> Result<Fetched, Failure> {
        let began = self.runtime.now();
        let response = exchange::send(&self.client, &self.base, request).await?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(Fetched::Absent);
        }
        let (cacheable, validator) =
            (cache_control::is_cacheable(response.headers()), validator(response.headers()));
        let terms = cache_control::terms(response.headers());
        if response.status() == StatusCode::NOT_MODIFIED && request.conditional {
            return Ok(Fetched::Unchanged { cacheable, terms: terms.later_by(self.runtime.now() - began) });
        }
        let bytes = self.receive(response).await?;
        let body = json::check(bytes, &plan.pointer).map_err(Failure::unusable)?;
        let terms = terms.later_by(self.runtime.now() - began);
        Ok(Fetched::Found { body: Body::json(body).with_validator(validator), cacheable, terms })
    }

    /// Sends a change once, within its time.
    async fn tell(&self, plan: &Plan, call: &Call) -> Result<Body, Failure> {
        let request = plan.render(&self.base, &self.headers, call).map_err(Failure::unsent)?;
        let exchange = async {
            let response = exchange::send(&self.client, &self.base, &request).await?;
            let bytes = self.receive(response).await?;
            if bytes.trim_ascii().is_empty() {
                return Ok(Body::json("null"));
            }
            json::check(bytes, &plan.pointer).map(Body::json).map_err(Failure::unusable)
        };
        match select(pin!(exchange), self.runtime.sleep(self.write_timeout)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => {
                let detail = format!("no answer to the write within {:?}", self.write_timeout);
                Err(Failure::unusable(Error::new(&catalogue::SOURCE_TIMEOUT, detail)))
            }
        }
    }

    /// The body of a response that is an answer.
    async fn receive(&self, response: Response) -> Result<Vec<u8>, Failure> {
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::status(status, response.headers(), self.runtime.unix_millis()));
        }
        body::receive(response, self.body_bytes_max).await
    }

    /// How long to wait before attempt number `attempt + 2`, if there is to be one: what the source asks for, and on
    /// top of it any part of a span that doubles (full jitter), so that callers who failed together come back apart.
    fn pause_before_retry(&self, failure: &Failure, attempt: u32) -> Option<Duration> {
        let least = failure.again.filter(|least| *least <= BACKOFF_MAX && attempt < self.retries)?;
        if !self.budget.spend() {
            return None;
        }
        let span = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(attempt)).min(BACKOFF_MAX);
        Some(least + span.mul_f64(unit_interval(self.runtime.random())))
    }

    fn name(&self, error: Error) -> Error {
        error.with("source", &self.name)
    }
}

/// What the source says about the version of its answer, as far as it is text of a sane length.
fn validator(headers: &HeaderMap) -> Option<Validator> {
    let text = |name| {
        let text = headers.get(name)?.to_str().ok()?;
        (text.len() <= VALIDATOR_BYTES_MAX).then(|| Arc::from(text))
    };
    let (etag, last_modified) = (text(ETAG), text(LAST_MODIFIED));
    (etag.is_some() || last_modified.is_some()).then_some(Validator { etag, last_modified })
}
