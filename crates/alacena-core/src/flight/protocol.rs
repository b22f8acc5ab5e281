//! The state machine of one key. No locks, no channels, no clock of its own.

use std::time::Duration;

use crate::runtime::{Moment, unit_interval};

/// The first pause after a failure.
pub const REST_FIRST: Duration = Duration::from_millis(250);
/// The longest pause after failures.
pub const REST_MAX: Duration = Duration::from_secs(10);
/// The longest pause that a source can ask for, for one key.
pub const REST_ASKED_MAX: Duration = Duration::from_secs(60);
/// How long callers of a key that may not be kept are not made to wait for one another ("hit for miss").
pub const ALONE_FOR: Duration = Duration::from_secs(10);

/// The fence of one load: later ones are greater, and none is used twice in one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// With a failure, and the pause that the source asked for, if it did.
    Failed(Duration),
    /// Without a word from the source: its breaker was open, there was no place, the process is ending. That says
    /// nothing about this key.
    NotAsked,
}

/// What a value stands on that has come home, as far as its deps are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Whether it depends on markers that other nodes can remove.
    pub is_shared: bool,
    /// Whether every such marker had been read before the source was asked. The nonce that is read later may be of after
    /// an invalidation that the value knows nothing of.
    pub was_read: bool,
    /// Whether something that it depends on has ended. What is in doubt is looked into by whoever reads it.
    pub has_ended: bool,
}

impl Ground {
    /// Whether the value may be kept in memory, if its attempt [may](Flight::may_keep).
    #[must_use]
    pub const fn bears(self) -> bool {
        (self.was_read || !self.is_shared) && !self.has_ended
    }
}

/// What one key is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flight {
    /// The attempt that callers may join.
    loading: Option<Attempt>,
    /// Attempts that have not ended, those included that nobody may join any more.
    in_flight: u32,
    /// The newest attempt that ever led.
    newest: Attempt,
    /// The newest attempt whose value was kept.
    kept: Attempt,
    /// Attempts up to this one may not keep their value: the key was invalidated after they began.
    revoked: Attempt,
    /// Failures since the last success, and when they are forgotten.
    failures: u32,
    forgotten_at: Moment,
    rests_until: Moment,
    /// Until when callers load for themselves; after it, one of them tries whether the key may be shared by now.
    alone_until: Option<Moment>,
}

impl Flight {
    /// A caller needs the value. `joinable` says whether the load under way, if any, may answer it: nothing that it
    /// depends on was invalidated since it began, and the caller did not ask for the source itself. `next` is used
    /// if the caller leads; it must be greater than every attempt before.
    pub fn ask(&mut self, now: Moment, joinable: bool, next: Attempt) -> Role {
        if let Some(until) = self.alone_until
            && (self.loading.is_some() || now < until)
        {
            return Role::Alone;
        }
        if let Some(attempt) = self.loading.filter(|_| joinable) {
            return Role::Join(attempt);
        }
        if now < self.rests_until {
            return Role::Rest(self.rests_until);
        }
        self.loading = Some(next);
        self.newest = next;
        self.in_flight += 1;
        Role::Lead(next)
    }

    /// Whether `attempt` may keep its value: none that began later has kept one, and the key was not invalidated
    /// since it began. The check must happen in the same critical section as the store.
    #[must_use]
    pub fn may_keep(&self, attempt: Attempt) -> bool {
        attempt > self.kept && attempt > self.revoked
    }

    /// Whether callers may join `attempt`.
    #[must_use]
    pub fn leads(&self, attempt: Attempt) -> bool {
        self.loading == Some(attempt)
    }

    /// A load has ended. Only the attempt that callers may join decides what the next ones are told. `random` spreads
    /// the back-off.
    pub fn finish(&mut self, attempt: Attempt, end: End, now: Moment, random: u64) {
        self.in_flight -= 1;
        if end == End::Loaded && self.may_keep(attempt) {
            self.kept = attempt;
        }
        if !self.leads(attempt) {
            return;
        }
        self.loading = None;
        match end {
            End::Loaded | End::Uncacheable => {
                self.failures = 0;
                self.alone_until = (end == End::Uncacheable).then(|| now + ALONE_FOR);
            }
            End::Failed(asked) => {
                self.failures = self.failures.saturating_add(1);
                self.rests_until = now + rest(self.failures, random).max(asked.min(REST_ASKED_MAX));
                self.forgotten_at = self.rests_until + REST_MAX;
            }
            End::NotAsked => {}
        }
    }

    /// The one who leads has heard that the value may not be shared: callers load for themselves from now on, and not only once
    /// it has come home.
    pub fn separate(&mut self, attempt: Attempt, now: Moment) {
        if self.leads(attempt) {
            self.alone_until = Some(now + ALONE_FOR);
        }
    }

    /// The key was invalidated: the loads under way may answer those who wait for them, and nobody else.
    pub fn revoke(&mut self) {
        self.revoked = self.newest;
        self.loading = None;
    }

