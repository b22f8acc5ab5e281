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
    /// How sure a read is of what other nodes have invalidated. Default bounded. Without a second tier both are the
    /// same.
    pub read_mode: ReadMode,
    /// What becomes of an entry when the second tier may have gone back in time. Default revalidate.
    pub era: EraPolicy,
    /// What is kept while the second tier cannot be reached. Default local.
    pub without_l2: WithoutL2,
    /// Whether entries are kept in the second tier where there is one; invalidations go through it in any case. Default
    /// true.
    pub l2: bool,
    /// How long an entry is answered from memory before the second tier is asked for it again, never past its end;
    /// `None`: 5 seconds where other nodes share the second tier, else as long as it lives. Zero: not kept in memory.
    /// Without a second tier it means nothing. Default `None`.
    pub l1_ttl: Option<Duration>,
    /// How long an entry is kept fresh in the second tier, never past its end; `None`: as long as it is fresh at all.
    /// Zero: not kept there. Default `None`.
    pub l2_ttl: Option<Duration>,
    /// Whether values of 1 KiB or more are compressed in the second tier; `None`: unless they are sealed there. Default
    /// `None`. Not for values that mix a secret with what an attacker may choose: their length would tell of it.
    pub l2_compressed: Option<bool>,
    /// Whether the names of keys in the second tier hold the key as it is written instead of its hash alone, for people
    /// who look at it with other tools. Default false.
    pub readable_key_names: bool,
}

/// How sure a read is of what other nodes have invalidated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// An entry in memory is answered where what it depends on was known to stand within the last 0.9 seconds: no
    /// question to the second tier. What this node has invalidated itself is never answered.
    #[default]
    Bounded,
    /// What an entry depends on is looked up in the second tier by each read: one round trip, and never a value that
    /// was loaded before an invalidation that had been acknowledged.
    Strict,
}

/// What becomes of an entry when the second tier may have gone back in time: its server was restarted, or a replica
/// took its place that had not received everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EraPolicy {
    /// It is answered once more, labelled stale, while it is loaded behind the caller's back.
    #[default]
    Revalidate,
    /// It is a miss. For permissions and money.
    Strict,
    /// It is answered as if nothing had happened. An invalidation that was lost with the old server stays lost.
    Trust,
}

/// What is kept while the second tier cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WithoutL2 {
    /// In memory alone, for 5 seconds at most, and answered as `local`, never as `fresh`.
    #[default]
    Local,
    /// Nothing: each read goes to its source. For permissions and money.
    Bypass,
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
            read_mode: ReadMode::default(),
            era: EraPolicy::default(),
            without_l2: WithoutL2::default(),
            l2: true,
            l1_ttl: None,
            l2_ttl: None,
            l2_compressed: None,
            readable_key_names: false,
        }
    }
}
