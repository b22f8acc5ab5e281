//! MCP: the protocol of both eras, spoken by rmcp, over Streamable HTTP and over stdio.
//!
//! [`Handler`] answers what rmcp asks; [`transport`] is how a request of HTTP gets to it.

mod pages;
mod progress;
mod transport;

use std::sync::Arc;

use alacena::{
    SystemRuntime,
    error::{Error, Kind, catalogue},
    runtime::SharedRuntime,
};
use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, DiscoverResult,
        Implementation, ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion,
        ServerCapabilities, ServerConfig, Tool as McpTool, ToolAnnotations,
    },
    service::{RequestContext, ServerInitializeError},
    transport::stdio_pipes,
};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Tool, ToolCall, ToolResult, Tools, http::credentials_for};
use crate::{app::App, settings::ServerSettings};

pub(crate) use transport::{McpService, streamable_http};

/// How long a client may remember what is offered: it changes only with the configuration.
const LIST_TTL_MS: u64 = 60_000;

/// Where 2026-07-28 wants to read who answers.
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// The endpoint over `tools`.
pub(crate) fn mcp_service(
    tools: Arc<dyn Tools>,
    settings: &ServerSettings,
    runtime: &SharedRuntime,
) -> McpService {
    let handler = Handler { tools, version: settings.version.as_str().into(), runtime: runtime.clone() };
    McpService::stateless(handler, settings)
}

/// Serves MCP over standard input and output until the client closes them. Nothing else may write there meanwhile.
///
/// # Errors
/// `Invalid` where what comes is not the protocol.
pub async fn mcp_stdio(tools: Arc<dyn Tools>, version: &str) -> Result<(), Error> {
    let handler = Handler { tools, version: version.into(), runtime: SystemRuntime::shared() };
    over(stdio_pipes(), handler).await
}

async fn over<R, W>(streams: (R, W), handler: Handler) -> Result<(), Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let running = match handler.serve(streams).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(cause) => {
            let detail =
                "the client did not begin as MCP asks: with initialize, or with a request of 2026-07-28";
            return Err(Error::new(&catalogue::BODY_INVALID, detail).caused_by(cause));
        }
    };
    let ended = running.waiting().await;
    ended.map_err(|cause| Error::new(&catalogue::INTERNAL, "MCP over stdio broke off").caused_by(cause))?;
    Ok(())
}

/// What rmcp asks.
#[derive(Clone)]
pub(crate) struct Handler {
    tools: Arc<dyn Tools>,
    version: Arc<str>,
    /// Its clock says when a call takes long.
    runtime: SharedRuntime,
}

impl Handler {
    fn implementation(&self) -> Implementation {
        let mut implementation = Implementation::new("alacena", &*self.version);
        implementation.title = Some("Alacena".to_owned());
        implementation
    }

    /// Adds who answers: without a handshake every result says it.
    fn introduce(&self, mut meta: MetaObject) -> MetaObject {
        let ourselves = json!({ "name": "alacena", "title": "Alacena", "version": &*self.version });
        meta.0.insert(SERVER_INFO_KEY.to_owned(), ourselves);
        meta
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(self.implementation())
            .with_instructions(
                "Every tool is a read that is answered from a cache: calling one again is cheap. The `_meta` of a result \
                 says how old it is.",
            )
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info())
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(scope(&context)))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let tools = self.tools.list().await;
        let page = tools.and_then(|tools| pages::page(tools, cursor.as_deref()));
        let (tools, next) = page.map_err(|error| protocol_error(&error))?;
        let mut list = ListToolsResult::with_all_items(tools.into_iter().map(listed).collect());
        list.next_cursor = next;
        if is_modern(&context) {
            list.ttl_ms = Some(LIST_TTL_MS);
            list.cache_scope = Some(scope(&context));
            list.meta = Some(self.introduce(MetaObject::new()));
        }
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.into_owned();
        // Over stdio there are no headers, and with them no credentials of a caller.
        let credentials = http(&context)
            .map_or(Ok(Arc::default()), |(app, parts)| credentials_for(app, &name, &parts.headers));
        let call = ToolCall {
            name,
            arguments: request.arguments.unwrap_or_default().into_iter().collect(),
            credentials: credentials.map_err(|error| protocol_error(&error))?,
        };
        let calling = self.tools.call(call);
        let result = match context.meta.get_progress_token() {
            None => calling.await,
            Some(token) => progress::reported(calling, token, &context.peer, &*self.runtime).await,
        };
        let result = result.map_err(|error| protocol_error(&error))?;
        let modern = is_modern(&context);
        let mut answer = answered(result, modern);
        if modern {
            answer.meta = Some(self.introduce(answer.meta.take().unwrap_or_default()));
        }
        Ok(answer.into())
    }
}

/// The request of HTTP behind this one; over stdio there is none.
fn http(context: &RequestContext<RoleServer>) -> Option<(&App, &Parts)> {
    let parts = context.extensions.get::<Parts>()?;
    Some((parts.extensions.get::<App>()?, parts))
}

/// Who may share what a client remembers of the offer: everybody, where everybody may ask and gets the same answers.
fn scope(context: &RequestContext<RoleServer>) -> CacheScope {
    let shared = http(context).is_some_and(|(app, _)| {
        app.is_open() && app.alacena().reads().iter().all(|read| read.credentials.is_empty())
    });
    if shared { CacheScope::Public } else { CacheScope::Private }
}

/// Whether the caller speaks 2026-07-28 or later, which asks for cache hints.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    // Revisions are dates, and dates in this form compare as text.
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

fn listed(tool: Tool) -> McpTool {
    // A cache in front does not change what a read is: it looks, and looking twice is looking once.
    let annotations =
        ToolAnnotations::with_title(tool.title.clone()).read_only(true).destructive(false).idempotent(true);
    McpTool::new(tool.name, tool.description, tool.input_schema)
        .with_title(tool.title)
        .with_annotations(annotations)
}

fn answered(result: ToolResult, modern: bool) -> CallToolResult {
    let content = vec![ContentBlock::text(result.text)];
    let mut answer =
        if result.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    // Before 2026-07-28 it had to be an object.
    answer.structured_content = result.structured.filter(|json| modern || json.is_object());
    answer.meta = (!result.meta.is_empty()).then(|| MetaObject(result.meta));
    answer
}

fn protocol_error(error: &Error) -> ErrorData {
    // What the caller can mend is not a failure of ours.
    if matches!(error.kind(), Kind::Invalid | Kind::Denied) {
        ErrorData::invalid_params(error.to_string(), None)
    } else {
        ErrorData::internal_error(error.to_string(), None)
    }
}

#[cfg(test)]
mod tests;
