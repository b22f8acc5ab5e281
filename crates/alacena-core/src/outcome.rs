//! What a read returned: the value, where it came from, how fresh it is, and a reason for every "no".

use std::{fmt, time::Duration};

use crate::{dep::Dep, value::Value};

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The memory of this process.
    L1,
    /// The source, now.
    Source,
    /// An entry past its time, because the source did not answer, or is being asked behind the caller's back.
    Stale,
}

impl Origin {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Origin::L1 => "l1",
            Origin::Source => "source",
            Origin::Stale => "stale",
        }
    }
}

/// Why there was no fresh entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissReason {
    /// Never seen, or so long ago that nobody remembers.
    Cold,
    /// Its time was over.
    Expired,
    /// It gave way to others.
    Evicted,
    /// It was invalidated, by this dep.
    Invalidated(Dep),
    /// Its last load failed, and nothing is held from before.
    Error,
    /// The caller, or the configuration, asked for the source.
    Bypass,
}

impl MissReason {
    /// The reason, once it is known whether the last load of the key `failed`: that, and not that it was never seen,
    /// is then why nothing is held.
    pub(crate) fn after(self, failed: bool) -> Self {
        match self {
            MissReason::Cold if failed => MissReason::Error,
            other => other,
        }
    }

    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            MissReason::Cold => "cold",
            MissReason::Expired => "expired",
            MissReason::Evicted => "evicted",
            MissReason::Invalidated(_) => "invalidated",
            MissReason::Error => "error",
            MissReason::Bypass => "bypass",
        }
    }
}

/// Why a value past its time was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StaleReason {
    /// It is being refreshed behind the caller's back.
    Revalidating,
    /// The source has not answered within the soft time limit; the load goes on.
    SoftTimeout,
    /// The source failed.
    SourceError,
}

impl StaleReason {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            StaleReason::Revalidating => "revalidating",
            StaleReason::SoftTimeout => "soft-timeout",
            StaleReason::SourceError => "source-error",
        }
    }
}

/// Why a loaded value was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotStored {
    /// Something that it depends on was invalidated while it was loading.
    Superseded,
    /// It is larger than its class allows.
    TooLarge,
    /// The source, or the class, forbids keeping it.
    Uncacheable,
    /// The call asked for it not to be kept.
    Bypass,
    /// Its class keeps nothing: its TTL is zero.
    NoTtl,
}

impl NotStored {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            NotStored::Superseded => "superseded",
            NotStored::TooLarge => "too-large",
            NotStored::Uncacheable => "uncacheable",
            NotStored::Bypass => "bypass",
            NotStored::NoTtl => "no-ttl",
        }
    }
}

/// The answer to a read.
#[derive(Clone, Debug)]
pub struct Outcome<V = Value> {
    /// The value; `None` where the source knows that there is no such thing.
    pub value: Option<V>,
    /// Where it came from.
    pub origin: Origin,
    /// Time since it was loaded.
    pub age: Duration,
    /// How much longer it is fresh; zero when it is not, or was not kept.
    pub fresh_for: Duration,
    /// How long past its time it is; zero when it is not.
    pub stale_for: Duration,
    /// Why there was no fresh entry; `None` on a hit.
    pub miss: Option<MissReason>,
    /// Why it is stale; `None` when it is not.
    pub stale: Option<StaleReason>,
    /// Whether this caller waited for a load that another one led.
    pub collapsed: bool,
    /// Why a loaded value was not kept; `None` when it was, or when nothing was loaded.
    pub not_stored: Option<NotStored>,
}

impl<V> Outcome<V> {
    /// Whether the answer came out of the cache without a word from the source.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        self.miss.is_none()
    }

    /// The same with another form of the value.
    pub fn map<W>(self, change: impl FnOnce(V) -> W) -> Outcome<W> {
        Outcome {
            value: self.value.map(change),
            origin: self.origin,
            age: self.age,
            fresh_for: self.fresh_for,
            stale_for: self.stale_for,
            miss: self.miss,
            stale: self.stale,
            collapsed: self.collapsed,
            not_stored: self.not_stored,
        }
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MissReason::Invalidated(dep) => write!(f, "invalidated by {dep}"),
            other => f.write_str(other.as_str()),
        }
    }
}
