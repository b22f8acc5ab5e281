//! Reads as resources: what a client can show, attach and remember, each under an address of its own.
//!
//! A resource is a tool call with its arguments in the address, `alacena://reads/{name}?size=10`, answered by the same
//! cache; unlike a tool call its answer says to the client how long it may be remembered, and by whom.
//! `alacena://reads` says what there is to read and how long each answer is fresh.

use std::borrow::Cow;

use rmcp::{
    ErrorData,
    model::{MetaObject, Resource, ResourceTemplate},
};
use serde_json::{Map, Number, Value as Json, json};

use super::super::{Tool, ToolResult};
use crate::query::query_pairs;

/// The address of the index; behind it and a slash stands the name of a read.
const INDEX: &str = "alacena://reads";
/// Where facts about a read stand in the `_meta` of what it is listed as.
const READ_KEY: &str = "dev.alacena/read";

/// What an address names.
pub(super) enum Address<'a> {
    /// What there is to read.
    Index,
    /// The read of this name, with these parameters.
    Read(&'a str, Vec<(Cow<'a, str>, Cow<'a, str>)>),
}

/// Whether a tool can be called without arguments: it is one resource.
pub(super) fn needs_nothing(tool: &Tool) -> bool {
    tool.input_schema.get("required").is_none()
}

/// Whether a tool can be called with arguments: it is many resources.
pub(super) fn takes_something(tool: &Tool) -> bool {
    parameters(tool).next().is_some()
}

fn parameters(tool: &Tool) -> impl Iterator<Item = (&String, &Json)> {
    tool.input_schema.get("properties").and_then(Json::as_object).into_iter().flatten()
}

pub(super) fn index() -> Resource {
    Resource::new(INDEX, "reads")
        .with_title("What can be read")
        .with_description("Every read with its address, how long its answers are fresh, and its tags.")
        .with_mime_type("application/json")
}

pub(super) fn listed(tool: &Tool) -> Resource {
    Resource::new(format!("{INDEX}/{}", tool.name), &tool.name)
        .with_title(&tool.title)
        .with_description(&tool.description)
        .with_mime_type("application/json")
        .with_meta(MetaObject(about(tool)))
}

pub(super) fn template(tool: &Tool) -> ResourceTemplate {
    ResourceTemplate::new(address_template(tool), &tool.name)
        .with_title(&tool.title)
        .with_description(&tool.description)
        .with_mime_type("application/json")
        .with_meta(MetaObject(about(tool)))
}

/// The addresses of a tool's answers, as RFC 6570 writes them.
fn address_template(tool: &Tool) -> String {
    // Names of parameters are what names of variables may be.
    let names: Vec<&str> = parameters(tool).map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [] => format!("{INDEX}/{}", tool.name),
        names => format!("{INDEX}/{}{{?{}}}", tool.name, names.join(",")),
    }
}

/// What a client that plans ahead wants to know of a read: how long its answers are fresh, and what invalidates them.
pub(super) fn about(tool: &Tool) -> Map<String, Json> {
    let facts = json!({ "class": tool.class, "ttlMs": (tool.ttl * 1000.0) as u64, "key": tool.key, "tags": tool.tags });
    Map::from_iter([(READ_KEY.to_owned(), facts)])
}

/// The index as text.
pub(super) fn index_text(tools: &[Tool]) -> String {
    let read = |tool: &Tool| {
        json!({
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "address": address_template(tool),
            "class": tool.class,
            "ttlSeconds": tool.ttl,
            "key": tool.key,
            "tags": tool.tags,
        })
    };
    json!({ "reads": tools.iter().map(read).collect::<Vec<_>>() }).to_string()
}

/// What `address` names, whether or not it is there.
///
/// # Errors
/// Not found where it is no address of ours; invalid where its query cannot be read.
pub(super) fn parse(address: &str) -> Result<Address<'_>, ErrorData> {
    if address == INDEX {
        return Ok(Address::Index);
    }
    let rest = address.strip_prefix(INDEX).and_then(|rest| rest.strip_prefix('/'));
    let rest = rest.ok_or_else(|| nothing_at(address))?;
    let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
    Ok(Address::Read(name, query_pairs(query).map_err(|error| super::protocol_error(&error))?))
}

/// What a client is told who asks for what is not there.
pub(super) fn nothing_at(address: &str) -> ErrorData {
    let shown: String = address.chars().filter(|character| !character.is_control()).take(200).collect();
    let message = format!("there is nothing at `{shown}`; {INDEX} says what there is");
    ErrorData::resource_not_found(message, None)
}

/// The arguments that the parameters of an address are.
pub(super) fn arguments(tool: &Tool, pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Vec<(String, Json)> {
    pairs.iter().map(|(name, text)| (name.to_string(), argument(tool, name, text))).collect()
}

/// A text of an address as the parameter's own type, as far as it can be read as that; the tool has the last word.
fn argument(tool: &Tool, name: &str, text: &str) -> Json {
    let word =
        parameters(tool).find(|(known, _)| *known == name).and_then(|(_, schema)| schema["type"].as_str());
    let read = match word {
        Some("integer") => text.parse::<i64>().ok().map(Json::from),
        Some("number") => text.parse().ok().and_then(Number::from_f64).map(Json::from),
        Some("boolean") => text.parse::<bool>().ok().map(Json::from),
        _ => None,
    };
    read.unwrap_or_else(|| text.into())
}

/// What a client is told where a read fails.
pub(super) fn failed(result: &ToolResult) -> ErrorData {
    let message = result.text().into_owned();
    match result.problem_status() {
        Some(404) => ErrorData::resource_not_found(message, None),
        Some(400..500) => ErrorData::invalid_params(message, None),
        _ => ErrorData::internal_error(message, None),
    }
}
