//! What a source says about keeping its answer: whether it may be (`no-store`, `Vary: *`), and how long it holds
//! (RFC 9111, 4.2 and 5.2; RFC 5861).

use std::time::Duration;

use alacena_core::source::Terms;
use http::{
    HeaderMap, HeaderName,
    header::{AGE, CACHE_CONTROL, DATE, EXPIRES, VARY},
};

use super::date::unix_seconds;

/// Whether the source lets the answer be kept.
///
/// `private` forbids showing one user's answer to another, and here there are no two users to confuse: either the
/// caller's credentials went along, and then they are part of the key, or every call carries the same ones, and
/// whoever declared the read decided who may see it. Frameworks send `private` unasked, so hearing it would leave most
/// APIs uncached. How long the answer is fresh is for its class to say, which may listen to [`terms`]. Cookies that
/// come along are never kept or passed on.
#[must_use]
pub fn is_cacheable(headers: &HeaderMap) -> bool {
    // Quotes mean nothing here: whoever gets them wrong around `no-store` is understood all the same.
    let says = |header, wanted: &[u8]| {
        let values = headers.get_all(header).iter();
        let members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let mut names =
            members.map(|member| member.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii());
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    !says(CACHE_CONTROL, b"no-store") && !says(VARY, b"*")
}

/// How long the answer held when it was asked for, as its headers say.
///
/// Its freshness lifetime is that of `s-maxage`, else of `max-age`, else from `Date` to `Expires`; its `Age` is taken
/// off. No two clocks are compared: `Expires` and `Date` are of one. A date
/// that cannot be read as `Expires` is over, one without a `Date` says nothing, and neither does a number that is none.
/// What may not be used without asking (`no-cache`) is never fresh and never stands in; what may not be used past its
/// time (`must-revalidate`, `proxy-revalidate`) never stands in.
#[must_use]
pub fn terms(headers: &HeaderMap) -> Terms {
    let said = CacheControl::of(headers);
    if said.no_cache {
        let none = Some(Duration::ZERO);
        return Terms { ttl: none, stale_while_revalidate: none, stale_if_error: none };
    }
    let lifetime = said.s_maxage.or(said.max_age).or_else(|| expiry(headers));
    let after = |said_of_it: Option<Duration>| {
        if said.must_revalidate { Some(Duration::ZERO) } else { said_of_it }
    };
    Terms {
        ttl: lifetime.map(|lifetime| lifetime.saturating_sub(age(headers))),
        stale_while_revalidate: after(said.stale_while_revalidate),
        stale_if_error: after(said.stale_if_error),
    }
}

/// The directives that are listened to. Of one that stands twice, the first that can be read counts.
#[derive(Default)]
struct CacheControl {
    no_cache: bool,
    must_revalidate: bool,
    max_age: Option<Duration>,
    s_maxage: Option<Duration>,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
}

impl CacheControl {
    fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        let lines = headers.get_all(CACHE_CONTROL).iter();
        for member in lines.flat_map(|line| members(line.as_bytes())) {
            let (name, value) = match member.iter().position(|byte| *byte == b'=') {
                Some(at) => (member[..at].trim_ascii(), Some(member[at + 1..].trim_ascii())),
                None => (member, None),
            };
            let time = match name.to_ascii_lowercase().as_slice() {
                // With a value it is about the headers named there, and none are kept.
                b"no-cache" if value.is_none() => {
                    said.no_cache = true;
                    continue;
                }
                b"must-revalidate" | b"proxy-revalidate" => {
                    said.must_revalidate = true;
                    continue;
                }
                b"max-age" => &mut said.max_age,
                b"s-maxage" => &mut said.s_maxage,
                b"stale-while-revalidate" => &mut said.stale_while_revalidate,
                b"stale-if-error" => &mut said.stale_if_error,
                _ => continue,
            };
            *time = time.or_else(|| seconds(unquoted(value?)));
        }
        said
    }
}

