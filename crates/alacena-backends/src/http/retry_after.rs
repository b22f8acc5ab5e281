//! `Retry-After` (RFC 9110, 10.2.3): seconds or a date.

use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};

use super::date::unix_seconds;

/// The longest pause that a source can ask for; a mistake there must not switch a read off for days.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// How long the source asks callers to wait, if it does in a form that can be read.
pub(super) fn retry_after(headers: &HeaderMap, unix_millis: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let due = Duration::from_secs(unix_seconds(text)?);
        due.saturating_sub(Duration::from_millis(unix_millis))
    };
    Some(pause.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 00:00:00.
    const NOW: u64 = 1_795_132_800;

    fn pause(value: &str) -> Option<u64> {
        let headers = [(RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
        retry_after(&headers, NOW * 1_000).map(|pause| pause.as_secs())
    }

    #[test]
    fn both_forms_are_read_and_neither_is_believed_beyond_an_hour() {
        assert_eq!(pause("0"), Some(0));
        assert_eq!(pause("120"), Some(120));
        assert_eq!(pause("99999999999999999999999"), Some(3_600));
        assert_eq!(pause("Fri, 20 Nov 2026 00:00:30 GMT"), Some(30));
        assert_eq!(pause("Fri, 20 Nov 2026 12:00:00 GMT"), Some(3_600));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        for nonsense in
            ["", "soon", "-1", "1.5", "Fri, 20 Nov 2026 24:00:30 GMT", "Fri, 32 Nov 2026 00:00:30 GMT"]
        {
            assert_eq!(pause(nonsense), None, "{nonsense}");
        }
    }
}
