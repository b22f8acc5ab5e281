//! What Alacena's tests share: a runtime whose clock the test holds, scripted sources, real servers
//! and a network that fails on demand.
//!
//! A dev-dependency only; nothing here ships.

mod chance;
mod runtime;
mod source;

pub mod chaos;
pub mod servers;
pub mod tier;

pub use chance::Chance;
pub use runtime::{FakeRuntime, settle};
pub use source::{PendingCall, ScriptedSource};
