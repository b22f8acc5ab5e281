//! `/writes/{name}`: declared writes pass through to their source and invalidate.

use alacena::declared::Parameters;
use axum::{
    Extension,
    extract::State,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    problem::Problem,
    request::{JsonBody, Members, Name, credentials},
    token::Caller,
};

/// How far the invalidation had gone when the answer was sent.
static ALACENA_LEVEL: HeaderName = HeaderName::from_static("alacena-level");

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
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (ALACENA_LEVEL.clone(), HeaderValue::from_static(written.level.as_str())),
    ];
    if written.body.bytes().is_empty() {
        return Ok((StatusCode::NO_CONTENT, headers).into_response());
    }
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static(written.body.content_type()))];
    Ok((headers, content_type, written.body.bytes().clone()).into_response())
}
