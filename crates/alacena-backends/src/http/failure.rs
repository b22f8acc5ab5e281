//! What went wrong between here and the source: the error that is handed back, and what may be done about it here.
//!
//! This is the one place that knows HTTP's statuses and the client's errors. Texts are our own: those of the client
//! may show a URL with a caller's values, those of the source anything.

use std::{error, io, time::Duration};

use alacena_core::error::{Error, catalogue};
use http::{HeaderMap, StatusCode};

use super::retry_after::retry_after;
use crate::tls;

/// When callers may try again if the source does not say.
const PAUSE_DEFAULT: Duration = Duration::from_secs(1);

/// One failed exchange.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the caller is told.
    pub(super) error: Error,
    /// Whether the source definitely did not act on the request: nothing was sent, or it said no.
    pub(super) refused: bool,
    /// The least pause after which the same request may succeed, where asking again at once can help at all.
    pub(super) again: Option<Duration>,
}

impl Failure {
    /// Nothing was sent, and nothing else would be the next time.
    pub(super) fn unsent(error: Error) -> Self {
        Self { error, refused: true, again: None }
    }

    /// The source accepted the request, but its answer is of no use; the next one would be the same.
    pub(super) fn unusable(error: Error) -> Self {
        Self { error, refused: false, again: None }
    }

    /// The source answers with a redirect that is not followed.
    pub(super) fn redirect(status: StatusCode, detail: &str) -> Self {
        Self::unusable(Error::new(&catalogue::SOURCE_FAILED, detail).with("status", status.as_u16()))
    }

    /// A status that means neither an answer nor its absence.
    pub(super) fn status(status: StatusCode, headers: &HeaderMap, unix_millis: u64) -> Self {
        let asked = retry_after(headers, unix_millis);
        let pause = asked.unwrap_or(PAUSE_DEFAULT);
        let error = |code| Error::new(code, "").with("status", status.as_u16());
        match status.as_u16() {
            401 | 403 => Self { error: error(&catalogue::SOURCE_DENIED), refused: true, again: None },
            // The source gave up waiting for the request; how much of it arrived, it does not say.
            408 => Self {
                error: error(&catalogue::SOURCE_TIMEOUT).retry_after(pause),
                refused: false,
                again: Some(asked.unwrap_or_default()),
            },
            // Whoever asks for fewer calls without saying when gets no further one at once.
            429 => Self {
                error: error(&catalogue::SOURCE_THROTTLED).retry_after(pause),
                refused: true,
                again: asked,
            },
            400..=499 => Self { error: error(&catalogue::SOURCE_REFUSED), refused: true, again: None },
            500..=599 => Self {
                error: error(&catalogue::SOURCE_FAILED).retry_after(pause),
                refused: false,
                again: Some(asked.unwrap_or_default()),
            },
            _ => Self::unusable(
                Error::new(&catalogue::SOURCE_FAILED, "its status is not one that can follow this request")
                    .with("status", status.as_u16()),
            ),
        }
    }

    /// The request could not be sent, or the answer did not arrive whole.
    pub(super) fn transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let refused = error.is_connect() || error.is_builder();
        let mut again = Some(Duration::ZERO);
        let (code, detail) = if let Some(error) = find::<rustls::Error>(&error) {
            // Certificates do not mend within seconds.
            again = None;
            (&catalogue::SOURCE_UNREACHABLE, tls::describe(error, "base_url", "http://"))
        } else if error.is_connect() && error.is_timeout() {
            (&catalogue::SOURCE_TIMEOUT, "connecting took longer than connect_timeout".to_owned())
        } else if error.is_dns() {
            (&catalogue::SOURCE_UNREACHABLE, "the host of base_url has no address".to_owned())
        } else if error.is_connect() {
            let reason =
                find::<io::Error>(&error).map_or("no reason given".into(), |error| error.kind().to_string());
            (&catalogue::SOURCE_UNREACHABLE, format!("connecting failed: {reason}"))
        } else if error.is_builder() {
            again = None;
            (&catalogue::INTERNAL, "the request cannot be put into HTTP".to_owned())
        } else {
            (&catalogue::SOURCE_UNREACHABLE, "the connection broke before the answer was complete".to_owned())
        };
        Self { error: Error::new(code, detail).retry_after(PAUSE_DEFAULT).caused_by(error), refused, again }
    }
}

/// The first error of this type among `error` and what caused it.
fn find<'a, T: error::Error + 'static>(error: &'a (dyn error::Error + 'static)) -> Option<&'a T> {
    let mut here = Some(error);
    while let Some(error) = here {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error that wraps another names as its source what is below that one.
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        here = wrapped.map(|inner| inner as &dyn error::Error).or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena_core::error::{Code, Retry};

    const SECONDS: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn every_status_means_one_thing() {
        let never = Retry::Never;
        let after = |seconds| Retry::After(SECONDS(seconds));
        type Row = (u16, Option<&'static str>, &'static Code, Retry, bool, Option<u64>);
        let table: [Row; 14] = [
            (304, None, &catalogue::SOURCE_FAILED, never, false, None),
            (400, None, &catalogue::SOURCE_REFUSED, never, true, None),
            (401, None, &catalogue::SOURCE_DENIED, never, true, None),
            (403, None, &catalogue::SOURCE_DENIED, never, true, None),
            (404, None, &catalogue::SOURCE_REFUSED, never, true, None),
            (408, None, &catalogue::SOURCE_TIMEOUT, after(1), false, Some(0)),
            (409, None, &catalogue::SOURCE_REFUSED, never, true, None),
            (422, Some("7"), &catalogue::SOURCE_REFUSED, never, true, None),
            (429, None, &catalogue::SOURCE_THROTTLED, after(1), true, None),
            (429, Some("7"), &catalogue::SOURCE_THROTTLED, after(7), true, Some(7)),
            (429, Some("86400"), &catalogue::SOURCE_THROTTLED, after(3_600), true, Some(3_600)),
            (500, None, &catalogue::SOURCE_FAILED, after(1), false, Some(0)),
            (503, Some("7"), &catalogue::SOURCE_FAILED, after(7), false, Some(7)),
            (999, None, &catalogue::SOURCE_FAILED, never, false, None),
        ];
        for (status, header, code, retry, refused, again) in table {
            let headers = header.map(|value| (http::header::RETRY_AFTER, value.parse().unwrap()));
            let headers = headers.into_iter().collect();
            let failure = Failure::status(StatusCode::from_u16(status).unwrap(), &headers, 0);
            assert_eq!(failure.error.code(), code, "{status}");
            assert_eq!(failure.error.retry(), retry, "{status}");
            assert_eq!(failure.error.context(), [("status", status.to_string())]);
            assert_eq!((failure.refused, failure.again), (refused, again.map(SECONDS)), "{status}");
        }
    }
}
