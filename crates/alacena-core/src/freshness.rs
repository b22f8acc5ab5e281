//! How fresh an entry is: the one place that compares times.

use std::time::Duration;

use crate::{
    class::Policy,
    marker::Validity,
    runtime::{Moment, unit_interval},
    source::Terms,
};

/// The longest TTL: a hundred years, so that no sum of times can overflow.
const TTL_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// The widest jitter.
const JITTER_MAX: f64 = 0.5;

/// How many times its scale before its end an entry can be refreshed ahead at the earliest.
pub(crate) const REFRESH_AHEAD_SCALES: u32 = 16;
/// The time of how many questions the scale of a hot key is at least: e^-10 of them are none.
const REFRESH_AHEAD_QUESTIONS: u32 = 10;

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
        Self::on_terms(policy, ttl, &Terms::default(), now, random)
    }

    /// The same for an entry whose source has set terms. `ttl` is what counts where they name none; one that they name
    /// is shortened by the jitter and never exceeded.
    #[must_use]
    pub fn on_terms(policy: &Policy, ttl: Duration, terms: &Terms, now: Moment, random: u64) -> Self {
        let jitter = if policy.jitter.is_nan() { 0.0 } else { policy.jitter.clamp(0.0, JITTER_MAX) };
        let chance = unit_interval(random);
        let (ttl, spread) = match terms.ttl {
            Some(ttl) => (ttl, 1.0 - jitter * chance),
            None => (ttl, 1.0 + jitter * (2.0 * chance - 1.0)),
        };
        let fresh_until = now + ttl.min(TTL_MAX).mul_f64(spread);
        let within = |class: Duration, said: Option<Duration>| said.map_or(class, |said| said.min(class));
        let revalidate_until =
            fresh_until + within(policy.stale_while_revalidate, terms.stale_while_revalidate);
        let stand_in_until = fresh_until + within(policy.stale_if_error, terms.stale_if_error);
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

/// Whether a fresh entry is to be refreshed now, so that nobody has to wait when its time is over.
///
/// XFetch (Vattani, Chierichetti and Lowenstein, *Optimal Probabilistic Cache Stampede Prevention*, 2015) with beta 1:
/// the chance is e^(-left/scale), where the `scale` is the time that a load takes, so that a key which takes long to load
/// is begun early. A key that is asked for `r` times a second gets to its end without a refresh with a chance of
/// e^(-r·scale); for a hot key [`refresh_scale`] makes that one in twenty thousand, however short its load. It is worth a
/// load only if somebody is likely to ask again within the next TTL: at the rate of the `hits` of this one, more likely
/// than not.
#[must_use]
pub fn refresh_ahead(
    lifetime: &Lifetime,
    scale: Duration,
    hits: u32,
    now: Moment,
    random: impl FnOnce() -> u64,
) -> bool {
    // Before that the chance is under one in ten million, and nothing is computed.
    let nears_its_end = lifetime.fresh_until - now <= scale.saturating_mul(REFRESH_AHEAD_SCALES);
    if scale.is_zero() || !nears_its_end {
        return false;
    }
    let (left, scale) = ((lifetime.fresh_until - now).as_secs_f64(), scale.as_secs_f64());
    let (age, ttl) = (now - lifetime.loaded_at, lifetime.fresh_until - lifetime.loaded_at);
    let expected = f64::from(hits) * ttl.as_secs_f64() / age.as_secs_f64().max(f64::MIN_POSITIVE);
    let likely = 1.0 - (-expected).exp() > 0.5;
    likely && unit_interval(random()) < (-left / scale).exp()
}

/// The scale of [`refresh_ahead`] for a key that has had so many `hits` in that time: the time of a load, and at least
/// that of ten questions. XFetch alone counts on many questions during one load; a key that is asked for once a second
/// and loads in a tenth of one would wait at nearly every end.
#[must_use]
pub fn refresh_scale(load_took: Duration, hits: u32, over: Duration) -> Duration {
    if load_took.is_zero() {
        return Duration::ZERO;
    }
    load_took.max(over / hits.max(1) * REFRESH_AHEAD_QUESTIONS)
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

/// Judges an entry at `now`, whose deps stand as `validity` says.
#[must_use]
pub fn judge(lifetime: &Lifetime, validity: Validity, now: Moment) -> Freshness {
    if validity == Validity::BrokenForGood {
        return Freshness::Dead;
    }
    if validity == Validity::Broken {
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

    fn standing(current: bool) -> Validity {
        if current { Validity::Current } else { Validity::Broken }
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
        let at = |second, current| judge(&lifetime, standing(current), Moment::ORIGIN + seconds(second));
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
        assert_eq!(judge(&lifetime, Validity::Broken, Moment::ORIGIN), Freshness::Dead);
    }

    #[test]
    fn terms_of_the_source_are_never_exceeded() {
        let policy = Policy { jitter: 0.5, ..policy() };
        let strict = |seconds_max| Some(seconds(seconds_max));
        for random in [0, 1 << 62, u64::MAX] {
            let on = |terms| Lifetime::on_terms(&policy, seconds(10), &terms, Moment::ORIGIN, random);
            let short = on(Terms { ttl: strict(4), ..Terms::default() });
            let fresh_for = short.fresh_until - Moment::ORIGIN;
            assert!((seconds(2)..=seconds(4)).contains(&fresh_for), "{fresh_for:?}");
            assert_eq!(short.revalidate_until - short.fresh_until, seconds(5), "nothing was said of it");

            let firm = on(Terms { ttl: None, stale_while_revalidate: strict(1), stale_if_error: strict(0) });
            assert_eq!(firm.revalidate_until - firm.fresh_until, seconds(1));
            assert_eq!(firm.stand_in_until, firm.fresh_until);
            let lavish =
                on(Terms { ttl: None, stale_while_revalidate: strict(900), stale_if_error: strict(900) });
            assert_eq!(lavish, on(Terms::default()), "the class is the most there is");
        }
    }

    #[test]
    fn no_policy_is_too_strange_to_compute_with() {
        for jitter in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            let policy = Policy { jitter, stale_if_error: Duration::MAX, ..Policy::default() };
            let lifetime = Lifetime::new(&policy, Duration::MAX, Moment::ORIGIN + seconds(1), u64::MAX);
            assert_eq!(
                judge(&lifetime, Validity::Current, Moment::ORIGIN + seconds(1)),
                Freshness::Fresh,
                "{jitter}"
            );
        }
    }

    /// A key that is asked `rate` times a second: how long before its end it is refreshed.
    fn refreshed_before_end(rate: u32, load: Duration, seed: u64) -> Option<Duration> {
        let lifetime = Lifetime::new(&policy(), seconds(60), Moment::ORIGIN, 0);
        let mut random = seed;
        (1..60 * rate).find_map(|hits| {
            let now = Moment::ORIGIN + seconds(1) * hits / rate;
            // SplitMix64, as the testkit draws it.
            random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = random;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let early = refresh_ahead(&lifetime, load, hits, now, || z ^ (z >> 31));
            early.then(|| lifetime.fresh_until - now)
        })
    }

    #[test]
    fn hot_keys_are_refreshed_in_time_for_their_load_and_not_much_earlier() {
        let load = Duration::from_millis(500);
        let mut early: Vec<_> = (0..200).filter_map(|seed| refreshed_before_end(50, load, seed)).collect();
        early.sort();
        assert_eq!(early.len(), 200, "nobody waits for the end");
        assert!(early[2] >= load, "one in a hundred begins less than a load's time before: {:?}", early[2]);
        assert!(early[199] <= 16 * load, "the earliest: {:?}", early[199]);
    }

    #[test]
    fn a_key_that_nobody_asks_for_again_is_not_worth_a_load() {
        let lifetime = Lifetime::new(&policy(), seconds(60), Moment::ORIGIN, 0);
        let end = Moment::ORIGIN + seconds(60);
        assert!(!refresh_ahead(&lifetime, seconds(1), 0, end, || 0));
        assert!(refresh_ahead(&lifetime, seconds(1), 1, end, || 0));
        assert!(
            !refresh_ahead(&lifetime, Duration::ZERO, 1, end, || 0),
            "what costs nothing is not begun early"
        );
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
            let freshness = judge(&lifetime, standing(current), now);
            prop_assert_eq!(judge(&lifetime, Validity::BrokenForGood, now), Freshness::Dead);
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
