//! A tool call that is beyond doubt, answered without the machinery of the protocol.
//!
//! Over Streamable HTTP rmcp gives every request a peer, a loop and tasks of its own: for conversations a fine thing,
//! for an answer that lies in memory most of its cost. A request with nothing in it but a well-formed `tools/call` of a
//! revision that is known is taken up here. Whatever is missing, contradictory, unknown or just unusual goes to rmcp,
//! which knows what to say about it; so does a call that takes long and whose client wants to hear of its progress.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use alacena::{error::Error, runtime::BoxFuture};
use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Response,
        header::{ACCEPT, CONTENT_TYPE},
    },
};
use futures_util::FutureExt;
use rmcp::model::{ClientCapabilities, ErrorData, ProtocolVersion, RequestId};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::{
    super::{ToolCall, ToolResult, Tools, http::credentials_for, result::Dialect},
    protocol_error,
};
use crate::{app::App, request::Members};

/// A call under way.
pub(super) type Calling = BoxFuture<'static, Result<ToolResult, Error>>;

/// Answers what is beyond doubt.
pub(crate) struct Direct {
    tools: Arc<dyn Tools>,
    /// Who answers, as JSON.
    server_info: String,
}

/// What becomes of a request.
pub(super) enum Taken {
    /// It is answered.
    Answered(Response<Body>),
    /// It has begun, will take a while, and its client wants to hear of its progress.
    Begun(Begun),
    /// It is somebody else's.
    Left,
}

/// A call that has begun, on its way through the extensions of a request to whoever goes on with it.
#[derive(Clone)]
pub(super) struct Begun(Arc<Mutex<Option<Calling>>>);

impl Begun {
    /// The call, for the first who asks.
    pub(super) fn take(&self) -> Option<Calling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Direct {
    pub(super) fn new(tools: Arc<dyn Tools>, version: &str) -> Self {
        let server_info = json!({ "name": "alacena", "title": "Alacena", "version": version }).to_string();
        Self { tools, server_info }
    }

    /// Takes a request up, if it is beyond doubt.
    pub(super) async fn take(&self, app: &App, headers: &HeaderMap, body: &[u8]) -> Taken {
        let Some(Request { id, is_modern, wants_progress, name, arguments }) = read(headers, body) else {
            return Taken::Left;
        };
        let credentials = match credentials_for(app, &name, headers) {
            Ok(credentials) => credentials,
            Err(error) => return Taken::Answered(refused(&id, &error)),
        };
        let call = ToolCall { name, arguments: arguments.0, credentials };
        let tools = Arc::clone(&self.tools);
        let mut calling: Calling = Box::pin(async move { tools.call(call).await });
        let result = match calling.as_mut().now_or_never() {
            Some(result) => result,
            None if wants_progress => return Taken::Begun(Begun(Arc::new(Mutex::new(Some(calling))))),
            None => calling.await,
        };
        Taken::Answered(match result {
            Ok(result) => self.answered(&id, is_modern, &result),
            Err(error) => refused(&id, &error),
        })
    }

    fn answered(&self, id: &RequestId, is_modern: bool, result: &ToolResult) -> Response<Body> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        serde_json::to_writer(&mut out, id).expect("a vector takes every byte");
        out.extend_from_slice(b",\"result\":");
        let dialect =
            if is_modern { Dialect::Modern { server_info: &self.server_info } } else { Dialect::Legacy };
        result.write(&mut out, dialect);
        out.push(b'}');
        response(out)
    }
}

fn refused(id: &RequestId, error: &Error) -> Response<Body> {
    let error: ErrorData = protocol_error(error);
    response(json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into_bytes())
}

fn response(body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A `tools/call` that is beyond doubt.
struct Request {
    id: RequestId,
    is_modern: bool,
    wants_progress: bool,
    name: String,
    arguments: Members,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    jsonrpc: &'a str,
    id: RequestId,
    method: &'a str,
    params: Params<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    arguments: Members,
    #[serde(borrow, rename = "_meta", default)]
    meta: Meta<'a>,
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(rename = "progressToken")]
    progress_token: Option<IgnoredAny>,
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a str>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<ClientCapabilities>,
}

fn read(headers: &HeaderMap, body: &[u8]) -> Option<Request> {
    let accepted = headers.get(ACCEPT)?.to_str().ok()?;
    let is_json = headers.get(CONTENT_TYPE)?.to_str().ok()?.starts_with("application/json");
    if !is_json || !accepted.contains("application/json") || !accepted.contains("text/event-stream") {
        return None;
    }
    let Message { jsonrpc, id, method, params } = serde_json::from_slice(body).ok()?;
    let Params { name, arguments, meta } = params;
    let is_call = jsonrpc == "2.0" && method == "tools/call";
    let is_modern = revision(headers, &meta, &name)?;
    is_call.then(|| Request {
        id,
        is_modern,
        wants_progress: meta.progress_token.is_some(),
        name: name.into_owned(),
        arguments,
    })
}

/// Whether the request is of 2026-07-28, and not of a revision before; nothing where its parts do not agree on that, or
/// headers do not say what the body says.
fn revision(headers: &HeaderMap, meta: &Meta<'_>, name: &str) -> Option<bool> {
    let modern = ProtocolVersion::V_2026_07_28;
    let version = only(headers, "mcp-protocol-version")?;
    if let Some(stated) = meta.version {
        let agrees = version == Some(stated) && stated == modern.as_str() && meta.capabilities.is_some();
        let repeats = only(headers, "mcp-method")? == Some("tools/call")
            && only(headers, "mcp-name")? == Some(name)
            && !name.starts_with("=?");
        return (agrees && repeats).then_some(true);
    }
    let is_known = |version: &str| {
        version < modern.as_str()
            && ProtocolVersion::KNOWN_VERSIONS.iter().any(|known| known.as_str() == version)
    };
    // Without the header it is 2025-03-26.
    version.is_none_or(is_known).then_some(false)
}

/// The value of a header, if there is one; nothing where there are several, or it is no text.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str).transpose().ok()?;
    values.next().is_none().then_some(value)
}
