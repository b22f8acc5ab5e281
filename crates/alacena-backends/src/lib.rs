//! The outside systems of Alacena, one folder and one feature each.
//!
//! Sources turn declared questions into [`alacena_core::source::Fetch`] and [`alacena_core::source::Deliver`], the
//! store keeps what [`alacena_core::ledger::Ledger`] asks for. They know nothing of each other, of keys or of what is
//! cached; time, chance and tasks come from the injected [`alacena_core::runtime::Runtime`].

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "http", feature = "redis"))]
mod tls;
