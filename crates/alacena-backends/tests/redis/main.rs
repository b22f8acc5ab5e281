//! The second tier at real servers.
#![cfg(feature = "redis")]

mod machine;
mod node;
mod stage;

mod eras;
mod faults;
mod rights;
mod silence;
mod suite;
