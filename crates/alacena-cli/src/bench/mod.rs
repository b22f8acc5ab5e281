//! Measures what a read takes, with the cache and without it.
//!
//! One load is one phase: `load` (threads, tasks, what becomes of it all) → `course` (who asks next, and when) →
//! `pace` (waits for that moment) → `connection` (asks over a socket) → `tally` (counts, `histogram`). The command
//! says what is asked; `report` and `picture` say what came of it.
//!
//! **Latency counts from when a question was to be asked**, not from when a connection was free to ask it. A server
//! that stops for a second is late for everything that was due in that second; whoever only measures what it managed
//! to send sees one slow answer. With `--closed` every connection asks as soon as it has its answer, as wrk does:
//! that measures how much a server can bear, and says little about what its callers would wait.

mod histogram;
mod course;
mod pace;
mod connection;
mod tally;
mod load;
mod picture;
mod report;

pub(crate) use connection::Question;
pub(crate) use course::Arrivals;
pub(crate) use load::{Load, Progress};
pub(crate) use report::Report;
pub(crate) use tally::Tally;

#[cfg(test)]
mod tests;
