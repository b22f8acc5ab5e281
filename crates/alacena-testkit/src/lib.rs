//! What Alacena's tests share: a runtime whose clock the test holds, scripted sources, real servers.
//!
//! A dev-dependency only; nothing here ships.

mod runtime;
mod source;

pub mod servers;
pub mod tier;

pub use runtime::{FakeRuntime, settle};
pub use source::{PendingCall, ScriptedSource};