    /// Whether its last load failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether forgetting this key changes nothing.
    #[must_use]
    pub fn is_idle(&self, now: Moment) -> bool {
        let alone = self.alone_until.is_some_and(|until| now < until + ALONE_FOR);
        let failing = self.failures > 0 && now < self.forgotten_at;
        self.in_flight == 0 && !alone && !failing
    }

    /// Whether a load is under way, also one that nobody may join.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.in_flight > 0
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
        flight.finish(Attempt(1), End::Loaded, NOW, 0);
        assert!(flight.leads(Attempt(3)));
    }

    #[test]
    fn values_are_kept_in_the_order_in_which_their_loads_began() {
        let mut flight = Flight::default();
        for attempt in 1..=3 {
            flight.ask(NOW, false, Attempt(attempt));
        }
        assert!(flight.may_keep(Attempt(1)), "steady refreshes must not starve the cache");
        flight.finish(Attempt(2), End::Loaded, NOW, 0);
        assert!(!flight.may_keep(Attempt(1)), "an older value may not overwrite a newer one");
        flight.finish(Attempt(1), End::Loaded, NOW, 0);
        assert!(!flight.is_idle(NOW) && flight.may_keep(Attempt(3)));
        flight.finish(Attempt(3), End::Loaded, NOW, 0);
        assert!(flight.is_idle(NOW));
    }

    #[test]
    fn a_revoked_attempt_keeps_nothing_and_is_not_forgotten_before_it_ends() {
        let mut flight = Flight::default();
        flight.ask(NOW, false, Attempt(1));
        flight.revoke();
        assert!(!flight.may_keep(Attempt(1)) && !flight.is_idle(NOW));
        assert_eq!(flight.ask(NOW, true, Attempt(2)), Role::Lead(Attempt(2)));
        assert!(flight.may_keep(Attempt(2)));
    }

    #[test]
    fn failures_rest_longer_each_time_and_one_success_forgets_them() {
        let mut flight = Flight::default();
        let mut now = NOW;
        let mut pauses = Vec::new();
        for number in 1..=8 {
            assert_eq!(flight.ask(now, false, Attempt(number)), Role::Lead(Attempt(number)));
            flight.finish(Attempt(number), End::Failed(Duration::ZERO), now, u64::MAX);
            let Role::Rest(until) = flight.ask(now, false, Attempt(0)) else { panic!("it rests") };
            pauses.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert!(!flight.is_idle(now) && flight.is_idle(now + REST_MAX), "the count goes, in the end");
        flight.ask(now, false, Attempt(9));
        flight.finish(Attempt(9), End::Loaded, now, 0);
        assert!(flight.is_idle(now));
    }

    #[test]
    fn a_source_that_asks_for_a_pause_gets_it_within_reason() {
        for (asked, pause) in [(5, 5), (3600, 60)] {
            let mut flight = Flight::default();
            flight.ask(NOW, false, Attempt(1));
            flight.finish(Attempt(1), End::Failed(Duration::from_secs(asked)), NOW, 0);
            let until = NOW + Duration::from_secs(pause);
            assert_eq!(flight.ask(NOW, false, Attempt(2)), Role::Rest(until));
        }
    }

    #[test]
    fn not_having_asked_is_not_a_failure_of_the_key() {
        let mut flight = Flight::default();
        flight.ask(NOW, false, Attempt(1));
        flight.finish(Attempt(1), End::NotAsked, NOW, 0);
        assert!(flight.is_idle(NOW));
        assert_eq!(flight.ask(NOW, false, Attempt(2)), Role::Lead(Attempt(2)));
    }

    #[test]
    fn callers_of_a_key_that_is_heard_to_be_uncacheable_do_not_wait_for_the_one_who_has_heard_it() {
        let mut flight = Flight::default();
        flight.ask(NOW, false, Attempt(1));
        flight.ask(NOW, false, Attempt(2));
        flight.separate(Attempt(1), NOW);
        assert_eq!(flight.ask(NOW, true, Attempt(3)), Role::Join(Attempt(2)), "a newer one leads");
        flight.separate(Attempt(2), NOW);
        assert_eq!(flight.ask(NOW, true, Attempt(4)), Role::Alone);
        flight.finish(Attempt(2), End::Loaded, NOW, 0);
        assert_eq!(flight.ask(NOW, true, Attempt(5)), Role::Lead(Attempt(5)), "shared again");
    }

    #[test]
    fn callers_of_an_uncacheable_key_never_wait_for_one_another() {
        let mut flight = Flight::default();
        flight.ask(NOW, false, Attempt(1));
        flight.finish(Attempt(1), End::Uncacheable, NOW, 0);
        assert_eq!(flight.ask(NOW, true, Attempt(2)), Role::Alone);
        let later = NOW + ALONE_FOR;
        assert_eq!(flight.ask(later, true, Attempt(3)), Role::Lead(Attempt(3)), "one tries again");
        assert_eq!(flight.ask(later, true, Attempt(4)), Role::Alone, "and nobody waits for it");
        flight.finish(Attempt(3), End::Loaded, later, 0);
        assert_eq!(flight.ask(later, true, Attempt(5)), Role::Lead(Attempt(5)), "shared again");
    }
}
