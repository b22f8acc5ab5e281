//! What each route takes and answers.

use alacena::{Read, Write};
use serde_json::{Value as Json, json};

use super::{read_schema, write_schema};
use crate::{batch, history, keys};

/// An operation that takes nothing and answers `media` of this schema.
fn answers(what: &str, media: &str, schema: &Json) -> Json {
    json!({ "responses": { "200": content(what, media, schema) } })
}

fn json_of(what: &str, component: &str) -> Json {
    answers(what, "application/json", &reference(component))
}

fn content(what: &str, media: &str, schema: &Json) -> Json {
    json!({ "description": what, "content": { media: { "schema": schema } } })
}

fn reference(component: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{component}") })
}

fn body(schema: &Json) -> Json {
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn in_query(name: &str, what: &str, schema: &Json) -> Json {
    json!({ "name": name, "in": "query", "description": what, "schema": schema })
}

fn as_text() -> Json {
    in_query("format", "`display`: the numbers as text for people.", &json!({ "const": "display" }))
}

fn with(mut operation: Json, member: &str, value: Json) -> Json {
    operation[member] = value;
    operation
}

pub(crate) fn index() -> Json {
    answers("What is served, with commands to try.", "text/plain", &json!({ "type": "string" }))
}

pub(crate) fn openapi() -> Json {
    answers("This document.", "application/json", &json!({ "type": "object" }))
}

pub(crate) fn reads() -> Json {
    json_of("The declared reads.", "Reads")
}

/// What a read answers: what it promises, or any JSON where only its source knows more.
fn found(read: &Read) -> Json {
    let headers = ["ETag", "Content-Encoding", "Age", "Cache-Status", "Server-Timing"];
    let headers = headers.map(|name| (name, json!({ "$ref": format!("#/components/headers/{name}") })));
    let mut found = content("The answer.", "application/json", &promised(read));
    found["headers"] = headers.into_iter().map(|(name, header)| (name.to_owned(), header)).collect();
    found
}

fn promised(read: &Read) -> Json {
    read.answer.as_ref().map_or_else(|| json!({}), |answer| answer.to_json().into())
}

/// What a read may be asked after.
fn after() -> Json {
    let what = "Tokens that writes and invalidations have answered, with commas between them: the answer shows what they \
                have changed, on any node.";
    json!({ "name": "Alacena-After", "in": "header", "description": what, "schema": { "type": "string" } })
}

pub(crate) fn read_by_query(read: &Read) -> Json {
    let schema = read_schema(&read.name);
    let parameter = |parameter: &alacena::declared::Parameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.description,
            "schema": reference(&format!("{schema}/properties/{}", parameter.name)),
        })
    };
    json!({
        "summary": read.title,
        "parameters": read.parameters.iter().map(parameter).chain([after()]).collect::<Vec<_>>(),
        "responses": {
            "200": found(read),
            "304": { "description": "Nothing has changed since the answer with the ETag that `If-None-Match` names." },
        },
    })
}

pub(crate) fn read_by_body(read: &Read) -> Json {
    let schema = reference(&read_schema(&read.name));
    json!({
        "summary": read.title,
        "parameters": [after()],
        "requestBody": body(&schema),
        "responses": { "200": found(read) },
    })
}

pub(crate) fn read_batch(read: &Read) -> Json {
    let calls = json!({
        "type": "object",
        "properties": {
            "calls": { "type": "array", "maxItems": batch::CALLS_MAX, "items": reference(&read_schema(&read.name)) },
        },
        "required": ["calls"],
        "additionalProperties": false,
    });
    let operation = json_of("One answer per call, in the order of the calls.", "BatchAnswers");
    let operation = with(operation, "parameters", json!([after()]));
    with(with(operation, "requestBody", body(&calls)), "summary", read.title.as_str().into())
}

/// How far an invalidation has gone, and what to read after it with.
fn told() -> Json {
    let headers = ["Alacena-Level", "Alacena-After"];
    let headers =
        headers.map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })));
    headers.into_iter().collect()
}

/// The operation, whose answer may also be that some of it is still to be told.
fn with_deferred(mut operation: Json) -> Json {
    operation["responses"]["200"]["headers"] = told();
    let mut deferred = operation["responses"]["200"].clone();
    deferred["description"] =
        "Done; the second tier is away, and other nodes are told as soon as it is back.".into();
    operation["responses"]["202"] = deferred;
    operation
}

