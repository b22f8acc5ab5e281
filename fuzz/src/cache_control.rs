//! What the headers of an answer say about how long it holds.

use std::time::Duration;

use alacena_backends::http::cache_control::{is_cacheable, terms};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Each line is the value of a header, its first byte says of which.
///
/// No header makes it panic; what forbids keeping an answer is heard whatever stands beside it; and no line can make an
/// answer hold for longer than the longest time that some line says.
pub fn cache_control(data: &[u8]) {
    let headers = headers(data);
    let (kept, said) = (is_cacheable(&headers), terms(&headers));
    assert_eq!((is_cacheable(&headers), terms(&headers)), (kept, said), "the same headers say the same");

    let with = |value: &'static str| {
        let mut more = headers.clone();
        more.append(header::CACHE_CONTROL, HeaderValue::from_static(value));
        more
    };
    assert!(!is_cacheable(&with("no-store")), "no-store is heard beside anything");
    let asked = terms(&with("no-cache"));
    let never = Some(Duration::ZERO);
    assert_eq!((asked.ttl, asked.stale_while_revalidate, asked.stale_if_error), (never, never, never));
    let strict = terms(&with("must-revalidate"));
    assert_eq!((strict.stale_while_revalidate, strict.stale_if_error), (never, never));
    assert!(strict.ttl == said.ttl, "what stands past the time does not change the time");
    assert_eq!(terms(&with("unheard-of=1")), said, "what nobody knows changes nothing");
}

fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(16) {
        let Some((which, value)) = line.split_first() else { continue };
        let name: HeaderName = match which % 8 {
            0 => header::AGE,
            1 => header::EXPIRES,
            2 => header::DATE,
            3 => header::VARY,
            _ => header::CACHE_CONTROL,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    headers
}
