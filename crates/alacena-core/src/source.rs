//! The seam to the sources: one prepared question, one prepared change.
//!
//! A backend turns the declaration of a read or write into one of these once, at start; after that the engine needs
//! to know nothing about HTTP or SQL. Breaker, bulkhead and time limits stand outside, in [`crate::guard`].

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    declared::{AnswerSchema, Parameters},
    error::Error,
    runtime::BoxFuture,
    value::Body,
};

/// A credential that the caller sent and the source is to receive, in a type that cannot print it.
#[derive(Clone)]
pub struct Credential {
    /// The header it came in and leaves in, in lower case.
    pub header: Arc<str>,
    /// What it says. Never logged.
    pub secret: Arc<[u8]>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [hidden]", self.header)
    }
}

/// What a source said about the version of an answer, to be shown to it when it is asked again. Opaque to everyone but
/// the source's own driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// An entity tag, as it was sent.
    pub etag: Option<Arc<str>>,
    /// A date of the last change, as it was sent.
    pub last_modified: Option<Arc<str>>,
}

/// One call of a declared read or write.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Its parameters, complete.
    pub parameters: Arc<Parameters>,
    /// The caller's credentials that the declaration passes through.
    pub credentials: Arc<[Credential]>,
    /// Whether caches between here and the source must be asked to look again: set on a load that follows an
    /// invalidation or that the caller forced.
    pub no_cache: bool,
    /// The version that is held: a source that still has it may answer [`Fetched::Unchanged`].
    pub held: Option<Arc<Validator>>,
}

/// How long an answer holds, as far as its source said so. All of it counts from the end of the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How long it is fresh; `None`: as long as its class says. Chance (the class's jitter) never adds to it.
    pub ttl: Option<Duration>,
    /// The most that the class's `stale_while_revalidate` may be.
    pub stale_while_revalidate: Option<Duration>,
    /// The most that the class's `stale_if_error` may be.
    pub stale_if_error: Option<Duration>,
}

impl Terms {
    /// What is left of the same terms when `by` has passed.
    #[must_use]
    pub fn later_by(self, by: Duration) -> Self {
        Self { ttl: self.ttl.map(|ttl| ttl.saturating_sub(by)), ..self }
    }
}

/// What a source answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fetched {
    /// Here it is. `cacheable` is false where the source forbids keeping it.
    Found {
        /// The answer.
        body: Body,
        /// Whether it may be kept.
        cacheable: bool,
        /// How long it holds.
        terms: Terms,
    },
    /// What is held is what it would answer.
    Unchanged {
        /// Whether it may still be kept.
        cacheable: bool,
        /// How long it holds from now on.
        terms: Terms,
    },
    /// The source knows that there is no such thing: a value, not an error.
    Absent,
}

/// A prepared question to a source.
///
/// # Cancellation
/// Dropping the future gives the question up; nothing of it may reach a later call.
pub trait Fetch: Send + Sync + 'static {
    /// Asks the source.
    ///
    /// # Errors
    /// With [`Retry`](crate::error::Retry) set here, once, where the knowledge is.
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Error>>;

    /// What every answer is, as far as the source knows without being asked; `None`: it may be anything.
    fn answers(&self) -> Option<AnswerSchema> {
        None
    }
}

/// How a declared write ended.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The source did it and said this.
    Done(Body),
    /// The source definitely did not do it: nothing was sent, or it said no.
    Refused(Error),
    /// It may or may not have been done: whoever depends on it must assume that it was.
    Unknown(Error),
}

/// A prepared change at a source.
///
/// # Cancellation
/// Dropping the future leaves the outcome unknown; callers run it to its end in a task of its own.
pub trait Deliver: Send + Sync + 'static {
    /// Sends the change. Never retried here: the caller decides.
    fn deliver(&self, call: Call) -> BoxFuture<'static, Delivery>;
}
