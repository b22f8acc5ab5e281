//! The server's clock, read from here.

use std::time::Duration;

use alacena_core::runtime::Moment;

/// Where the server's clock stands against ours.
///
/// Each time that the server says what time it is gives two bounds, since it said so some time between question and
/// answer. What was known before is kept as long as it lies between them, so that one slow answer makes nothing worse:
///
/// ```text
///   server        │   now − asked  ◄───── the truth lies here ─────►  now − answered
///   minus ours    │        └──── a slow answer: wide ────────────────────┘
///                 │                 └─ a quick one: narrow ─┘
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServerClock {
    /// Server's time since 1970 minus ours since its origin, in nanoseconds.
    offset: Option<i64>,
}

impl ServerClock {
    /// The server has said that it is `said` since 1970; asked and answered at these moments of ours.
    pub(super) fn hears(&mut self, said: Duration, asked: Moment, answered: Moment) {
        let said = i64::try_from(said.as_nanos()).unwrap_or(i64::MAX);
        let bound = |moment: Moment| said.saturating_sub(i64::try_from(moment.nanos()).unwrap_or(i64::MAX));
        let (least, most) = (bound(answered), bound(asked));
        let middle = least.midpoint(most);
        self.offset = Some(self.offset.map_or(middle, |known| known.clamp(least, most.max(least))));
    }

    /// Milliseconds since 1970 on the server's clock; `None` before it has ever said any.
    pub(super) fn millis(&self, now: Moment) -> Option<u64> {
        let nanos = self.offset?.saturating_add_unsigned(now.nanos());
        Some(u64::try_from(nanos).unwrap_or(0) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    #[test]
    fn a_slow_answer_makes_nothing_worse_and_a_quick_one_better() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.millis(at(0)), None);
        // The server's clock is 5,000 ms ahead of ours. It answers after 90 of 100 ms: 40 ms wrong at first.
        clock.hears(5_090 * MILLIS, at(0), at(100));
        assert_eq!(clock.millis(at(100)), Some(5_140));
        clock.hears(5_201 * MILLIS, at(200), at(202));
        assert_eq!(clock.millis(at(202)), Some(5_203));
        clock.hears(5_301 * MILLIS, at(300), at(800));
        assert_eq!(clock.millis(at(1_000)), Some(6_001));
    }

    #[test]
    fn a_server_whose_clock_was_set_is_followed_at_once() {
        let mut clock = ServerClock::default();
        clock.hears(5_000 * MILLIS, at(0), at(0));
        clock.hears(3_600_100 * MILLIS, at(100), at(102));
        assert_eq!(clock.millis(at(102)), Some(3_600_100));
    }
}
