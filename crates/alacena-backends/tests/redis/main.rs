//! The second tier at real servers.
#![cfg(feature = "redis")]

mod machine;
mod node;
mod stage;

mod dropped;
mod eras;
mod metered;
mod renamed;
mod telling;
mod faults;
mod rights;
mod silence;
mod suite;
