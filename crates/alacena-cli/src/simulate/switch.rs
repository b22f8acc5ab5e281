//! What can be changed about the simulator while it runs: how slow it is, how it fails, and what it has counted.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use clap::ValueEnum;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use crate::chance::Chance;

/// How calls fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Failure {
    /// Not at all.
    #[default]
    None,
    /// With status 500.
    #[value(name = "500")]
    ServerError,
    /// The connection is reset before the answer.
    Reset,
    /// No answer comes until the mode changes.
    Hang,
    /// With status 429 and `Retry-After`.
    #[value(name = "429")]
    TooManyRequests,
}

/// How long an answer takes: between two durations, written `500ms..800ms`, or always the same, written `0ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub from: Duration,
    /// The longest.
    pub to: Duration,
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (from, to) = (duration(from)?, duration(to)?);
        if from > to {
            return Err(format!("the shortest comes first: `{text}`"));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms..{}ms", self.from.as_millis(), self.to.as_millis())
    }
}

/// Reads a duration: `500ms`, `2s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("a duration is written 500ms or 2s, not `{text}`");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(wrong()),
    }
}

/// How the simulator behaves now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    pub(super) latency: Latency,
    pub(super) failure: Failure,
    /// The share of calls that fail, in `[0, 1]`.
    pub(super) fail_rate: f64,
}

/// What has been asked so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Calls {
    total: u64,
    /// Calls that have not been answered yet.
    running: u64,
    failed: u64,
    /// By method and path, ids left out.
    by_route: BTreeMap<String, u64>,
}

/// The switch. Cheap to clone; every clone is the same one.
#[derive(Clone)]
pub(super) struct Switch(Arc<Inner>);

struct Inner {
    behaviour: watch::Sender<Behaviour>,
    /// Guards the sequence that delays and failures are drawn from; held for a few instructions.
    chance: Mutex<Chance>,
    /// Guards the counters; held for a few instructions.
    calls: Mutex<Calls>,
}

/// What was drawn for one call.
pub(super) struct Draw {
    pub(super) latency: Duration,
    pub(super) failure: Failure,
}

impl Switch {
    pub(super) fn new(behaviour: Behaviour, seed: u64) -> Self {
        let behaviour = watch::Sender::new(behaviour);
        Self(Arc::new(Inner { behaviour, chance: Mutex::new(Chance::new(seed)), calls: Mutex::default() }))
    }

    /// Changes how the simulator behaves from now on, calls that hang included.
    pub(super) fn change(&self, edit: impl FnOnce(&mut Behaviour)) -> Behaviour {
        self.0.behaviour.send_modify(edit);
        *self.0.behaviour.borrow()
    }

    /// Draws how one call goes.
    pub(super) fn draw(&self) -> Draw {
        let Behaviour { latency, failure, fail_rate } = *self.0.behaviour.borrow();
        let mut chance = self.0.chance.lock();
        let latency = latency.from + (latency.to - latency.from).mul_f64(chance.unit());
        let failure = if chance.unit() < fail_rate { failure } else { Failure::None };
        Draw { latency, failure }
    }

    /// Completes once calls hang no longer.
    pub(super) async fn released(&self) {
        let mut behaviour = self.0.behaviour.subscribe();
        // The sender lives as long as this switch.
        let _ = behaviour.wait_for(|behaviour| behaviour.failure != Failure::Hang).await;
    }

    /// Counts a call until the answer is dropped.
    pub(super) fn begin(&self, route: String) -> Running {
        let mut calls = self.0.calls.lock();
        calls.total += 1;
        calls.running += 1;
        *calls.by_route.entry(route).or_default() += 1;
        Running(self.clone())
    }

    /// Counts a call that was made to fail.
    pub(super) fn failed(&self) {
        self.0.calls.lock().failed += 1;
    }

    pub(super) fn calls(&self) -> Calls {
        self.0.calls.lock().clone()
    }
}

/// A call that is being answered; it ends when this is dropped, so that callers who go away are counted too.
pub(super) struct Running(Switch);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.calls.lock().running -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_reads_as_it_is_written() {
        let latency: Latency = "500ms..2s".parse().unwrap();
        assert_eq!(latency, Latency { from: Duration::from_millis(500), to: Duration::from_secs(2) });
        assert_eq!(latency.to_string().parse(), Ok(latency));
        assert_eq!("0ms".parse::<Latency>().unwrap().to, Duration::ZERO);
        for wrong in ["", "500", "ms", "5m", "2s..1s", "-1s", "1s..", "99999999999999999999s"] {
            assert!(wrong.parse::<Latency>().is_err(), "{wrong}");
        }
    }
}
