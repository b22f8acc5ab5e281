//! Several nodes in one thread, with one seed: whatever happens to them happens again.

mod runtime;
mod tasks;

pub use runtime::{Machine, SimRuntime, Stuck};
