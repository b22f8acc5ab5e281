//! When something is due that recurs: five fields, as people know them from crontab, in UTC.
//!
//! UTC alone, because it has neither an hour that comes twice nor one that never comes: what is due once a day is due
//! once a day.

use std::{fmt, ops::RangeInclusive};

use crate::calendar::{date_of, weekday_of};

const MINUTE_MILLIS: u64 = 60_000;
const DAY_MINUTES: u64 = 24 * 60;
/// How far ahead is looked: 29 February can be eight years away, and on a certain day of the week it need not be met,
/// since a day of the month and one of the week are alternatives.
const DAYS_AHEAD_MAX: u64 = 366 * 8 + 2;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Minutes that recur: minute, hour, day of the month, month and day of the week, in UTC.
///
/// Each field is `*`, a number, a range `1-5`, or several separated by commas; `/n` takes every nth of a range. Months
/// and days of the week have names, too: `jan`, `mon`; Sunday is 0 and 7. Where both the day of the month and that of
/// the week are limited, either of them is enough, as everywhere.
///
/// ```
/// use alacena::Cron;
///
/// let weekdays_at_six: Cron = "0 6 * * mon-fri".parse().unwrap();
/// let friday_noon = 1_795_176_000_000; // 2026-11-20 12:00
/// assert_eq!(weekdays_at_six.next_after(friday_noon), friday_noon + (2 * 24 + 18) * 3_600_000);
/// assert!("0 25 * * *".parse::<Cron>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day fits by either of its fields, since both are limited.
    either_day: bool,
}

/// What is no schedule, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCron(String);

impl fmt::Display for NoCron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoCron {}

impl std::str::FromStr for Cron {
    type Err = NoCron;

    fn from_str(text: &str) -> Result<Self, NoCron> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(NoCron(format!(
                "has {} fields, and a schedule has five: minute, hour, day of the month, month, day of the week",
                fields.len()
            )));
        };
        let weekdays = field("day of the week", weekday, 0..=7, &WEEKDAYS, 0)?;
        let cron = Self {
            text: fields.join(" "),
            minutes: field("minute", minute, 0..=59, &[], 0)?,
            hours: field("hour", hour, 0..=23, &[], 0)?,
            days: field("day of the month", day, 1..=31, &[], 0)?,
            months: field("month", month, 1..=12, &MONTHS, 1)?,
            weekdays: weekdays | (weekdays >> 7 & 1),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        cron.find(0).map(|_| cron).ok_or_else(|| NoCron("names a day that no month has".to_owned()))
    }
}

impl Cron {
    /// The first minute after `unix_millis` that it names, in milliseconds since 1970.
    #[must_use]
    pub fn next_after(&self, unix_millis: u64) -> u64 {
        // Nothing for eight years is as good as never.
        self.find(unix_millis / MINUTE_MILLIS + 1).unwrap_or(u64::MAX / MINUTE_MILLIS) * MINUTE_MILLIS
    }

    /// The first minute from `minute` on, counted from 1970.
    fn find(&self, minute: u64) -> Option<u64> {
        let first = minute / DAY_MINUTES;
        let has = |set: u64, at: u64| set >> at & 1 == 1;
        (first..first + DAYS_AHEAD_MAX).filter(|day| self.is_day(*day)).find_map(|day| {
            let from = if day == first { minute % DAY_MINUTES } else { 0 };
            let fits = |at: &u64| has(self.hours, at / 60) && has(self.minutes, at % 60);
            (from..DAY_MINUTES).find(fits).map(|at| day * DAY_MINUTES + at)
        })
    }

    fn is_day(&self, day: u64) -> bool {
        let days = i64::try_from(day).unwrap_or(i64::MAX / DAY_MINUTES as i64);
        let (_, month, of_month) = date_of(days);
        let has = |set: u64, at: i64| set >> at & 1 == 1;
        let (by_month, by_week) = (has(self.days, of_month), has(self.weekdays, weekday_of(days)));
        has(self.months, month) && if self.either_day { by_month || by_week } else { by_month && by_week }
    }
}

/// Every number that one field names, as bits.
fn field(
    name: &str,
    text: &str,
    limits: RangeInclusive<u64>,
    names: &[&str],
    first: u64,
) -> Result<u64, NoCron> {
    let (least, most) = (*limits.start(), *limits.end());
    let refuse = || NoCron(format!("names no {name}: it goes from {least} to {most}"));
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = named.map(|at| at as u64 + first).or_else(|| plain(text));
        number.filter(|number| limits.contains(number)).ok_or_else(refuse)
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, plain(step).filter(|step| *step > 0).ok_or_else(refuse)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            // `5/10` is `5-59/10`, as everywhere.
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(NoCron(format!("names a range of the {name} that ends before it begins")));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        (from..=to).step_by(step).for_each(|at| set |= 1 << at);
    }
    Ok(set)
}

