//! The rules that a class of data lives by.

use std::time::Duration;

/// The freshness rules and limits of one class.
///
/// ```
/// use alacena_core::class::Policy;
/// use std::time::Duration;
///
/// let policy = Policy { ttl: Duration::from_secs(1800), ..Policy::default() };
/// assert_eq!(policy.stale_if_error, Duration::from_secs(24 * 3600));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How long a value is fresh. Default 5 minutes. Zero: nothing is kept.
    pub ttl: Duration,
    /// How far the TTL of one entry may lie from `ttl`, as a share of it, so that entries stored together do not end
    /// together. Default 0.1. Zero: exactly `ttl`. At most 0.5.
    pub jitter: f64,
    /// How long "there is no such thing" is fresh. Default 30 seconds. Zero: not kept.
    pub negative_ttl: Duration,
    /// How long after the TTL a value is still answered at once, labelled stale, while it is refreshed behind the
    /// caller's back. Never applies to an invalidated entry. Default zero: off.
    pub stale_while_revalidate: Duration,
    /// How long after the TTL a value is still answered, labelled stale, when its source fails. Default 24 hours.
    /// Zero: off.
    pub stale_if_error: Duration,
    /// Whether a fresh value is refreshed shortly before its end, if it is likely to be asked for again, so that nobody
    /// waits for the source. Default true.
    pub refresh_ahead: bool,
    /// The absolute age up to which each hit begins the TTL anew; `None`: hits extend nothing. Not for data that its
    /// source changes unasked. Default `None`.
    pub sliding_max: Option<Duration>,
    /// Whether values may be [set](crate::engine::Engine::set) without a load: the last one that arrives wins, whatever
    /// has been invalidated meanwhile. Default false.
    pub unordered: bool,
    /// How long a caller waits for the source before it gets the expired value that is at hand; the load goes on and
    /// is stored. Does not apply to an invalidated entry. Default 2 seconds.
    pub soft_timeout: Duration,
    /// How long a load may take. Waiting for a place at the source comes on top. Default 10 seconds.
    pub hard_timeout: Duration,
    /// The largest value that is kept, in bytes; a larger one is answered, counted and not kept. Default 512 KiB.
    pub item_bytes_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            jitter: 0.1,
            negative_ttl: Duration::from_secs(30),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::from_secs(24 * 3600),
            refresh_ahead: true,
            sliding_max: None,
            unordered: false,
            soft_timeout: Duration::from_secs(2),
            hard_timeout: Duration::from_secs(10),
            item_bytes_max: 512 * 1024,
        }
    }
}
