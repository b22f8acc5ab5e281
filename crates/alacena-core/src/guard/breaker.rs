//! The circuit breaker: decides whether a source is asked at all. Pure: time and chance come in with every call.
//!
//! ```text
//!            a rule of `should_open`                  reset time over, next call
//!   CLOSED ──────────────────────────▶ OPEN ──────────────────────────────────▶ HALF_OPEN
//!     ▲                                  ▲              1 failure                   │  │
//!     │                                  └──────────────────────────────────────────┘  │
//!     └────────────────────────────────────────────────────────────────────────────────┘
//!                                      3 successes
//! ```
//!
//! Every transition begins a new epoch. A [`Pass`] carries the epoch in which it was given out, and what it reports in
//! any other is ignored: a call from before an outage says nothing about the time after it.
//!
//! The plain rule that most teams write, 5 failures in 120 s, holds exactly while there are fewer than 20 calls in
//! that time; above that it would switch off a busy source at an error rate of a few in a million, so there the rate
//! decides. Failures of the plain rule are timed to the nanosecond (as many moments as the rule counts), rates by
//! buckets (`window.rs`): nothing grows with the traffic.

use std::{collections::VecDeque, time::Duration};

use super::window::Window;
use crate::runtime::{Moment, unit_interval};

/// How many calls may try out the source at once while the breaker is half open.
const PROBES_MAX: u32 = 2;
/// How many of them must succeed to close it.
const PROBES_TO_CLOSE: u32 = 3;
/// How long it must have stayed closed for the reset time to begin anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(300);
/// How far a reset may lie from its nominal time, so that many nodes do not come back at once.
const RESET_JITTER: f64 = 0.2;
/// How long whoever finds every probe taken is told to wait: nobody knows when they end.
const PROBES_TAKEN_RETRY: Duration = Duration::from_secs(1);

/// When the breaker opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many failures within `window` open it. Default 5. Zero counts as 1.
    pub failures: u32,
    /// How far back it looks. Default 120 seconds. Zero: only calls that end at the same nanosecond belong together.
    pub window: Duration,
    /// How long it stays open at first. Default 1 second.
    pub reset_first: Duration,
    /// How long it stays open at most; every opening that does not follow five healthy minutes doubles the time until
    /// here. Default 60 seconds.
    pub reset_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(120),
            reset_first: Duration::from_secs(1),
            reset_max: Duration::from_secs(60),
        }
    }
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// A few calls that show whether the source is back.
    HalfOpen,
}

impl State {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "CLOSED",
            State::Open => "OPEN",
            State::HalfOpen => "HALF_OPEN",
        }
    }
}

/// The right to make one call, to be handed back by [`Breaker::report`] or [`Breaker::ignore`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a pass that is not handed back keeps a probe's place"]
pub struct Pass {
    epoch: u64,
}

/// The breaker lets no call through now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How long until it makes sense to ask again.
    pub retry_after: Duration,
}

/// How a call that counts ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it failed.
    pub failed: bool,
    /// Whether it took more than half of the time that it was allowed.
    pub slow: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed { since: Moment },
    Open { until: Moment },
    HalfOpen { running: u32, successes: u32 },
}

/// The circuit breaker of one source.
///
/// ```
/// use alacena_core::{guard::breaker::{Breaker, BreakerSettings, Report, State}, runtime::Moment};
///
/// let mut breaker = Breaker::new(BreakerSettings::default(), Moment::ORIGIN);
/// for _ in 0..5 {
///     let pass = breaker.acquire(Moment::ORIGIN).expect("it is closed");
///     breaker.report(pass, Report { failed: true, slow: false }, Moment::ORIGIN, 7);
/// }
/// assert_eq!(breaker.state(), State::Open);
/// assert!(breaker.acquire(Moment::ORIGIN).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    phase: Phase,
    /// The number of transitions so far.
    epoch: u64,
    window: Window,
    /// When the latest failures ended, oldest first; as many as the plain rule counts.
    failures: VecDeque<Moment>,
    /// Failures since the last success.
    consecutive: u32,
    /// How long it stays open the next time.
    reset: Duration,
    /// Whether no failure has opened it last, but slowness.
    was_slow: bool,
    opened: u64,
    last_failure: Option<Moment>,
}

impl Breaker {
    /// A closed breaker that has seen nothing.
    #[must_use]
    pub fn new(mut settings: BreakerSettings, now: Moment) -> Self {
        settings.failures = settings.failures.max(1);
        settings.reset_first = settings.reset_first.min(settings.reset_max);
        Self {
            phase: Phase::Closed { since: now },
            epoch: 0,
            window: Window::new(settings.window),
            failures: VecDeque::new(),
            consecutive: 0,
            reset: settings.reset_first,
            was_slow: false,
            opened: 0,
            last_failure: None,
            settings,
        }
    }

