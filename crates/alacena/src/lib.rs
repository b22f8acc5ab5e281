//! Declare your slow reads once. Alacena answers them fast, keeps them right, and shows you what it did.
//!
//! A cache that stands between an application and whatever is slow behind it: a database, an HTTP API, a computation.
//! There is one engine and three ways to it.
//!
//! # Values that the application loads
//!
//! A [`Class`] keeps values of one type under one [`Policy`](class::Policy): shared and never copied, loaded once for
//! everyone who asks meanwhile.
//!
//! ```
//! use alacena::{Alacena, Class, class::Policy};
//! use std::time::Duration;
//!
//! #[derive(serde::Serialize)]
//! struct Kpis { revenue: u64 }
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let alacena = Alacena::builder().namespace("shop").build();
//! let policy = Policy { ttl: Duration::from_secs(60), ..Policy::default() };
//! let kpis: Class<Kpis> = alacena.class("kpis", policy)?;
//!
//! // The key names everything that the value varies with; the tags, what it depends on.
//! let load = || async { Ok(Some(Kpis { revenue: 7 })) }; // the slow part
//! let outcome = kpis.get_or_fetch(["42", "2026-11"], &["company:42"], load).await?;
//! assert_eq!(outcome.value().unwrap().revenue, 7);
//!
//! // After a change of company 42 has been committed:
//! kpis.invalidate_tag("company:42").await?;
//! assert!(!kpis.get_or_fetch(["42", "2026-11"], &["company:42"], load).await?.is_hit());
//! # Ok::<(), alacena::error::Error>(())
//! # }).unwrap();
//! ```
//!
//! Whoever asks is told where the value came from and why ([`Outcome`](outcome::Outcome)), or what went wrong and
//! whether trying again can help ([`Error`](error::Error)). With [`ClassSettings::guarded`] a circuit breaker and a
//! bulkhead stand before the loads.
//!
//! # Answers of an HTTP service
//!
//! [`CacheLayer`] is a [tower](https://docs.rs/tower) layer, for axum and everything else that is a service: it keeps
//! whole answers, and lets the service below see nothing that is not part of the key.
//!
//! ```
//! use alacena::{Alacena, class::Policy};
//! use axum::{Router, routing::get};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let alacena = Alacena::builder().build();
//! let pages = alacena.cache_layer("pages", Policy::default())?
//!     .tagged(|request| vec![format!("page:{}", request.uri.path())]);
//! let app: Router = Router::new().route("/menu", get(|| async { "paella" })).layer(pages);
//! # Ok::<(), alacena::error::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Reads that a configuration declares
//!
//! The questions to HTTP APIs and SQLite files stand in one file, and so do their parameters, keys and tags, and the
//! writes that invalidate them. [`Alacena::open`] makes an Alacena of it, to which classes and layers can be added;
//! the server and the command line, which are crates of their own, do no more than that.
//!
//! ```
//! use alacena::{Alacena, Ask, SystemRuntime, config::Config, declared::Parameters};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().display();
//! # rusqlite::Connection::open(folder.path().join("app.db"))?
//! #     .execute_batch("create table orders (company, amount); insert into orders values (42, 7)")?;
//! let config = Config::parse(&format!(r#"
//!     [embedded]
//!     path = "{path}/store"
//!     [sources.db]
//!     kind = "sqlite"
//!     path = "{path}/app.db"
//!     [reads.orders]
//!     source = "db"
//!     sql = "select amount from orders where company = :company"
//!     params.company = {{ type = "integer" }}
//!     tags = ["company:{{company}}"]
//! "#), "alacena.toml", &Default::default())?;
//! let alacena = Alacena::open(&config, SystemRuntime::shared()).await?;
//!
//! let orders = alacena.declared_read("orders")?;
//! let parameters = Parameters::from_text(&orders.parameters, [("company", "42")])?;
//! let outcome = orders.ask(parameters, Ask::default()).await?;
//! assert_eq!(outcome.value().unwrap().bytes(), r#"[{"amount":7}]"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What holds for all of them
//!
//! - A read that begins after an invalidation has been acknowledged never gets, as fresh, what was loaded before it,
//!   not even by a load that was under way. [`Alacena::invalidate`] takes keys, tags, prefixes, patterns and classes,
//!   and costs the same whatever the number of entries.
//! - A caller that goes away neither ends a load nor keeps its value from being stored; a load that panics is an error
//!   for those who wait for it.
//! - An answer that is past its time is labelled so, and never stands in for longer than its policy says.
//! - Memory is bounded, and so is everything else: the limits stand at the items that have them.
//! - [`Alacena::figures`] counts what happened, and [`Alacena::explain`] says why a key is answered as it is.
//!
//! # Features
//!
//! All of them are on by default.
//!
//! | feature | brings |
//! |---|---|
//! | `http` | sources that are HTTP APIs |
//! | `sqlite` | sources that are SQLite files |
//! | `redis` | a Redis or Valkey as the tier that nodes share |
//! | `embedded` | a store on disk for what must outlive the process: open writes, the history of invalidations; and for entries that may |
//! | `tower` | [`CacheLayer`]; brings `http` with it |
//!
//! # Where to read on
//!
//! - [`Alacena`], the handle of everything; [`Class`]; [`CacheLayer`]; [`class::Policy`] with every rule of freshness.
//! - Two programs to start from, in `examples/`: `service.rs`, a plain service, and `axum.rs`.
//! - The [guide](https://github.com/alacena/alacena/tree/main/docs/guide), a page per feature, and the
//!   [reference](https://github.com/alacena/alacena/tree/main/docs/reference) of configuration, errors and metrics.
//!
//! ```text
//! alacena.toml ──▶ config ──▶ open ──▶ Alacena (handle) ──▶ engine (alacena_core)
//!                             builder ──▶   ▲      │
//!                                           │      └─ prepared reads, writes, keys, targets
//!                       typed classes, layers (own)
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]

