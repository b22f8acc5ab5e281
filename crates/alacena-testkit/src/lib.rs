//! What Alacena's tests share: a runtime whose clock the test holds, scripted sources, real servers
//! and a network that fails on demand.
//!
//! A dev-dependency only; nothing here ships.

mod chance;
mod journal;
mod runtime;
mod source;

pub mod chaos;
pub mod servers;
pub mod simulation;
pub mod tier;

pub use chance::Chance;
pub use journal::exercise_journal;
pub use runtime::{FakeRuntime, settle};
pub use source::{PendingCall, ScriptedSource};
