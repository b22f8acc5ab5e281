//! `/writes/{name}`: declared writes pass through to their source and invalidate.

use alacena::declared::Parameters;
use axum::{
    Extension,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    problem::Problem,
    request::{JsonBody, Members, Name, credentials, say_level, status_of},
    token::Caller,
};

/// `POST /writes/{name}`: the source's own answer, with how far the invalidation has gone beside it.
pub(crate) async fn send(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    headers: HeaderMap,
    JsonBody(members): JsonBody<Members>,
) -> Result<Response, Problem> {
    let write = app.alacena().declared_write(&name)?;
    let parameters = Parameters::from_json(&write.parameters, members.iter())?;
    let credentials = credentials(&write.credentials, &headers)?;
    tracing::debug!(write = %write.name, who = %caller.who, "declared write");
    let written = write.send(parameters, credentials).await?;
    let body = &written.body;
    let mut response = match (status_of(written.level), body.bytes()) {
        (StatusCode::OK, nothing) if nothing.is_empty() => StatusCode::NO_CONTENT.into_response(),
        (status, nothing) if nothing.is_empty() => status.into_response(),
        (status, bytes) => {
            let content_type = [(CONTENT_TYPE, HeaderValue::from_static(body.content_type()))];
            (status, content_type, bytes.clone()).into_response()
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    say_level(response.headers_mut(), written.level, written.after.as_deref());
    Ok(response)
}