mod builder;
mod calendar;
mod codec;
pub mod config;
mod declaration;
mod declared_reads;
mod encoding;
mod explain;
mod figures;
mod handle;
mod keys;
#[cfg(feature = "tower")]
mod layer;
mod loading;
mod on_commit;
mod open;
mod own;
mod parents;
mod patterns;
mod prepared;
mod preparing;
mod reach;
mod recovery;
mod reload;
mod settling;
mod sources;
mod promise;
mod store;
mod system;
mod targets;
mod tier;
mod ttl;
mod typed;
mod warming;
mod writing;

#[cfg(feature = "embedded")]
pub use alacena_backends::embedded::{Owner, read_owner};
pub use alacena_core::engine::{PostFigures, STEP_BOUNDS, StepFigures};
pub use alacena_core::engine::{Put, PutRefusal};
pub use alacena_core::guard::{BreakerSettings, BulkheadSettings, GuardSettings};
pub use alacena_core::tier::{After, Coherence, Lack, Spending, Standing, Telling};
pub use alacena_core::{
    class, declared, dep, envelope, error, freshness, key, ledger, outcome, runtime, secret, source, value,
};
pub use builder::Builder;
#[doc(hidden)]
pub use codec::Named;
pub use declared_reads::{DeclaredRead, DeclaredWrite, Read, Write};
pub use encoding::Gzip;
pub use explain::{Explanation, Found, KeyExplanation, KeyPage, Shown};
pub use figures::{
    BreakerFigures, DiskFigures, Figures, Health, ReadFigures, SourceFigures, Status, TierKind,
    WarmingFigures,
};
pub use handle::{Alacena, Ask, Invalidated, Level, Mode, Wish};
#[cfg(feature = "tower")]
pub use layer::{CacheLayer, CacheService, LayerBody};
pub use on_commit::OnCommit;
pub use own::ClassSettings;
pub use reach::{Reach, TargetReach};
pub use reload::{Ready, Reloaded, Reloading};
pub use system::SystemRuntime;
pub use typed::Class;
pub use warming::{Cron, NoCron, ReadWarming, WarmCall, WarmingRun, WarmingTrigger};
pub use writing::Written;