fn plain(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::days_since_1970;
    use proptest::{prelude::*, sample::subsequence};

    fn at(year: i64, month: i64, day: i64, hour: u64, minute: u64) -> u64 {
        let days = u64::try_from(days_since_1970(year, month, day)).unwrap();
        (days * DAY_MINUTES + hour * 60 + minute) * MINUTE_MILLIS
    }

    #[test]
    fn the_next_minute_is_found() {
        // A Friday.
        let now = at(2026, 11, 20, 12, 30) + 5_000;
        for (text, expected) in [
            ("* * * * *", at(2026, 11, 20, 12, 31)),
            ("*/15 * * * *", at(2026, 11, 20, 12, 45)),
            ("30 12 * * *", at(2026, 11, 21, 12, 30)),
            ("0 6 * * 1-5", at(2026, 11, 23, 6, 0)),
            ("0 6 * * Mon-FRI", at(2026, 11, 23, 6, 0)),
            ("0 0 * * 7", at(2026, 11, 22, 0, 0)),
            ("0 0 * * 0", at(2026, 11, 22, 0, 0)),
            ("5,50 13 * * *", at(2026, 11, 20, 13, 5)),
            ("50/5 12 * * *", at(2026, 11, 20, 12, 50)),
            ("0 0 1 jan *", at(2027, 1, 1, 0, 0)),
            ("0 0 29 2 *", at(2028, 2, 29, 0, 0)),
            ("0 0 31 * *", at(2026, 12, 31, 0, 0)),
            ("0 0 13 * fri", at(2026, 11, 27, 0, 0)),
            ("0 0 */2 * fri", at(2026, 11, 27, 0, 0)),
            ("59 23 31 12 *", at(2026, 12, 31, 23, 59)),
        ] {
            let cron: Cron = text.parse().unwrap();
            assert_eq!(cron.next_after(now), expected, "{text}");
        }
        let hourly: Cron = "0 * * * *".parse().unwrap();
        assert_eq!(
            hourly.next_after(at(2026, 11, 20, 13, 0)),
            at(2026, 11, 20, 14, 0),
            "not the same minute twice"
        );
        assert_eq!(hourly.next_after(at(2026, 11, 20, 13, 0) - 1), at(2026, 11, 20, 13, 0));
    }

    /// Some of the numbers of a field; none stands for `*`.
    fn some(of: RangeInclusive<u64>) -> impl Strategy<Value = Vec<u64>> {
        subsequence(of.collect::<Vec<_>>(), 0..4)
    }

    proptest! {
        /// Whatever a schedule names, it is due in the first minute that looking at each finds.
        #[test]
        fn no_minute_is_missed_and_none_made_up(
            minutes in some(0..=59),
            hours in some(0..=23),
            days in some(1..=31),
            weekdays in some(0..=6),
            now in at(2026, 11, 20, 0, 0)..at(2029, 1, 1, 0, 0),
        ) {
            let field = |numbers: &[u64]| match numbers {
                [] => "*".to_owned(),
                some => some.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
            };
            let text = format!("{} {} {} * {}", field(&minutes), field(&hours), field(&days), field(&weekdays));
            let cron: Cron = text.parse().unwrap();
            let has = |numbers: &[u64], number: u64| numbers.is_empty() || numbers.contains(&number);
            let is_day = |day: u64| {
                let (_, _, of_month) = date_of(i64::try_from(day).unwrap());
                let weekday = (day + 4) % 7;
                let (by_month, by_week) = (has(&days, of_month.unsigned_abs()), has(&weekdays, weekday));
                let either = !days.is_empty() && !weekdays.is_empty();
                if either { by_month || by_week } else { by_month && by_week }
            };
            let first = now / MINUTE_MILLIS + 1;
            let found = (first / DAY_MINUTES..).filter(|day| is_day(*day)).find_map(|day| {
                let minutes_of = (day * DAY_MINUTES).max(first)..(day + 1) * DAY_MINUTES;
                minutes_of.into_iter().find(|at| has(&hours, at / 60 % 24) && has(&minutes, at % 60))
            });
            prop_assert_eq!(cron.next_after(now), found.unwrap() * MINUTE_MILLIS, "{}", text);
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "1- * * * *",
            "+1 * * * *",
            "1,, * * * *",
            "@daily",
            "0 0 30 2 *",
            "0 0 31 4,6,9,11 *",
        ] {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
    }
}
