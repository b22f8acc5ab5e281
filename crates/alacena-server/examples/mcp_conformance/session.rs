//! Tools of 2025-11-25 that ask the client while they run.

use rmcp::{
    ErrorData, RoleServer,
    model::{JsonObject, ServerRequest},
    service::RequestContext,
};
use serde_json::{Value as Json, json};

use crate::{fixture::typed, tools::text};

/// Calls the tool `name`, if it is one of these.
pub(crate) async fn call(
    name: &str,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> Option<Result<Json, ErrorData>> {
    let argument = |name: &str| arguments.get(name).cloned().unwrap_or_default();
    let (method, params, label) = match name {
        "test_sampling" => {
            let content = json!({ "type": "text", "text": argument("prompt") });
            let params = json!({ "messages": [{ "role": "user", "content": content }], "maxTokens": 100 });
            ("sampling/createMessage", params, "LLM response")
        }
        "test_elicitation" => {
            let properties = json!({
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            });
            let schema =
                json!({ "type": "object", "properties": properties, "required": ["username", "email"] });
            let params = json!({ "message": argument("message"), "requestedSchema": schema });
            ("elicitation/create", params, "User response")
        }
        "test_elicitation_sep1034_defaults" => {
            ("elicitation/create", form(defaults()), "Elicitation completed")
        }
        "test_elicitation_sep1330_enums" => ("elicitation/create", form(choices()), "Elicitation completed"),
        _ => return None,
    };
    Some(ask(method, params, label, context).await)
}

async fn ask(
    method: &str,
    params: Json,
    label: &str,
    context: &RequestContext<RoleServer>,
) -> Result<Json, ErrorData> {
    let request: ServerRequest = typed(json!({ "method": method, "params": params }))?;
    let answer = context.peer.send_request(request).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let answer = json!(answer);
    let said = match answer.pointer("/content/text") {
        Some(Json::String(said)) => said.clone(),
        _ => {
            format!("action={}, content={}", answer["action"].as_str().unwrap_or_default(), answer["content"])
        }
    };
    Ok(text(&format!("{label}: {said}")))
}

fn form(properties: Json) -> Json {
    json!({
        "message": "Please look at these and send them back",
        "requestedSchema": { "type": "object", "properties": properties },
    })
}

/// A default of every primitive type.
fn defaults() -> Json {
    json!({
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    })
}

/// Every way to offer a choice.
fn choices() -> Json {
    let options = ["option1", "option2", "option3"];
    let titled = |ordinals: [&str; 3], what: &str| -> Json {
        let named = |(number, ordinal)| json!({ "const": format!("value{number}"), "title": format!("{ordinal} {what}") });
        (1..).zip(ordinals).map(named).collect()
    };
    let ordinals = ["First", "Second", "Third"];
    json!({
        "untitledSingle": { "type": "string", "enum": options },
        "titledSingle": { "type": "string", "oneOf": titled(ordinals, "Option") },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled(ordinals, "Choice") } },
    })
}
