//! `alacena mcp`: the reads as tools over stdin and stdout.

use std::sync::Arc;

use alacena::{
    Alacena, SystemRuntime,
    error::{Error, catalogue},
    runtime::BoxFuture,
};
use alacena_server::{LocalTools, Tool, ToolCall, ToolResult, Tools, mcp_stdio};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    VERSION,
    args::Mcp,
    failure::Failure,
    locate::{self, Found},
    log,
    remote::{self, Remote},
};

pub(super) async fn run(arguments: Mcp) -> Result<(), Failure> {
    match locate::find(&arguments.config, &arguments.server).await? {
        Found::Server(remote) => mcp_stdio(Arc::new(RemoteTools(remote)), VERSION).await?,
        Found::Alone(config) => {
            log::begin(&config.server)?;
            let alacena = Alacena::open(&config, SystemRuntime::shared()).await?;
            alacena.keep_warm();
            let ended = mcp_stdio(Arc::new(LocalTools::new(alacena.clone())), VERSION).await;
            alacena.close(config.server.drain).await;
            ended?;
        }
    }
    Ok(())
}

/// The tools of a running server: its cache is shared by everybody who asks it.
struct RemoteTools(Remote);

#[derive(Deserialize)]
struct Listing {
    reads: Vec<Tool>,
}

impl Tools for RemoteTools {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Tool>, Error>> {
        Box::pin(async {
            let answer = remote::send(self.0.get("/reads"), &self.0).await.map_err(Failure::into_error)?;
            let listing: Listing = answer.json().await.map_err(|cause| remote::absent(&self.0, cause))?;
            Ok(listing.reads)
        })
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolResult, Error>> {
        Box::pin(async move {
            let arguments: Map<String, Json> = call.arguments.into_iter().collect();
            let request =
                self.0.post("/mcp/tools/call", &json!({ "name": call.name, "arguments": arguments }));
            let answer = remote::send(request, &self.0).await.map_err(Failure::into_error)?;
            let result: Json = answer.json().await.map_err(|cause| remote::absent(&self.0, cause))?;
            ToolResult::from_json(result).ok_or_else(|| {
                let detail =
                    format!("{} answered a tool call in words that are not Alacena's", self.0.address());
                Error::new(&catalogue::SERVER_ABSENT, detail)
            })
        })
    }
}
