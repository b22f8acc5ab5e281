//! Why a shard did not do what it was asked.

use std::fmt;

use crate::error::Error;

/// Why a shard did not do what it was asked. What becomes of the read or the invalidation depends on which of these it
/// is, and on nothing else that the server said.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// There is no connection, or it broke, or the server cannot serve for now (it loads its data, it is busy with a
    /// script, its cluster is down). Whether the step was done is unknown.
    Unavailable(Error),
    /// No answer in time. Whether the step was done is unknown; it may still be.
    TimedOut(Error),
    /// Too much is waiting for this shard already. The step was not sent.
    Overloaded(Error),
    /// The server is of another era than was said, or not a primary any more. The step was not done.
    OtherEra,
    /// The server has no memory for this. The step was not done; removing still works.
    OutOfMemory(Error),
    /// The server forbids it: credentials or rights are missing. The step was not done, and asking again will not help.
    Denied(Error),
    /// The server, or something on the way to it, answered what cannot be understood. Whether the step was done is
    /// unknown.
    Garbled(Error),
}

impl Failure {
    /// The words for all of them.
    pub const WORDS: [&str; 7] =
        ["unavailable", "timed-out", "overloaded", "other-era", "out-of-memory", "denied", "garbled"];

    /// Whether the step may have been done all the same.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        matches!(self, Failure::Unavailable(_) | Failure::TimedOut(_) | Failure::Garbled(_))
    }

    /// Whether it says that the shard cannot be relied on, as its breaker counts.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.is_in_doubt()
    }

    /// The word used in logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Failure::Unavailable(_) => "unavailable",
            Failure::TimedOut(_) => "timed-out",
            Failure::Overloaded(_) => "overloaded",
            Failure::OtherEra => "other-era",
            Failure::OutOfMemory(_) => "out-of-memory",
            Failure::Denied(_) => "denied",
            Failure::Garbled(_) => "garbled",
        }
    }

    /// What the server, or our side of the connection, said.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Failure::OtherEra => None,
            Failure::Unavailable(error)
            | Failure::TimedOut(error)
            | Failure::Overloaded(error)
            | Failure::OutOfMemory(error)
            | Failure::Denied(error)
            | Failure::Garbled(error) => Some(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(error) => error.fmt(f),
            None => f.write_str("the server is of another era, or not a primary any more"),
        }
    }
}

impl std::error::Error for Failure {}
