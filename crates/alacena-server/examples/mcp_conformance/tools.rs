//! Tools that answer at once, or with messages on the way.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{ClientCapabilities, LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam},
    service::RequestContext,
};
use serde_json::{Value as Json, json};

use crate::fixture::Fixture;

/// A picture of one red pixel, as PNG.
pub(crate) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

/// A sound of no length, as WAV.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// What the suite calls a delay on the way.
const PAUSE: Duration = Duration::from_millis(50);

/// A result of these blocks.
pub(crate) fn content(blocks: Json) -> Json {
    json!({ "resultType": "complete", "content": blocks })
}

/// A result of this text.
pub(crate) fn text(text: &str) -> Json {
    content(json!([{ "type": "text", "text": text }]))
}

/// Calls the tool `name`.
pub(crate) async fn call(
    name: &str,
    fixture: &Fixture,
    context: &RequestContext<RoleServer>,
) -> Result<Json, ErrorData> {
    let image = json!({ "type": "image", "data": PIXEL, "mimeType": "image/png" });
    Ok(match name {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => content(json!([image])),
        "test_audio_content" => {
            content(json!([{ "type": "audio", "data": SILENCE, "mimeType": "audio/wav" }]))
        }
        "test_embedded_resource" => content(json!([{ "type": "resource", "resource": {
            "uri": "test://embedded-resource",
            "mimeType": "text/plain",
            "text": "This is an embedded resource content.",
        } }])),
        "test_multiple_content_types" => content(json!([
            { "type": "text", "text": "Multiple content types test:" },
            image,
            { "type": "resource", "resource": {
                "uri": "test://mixed-content-resource",
                "mimeType": "application/json",
                "text": "{\"test\":\"data\",\"value\":123}",
            } },
        ])),
        "test_error_handling" => {
            let mut failed = text("This tool intentionally returns an error for testing");
            failed["isError"] = true.into();
            failed
        }
        "test_tool_with_progress" => progress(context).await?,
        "test_tool_with_logging" => {
            for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                log(context, LoggingLevel::Info, said).await?;
                tokio::time::sleep(PAUSE).await;
            }
            text("Three messages were logged")
        }
        // Only a request that names a level wants to hear.
        "test_logging_tool" => {
            if let Some(level) = context.meta.log_level() {
                log(context, level, "The request asked for messages").await?;
            }
            text("Done")
        }
        "test_missing_capability" => {
            if context.client_capabilities().is_none_or(|client| client.sampling.is_none()) {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            text("The client can sample")
        }
        "test_trigger_tool_change" => {
            for sink in fixture.subscriptions() {
                // Whoever did not ask for it, or has left, does not hear it.
                let _ = sink.notify_tool_list_changed().await;
            }
            text("Told about the tools")
        }
        "test_trigger_prompt_change" => {
            for sink in fixture.subscriptions() {
                let _ = sink.notify_prompt_list_changed().await;
            }
            text("Told about the prompts")
        }
        _ => return Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
    })
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<Json, ErrorData> {
    let token = context.meta.get_progress_token();
    for step in [0.0, 50.0, 100.0] {
        if let Some(token) = &token {
            let progress = ProgressNotificationParam::new(token.clone(), step).with_total(100.0);
            context.peer.notify_progress(progress).await.map_err(unsent)?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(text("Went from 0 to 100"))
}

async fn log(context: &RequestContext<RoleServer>, level: LoggingLevel, said: &str) -> Result<(), ErrorData> {
    let message = LoggingMessageNotificationParam::new(level, said.into());
    context.peer.notify_logging_message(message).await.map_err(unsent)
}

fn unsent(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
