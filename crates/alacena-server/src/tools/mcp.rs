//! MCP: the protocol of both eras, spoken by rmcp, over Streamable HTTP and over stdio.
//!
//! Stateless in both: what the revisions before 2026-07-28 call a session holds nothing here that a later request
//! needs, so none is begun. Host and origin have been checked by [`crate::edge`] before a request comes here.

use std::sync::Arc;

use alacena::error::{Error, catalogue};
use axum::{
    body::Body,
    extract::{Request, State},
    http::request,
    response::Response,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion, ServerCapabilities,
        ServerConfig, Tool as McpTool, ToolAnnotations,
    },
    service::RequestContext,
    transport::{
        stdio_pipes,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
        },
    },
};

use super::{Tool, ToolCall, ToolResult, Tools, http::credentials_for};
use crate::{app::App, settings::ServerSettings};

/// How long a client may remember the list of tools: it changes only with the configuration.
const LIST_TTL_MS: u64 = 60_000;

/// The endpoint.
pub(crate) type McpService = StreamableHttpService<Handler, NeverSessionManager>;

/// The endpoint over `tools`.
pub(crate) fn mcp_service(tools: Arc<dyn Tools>, settings: &ServerSettings) -> McpService {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(settings.request_bytes_max)
        // `edge` has done it, by the same rules as for every other path.
        .disable_allowed_hosts();
    let handler = Handler { tools, version: settings.version.as_str().into() };
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config)
}

/// `POST /mcp`.
pub(crate) async fn streamable_http(State(app): State<App>, mut request: Request) -> Response {
    request.extensions_mut().insert(app.clone());
    app.mcp().handle(request).await.map(Body::new)
}

/// Serves MCP over standard input and output until the client closes them.
///
/// # Errors
/// `Unavailable` where the client leaves before it has introduced itself.
pub async fn mcp_stdio(tools: Arc<dyn Tools>, version: &str) -> Result<(), Error> {
    let failed = |cause: String| Error::new(&catalogue::INTERNAL, format!("MCP over stdio ended: {cause}"));
    let handler = Handler { tools, version: version.into() };
    let running = handler.serve(stdio_pipes()).await.map_err(|cause| failed(cause.to_string()))?;
    running.waiting().await.map_err(|cause| failed(cause.to_string()))?;
    Ok(())
}

/// What rmcp asks.
#[derive(Clone)]
pub(crate) struct Handler {
    tools: Arc<dyn Tools>,
    version: Arc<str>,
}

impl Handler {
    fn implementation(&self) -> Implementation {
        let mut implementation = Implementation::new("alacena", &*self.version);
        implementation.title = Some("Alacena".to_owned());
        implementation
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

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.tools.list().await.map_err(|error| protocol_error(&error))?;
        let mut list = ListToolsResult::with_all_items(tools.into_iter().map(listed).collect());
        if is_modern(&context) {
            list.ttl_ms = Some(LIST_TTL_MS);
            list.cache_scope = Some(CacheScope::Private);
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
        let credentials = context.extensions.get::<request::Parts>().and_then(|parts| {
            let app = parts.extensions.get::<App>()?;
            Some(credentials_for(app, &name, &parts.headers))
        });
        let credentials = credentials.transpose().map_err(|error| protocol_error(&error))?;
        let call = ToolCall {
            name,
            arguments: request.arguments.unwrap_or_default().into_iter().collect(),
            credentials: credentials.unwrap_or_default(),
        };
        let result = self.tools.call(call).await.map_err(|error| protocol_error(&error))?;
        Ok(answered(result).into())
    }
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

fn answered(result: ToolResult) -> CallToolResult {
    let content = vec![ContentBlock::text(result.text)];
    let mut answer =
        if result.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    answer.structured_content = result.structured;
    answer.meta = (!result.meta.is_empty()).then(|| MetaObject(result.meta));
    answer
}

fn protocol_error(error: &Error) -> ErrorData {
    if error.code() == &catalogue::NOT_DECLARED {
        ErrorData::invalid_params(error.to_string(), None)
    } else {
        ErrorData::internal_error(error.to_string(), None)
    }
}