pub(crate) fn write(write: &Write) -> Json {
    let answered = content("What the source said.", "application/json", &json!({}));
    with_deferred(json!({
        "requestBody": body(&reference(&write_schema(&write.name))),
        "responses": { "200": answered, "204": { "description": "The source said nothing.", "headers": told() } },
    }))
}

pub(crate) fn tool_call() -> Json {
    let call = json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "arguments": { "type": "object" } },
        "required": ["name"],
        "additionalProperties": false,
    });
    with(json_of("A CallToolResult of MCP.", "CallToolResult"), "requestBody", body(&call))
}

pub(crate) fn cache_health() -> Json {
    let mut operation = json_of("Answers come.", "CacheHealth");
    // The only answer besides problems with a status of its own.
    operation["responses"]["503"] =
        content("No answer can come.", "application/json", &reference("CacheHealth"));
    operation
}

pub(crate) fn cache_stats() -> Json {
    with(json_of("Counts since the start.", "CacheStats"), "parameters", json!([as_text()]))
}

pub(crate) fn invalidate() -> Json {
    let either = json!({ "anyOf": [reference("Invalidated"), reference("WouldInvalidate")] });
    let operation = answers("It is forgotten, or would be.", "application/json", &either);
    with_deferred(with(operation, "requestBody", body(&reference("Invalidation"))))
}

pub(crate) fn warm() -> Json {
    let mut begun = content("It has begun.", "application/json", &reference("Warming"));
    begun["headers"] = json!({ "Location": { "description": "Where to see how far it is.", "schema": { "type": "string" } } });
    json!({ "requestBody": body(&reference("WarmingWanted")), "responses": { "202": begun } })
}

pub(crate) fn warmings() -> Json {
    with(json_of("The warmings, newest first.", "Warmings"), "parameters", json!([as_text()]))
}

pub(crate) fn warming() -> Json {
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    with(json_of("How far it is.", "Warming"), "parameters", json!([id, as_text()]))
}

pub(crate) fn clear() -> Json {
    with_deferred(json_of("Everything is forgotten.", "Invalidated"))
}

pub(crate) fn reload() -> Json {
    json_of("It is in force.", "Reloaded")
}

fn since() -> Json {
    let moment = json!({ "type": "integer", "minimum": 0 });
    in_query("since", "Leave out what is older: milliseconds since 1970.", &moment)
}

pub(crate) fn invalidations() -> Json {
    let limit = json!({
        "type": "integer", "minimum": 1, "maximum": history::PAGE_MAX, "default": history::PAGE,
    });
    let parameters = [since(), in_query("limit", "At most so many.", &limit), as_text()];
    with(json_of("What was invalidated, newest first.", "Invalidations"), "parameters", json!(parameters))
}

pub(crate) fn invalidation_stats() -> Json {
    with(json_of("Counts of them.", "InvalidationStats"), "parameters", json!([since(), as_text()]))
}

pub(crate) fn keys() -> Json {
    let text = json!({ "type": "string" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": keys::PAGE_MAX, "default": keys::PAGE });
    let parameters = [
        in_query("prefix", "Only keys whose text begins with it.", &text),
        in_query("cursor", "The `next` of the page before.", &text),
        in_query("limit", "At most so many.", &limit),
        as_text(),
    ];
    with(
        json_of("The entries in memory, in the order of their keys.", "Keys"),
        "parameters",
        json!(parameters),
    )
}

pub(crate) fn explain() -> Json {
    let mut key = in_query("key", "The text of the key.", &json!({ "type": "string", "minLength": 1 }));
    key["required"] = true.into();
    let parameters = json!([key, as_text()]);
    with(
        json_of("What is known of it by each read that can have it.", "Explanations"),
        "parameters",
        parameters,
    )
}

pub(crate) fn metrics() -> Json {
    let schema = json!({ "type": "string" });
    let mut operation = answers("The figures.", "text/plain", &schema);
    operation["responses"]["200"]["content"]["application/openmetrics-text"] = json!({ "schema": schema });
    operation
}

pub(crate) fn alive() -> Json {
    json_of("It is alive.", "Alive")
}

pub(crate) fn ready() -> Json {
    let mut operation = json_of("It is ready.", "Ready");
    operation["responses"]["503"] = content("It is not.", "application/json", &reference("Ready"));
    operation
}
