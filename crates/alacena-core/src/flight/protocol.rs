//! The state machine of one key. No locks, no channels, no clock of its own.

use std::time::Duration;

use crate::runtime::{Moment, unit_interval};

/// The first pause after a failure.
pub const REST_FIRST: Duration = Duration::from_millis(250);
/// The longest pause after failures.
pub const REST_MAX: Duration = Duration::from_secs(10);
/// How long callers of a key that may not be kept are not made to wait for one another ("hit for miss").
pub const ALONE_FOR: Duration = Duration::from_secs(10);

/// The fence of one load: never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u64);

/// What a caller is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Load, as this attempt.
    Lead(Attempt),
    /// Wait for this attempt.
    Join(Attempt),
    /// Take the last failure: it is too soon for another attempt.
    Rest(Moment),
    /// Load, share nothing, keep nothing.
    Alone,
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a value that may be kept.
    Loaded,
    /// With a value that may not be shared or kept.
    Uncacheable,
    /// With a failure. `looked` is false where the source was not even asked (breaker open, no place): that says
    /// nothing about this key.
    Failed {
        /// Whether the source was asked.
        looked: bool,
    },
}

/// What one key is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flight {
    state: State,
    failures: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum State {
    #[default]
    Idle,
    Loading(Attempt),
    Resting(Moment),
    Alone(Moment),
}

impl Flight {
    /// A caller needs the value. `joinable` says whether the load under way, if any, may answer it: nothing that it
    /// depends on was invalidated since it began, and the caller did not ask for the source itself. `next` is used
    /// if the caller leads.
    pub fn ask(&mut self, now: Moment, joinable: bool, next: Attempt) -> Role {
        match self.state {
            State::Loading(attempt) if joinable => return Role::Join(attempt),
            State::Resting(until) if now < until => return Role::Rest(until),
            State::Alone(until) if now < until => return Role::Alone,
            State::Idle | State::Loading(_) | State::Resting(_) | State::Alone(_) => {}
        }
        self.state = State::Loading(next);
        Role::Lead(next)
    }

    /// Whether `attempt` may still change this key: the check that must happen in the same critical section as the
    /// store.
    #[must_use]
    pub fn holds(&self, attempt: Attempt) -> bool {
        self.state == State::Loading(attempt)
    }

    /// A load has ended. Does nothing if the attempt no longer holds the key. `random` spreads the back-off.
    pub fn finish(&mut self, attempt: Attempt, end: End, now: Moment, random: u64) {
        if !self.holds(attempt) {
            return;
        }
        self.state = match end {
            End::Loaded => State::Idle,
            End::Uncacheable => State::Alone(now + ALONE_FOR),
            End::Failed { looked: false } => State::Idle,
            End::Failed { looked: true } => {
                self.failures = self.failures.saturating_add(1);
                State::Resting(now + rest(self.failures, random))
            }
        };
        if end == End::Loaded || end == End::Uncacheable {
            self.failures = 0;
        }
    }

    /// The key was invalidated: the load under way may answer those who wait for it, and nobody else.
    pub fn revoke(&mut self) {
        if matches!(self.state, State::Loading(_)) {
            self.state = State::Idle;
        }
    }

    /// Whether forgetting this key changes nothing.
    #[must_use]
    pub fn is_idle(&self, now: Moment) -> bool {
        match self.state {
            State::Idle => self.failures == 0,
            State::Loading(_) => false,
            // A key that has rested keeps its count for as long again, so that the back-off can grow.
            State::Resting(until) => now >= until + REST_MAX,
            State::Alone(until) => now >= until,
        }
    }

    /// Whether a load is under way.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        matches!(self.state, State::Loading(_))
    }
}

/// The pause after the `failures`-th failure in a row: doubling, and anywhere in its upper half, so that keys that
/// failed together are not tried again together.
fn rest(failures: u32, random: u64) -> Duration {
    let doubled = REST_FIRST.saturating_mul(1 << (failures - 1).min(16)).min(REST_MAX);
    doubled.mul_f64(0.5 + 0.5 * unit_interval(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::ORIGIN;

    #[test]
    fn a_second_caller_joins_and_one_who_may_not_leads_anew() {
        let mut flight = Flight::default();
        assert_eq!(flight.ask(NOW, false, Attempt(1)), Role::Lead(Attempt(1)));
        assert_eq!(flight.ask(NOW, true, Attempt(2)), Role::Join(Attempt(1)));
        assert_eq!(flight.ask(NOW, false, Attempt(3)), Role::Lead(Attempt(3)));
        assert!(!flight.holds(Attempt(1)), "the older load may not overwrite what the newer one brings");
        flight.finish(Attempt(1), End::Loaded, NOW, 0);
        assert!(flight.holds(Attempt(3)));
    }

    #[test]
    fn a_revoked_attempt_holds_nothing() {
        let mut flight = Flight::default();
        flight.ask(NOW, false, Attempt(1));
        flight.revoke();
        assert!(!flight.holds(Attempt(1)));
        assert_eq!(flight.ask(NOW, true, Attempt(2)), Role::Lead(Attempt(2)));
    }

    #[test]
    fn failures_rest_longer_each_time_and_one_success_forgets_them() {
        let mut flight = Flight::default();
        let mut now = NOW;
        let mut pauses = Vec::new();
        for number in 1..=8 {
            assert_eq!(flight.ask(now, false, Attempt(number)), Role::Lead(Attempt(number)));
            flight.finish(Attempt(number), End::Failed { looked: true }, now, u64::MAX);
            let Role::Rest(until) = flight.ask(now, false, Attempt(0)) else { panic!("it rests") };
            pauses.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        flight.ask(now, false, Attempt(9));
        flight.finish(Attempt(9), End::Loaded, now, 0);
        assert!(flight.is_idle(now));
    }

    #[test]
    fn not_having_looked_is_not_a_failure_of_the_key() {
        let mut flight = Flight::default();
        flight.ask(NOW, false, Attempt(1));
        flight.finish(Attempt(1), End::Failed { looked: false }, NOW, 0);
        assert_eq!(flight.ask(NOW, false, Attempt(2)), Role::Lead(Attempt(2)));
    }

    #[test]
    fn callers_of_an_uncacheable_key_do_not_wait_for_one_another() {
        let mut flight = Flight::default();
        flight.ask(NOW, false, Attempt(1));
        flight.finish(Attempt(1), End::Uncacheable, NOW, 0);
        assert_eq!(flight.ask(NOW, true, Attempt(2)), Role::Alone);
        assert_eq!(flight.ask(NOW + ALONE_FOR, true, Attempt(3)), Role::Lead(Attempt(3)));
    }
}
