//! MCP: the protocol of both eras, spoken by rmcp, over Streamable HTTP and over stdio.
//!
//! [`Handler`] answers what rmcp asks; [`transport`] is how a request of HTTP gets to it.

mod context;
mod direct;
mod pages;
mod progress;
mod resources;
mod transport;

use std::sync::Arc;

use alacena::{
    SystemRuntime,
    error::{Error, Kind, catalogue},
    runtime::SharedRuntime,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, DiscoverResult,
        Implementation, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        ResourceContents, ServerCapabilities, ServerConfig, Tool as McpTool, ToolAnnotations,
    },
    service::{RequestContext, ServerInitializeError},
    transport::stdio_pipes,
};
use serde_json::{Map, Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Tool, ToolCall, ToolResult, Tools,
    result::{SERVER_INFO_KEY, Structured},
};
use crate::settings::ServerSettings;

use context::{http, is_modern, scope, scope_of, sent};
use resources::Address;
pub(crate) use transport::{McpService, streamable_http};

/// How long a client may remember what is offered: it changes only with the configuration.
const LIST_TTL_MS: u64 = 60_000;

/// The endpoint over `tools`.
pub(crate) fn mcp_service(
    tools: Arc<dyn Tools>,
    settings: &ServerSettings,
    runtime: &SharedRuntime,
) -> McpService {
    let direct = direct::Direct::new(Arc::clone(&tools), &settings.version);
    let handler = Handler { tools, version: settings.version.as_str().into(), runtime: runtime.clone() };
    McpService::stateless(handler, settings).with_direct(direct)
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

    /// The page that a request asks for of the tools that are `wanted`, and the cursor of the next one.
    async fn page(
        &self,
        request: Option<PaginatedRequestParams>,
        wanted: impl Fn(&Tool) -> bool,
    ) -> Result<(Vec<Tool>, Option<String>), ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let page = self.tools.list().await.and_then(|mut tools| {
            tools.retain(wanted);
            pages::page(tools, cursor.as_deref())
        });
        page.map_err(|error| protocol_error(&error))
    }

    fn calling(&self, call: ToolCall) -> direct::Calling {
        let tools = Arc::clone(&self.tools);
        Box::pin(async move { tools.call(call).await })
    }

    /// Whether the tool says what it answers.
    async fn promises(&self, name: &str) -> bool {
        let tool = self.tools.find(name).await.ok().flatten();
        tool.is_some_and(|tool| tool.output_schema.is_some())
    }

    /// What stands beside an answer.
    fn beside(&self, facts: MetaObject, modern: bool) -> Option<MetaObject> {
        if modern { Some(self.introduce(facts)) } else { Some(facts).filter(|facts| !facts.0.is_empty()) }
    }

    /// Adds who answers: without a handshake every result says it.
    fn introduce(&self, mut meta: MetaObject) -> MetaObject {
        let ourselves = json!({ "name": "alacena", "title": "Alacena", "version": &*self.version });
        meta.0.insert(SERVER_INFO_KEY.to_owned(), ourselves);
        meta
    }
}

