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

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    const MODERN: &str = r#"{"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}"#;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let usual = [
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json; charset=utf-8"),
        ];
        for (name, value) in usual.iter().chain(given) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    /// The name and era of what is taken of a call with these headers and this `_meta`.
    fn taken(given: &[(&'static str, &'static str)], meta: &str) -> Option<(String, bool)> {
        let body = format!(
            r#"{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {{"name": "item", "arguments": {{"id": 7}}, "_meta": {meta}}}}}"#
        );
        read(&headers(given), body.as_bytes()).map(|request| (request.name, request.is_modern))
    }

    #[test]
    fn a_call_is_taken_where_headers_and_body_agree_on_a_revision() {
        let version = ("mcp-protocol-version", "2026-07-28");
        let modern = [version, ("mcp-method", "tools/call"), ("mcp-name", "item")];
        assert_eq!(taken(&modern, MODERN), Some(("item".to_owned(), true)));
        assert_eq!(taken(&[("mcp-protocol-version", "2025-11-25")], "{}"), Some(("item".to_owned(), false)));
        assert_eq!(taken(&[], r#"{"progressToken": 5, "other": [1]}"#), Some(("item".to_owned(), false)));

        let left: [(&[_], &str); 9] = [
            (&modern, "{}"),
            (&modern[..2], MODERN),
            (&[], MODERN),
            (&[version, version, modern[1], modern[2]], MODERN),
            (&[version, modern[1], ("mcp-name", "other")], MODERN),
            (&[("mcp-protocol-version", "2025-11-25"), modern[1], modern[2]], MODERN),
            (&[("mcp-protocol-version", "2020-01-01")], "{}"),
            (&modern, r#"{"io.modelcontextprotocol/protocolVersion": "2026-07-28"}"#),
            (&modern, &MODERN.replace("{}", r#"{"sampling": 5}"#)),
        ];
        for (given, meta) in left {
            assert_eq!(taken(given, meta), None, "{given:?} {meta}");
        }
    }

    #[test]
    fn whatever_is_unusual_is_left_to_who_knows_the_protocol() {
        let call = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"item"}}"#;
        let is_taken = |body: &str| read(&headers(&[]), body.as_bytes()).is_some();
        assert!(is_taken(call));
        for (from, to) in [
            ("2.0", "1.0"),
            ("tools/call", "tools/list"),
            (r#""id":"a""#, r#""id":null"#),
            (r#""id":"a""#, r#""id":1.5"#),
            (r#""id":"a","#, ""),
            (r#""id":"a""#, r#""id":"a","id":"b""#),
            (r#""id":"a""#, r#""id":"a","more":1"#),
            (r#""name":"item""#, r#""name":"item","requestState":"s""#),
            (r#""name":"item""#, r#""name":"item","arguments":null"#),
            (r#""name":"item""#, r#""name":7"#),
            (r#"{"name":"item"}}"#, r#"{"name":"item"}"#),
        ] {
            let other = call.replace(from, to);
            assert!(other != call && !is_taken(&other), "{other}");
        }
        let batch = format!("[{call}]");
        assert!(!is_taken(&batch));
        let mut picky = headers(&[]);
        picky.insert(ACCEPT, HeaderValue::from_static("application/json"));
        assert!(read(&picky, call.as_bytes()).is_none());
    }
}
