//! What the fixture lists, its prompts and its resources.

use rmcp::{ErrorData, model::JsonObject};
use serde_json::{Value as Json, json};

use crate::tools::PIXEL;

/// Every tool and what it needs.
const TOOLS: &[(&str, &[&str])] = &[
    ("test_simple_text", &[]),
    ("test_image_content", &[]),
    ("test_audio_content", &[]),
    ("test_embedded_resource", &[]),
    ("test_multiple_content_types", &[]),
    ("test_error_handling", &[]),
    ("test_tool_with_progress", &[]),
    ("test_tool_with_logging", &[]),
    ("test_logging_tool", &[]),
    ("test_missing_capability", &[]),
    ("test_streaming_elicitation", &[]),
    ("test_trigger_tool_change", &[]),
    ("test_trigger_prompt_change", &[]),
    ("test_sampling", &["prompt"]),
    ("test_elicitation", &["message"]),
    ("test_elicitation_sep1034_defaults", &[]),
    ("test_elicitation_sep1330_enums", &[]),
    ("test_input_required_result_elicitation", &[]),
    ("test_input_required_result_sampling", &[]),
    ("test_input_required_result_list_roots", &[]),
    ("test_input_required_result_request_state", &[]),
    ("test_input_required_result_multiple_inputs", &[]),
    ("test_input_required_result_multi_round", &[]),
    ("test_input_required_result_tampered_state", &[]),
    ("test_input_required_result_capabilities", &[]),
];

/// Every prompt and what it needs.
const PROMPTS: &[(&str, &[&str])] = &[
    ("test_simple_prompt", &[]),
    ("test_prompt_with_arguments", &["arg1", "arg2"]),
    ("test_prompt_with_embedded_resource", &["resourceUri"]),
    ("test_prompt_with_image", &[]),
    ("test_input_required_result_prompt", &[]),
];

pub(crate) fn tools() -> Json {
    let tool = |(name, arguments): &(&str, &[&str])| {
        let properties: JsonObject =
            arguments.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
        let schema = json!({ "type": "object", "properties": properties, "required": arguments });
        json!({ "name": name, "description": format!("The fixture {name}"), "inputSchema": schema })
    };
    complete(json!({ "tools": TOOLS.iter().map(tool).collect::<Json>() }))
}

pub(crate) fn prompts() -> Json {
    let prompt = |(name, arguments): &(&str, &[&str])| {
        let argument = |name: &&str| json!({ "name": name, "description": "A text", "required": true });
        let arguments: Json = arguments.iter().map(argument).collect();
        json!({ "name": name, "description": format!("The fixture {name}"), "arguments": arguments })
    };
    complete(json!({ "prompts": PROMPTS.iter().map(prompt).collect::<Json>() }))
}

pub(crate) fn prompt(name: &str, arguments: &JsonObject) -> Result<Json, ErrorData> {
    let argument = |name: &str| arguments.get(name).and_then(Json::as_str).unwrap_or_default();
    let says = |content: Json| json!({ "role": "user", "content": content });
    let text = |text: &str| says(json!({ "type": "text", "text": text }));
    let messages = match name {
        "test_simple_prompt" => json!([text("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1"), argument("arg2"));
            json!([text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))])
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            });
            let resource = says(json!({ "type": "resource", "resource": resource }));
            json!([resource, text("Please process the embedded resource above.")])
        }
        "test_prompt_with_image" => {
            let image = says(json!({ "type": "image", "data": PIXEL, "mimeType": "image/png" }));
            json!([image, text("Please analyze the image above.")])
        }
        _ => return Err(ErrorData::invalid_params(format!("there is no prompt `{name}`"), None)),
    };
    Ok(complete(json!({ "messages": messages })))
}

/// A prompt of this text.
pub(crate) fn prompt_of(text: &str) -> Json {
    complete(json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": text } }] }))
}

pub(crate) fn resources() -> Json {
    let resource = |name: &str, kind: &str| {
        let uri = format!("test://{name}");
        json!({ "uri": uri, "name": name, "description": format!("The fixture {name}"), "mimeType": kind })
    };
    complete(json!({ "resources": [
        resource("static-text", "text/plain"),
        resource("static-binary", "image/png"),
        resource("watched-resource", "text/plain"),
    ] }))
}

pub(crate) fn resource_templates() -> Json {
    complete(json!({ "resourceTemplates": [{
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "The fixture with a hole",
        "mimeType": "application/json",
    }] }))
}

pub(crate) fn resource(uri: &str) -> Result<Json, ErrorData> {
    let filled = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
    let (kind, member, content) = match (uri, filled) {
        ("test://static-text", _) => {
            ("text/plain", "text", "This is the content of the static text resource.".to_owned())
        }
        ("test://static-binary", _) => ("image/png", "blob", PIXEL.to_owned()),
        ("test://watched-resource", _) => ("text/plain", "text", "Nothing has changed.".to_owned()),
        (_, Some(id)) => {
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            ("application/json", "text", data.to_string())
        }
        _ => {
            return Err(ErrorData::resource_not_found(
                "there is no such resource",
                Some(json!({ "uri": uri })),
            ));
        }
    };
    Ok(complete(json!({ "contents": [{ "uri": uri, "mimeType": kind, member: content }] })))
}

pub(crate) fn completion() -> Json {
    complete(json!({ "completion": { "values": ["paris", "park", "party"], "total": 3, "hasMore": false } }))
}

fn complete(mut result: Json) -> Json {
    result["resultType"] = "complete".into();
    result
}
