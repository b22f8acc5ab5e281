//! How long an answer is fresh where its source has a say in it: its headers, or the answer itself.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alacena_core::{declared::Pointer, source::Terms, value::Body};

use crate::{
    calendar::{days_of, days_since_1970},
    config::TtlFrom,
};

/// Numbers from here on are times, not spans: seconds since 1970 (this one is in 2001; as a span it is 31 years).
const TIMES_FROM: f64 = 1e9;
/// Numbers from here on are milliseconds since 1970 (this one is in 1973; in seconds it is in the year 5138).
const MILLIS_FROM: f64 = 1e11;
/// Numbers from here on mean nothing.
const NUMBERS_BELOW: f64 = 1e14;
/// The longest text that is read as a time, in bytes, with its quotes.
const TIME_BYTES_MAX: usize = 64;

/// Where one read's TTLs come from.
pub(crate) struct TtlRule {
    read: String,
    from: TtlFrom,
    /// Whether an answer without a time where one was expected has been told of.
    told: AtomicBool,
}

impl TtlRule {
    pub(crate) fn new(read: &str, from: &TtlFrom) -> Self {
        Self { read: read.to_owned(), from: from.clone(), told: AtomicBool::new(false) }
    }

    /// What counts of `said`, and of what `body` says of itself: the shorter of the two, and never more than the class
    /// allows. A class that keeps nothing keeps nothing.
    pub(crate) fn terms(&self, said: Terms, body: Option<&Body>, unix_millis: u64) -> Terms {
        if self.from.max.is_zero() {
            return Terms::default();
        }
        let said = if self.from.headers { said } else { Terms::default() };
        let value = self.from.value.as_ref().and_then(|pointer| self.in_value(pointer, body?, unix_millis));
        let ttl = said.ttl.into_iter().chain(value).min();
        Terms { ttl: ttl.map(|ttl| ttl.min(self.from.max)), ..said }
    }

    fn in_value(&self, pointer: &Pointer, body: &Body, unix_millis: u64) -> Option<Duration> {
        let document = std::str::from_utf8(body.bytes()).ok();
        let part = document.and_then(|document| pointer.find(document).ok().flatten());
        let left = part.and_then(|part| time_left(part, unix_millis));
        if left.is_none() && !self.told.swap(true, Ordering::Relaxed) {
            let reason = if part.is_some() { "it is no span or time" } else { "nothing is there" };
            let pointer = pointer.as_str();
            tracing::warn!(
                read = self.read,
                pointer,
                reason,
                "an answer does not say how long it holds; the class's ttl counts; told once"
            );
        }
        left
    }
}

/// How much time is left according to one JSON value: a span in seconds; or a time, in seconds or milliseconds since
/// 1970 or as RFC 3339 writes it. A number may stand in quotes.
///
/// This is the one place where it matters that the wall clocks of the source and of this machine agree.
fn time_left(json: &str, unix_millis: u64) -> Option<Duration> {
    if !json.starts_with('"') {
        return span(json.parse().ok()?, unix_millis);
    }
    let text: String = serde_json::from_str(json.get(..json.len().min(TIME_BYTES_MAX))?).ok()?;
    match text.parse() {
        Ok(number) => span(number, unix_millis),
        Err(_) => Some(until(unix_millis_of(&text)?, unix_millis)),
    }
}

fn span(number: f64, unix_millis: u64) -> Option<Duration> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a time between 2001 and the year 5138, in milliseconds"
    )]
    let since_1970 = |millis: f64| until(millis as u64, unix_millis);
    match () {
        () if number < TIMES_FROM => Duration::try_from_secs_f64(number).ok(),
        () if number < MILLIS_FROM => Some(since_1970(number * 1000.0)),
        () if number < NUMBERS_BELOW => Some(since_1970(number)),
        () => None,
    }
}

fn until(due_millis: u64, unix_millis: u64) -> Duration {
    Duration::from_millis(due_millis.saturating_sub(unix_millis))
}

/// Milliseconds since 1970 of a time like `2026-11-20T10:00:00.5+01:00` (RFC 3339, 5.6); a space may stand for the `T`.
/// What was before 1970 is zero.
fn unix_millis_of(text: &str) -> Option<u64> {
    let digits = |from, count| digits(text, from, count);
    let is = |at: usize, accepted: &[u8]| text.as_bytes().get(at).is_some_and(|byte| accepted.contains(byte));
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    let separated = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let possible = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !separated || !possible {
        return None;
    }
    let (millis, zone) = match text.get(19..)?.strip_prefix('.') {
        Some(rest) => {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let thousandths: String = rest[..length].chars().chain("00".chars()).take(3).collect();
            (thousandths.parse::<i64>().ok().filter(|_| length > 0)?, &rest[length..])
        }
        None => (0, text.get(19..)?),
    };
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    u64::try_from(((seconds - offset_seconds(zone)?) * 1000 + millis).max(0)).ok()
}

