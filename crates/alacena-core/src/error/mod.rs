//! The one error of Alacena: small, opaque, cloneable, and honest about whether trying again can help.

use std::{fmt, sync::Arc, time::Duration};

pub mod catalogue;

pub use catalogue::Code;

/// What a caller can do about an error; two kinds exist only where callers act differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// What was needed is not there now: wait, or do without.
    Unavailable,
    /// It took longer than allowed.
    Timeout,
    /// Too much was asked at once: come back later.
    Overloaded,
    /// The question is wrong: change it.
    Invalid,
    /// The caller may not do this.
    Denied,
    /// What came back cannot be trusted.
    Corrupt,
    /// The component has been closed.
    Closed,
    /// A mistake of ours.
    Internal,
}

impl Kind {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Unavailable => "unavailable",
            Kind::Timeout => "timeout",
            Kind::Overloaded => "overloaded",
            Kind::Invalid => "invalid",
            Kind::Denied => "denied",
            Kind::Corrupt => "corrupt",
            Kind::Closed => "closed",
            Kind::Internal => "internal",
        }
    }
}

/// Whether the same call can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call fails again.
    Never,
    /// The same call may succeed after this long.
    After(Duration),
}

/// Why something did not work, what exactly, and whether to try again.
///
/// Cheap to clone: everyone who waited for one load receives the same error. The text never holds a secret, a key's
/// value or an upstream's body.
///
/// ```
/// use alacena_core::error::{catalogue, Error, Kind, Retry};
/// use std::time::Duration;
///
/// let error = Error::new(&catalogue::SOURCE_UNREACHABLE, "connection refused")
///     .with("source", "crm")
///     .retry_after(Duration::from_secs(1));
/// assert_eq!(error.kind(), Kind::Unavailable);
/// assert_eq!(error.retry(), Retry::After(Duration::from_secs(1)));
/// assert_eq!(error.to_string(), "source unreachable: connection refused (source=crm)");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    code: &'static Code,
    detail: String,
    context: Vec<(&'static str, String)>,
    retry: Retry,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the catalogue, with what happened this time. It is not worth retrying until
    /// [`retry_after`](Error::retry_after) says otherwise.
    pub fn new(code: &'static Code, detail: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            code,
            detail: detail.into(),
            context: Vec::new(),
            retry: Retry::Never,
            cause: None,
        }))
    }

    /// Adds what it was about: `("source", "crm")`.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl fmt::Display) -> Self {
        self.change(|inner| inner.context.push((name, value.to_string())))
    }

    /// Says that the same call may succeed after `delay`.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        self.change(|inner| inner.retry = Retry::After(delay))
    }

    /// Keeps the error below this one, for the log.
    #[must_use]
    pub fn caused_by(self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.cause = Some(Arc::new(cause)))
    }

    fn change(self, edit: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        edit(&mut inner);
        Self(Arc::new(inner))
    }

    /// Its entry in the catalogue: stable name, title, remedy.
    #[must_use]
    pub fn code(&self) -> &'static Code {
        self.0.code
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.code.kind
    }

    /// What happened this time.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What it was about, in the order in which it was added.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Whether the same call can succeed later.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.code.title)?;
        if !self.0.detail.is_empty() {
            write!(f, ": {}", self.0.detail)?;
        }
        for (at, (name, value)) in self.0.context.iter().enumerate() {
            let opening = if at == 0 { " (" } else { ", " };
            write!(f, "{opening}{name}={value}")?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{}]", self.0.code.slug)?;
        match &self.0.cause {
            Some(cause) => write!(f, " <- {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| &**cause as _)
    }
}