    /// Asks to make a call now.
    ///
    /// # Errors
    /// While it is open, or half open with every probe under way.
    pub fn acquire(&mut self, now: Moment) -> Result<Pass, Refused> {
        match &mut self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until } if now < *until => return Err(Refused { retry_after: *until - now }),
            Phase::Open { .. } => self.enter(Phase::HalfOpen { running: 1, successes: 0 }),
            Phase::HalfOpen { running, .. } if *running >= PROBES_MAX => {
                return Err(Refused { retry_after: PROBES_TAKEN_RETRY });
            }
            Phase::HalfOpen { running, .. } => *running += 1,
        }
        Ok(Pass { epoch: self.epoch })
    }

    /// Somebody has seen, without a pass, that the source answers: while it is open, the next call tries it out. Where that
    /// fails the next pause is no longer than the one that was cut short: a connection that comes and goes must not have it
    /// grow with every coming.
    pub fn probe_now(&mut self, now: Moment) {
        if let Phase::Open { until } = &mut self.phase
            && now < *until
        {
            *until = now;
            self.reset = (self.reset / 2).max(self.settings.reset_first);
        }
    }

    /// Whether nothing has changed since the pass was given out, so that a call that had to wait may still start.
    #[must_use]
    pub fn is_current(&self, pass: &Pass) -> bool {
        pass.epoch == self.epoch
    }

    /// Hands a pass back with what its call said about the source, and tells the new state if that changed it.
    /// `random` spreads the reset.
    pub fn report(&mut self, pass: Pass, report: Report, now: Moment, random: u64) -> Option<State> {
        if !self.is_current(&pass) {
            return None;
        }
        let before = self.epoch;
        self.record(report, now);
        match &mut self.phase {
            Phase::Closed { since } => {
                let healthy = now - *since >= HEALTHY_AFTER;
                if self.should_open(report, now) {
                    if healthy {
                        self.reset = self.settings.reset_first;
                    }
                    self.was_slow = !report.failed;
                    self.open(now, random);
                }
            }
            Phase::HalfOpen { .. } if report.failed => {
                self.was_slow = false;
                self.open(now, random);
            }
            Phase::HalfOpen { running, successes } => {
                *running -= 1;
                *successes += 1;
                if *successes >= PROBES_TO_CLOSE {
                    self.close(now);
                }
            }
            Phase::Open { .. } => {
                unreachable!("no pass is given out in an epoch in which the breaker is open")
            }
        }
        (self.epoch != before).then(|| self.state())
    }

    /// Hands a pass back whose call says nothing about the source: it was given up, or refused before it was sent.
    pub fn ignore(&mut self, pass: Pass) {
        if !self.is_current(&pass) {
            return;
        }
        if let Phase::HalfOpen { running, .. } = &mut self.phase {
            *running -= 1;
        }
    }

    /// What it lets through. An open breaker whose time is over stays open until somebody asks.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Whether it is off although calls succeed, because they take too long.
    #[must_use]
    pub fn is_off_for_slowness(&self) -> bool {
        self.was_slow && self.state() != State::Closed
    }

    /// How many calls of the window failed; closing begins a new count.
    #[must_use]
    pub fn failures(&mut self, now: Moment) -> u64 {
        self.window.total(now).failures
    }

    /// The share of the window's calls that did not fail; `None` without any.
    #[must_use]
    pub fn success_rate(&mut self, now: Moment) -> Option<f64> {
        let total = self.window.total(now);
        (total.calls > 0).then(|| 1.0 - total.failures as f64 / total.calls as f64)
    }

    /// When the latest failure was counted.
    #[must_use]
    pub fn last_failure(&self) -> Option<Moment> {
        self.last_failure
    }

    /// How many times it has opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// When the next call will be let through to try out the source; `None` unless it is open.
    #[must_use]
    pub fn next_probe(&self) -> Option<Moment> {
        match self.phase {
            Phase::Open { until } => Some(until),
            Phase::Closed { .. } | Phase::HalfOpen { .. } => None,
        }
    }

    fn record(&mut self, report: Report, now: Moment) {
        self.window.record(report.failed, report.slow, now);
        if report.failed {
            self.consecutive = self.consecutive.saturating_add(1);
            self.last_failure = Some(now);
            self.failures.push_back(now);
            if self.failures.len() > self.settings.failures as usize {
                self.failures.pop_front();
            }
        } else {
            self.consecutive = 0;
        }
    }

    /// The rules. Only a call that is itself bad opens the breaker: a good one may tip a rate, because it shortens the
    /// run that the rate is taken over, or be the one that shows that traffic has become low, but the next bad call
    /// will say the same and nobody is cut off from a source that has just answered.
    fn should_open(&mut self, report: Report, now: Moment) -> bool {
        (report.failed && self.failing(now)) || (report.slow && self.crawling(now))
    }

    fn failing(&mut self, now: Moment) -> bool {
        let enough = self.failures.len() >= self.settings.failures as usize
            && self.failures.front().is_some_and(|oldest| now - *oldest < self.settings.window);
        if !enough {
            return false;
        }
        if self.consecutive >= self.settings.failures {
            return true;
        }
        match self.window.latest_run(now) {
            // Fewer than 20 calls in all: the plain rule.
            None => true,
            Some(run) => run.failures * 2 >= run.calls,
        }
    }

    fn crawling(&mut self, now: Moment) -> bool {
        self.window.latest_run(now).is_some_and(|run| run.slow * 5 >= run.calls * 4)
    }

    fn open(&mut self, now: Moment, random: u64) {
        let until = now + spread(self.reset, self.settings.reset_max, random);
        self.reset = (self.reset * 2).min(self.settings.reset_max);
        self.opened += 1;
        self.enter(Phase::Open { until });
    }

    /// Old failures are forgotten: they are what the source has recovered from.
    fn close(&mut self, now: Moment) {
        self.window.clear();
        self.failures.clear();
        self.consecutive = 0;
        self.enter(Phase::Closed { since: now });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }
}

/// `reset` give or take a fifth, but never over `max`.
fn spread(reset: Duration, max: Duration, random: u64) -> Duration {
    let shortest = reset.mul_f64(1.0 - RESET_JITTER);
    let longest = reset.mul_f64(1.0 + RESET_JITTER).min(max);
    shortest + longest.saturating_sub(shortest).mul_f64(unit_interval(random))
}
