//! `POST /mcp/tools/call`: a tool call without the protocol around it.

use std::sync::Arc;

use alacena::{error::Error, source::Credential};
use axum::{
    extract::State,
    http::{
        HeaderMap,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{ToolCall, ToolResult};
use crate::{
    app::App,
    problem::Problem,
    request::{JsonBody, Members, credentials},
};

/// The body of a plain call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plain {
    name: String,
    #[serde(default)]
    arguments: Members,
}

/// `POST /mcp/tools/call`.
pub(crate) async fn call_plain(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(plain): JsonBody<Plain>,
) -> Result<Response, Problem> {
    let credentials = credentials_for(&app, &plain.name, &headers)?;
    let call = ToolCall { name: plain.name, arguments: plain.arguments.0, credentials };
    let result: Result<ToolResult, Error> = app.tools().call(call).await;
    Ok(([(CONTENT_TYPE, "application/json")], result?.to_bytes()).into_response())
}

/// The headers that a tool passes through to its source, as far as the request has them.
///
/// `Authorization` is never among them: on an MCP endpoint it speaks to the MCP server, and the protocol forbids
/// handing it on.
///
/// # Errors
/// `Denied` where one is sent twice.
pub(super) fn credentials_for(
    app: &App,
    tool: &str,
    headers: &HeaderMap,
) -> Result<Arc<[Credential]>, Error> {
    let read = app.alacena().declared_read(tool).ok();
    let named = read.as_ref().map(|read| read.credentials.as_slice()).unwrap_or_default();
    let passed: Vec<String> = named.iter().filter(|name| *name != AUTHORIZATION.as_str()).cloned().collect();
    credentials(&passed, headers)
}
