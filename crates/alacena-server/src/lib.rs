//! The HTTP surface of Alacena: reads, writes, administration, metrics, MCP.
//!
//! A library, so that it can be tested and embedded: the caller opens the socket, hands in an [`alacena::Alacena`] and
//! says when to stop. Nothing here knows how an answer is made; it knows who may ask, and how an answer is said in
//! HTTP and in MCP.
//!
//! A request passes, in this order: [`serve()`] (connections) → `front` (is it a plain hit? then `hit` answers) →
//! `edge` (host, origin) → `routes` (path, method) → `token` (who is it, may they) → one handler → `problem` where it
//! fails.
//!
//! ```no_run
//! use alacena::{Alacena, SystemRuntime, config::Config};
//! use alacena_server::{ServerSettings, bind, serve};
//!
//! # async fn run(config: Config) -> Result<(), alacena::error::Error> {
//! let settings = ServerSettings::of(&config, "0.1.0");
//! let listener = bind(settings.listen).await?;
//! let alacena = Alacena::open(&config, SystemRuntime::shared()).await?;
//! let stop = async { std::future::pending().await };
//! serve(listener, alacena, settings, stop).await
//! # }
//! ```

mod settings;
mod serve;
mod server;
mod in_process;
mod reload;
mod connections;
mod app;
mod front;
mod hit;
mod edge;
mod routes;
mod token;
mod challenge;
mod query;
mod body;
mod request;
mod reads;
mod batch;
mod accept_encoding;
mod answer;
mod representation;
mod cache_status;
mod listing;
mod warming;
mod writes;
mod admin;
mod history;
mod keys;
mod display;
mod health;
mod metrics;
mod tools;
mod openapi;
mod problem;
mod reference;

#[doc(hidden)]
pub use in_process::InProcess;
pub use reference::{errors_reference, http_reference, metrics_reference};
pub use reload::{ReloadRefused, Reloader, described};
#[cfg(feature = "mcp")]
#[doc(hidden)]
pub use serve::serve_mcp_handler;
pub use serve::{bind, serve};
pub use server::Server;
pub use settings::{ServerSettings, Token};
#[cfg(feature = "mcp")]
pub use tools::mcp_stdio;
pub use tools::{LocalTools, Tool, ToolCall, ToolResult, Tools};
