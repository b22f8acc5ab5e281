//! The second tier at real servers.

mod machine;
mod stage;
mod suite;
