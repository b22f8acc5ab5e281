//! Which fixture answers which request.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
        SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext, SubscriptionSink},
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{input, offers, session, tools};

/// What the suite asks. Only the open subscriptions are remembered.
#[derive(Clone, Default)]
pub(crate) struct Fixture {
    subscriptions: Arc<Mutex<Vec<SubscriptionSink>>>,
}

impl Fixture {
    /// Those who want to hear of changes.
    pub(crate) fn subscriptions(&self) -> Vec<SubscriptionSink> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An answer that is written down as JSON.
pub(crate) fn typed<T: DeserializeOwned>(json: Json) -> Result<T, ErrorData> {
    serde_json::from_value(json).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("alacena-conformance", "1.0.0"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        typed(offers::tools())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.as_ref();
        if let Some(rounds) = input::tool(name) {
            let given = input::Given::new(request.input_responses, request.request_state, &context);
            return match input::next(name, rounds, given)? {
                input::Next::Ask(ask) => Ok(CallToolResponse::InputRequired(ask)),
                input::Next::Done(text) => Ok(CallToolResponse::Complete(typed(tools::text(&text))?)),
            };
        }
        let arguments = request.arguments.unwrap_or_default();
        let json = match session::call(name, &arguments, &context).await {
            Some(result) => result?,
            None => tools::call(name, self, &context).await?,
        };
        Ok(CallToolResponse::Complete(typed(json)?))
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        typed(offers::prompts())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(rounds) = input::prompt(&request.name) {
            let given = input::Given::new(request.input_responses, request.request_state, &context);
            return match input::next(&request.name, rounds, given)? {
                input::Next::Ask(ask) => Ok(GetPromptResponse::InputRequired(ask)),
                input::Next::Done(text) => Ok(GetPromptResponse::Complete(typed(offers::prompt_of(&text))?)),
            };
        }
        let arguments = request.arguments.unwrap_or_default();
        Ok(GetPromptResponse::Complete(typed(offers::prompt(&request.name, &arguments)?)?))
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        typed(offers::resources())
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        typed(offers::resource_templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(ReadResourceResponse::Complete(typed(offers::resource(&request.uri)?)?))
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        typed(offers::completion())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let ours = context.sink().clone();
        let id = ours.id().clone();
        let subscriptions = || self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions().push(ours);
        context.cancelled().await;
        subscriptions().retain(|sink| *sink.id() != id);
        Ok(())
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}
