//! Declare your slow reads once. Alacena answers them fast, keeps them right, and shows you what it did.
//!
//! ```text
//! alacena.toml ──▶ config ──▶ open ──▶ Alacena (handle) ──▶ engine (alacena_core)
//!                                          │
//!                        prepared reads, writes, keys, targets
//! ```

mod builder;
mod calendar;
pub mod config;
mod declared_reads;
mod encoding;
mod explain;
mod figures;
mod handle;
mod keys;
#[cfg(feature = "tower")]
mod layer;
mod loading;
mod open;
mod own;
mod parents;
mod patterns;
mod prepared;
mod preparing;
mod reach;
mod reload;
mod sources;
mod promise;
mod store;
mod system;
mod targets;
mod ttl;
mod typed;
mod warming;
mod writing;

#[cfg(feature = "embedded")]
pub use alacena_backends::embedded::{Owner, read_owner};
pub use alacena_core::engine::{Put, PutRefusal};
pub use alacena_core::guard::{BreakerSettings, BulkheadSettings, GuardSettings};
pub use alacena_core::{
    class, declared, dep, envelope, error, freshness, key, ledger, outcome, runtime, secret, source, value,
};
pub use builder::Builder;
pub use declared_reads::{DeclaredRead, DeclaredWrite, Read, Write};
pub use encoding::Gzip;
pub use explain::{Explanation, KeyExplanation, KeyPage};
pub use figures::{BreakerFigures, Figures, Health, ReadFigures, SourceFigures, Status, WarmingFigures};
pub use handle::{Alacena, Ask, Invalidated, Level, Mode};
#[cfg(feature = "tower")]
pub use layer::{CacheLayer, CacheService, LayerBody};
pub use own::ClassSettings;
pub use reach::{Reach, TargetReach};
pub use reload::{Ready, Reloaded, Reloading};
pub use system::SystemRuntime;
pub use typed::Class;
pub use warming::{Cron, NoCron, ReadWarming, WarmCall, WarmingRun, WarmingTrigger};
pub use writing::Written;
