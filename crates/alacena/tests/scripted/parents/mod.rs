//! Reads that need something of another read's answer.

mod coherence;
mod guard;
mod random;
mod taking;
