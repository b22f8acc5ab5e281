//! What the kit's servers do, on each that this machine has.

mod failures;
mod replication;
mod start;
