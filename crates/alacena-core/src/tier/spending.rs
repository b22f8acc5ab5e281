//! Commands that are paid for, counted by the day.

use std::time::Duration;

const DAY: u64 = 86_400_000;
/// No forecast goes by less time than this.
const BASE_MIN: u64 = 60_000;
/// From this share of a day's commands on it is said: 80 %.
const WARNED_PERCENT: u128 = 80;

/// What a shard has used of the commands of a day. Days are those of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// How many commands a day has.
    pub limit: u64,
    /// How many this node has sent today, since it was started.
    pub used: u64,
    /// How many it will have sent by the end of the day, if it goes on as it has today.
    pub forecast: u64,
    /// Whether nothing is sent any more until the next day.
    pub is_spent: bool,
    /// How long it is until the next day.
    pub next_day_in: Duration,
}

impl Spending {
    /// Whether 80 % of the day's commands are used.
    #[must_use]
    pub fn is_nearly_spent(&self) -> bool {
        self.is_spent || u128::from(self.used) * 100 >= u128::from(self.limit) * WARNED_PERCENT
    }
}

/// Counts commands by the day, and refuses what a day has not.
///
/// ```
/// use alacena_core::tier::Meter;
///
/// let noon = 20_000 * 86_400_000 + 43_200_000; // in milliseconds since 1970
/// let mut meter = Meter::new(10, noon);
/// assert!(meter.take(8, noon + 60_000));
/// assert!(meter.spending(noon + 60_000).is_nearly_spent());
/// assert!(!meter.take(3, noon + 60_000)); // from here on nothing is sent
/// assert!(!meter.take(1, noon + 60_000));
/// assert!(meter.take(10, noon + 43_200_000)); // midnight
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    limit: u64,
    /// Since 1970. It never goes back: a wall clock that is set back gives no day twice.
    day: u64,
    used: u64,
    is_spent: bool,
    /// Since when it counts today, in milliseconds since 1970.
    since: u64,
}

impl Meter {
    /// One that has counted nothing yet, at this time in milliseconds since 1970; a day has `limit` commands.
    #[must_use]
    pub const fn new(limit: u64, now: u64) -> Self {
        Self { limit, day: now / DAY, used: 0, is_spent: false, since: now }
    }

    /// Whether so many commands, sent together, may be sent now. Once they may not, nothing may until the next day: what
    /// is left is not spent on half of what somebody wanted.
    pub fn take(&mut self, commands: u64, now: u64) -> bool {
        self.turn(now);
        match self.used.checked_add(commands).filter(|used| !self.is_spent && *used <= self.limit) {
            Some(used) => self.used = used,
            None => self.is_spent = true,
        }
        // The last one has been sent; what comes next need not be refused to be known.
        let may = !self.is_spent;
        self.is_spent |= self.used == self.limit;
        may
    }

    /// What is used of the day that it is now.
    #[must_use]
    pub fn spending(mut self, now: u64) -> Spending {
        self.turn(now);
        let end = (self.day + 1) * DAY;
        let (left, counted) = (end.saturating_sub(now), now.saturating_sub(self.since).max(BASE_MIN));
        let more = u128::from(self.used) * u128::from(left) / u128::from(counted);
        Spending {
            limit: self.limit,
            used: self.used,
            forecast: self.used.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)),
            is_spent: self.is_spent,
            next_day_in: Duration::from_millis(left),
        }
    }

    fn turn(&mut self, now: u64) {
        let day = now / DAY;
        if day > self.day {
            *self = Self { limit: self.limit, day, used: 0, is_spent: false, since: day * DAY };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORNING: u64 = 20_000 * DAY + DAY / 4;

    #[test]
    fn a_day_has_so_many_and_the_next_one_as_many_again() {
        let mut meter = Meter::new(100, MORNING);
        assert!(meter.take(79, MORNING) && !meter.spending(MORNING).is_nearly_spent());
        assert!(meter.take(1, MORNING) && meter.spending(MORNING).is_nearly_spent());
        assert!(!meter.spending(MORNING).is_spent);
        assert!(meter.take(20, MORNING), "all of them may be sent");
        assert!(meter.spending(MORNING).is_spent && !meter.take(1, MORNING));
        let midnight = 20_001 * DAY;
        assert!(!meter.take(1, midnight - 1));
        assert_eq!(meter.spending(midnight).used, 0);
        assert!(meter.take(100, midnight));
        assert!(!meter.take(1, MORNING), "a clock that is set back gives no day twice");
    }

    #[test]
    fn what_goes_beyond_is_refused_with_all_that_follows() {
        let mut meter = Meter::new(10, MORNING);
        assert!(meter.take(9, MORNING) && !meter.take(2, MORNING) && !meter.take(1, MORNING));
        assert_eq!(meter.spending(MORNING).used, 9, "what was refused was not sent");
    }

    #[test]
    fn a_forecast_goes_by_what_was_used_since_it_counts() {
        let mut meter = Meter::new(1_000, MORNING);
        meter.take(30, MORNING);
        // A quarter of a day later: thirty in a quarter, and two quarters are left.
        let noon = MORNING + DAY / 4;
        assert_eq!(meter.spending(noon).forecast, 90);
        assert_eq!(meter.spending(noon).next_day_in, Duration::from_millis(DAY / 2));
        assert_eq!(meter.spending(MORNING + 1).forecast, 30 + 30 * (3 * DAY / 4 - 1) / BASE_MIN);
        assert_eq!(Meter::new(1, MORNING).spending(MORNING).forecast, 0);
    }
}
