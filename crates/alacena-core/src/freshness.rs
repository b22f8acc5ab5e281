//! How fresh an entry is: the one place that compares times.

use std::time::Duration;

use crate::{
    class::Policy,
    runtime::{Moment, unit_interval},
};

/// The longest TTL: a hundred years, so that no sum of times can overflow.
const TTL_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// The widest jitter.
const JITTER_MAX: f64 = 0.5;

/// Until when an entry is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When its load ended.
    pub loaded_at: Moment,
    /// Until when it is fresh.
    pub fresh_until: Moment,
    /// Until when it is answered while it is refreshed.
    pub revalidate_until: Moment,
    /// Until when it stands in for a source that fails.
    pub stand_in_until: Moment,
}

impl Lifetime {
    /// The lifetime of an entry that was loaded at `now` and is fresh for about `ttl`; `random` places it within the
    /// class's jitter.
    #[must_use]
    pub fn new(policy: &Policy, ttl: Duration, now: Moment, random: u64) -> Self {
        let jitter = if policy.jitter.is_nan() { 0.0 } else { policy.jitter.clamp(0.0, JITTER_MAX) };
        let spread = 1.0 + jitter * (2.0 * unit_interval(random) - 1.0);
        let fresh_until = now + ttl.min(TTL_MAX).mul_f64(spread);
        let revalidate_until = fresh_until + policy.stale_while_revalidate;
        let stand_in_until = fresh_until + policy.stale_if_error;
        Self { loaded_at: now, fresh_until, revalidate_until, stand_in_until }
    }
}

/// How an entry may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Answer it.
    Fresh,
    /// Answer it, labelled stale, and refresh it behind the caller's back.
    Revalidate,
    /// Ask the source; answer it, labelled stale, if the source fails or is slow.
    StandIn,
    /// Ask the source; answer it, labelled stale, only if the source fails: it was invalidated, and someone has said
    /// that it is wrong.
    LastResort,
    /// Do not answer it.
    Dead,
}

impl Freshness {
    /// The word used in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Freshness::Fresh => "fresh",
            Freshness::Revalidate => "revalidate",
            Freshness::StandIn => "stand-in",
            Freshness::LastResort => "last-resort",
            Freshness::Dead => "dead",
        }
    }
}

/// Judges an entry at `now`. `current` says that nothing which it depends on was invalidated.
#[must_use]
pub fn judge(lifetime: &Lifetime, current: bool, now: Moment) -> Freshness {
    if !current {
        // Where nothing may stand in for a failing source, nothing that was invalidated may either.
        let allowed = lifetime.stand_in_until > lifetime.fresh_until && now < lifetime.stand_in_until;
        return if allowed { Freshness::LastResort } else { Freshness::Dead };
    }
    if now < lifetime.fresh_until {
        Freshness::Fresh
    } else if now < lifetime.revalidate_until {
        Freshness::Revalidate
    } else if now < lifetime.stand_in_until {
        Freshness::StandIn
    } else {
        Freshness::Dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn policy() -> Policy {
        Policy {
            jitter: 0.0,
            stale_while_revalidate: seconds(5),
            stale_if_error: seconds(100),
            ..Policy::default()
        }
    }

    #[test]
    fn every_boundary_belongs_to_the_later_state() {
        let lifetime = Lifetime::new(&policy(), seconds(10), Moment::ORIGIN, 0);
        let at = |second, current| judge(&lifetime, current, Moment::ORIGIN + seconds(second));
        assert_eq!(at(9, true), Freshness::Fresh);
        assert_eq!(at(10, true), Freshness::Revalidate);
        assert_eq!(at(15, true), Freshness::StandIn);
        assert_eq!(at(110, true), Freshness::Dead);
        assert_eq!(at(0, false), Freshness::LastResort);
        assert_eq!(at(110, false), Freshness::Dead);
    }

    #[test]
    fn where_nothing_may_stand_in_an_invalidated_entry_is_dead_at_once() {
        let policy = Policy { stale_if_error: Duration::ZERO, ..policy() };
        let lifetime = Lifetime::new(&policy, seconds(10), Moment::ORIGIN, 0);
        assert_eq!(judge(&lifetime, false, Moment::ORIGIN), Freshness::Dead);
    }

    #[test]
    fn no_policy_is_too_strange_to_compute_with() {
        for jitter in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            let policy = Policy { jitter, stale_if_error: Duration::MAX, ..Policy::default() };
            let lifetime = Lifetime::new(&policy, Duration::MAX, Moment::ORIGIN + seconds(1), u64::MAX);
            assert_eq!(judge(&lifetime, true, Moment::ORIGIN + seconds(1)), Freshness::Fresh, "{jitter}");
        }
    }

    proptest! {
        /// INV-15: never fresh past its time, never served past its last, never fresh once invalidated.
        #[test]
        fn no_state_is_kinder_than_it_may_be(
            ttl in 0_u64..1000, swr in 0_u64..1000, sie in 0_u64..1000, at in 0_u64..4000, random: u64, current: bool,
        ) {
            let policy = Policy {
                stale_while_revalidate: seconds(swr), stale_if_error: seconds(sie), ..Policy::default()
            };
            let lifetime = Lifetime::new(&policy, seconds(ttl), Moment::ORIGIN, random);
            let now = Moment::ORIGIN + seconds(at);
            let freshness = judge(&lifetime, current, now);
            let fresh_for = (lifetime.fresh_until - Moment::ORIGIN).as_secs_f64();
            prop_assert!((fresh_for - ttl as f64).abs() <= ttl as f64 * policy.jitter + 1e-6);
            if !current {
                prop_assert!(matches!(freshness, Freshness::LastResort | Freshness::Dead));
            }
            if now >= lifetime.fresh_until {
                prop_assert!(freshness != Freshness::Fresh);
            }
            if at as f64 > fresh_for + swr.max(sie) as f64 {
                prop_assert_eq!(freshness, Freshness::Dead);
            }
        }
    }
}
