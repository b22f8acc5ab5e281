//! Days of the Gregorian calendar, counted from 1970-01-01.

/// How many days a month has.
pub(crate) fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day. Years are counted here from March, so that the leap day is the last of its year.
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // From March on, five months have 153 days, again and again.
    let day_of_year = (153 * months + 2) / 5 + day - 1;
    365 * year + leap_days + day_of_year - 719_468
}

/// Year, month and day, so many days after 1970-01-01.
pub(crate) fn date_of(days: i64) -> (i64, i64, i64) {
    // Never too late: no year is longer than 366 days.
    let mut year = 1970 + days.div_euclid(366);
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut left = days - days_since_1970(year, 1, 1);
    let mut month = 1;
    while left >= days_of(year, month) {
        left -= days_of(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

/// The day of the week; Sunday is 0.
pub(crate) fn weekday_of(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (days + 4).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        let mut days = -1;
        for year in 1970..2105 {
            for month in 1..=12 {
                for day in 1..=days_of(year, month) {
                    days += 1;
                    assert_eq!(days_since_1970(year, month, day), days, "{year}-{month}-{day}");
                    assert_eq!(date_of(days), (year, month, day));
                }
            }
        }
        // 2026-11-20 is a Friday.
        assert_eq!(weekday_of(days_since_1970(2026, 11, 20)), 5);
    }
}
