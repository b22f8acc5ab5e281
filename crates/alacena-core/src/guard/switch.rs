//! A breaker that several callers share, for calls that need no place.

use std::{future::Future, time::Duration};

use super::breaker::{Breaker, BreakerSettings, Pass, Report, State};
use crate::{
    error::{Error, catalogue},
    runtime::SharedRuntime,
    sync::Mutex,
    tier::Failure,
};

/// Switches one direction of one shard off while it does not answer, so that nobody waits for it.
pub(crate) struct Switch {
    runtime: SharedRuntime,
    /// A call that takes longer than this is slow.
    slow: Duration,
    /// Held for a few instructions, never across an await.
    breaker: Mutex<Breaker>,
}

/// A pass that hands itself back where its call was given up.
struct Held<'s> {
    switch: &'s Switch,
    pass: Option<Pass>,
}

impl Switch {
    /// Closed; a call that takes more than half of `limit` is slow.
    pub(crate) fn new(settings: BreakerSettings, limit: Duration, runtime: SharedRuntime) -> Self {
        let breaker = Mutex::new(Breaker::new(settings, runtime.now()));
        Self { runtime, slow: limit / 2, breaker }
    }

    /// Makes the call, unless the switch is off.
    pub(crate) async fn call<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let began = self.runtime.now();
        let acquired = self.breaker.lock().acquire(began);
        let Ok(pass) = acquired else {
            let error = Error::new(&catalogue::BREAKER_OPEN, "the second tier does not answer");
            return Err(Failure::Overloaded(error));
        };
        let mut held = Held { switch: self, pass: Some(pass) };
        let result = call.await;
        let now = self.runtime.now();
        let report = match &result {
            Ok(_) => Some(Report { failed: false, slow: now - began > self.slow }),
            Err(failure) if failure.counts() => Some(Report { failed: true, slow: false }),
            // What the server refuses it has answered; what was not sent says nothing.
            Err(Failure::Overloaded(_)) => None,
            Err(_) => Some(Report { failed: false, slow: false }),
        };
        if let Some((report, pass)) = report.and_then(|report| Some((report, held.pass.take()?))) {
            self.breaker.lock().report(pass, report, now, self.runtime.random());
        }
        result
    }

    /// Whether a call would be made now.
    pub(crate) fn is_on(&self) -> bool {
        let breaker = self.breaker.lock();
        match breaker.state() {
            State::Closed => true,
            State::HalfOpen => true,
            State::Open => breaker.next_probe().is_none_or(|at| at <= self.runtime.now()),
        }
    }

    /// What it lets through.
    pub(crate) fn state(&self) -> State {
        self.breaker.lock().state()
    }

    /// Somebody has seen that it answers: an open switch tries it at once.
    pub(crate) fn probe_now(&self) {
        self.breaker.lock().probe_now(self.runtime.now());
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.switch.breaker.lock().ignore(pass);
        }
    }
}
