//! Where an answer came from, and the reason for every "no". The same words are in logs, metrics and answers.

use std::fmt;

use crate::dep::Dep;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The memory of this process.
    L1,
    /// The second tier.
    L2,
    /// The memory of this process, while the second tier is away: another node may have invalidated it since.
    Local,
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
            Origin::L2 => "l2",
            Origin::Local => "local",
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
    /// Whether it still holds could not be found out: the second tier is away, or may have gone back in time. It is being
    /// loaded behind the caller's back.
    Unproved,
}

impl StaleReason {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            StaleReason::Revalidating => "revalidating",
            StaleReason::SoftTimeout => "soft-timeout",
            StaleReason::SourceError => "source-error",
            StaleReason::Unproved => "unproved",
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
    /// It was made with the answer of another read, and that was stale, or not kept itself.
    ParentNotFresh,
    /// The second tier is away, and its class keeps nothing without it.
    WithoutL2,
    /// The second tier had no memory for what would have told whether it is still valid.
    NoMarker,
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
            NotStored::ParentNotFresh => "parent-not-fresh",
            NotStored::WithoutL2 => "without-l2",
            NotStored::NoMarker => "no-marker",
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