/// Seconds east of Greenwich: `Z`, `+01:00`.
fn offset_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = (digits(rest, 0, 2)?, digits(rest, 3, 2)?);
    let possible = rest.len() == 5 && rest.as_bytes()[2] == b':' && hours < 24 && minutes < 60;
    possible.then_some(sign * (hours * 3_600 + minutes * 60))
}

/// A number of exactly `count` digits.
fn digits(text: &str, from: usize, count: usize) -> Option<i64> {
    let digits = text.get(from..from + count)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-20 00:00:00.
    const NOW: u64 = 1_795_132_800_000;

    fn left(json: &str) -> Option<f64> {
        time_left(json, NOW).map(|left| left.as_secs_f64())
    }

    #[test]
    fn spans_and_times_are_read_in_the_forms_that_sources_use() {
        let table = [
            ("3600", 3600.0),
            ("0", 0.0),
            ("0.5", 0.5),
            ("3.6e3", 3600.0),
            ("\"3599\"", 3599.0),
            ("1795132860", 60.0),
            ("1795132860.5", 60.5),
            ("1795132860000", 60.0),
            ("\"1795132860\"", 60.0),
            ("1500000000", 0.0),
            ("\"2026-11-20T00:01:00Z\"", 60.0),
            ("\"2026-11-20t00:01:00z\"", 60.0),
            ("\"2026-11-20 00:01:00.25Z\"", 60.25),
            ("\"2026-11-20T01:01:00.123456+01:00\"", 60.123),
            ("\"2026-11-19T18:31:00-05:30\"", 60.0),
            ("\"2026-11-19T23:59:60Z\"", 0.0),
            ("\"1969-12-31T23:59:59Z\"", 0.0),
        ];
        for (json, expected) in table {
            assert_eq!(left(json), Some(expected), "{json}");
        }
        for odd in [
            "-1",
            "\"-1\"",
            "1e300",
            "1795132800000000",
            "null",
            "true",
            "[60]",
            "{\"a\":1}",
            "\"\"",
            "\"soon\"",
            "\"nan\"",
            "\"inf\"",
            "\"2026-11-20\"",
            "\"2026-11-20T00:01:00\"",
            "\"2026-11-20T00:01:00.Z\"",
            "\"2026-02-29T00:00:00Z\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-11-20T24:00:00Z\"",
            "\"2026-11-20T00:01:00+1:00\"",
            "\"2026-11-20T00:01:00+24:00\"",
            "\"2026-11-20T00:01:00Zulu\"",
            "\"+026-11-20T00:01:00Z\"",
        ] {
            assert_eq!(left(odd), None, "{odd}");
        }
    }

    #[test]
    fn times_are_counted_as_the_calendar_does() {
        assert_eq!(unix_millis_of("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_millis_of("1994-11-06T08:49:37Z"), Some(784_111_777_000));
        assert_eq!(unix_millis_of("2000-02-29T12:00:00Z"), Some(951_825_600_000));
        assert_eq!(unix_millis_of("2026-11-20T00:00:00Z"), Some(NOW));
    }

    #[test]
    fn the_shorter_of_both_counts_and_the_class_is_the_most() {
        let rule = |headers, pointer: Option<&str>, max| {
            let value = pointer.map(|pointer| Pointer::parse(pointer).unwrap());
            TtlRule::new("token", &TtlFrom { headers, value, max: Duration::from_secs(max) })
        };
        let said = Terms {
            ttl: Some(Duration::from_secs(60)),
            stale_if_error: Some(Duration::ZERO),
            ..Terms::default()
        };
        let ttl = |rule: &TtlRule, said, body: &str| {
            let body = Body::json(body.to_owned());
            rule.terms(said, Some(&body), NOW).ttl.map(|ttl| ttl.as_secs())
        };
        let body = "{\"expires_in\": 30}";
        assert_eq!(ttl(&rule(true, Some("/expires_in"), 300), said, body), Some(30));
        assert_eq!(ttl(&rule(true, Some("/expires_in"), 20), said, body), Some(20));
        assert_eq!(ttl(&rule(true, None, 300), said, body), Some(60));
        assert_eq!(ttl(&rule(false, Some("/expires_in"), 300), said, body), Some(30));
        assert_eq!(ttl(&rule(false, Some("/expires"), 300), said, body), None, "the class's");
        assert_eq!(ttl(&rule(true, Some("/expires"), 300), said, body), Some(60));
        let off = rule(false, None, 300);
        assert_eq!(off.terms(said, None, NOW), Terms::default(), "nobody listens");
        let nothing = rule(true, Some("/expires_in"), 0);
        assert_eq!(nothing.terms(said, Some(&Body::json(body)), NOW), Terms::default());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[0-9TZ:. +-]{0,40}|\\PC{0,70}") {
            let _ = left(&serde_json::to_string(&text).unwrap());
            let _ = left(&text);
        }
    }
}
