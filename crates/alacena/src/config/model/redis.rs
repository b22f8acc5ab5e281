//! What a checked `[redis]` section is.

use std::{path::PathBuf, time::Duration};

#[cfg(feature = "redis")]
pub use alacena_backends::redis::{
    Address as RedisAddress, Credentials as RedisCredentials, Place as RedisPlace,
};
use alacena_core::envelope::SealKeys;

/// `[redis]`: the Redis or Valkey that several nodes share. Without the feature `redis` there is none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisConfig {
    /// Where it is and how to log in.
    #[cfg(feature = "redis")]
    pub address: RedisAddress,
    /// A file of PEM certificates that are trusted besides the usual ones. Only over TLS.
    pub ca: Option<PathBuf>,
    /// How long connecting may take. Looking the name up and a TLS handshake have a second each besides, or this where
    /// it is longer.
    pub connect_timeout: Duration,
    /// How long one operation may take.
    pub timeout: Duration,
    /// Operations that may be under way at once on one connection.
    pub in_flight_max: usize,
    /// How long a node that is gone keeps others from loading what it was loading.
    pub lease: Duration,
    /// How this node hears what others invalidate.
    pub push: PushConfig,
    /// How many replicas have to follow without lag for a read to count as fresh. Zero: none.
    pub replicas_min: u32,
    /// How many commands a day has; none: they are not counted.
    pub commands_per_day: Option<u64>,
    /// What entries are sealed with; none: who can read Redis can read them.
    pub keys: Option<SealKeys>,
    /// Where invalidations are kept that Redis could not be told of yet; none: in the embedded store.
    pub journal: Option<JournalConfig>,
    /// When it is left alone.
    pub breaker: BreakerConfig,
}

/// How a node hears what others invalidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushConfig {
    /// The first of the others that proves to work.
    Auto,
    /// The server tells of every change.
    Tracking,
    /// Nodes tell one another over the server.
    Publish,
    /// Not at all.
    None,
}

/// `redis.journal`: a table of a declared source, for invalidations that Redis could not be told of yet, and for those
/// that the application writes there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalConfig {
    /// The SQLite source.
    pub source: String,
    /// Its table: letters, digits and `_`.
    pub table: String,
    /// How often it is looked into for what others have written.
    pub every: Duration,
}

/// `redis.breaker`: when a Redis that fails is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// Failures within `window` that open it.
    pub failures: u32,
    /// How far back failures count.
    pub window: Duration,
    /// The longest pause between probes.
    pub reset_max: Duration,
}
