//! Errors as HTTP says them: one problem document (RFC 9457) for every way to fail, one table of statuses.

use alacena::error::{Code, Error, Kind, Retry, catalogue};
use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value as Json, json};

/// Where the status of a failure is not that of its kind.
static EXCEPTIONS: &[(&Code, StatusCode)] = &[
    (&catalogue::SOURCE_UNREACHABLE, StatusCode::BAD_GATEWAY),
    (&catalogue::SOURCE_FAILED, StatusCode::BAD_GATEWAY),
    (&catalogue::SOURCE_REFUSED, StatusCode::UNPROCESSABLE_ENTITY),
    (&catalogue::RELOAD_REFUSED, StatusCode::UNPROCESSABLE_ENTITY),
    (&catalogue::NOT_DECLARED, StatusCode::NOT_FOUND),
    (&catalogue::NOTHING_WARM, StatusCode::NOT_FOUND),
    (&catalogue::ABSENT, StatusCode::NOT_FOUND),
    (&catalogue::NOT_FOUND, StatusCode::NOT_FOUND),
    (&catalogue::METHOD_NOT_ALLOWED, StatusCode::METHOD_NOT_ALLOWED),
    (&catalogue::BODY_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE),
    (&catalogue::BATCH_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE),
    (&catalogue::MEDIA_TYPE_REFUSED, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    (&catalogue::ENCODING_REFUSED, StatusCode::NOT_ACCEPTABLE),
    (&catalogue::TOKEN_REQUIRED, StatusCode::UNAUTHORIZED),
    (&catalogue::CREDENTIAL_REQUIRED, StatusCode::UNAUTHORIZED),
    (&catalogue::CONFIGURATION_INVALID, StatusCode::INTERNAL_SERVER_ERROR),
    (&catalogue::NOT_BUILT_YET, StatusCode::NOT_IMPLEMENTED),
];

/// The status of a failure.
pub(crate) fn status(code: &Code) -> StatusCode {
    let exception = EXCEPTIONS.iter().find(|(exception, _)| exception.slug == code.slug);
    exception.map_or_else(|| status_of_kind(code.kind), |(_, status)| *status)
}

fn status_of_kind(kind: Kind) -> StatusCode {
    match kind {
        Kind::Unavailable | Kind::Overloaded | Kind::Closed => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Corrupt => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A failure on its way out.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem(error) = self;
        let status = status(error.code());
        log_mistake(&error);
        let mut response = (status, document(&error).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after(&error) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let ours = error.code() == &catalogue::TOKEN_REQUIRED;
            let realm = if ours { "Bearer realm=\"alacena\"" } else { "Bearer realm=\"source\"" };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(realm));
        }
        response
    }
}

/// Logs `error` where it is a mistake of ours: the answer does not say the cause, which is for those who run the server.
pub(crate) fn log_mistake(error: &Error) {
    if error.kind() == Kind::Internal {
        tracing::error!(?error, "internal error");
    }
}

/// The problem document of `error`: what went wrong, where, and what to do about it.
pub(crate) fn document(error: &Error) -> Json {
    let code = error.code();
    let mut document = Map::new();
    document.insert("type".to_owned(), type_of(code).into());
    document.insert("title".to_owned(), code.title.into());
    document.insert("status".to_owned(), status(code).as_u16().into());
    document.insert("detail".to_owned(), error.detail().into());
    document.insert("remedy".to_owned(), code.remedy.into());
    if let Some(seconds) = retry_after(error) {
        document.insert("retryAfter".to_owned(), seconds.into());
    }
    if !error.context().is_empty() {
        let context = error.context().iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        document.insert("context".to_owned(), Json::Object(context.collect()));
    }
    Json::Object(document)
}

/// The stable name of a failure.
pub(crate) fn type_of(code: &Code) -> String {
    format!("urn:alacena:error:{}", code.slug)
}

/// Whole seconds to wait; never zero, which would say "at once".
fn retry_after(error: &Error) -> Option<u64> {
    match error.retry() {
        Retry::After(delay) => Some(delay.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)),
        Retry::Never => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_problem_names_what_happened_and_what_to_do() {
        let error = Error::new(&catalogue::BREAKER_OPEN, "5 failures")
            .with("source", "crm")
            .retry_after(Duration::from_millis(1200));
        let response = Problem(error.clone()).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            document(&error),
            json!({
                "type": "urn:alacena:error:breaker-open",
                "title": "source switched off after failures",
                "status": 503,
                "detail": "5 failures",
                "remedy": catalogue::BREAKER_OPEN.remedy,
                "retryAfter": 2,
                "context": {"source": "crm"},
            })
        );
    }

    #[test]
    fn what_the_caller_can_mend_is_a_4xx_and_the_rest_a_5xx() {
        for code in catalogue::ALL {
            let ours = matches!(code.slug, "configuration-invalid" | "not-built-yet");
            let callers = matches!(code.kind, Kind::Invalid | Kind::Denied) && !ours;
            assert_eq!(status(code).is_client_error(), callers, "{}", code.slug);
        }
    }

    #[test]
    fn an_unauthorised_caller_is_told_how_to_authenticate() {
        let response = Problem(Error::new(&catalogue::TOKEN_REQUIRED, "")).into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"alacena\"");
    }
}