/// The members of a list, separated by commas outside of quotes. A quote that never ends quotes nothing.
fn members(line: &[u8]) -> Vec<&[u8]> {
    let (mut members, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < line.len() {
        match line[at] {
            b'"' => at = closing_quote(line, at).unwrap_or(at),
            b',' => {
                members.push(line[begin..at].trim_ascii());
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    members.push(line[begin..].trim_ascii());
    members
}

/// Where the quote that opens at `open` ends.
fn closing_quote(line: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while at < line.len() {
        match line[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Whole seconds as RFC 9111 (1.2.2) writes them; more than a number holds is as much as it holds.
fn seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

/// How old the answer was when it was sent, according to the caches on its way.
fn age(headers: &HeaderMap) -> Duration {
    let first = headers.get(AGE).and_then(|value| value.as_bytes().split(|byte| *byte == b',').next());
    first.and_then(|first| seconds(first.trim_ascii())).unwrap_or_default()
}

/// From `Date` to `Expires`.
fn expiry(headers: &HeaderMap) -> Option<Duration> {
    let date = |name: HeaderName| unix_seconds(headers.get(name)?.to_str().ok()?.trim());
    if !headers.contains_key(EXPIRES) {
        return None;
    }
    match date(EXPIRES) {
        None => Some(Duration::ZERO),
        Some(expires) => Some(Duration::from_secs(expires.saturating_sub(date(DATE)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: &str = "date: Fri, 20 Nov 2026 09:00:00 GMT";

    fn of(lines: &[&str]) -> Terms {
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        terms(&headers)
    }

    #[test]
    fn the_time_that_is_left_is_what_was_said_without_what_is_over() {
        let table: [(&[&str], Option<u64>); 33] = [
            (&[], None),
            (&["cache-control: public, immutable"], None),
            (&["cache-control: max-age=60"], Some(60)),
            (&["cache-control: Max-Age = 60"], Some(60)),
            (&["cache-control: max-age=\"60\""], Some(60)),
            (&["cache-control: max-age=60, s-maxage=10"], Some(10)),
            (&["cache-control: s-maxage=10", "cache-control: max-age=5"], Some(10)),
            (&["cache-control: private, max-age=60"], Some(60)),
            (&["cache-control: max-age=0"], Some(0)),
            (&["cache-control: no-cache"], Some(0)),
            (&["cache-control: max-age=60, NO-CACHE"], Some(0)),
            (&["cache-control: no-cache=\"set-cookie, x\", max-age=60"], Some(60)),
            // What is over.
            (&["cache-control: max-age=60", "age: 20"], Some(40)),
            (&["cache-control: max-age=60", "age: 20, 50"], Some(40)),
            (&["cache-control: max-age=60", "age: 90"], Some(0)),
            (&["cache-control: max-age=60", "age: -5"], Some(60)),
            (&["cache-control: max-age=60", "age: 99999999999999999999999"], Some(0)),
            (&["age: 20"], None),
            // What cannot be read says nothing; the first that can be counts.
            (&["cache-control: max-age=-1"], None),
            (&["cache-control: max-age=1.5"], None),
            (&["cache-control: max-age=+5"], None),
            (&["cache-control: max-age="], None),
            (&["cache-control: max-age"], None),
            (&["cache-control: max-age=soon, max-age=7, max-age=9"], Some(7)),
            (&["cache-control: ext=\"max-age=1, s-maxage=2\\\", x\", max-age=60"], Some(60)),
            (&["cache-control: ext=\"never closed, max-age=60"], Some(60)),
            // Expires.
            (&[DAY, "expires: Fri, 20 Nov 2026 09:10:00 GMT"], Some(600)),
            (&[DAY, "expires: Fri, 20 Nov 2026 08:00:00 GMT"], Some(0)),
            (&[DAY, "expires: 0"], Some(0)),
            (&["expires: -1"], Some(0)),
            (&["expires: Fri, 20 Nov 2026 09:10:00 GMT"], None),
            (&[DAY, "expires: Fri, 20 Nov 2026 09:10:00 GMT", "cache-control: max-age=60"], Some(60)),
            (&[DAY, "expires: Fri, 20 Nov 2026 09:10:00 GMT", "age: 60"], Some(540)),
        ];
        for (lines, expected) in table {
            assert_eq!(of(lines).ttl.map(|ttl| ttl.as_secs()), expected, "{lines:?}");
        }
        assert_eq!(
            of(&["cache-control: max-age=99999999999999999999999"]).ttl,
            Some(Duration::from_secs(u64::MAX)),
            "more than can be counted is as much as can be"
        );
    }

    #[test]
    fn what_may_be_done_past_that_time_is_heard() {
        let table: [(&str, Option<u64>, Option<u64>); 8] = [
            ("max-age=60", None, None),
            ("max-age=60, stale-while-revalidate=5, stale-if-error=86400", Some(5), Some(86_400)),
            ("stale-while-revalidate=\"5\"", Some(5), None),
            ("stale-if-error=-1, stale-if-error=3", None, Some(3)),
            ("s-maxage=60", None, None),
            ("max-age=60, must-revalidate, stale-if-error=30", Some(0), Some(0)),
            ("proxy-revalidate", Some(0), Some(0)),
            ("no-cache, stale-if-error=30", Some(0), Some(0)),
        ];
        for (line, revalidate, error) in table {
            let terms = of(&[&format!("cache-control: {line}")]);
            let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs());
            let said = (seconds(terms.stale_while_revalidate), seconds(terms.stale_if_error));
            assert_eq!(said, (revalidate, error), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(lines in prop::collection::vec("[ -~]{0,40}|[a-z,=\"\\\\0-9 -]{0,40}", 0..4)) {
            let lines: Vec<String> = lines.iter().map(|line| format!("cache-control: {line}")).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let _ = of(&lines);
        }

        #[test]
        fn what_stands_in_quotes_of_another_directive_is_not_heard(quoted in "[ -!#-\\[\\]-~]{0,40}") {
            let line = format!("cache-control: ext=\"{quoted}\", max-age=60");
            prop_assert_eq!(of(&[&line]), of(&["cache-control: max-age=60"]));
        }
    }
}
