//! What Alacena's tests share: a runtime whose clock the test holds, and scripted sources.
//!
//! A dev-dependency only; nothing here ships.

mod runtime;
mod source;

pub use runtime::{FakeRuntime, settle};
pub use source::{PendingCall, ScriptedSource};