/// What 2026-07-28 wants to read in every list: how long it holds, for whom, and who says so.
macro_rules! hints {
    ($handler:expr, $list:expr, $context:expr) => {
        if is_modern(&$context) {
            $list.ttl_ms = Some(LIST_TTL_MS);
            $list.cache_scope = Some(scope(&$context));
            $list.meta = Some($handler.introduce(MetaObject::new()));
        }
    };
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_resources().build())
            .with_server_info(self.implementation())
            .with_instructions(
                "Every tool is a read that is answered from a cache: calling one again is cheap. The `_meta` of a result \
                 says how old it is. The resource `alacena://reads` says how long the answers of each are fresh.",
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
        let (tools, next) = self.page(request, |_| true).await?;
        let modern = is_modern(&context);
        let listed = tools.into_iter().map(|tool| listed(tool, modern)).collect();
        let mut list = ListToolsResult::with_all_items(listed);
        list.next_cursor = next;
        hints!(self, list, context);
        Ok(list)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let is_first = request.as_ref().is_none_or(|request| request.cursor.is_none());
        let (tools, next) = self.page(request, resources::needs_nothing).await?;
        let index = is_first.then(resources::index);
        let listed = index.into_iter().chain(tools.iter().map(resources::listed)).collect();
        let mut list = ListResourcesResult::with_all_items(listed);
        list.next_cursor = next;
        hints!(self, list, context);
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let (tools, next) = self.page(request, resources::takes_something).await?;
        let templates = tools.iter().map(resources::template).collect();
        let mut list = ListResourceTemplatesResult::with_all_items(templates);
        list.next_cursor = next;
        hints!(self, list, context);
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let (text, ttl_ms, scope, meta) = match resources::parse(&request.uri)? {
            Address::Index => {
                let tools = self.tools.list().await.map_err(|error| protocol_error(&error))?;
                (resources::index_text(&tools), LIST_TTL_MS, scope(&context), MetaObject::new())
            }
            Address::Read(name, pairs) => {
                let tool = self.tools.find(name).await.map_err(|error| protocol_error(&error))?;
                let tool = tool.ok_or_else(|| resources::nothing_at(&request.uri))?;
                let credentials = sent(&context, name)?;
                let arguments = resources::arguments(&tool, &pairs);
                let call = ToolCall { name: tool.name, arguments, credentials };
                let result = self.tools.call(call).await.map_err(|error| protocol_error(&error))?;
                if result.is_error() {
                    return Err(resources::failed(&result));
                }
                let scope = scope_of(&context, || tool.credentials.is_empty());
                (result.text().into_owned(), result.fresh_for_ms(), scope, MetaObject(result.into_meta()))
            }
        };
        let contents = ResourceContents::text(text, request.uri).with_mime_type("application/json");
        let mut answer = ReadResourceResult::new(vec![contents]);
        let modern = is_modern(&context);
        if modern {
            answer = answer.with_ttl_ms(ttl_ms).with_cache_scope(scope);
        }
        answer.meta = self.beside(meta, modern);
        Ok(answer.into())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.into_owned();
        let credentials = sent(&context, &name)?;
        let arguments = request.arguments.unwrap_or_default().into_iter().collect();
        let call = ToolCall { name, arguments, credentials };
        let begun = http(&context).and_then(|(_, parts)| parts.extensions.get::<direct::Begun>()?.take());
        let promised = call.name.clone();
        let calling = begun.unwrap_or_else(|| self.calling(call));
        let result = match context.meta.get_progress_token() {
            None => calling.await,
            Some(token) => progress::reported(calling, token, &context.peer, &*self.runtime).await,
        };
        let result = result.map_err(|error| protocol_error(&error))?;
        let modern = is_modern(&context);
        let structured = match result.structured() {
            Some(Structured::Exact(json)) => Some(json),
            // Another number in the place of one is a wrong answer; less than what was promised is none.
            Some(Structured::Rounded(json)) if self.promises(&promised).await => Some(json),
            _ => None,
        };
        let mut answer = answered(&result);
        // Before 2026-07-28 it had to be an object.
        answer.structured_content = structured.filter(|json| modern || json.is_object());
        answer.meta = self.beside(MetaObject(result.into_meta()), modern);
        Ok(answer.into())
    }
}

fn listed(tool: Tool, modern: bool) -> McpTool {
    // A cache in front does not change what a read is: it looks, and looking twice is looking once.
    let annotations =
        ToolAnnotations::with_title(tool.title.clone()).read_only(true).destructive(false).idempotent(true);
    // Before 2026-07-28 structured content is an object, and the schema that of one.
    let says = |schema: &Map<String, Json>| modern || schema.get("type").is_some_and(|word| word == "object");
    let output = tool.output_schema.clone().filter(says).map(Arc::new);
    let meta = MetaObject(resources::about(&tool));
    let mut listed = McpTool::new(tool.name, tool.description, tool.input_schema)
        .with_title(tool.title)
        .with_annotations(annotations);
    (listed.output_schema, listed.meta) = (output, Some(meta));
    listed
}

fn answered(result: &ToolResult) -> CallToolResult {
    let content = vec![ContentBlock::text(result.text())];
    if result.is_error() { CallToolResult::error(content) } else { CallToolResult::success(content) }
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
