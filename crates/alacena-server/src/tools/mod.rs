//! Reads as tools, whatever the transport: MCP over HTTP, MCP over stdio, plain JSON.
//!
//! [`Tools`] is the seam: [`LocalTools`] answers from an [`alacena::Alacena`] of this process; another implementation
//! may ask a running server.

mod local;
#[cfg(feature = "mcp")]
mod numbers;
mod readable;
mod result;
pub(crate) mod schema;
mod http;
#[cfg(feature = "mcp")]
mod mcp;

use std::sync::Arc;

use alacena::{Read, error::Error, runtime::BoxFuture, source::Credential};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

pub(crate) use http::call_plain;
pub use local::LocalTools;
#[cfg(feature = "mcp")]
pub use mcp::mcp_stdio;
#[cfg(feature = "mcp")]
pub(crate) use mcp::{McpService, mcp_service, streamable_http};
pub use result::ToolResult;

/// The tools that a transport offers.
pub trait Tools: Send + Sync + 'static {
    /// Every tool, always in the same order.
    ///
    /// # Errors
    /// `Unavailable` where the tools live elsewhere and cannot be reached.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Tool>, Error>>;

    /// The tool of this name, if there is one.
    ///
    /// # Errors
    /// As [`list`](Tools::list).
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Tool>, Error>> {
        Box::pin(async move { Ok(self.list().await?.into_iter().find(|tool| tool.name == name)) })
    }

    /// Calls one tool. A tool that fails is an answer ([`ToolResult::is_error`]), so that whoever called it can read
    /// why and do better.
    ///
    /// # Errors
    /// `Invalid` where there is no such tool; `Unavailable` where the tools live elsewhere and cannot be reached.
    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolResult, Error>>;
}

/// A tool as it is listed. Each element of `reads` in the answer of `GET /reads` is one, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// The name of the read.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// What it answers.
    pub description: String,
    /// What it accepts, as JSON Schema 2020-12.
    pub input_schema: Map<String, Json>,
    /// What it answers, as JSON Schema 2020-12, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Map<String, Json>>,
    /// The class of its entries.
    #[serde(default)]
    pub class: String,
    /// How long its answers are fresh, in seconds.
    #[serde(default)]
    pub ttl: f64,
    /// The template of its keys.
    #[serde(default)]
    pub key: String,
    /// The templates of its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The caller's headers that are part of its keys.
    #[serde(default)]
    pub credentials: Vec<String>,
}

impl Tool {
    /// The tool that a read is.
    fn of(read: &Read) -> Self {
        Self {
            name: read.name.clone(),
            title: read.title.clone(),
            description: read.description.clone(),
            input_schema: schema::input(&read.parameters),
            output_schema: read.answer.as_ref().map(schema::output),
            class: read.class.clone(),
            ttl: read.ttl.as_secs_f64(),
            key: read.key.clone(),
            tags: read.tags.clone(),
            credentials: read.credentials.clone(),
        }
    }
}

/// One call of a tool.
#[derive(Clone, Debug, Default)]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// Its arguments, as they came.
    pub arguments: Vec<(String, Json)>,
    /// Credentials of the caller that the read may pass through to its source.
    pub credentials: Arc<[Credential]>,
}
