//! The configuration as a JSON Schema, for editors that complete and check `alacena.toml` while it is written.
//!
//! Written from the tables that check the configuration. It knows less than they do: what must hold between values,
//! the forms of texts and templates, and the environment are the check's to say, so that an editor never marks what
//! `alacena check` accepts.

use alacena_core::declared::{ANSWER_REQUIRED_MAX, JsonType};
use serde_json::{Map, Value as Json, json};

use super::{
    explain::loose,
    schema::{Field, Format, HEADERS_MAX, Kind, Names, ROOT},
    units,
};

/// The JSON Schema (2020-12) of `alacena.toml`.
///
/// ```
/// let schema = alacena::config::json_schema();
/// let ttl = &schema["properties"]["classes"]["additionalProperties"]["properties"]["ttl"];
/// assert_eq!(ttl["default"], "5m");
/// ```
#[must_use]
pub fn json_schema() -> Json {
    let mut schema = object(ROOT);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "alacena.toml".into();
    schema["description"] =
        "The configuration of Alacena. `alacena check` knows more than this schema.".into();
    schema["$defs"] = json!({
        "duration": quantity(units::duration_units()),
        "size": quantity(units::bytes_units()),
        "answer": answer(),
        "reference": {
            "type": "string",
            "pattern": "\\$\\{",
            "description": "A text that names the environment: `${NAME}`.",
        },
    });
    schema
}

/// A section: its fields, and no others.
fn object(fields: &[Field]) -> Json {
    let built = || fields.iter().filter(|field| field.is_accepted());
    let properties: Map<_, _> = built().map(|field| (field.name.to_owned(), property(field))).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let required: Vec<_> = built().filter(|field| field.required).map(|field| field.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(field: &Field) -> Json {
    let mut schema = value(&field.kind);
    schema["description"] = description(field).into();
    if let Some(text) = field.default {
        schema["default"] = loose(&field.kind, text);
    }
    schema
}

/// What an editor shows beside a field.
fn description(field: &Field) -> String {
    let mut words = match field.only {
        "" => String::new(),
        kind => format!("For a source of kind `{kind}`. "),
    };
    words.push_str(field.doc);
    if let Kind::Duration { min, max } | Kind::Bytes { min, max } = &field.kind {
        words.push_str(&format!(" From {min} to {max}."));
    }
    if !field.zero.is_empty() {
        words.push_str(&format!(" Zero: {}.", field.zero));
    }
    words
}

fn value(kind: &Kind) -> Json {
    match kind {
        Kind::Duration { .. } => json!({ "$ref": "#/$defs/duration" }),
        Kind::Bytes { .. } => json!({ "$ref": "#/$defs/size" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Ratio { max } => json!({ "type": "number", "minimum": 0, "maximum": max }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Text(Format::TokenHash) => {
            json!({ "type": "string", "pattern": "^blake3:[0-9a-fA-F]{64}$|\\$\\{" })
        }
        Kind::Text(_) | Kind::Secret { .. } => json!({ "type": "string" }),
        Kind::Choice { words, .. } => {
            json!({ "anyOf": [{ "enum": words }, { "$ref": "#/$defs/reference" }] })
        }
        Kind::List { of, max } => json!({ "type": "array", "items": value(of), "maxItems": max }),
        Kind::Headers { .. } => {
            json!({ "type": "object", "additionalProperties": { "type": "string" }, "maxProperties": HEADERS_MAX })
        }
        Kind::Texts { max, .. } => json!({
            "type": "object",
            "propertyNames": { "pattern": name(Names::Parameter) },
            "additionalProperties": { "type": "string" },
            "maxProperties": max,
        }),
        Kind::Json => json!({}),
        Kind::Answer => {
            json!({ "anyOf": [{ "$ref": "#/$defs/answer" }, { "type": "string", "description": "A file with one." }] })
        }
        Kind::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Target => target(),
        Kind::Values => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
        Kind::Table(fields) => object(fields),
        Kind::Named { names, fields, max } => json!({
            "type": "object",
            "propertyNames": { "pattern": name(*names) },
            "additionalProperties": object(fields),
            "maxProperties": max,
        }),
        Kind::Later | Kind::Elsewhere { .. } => Json::Bool(false),
    }
}

/// What a read answers: the words of JSON Schema that are read.
fn answer() -> Json {
    let types = JsonType::ALL.map(JsonType::as_str);
    let text = json!({ "type": "string" });
    let number = json!({ "type": "number" });
    let inner = json!({ "$ref": "#/$defs/answer" });
    json!({
        "type": "object",
        "description": "What is answered, in words of JSON Schema.",
        "properties": {
            "type": { "anyOf": [
                { "enum": types },
                { "type": "array", "items": { "enum": types }, "minItems": 1, "uniqueItems": true },
            ] },
            "title": text,
            "description": text,
            "properties": { "type": "object", "additionalProperties": inner },
            "required": { "type": "array", "items": text, "maxItems": ANSWER_REQUIRED_MAX },
            "additionalProperties": { "type": "boolean" },
            "items": inner,
            "enum": { "type": "array", "minItems": 1, "items": { "type": ["string", "number", "boolean"] } },
            "minimum": number,
            "maximum": number,
            "format": text,
        },
        "patternProperties": { "^\\$(schema|id|comment)$": {} },
        "additionalProperties": false,
    })
}

/// A tag, or one of the other targets in a table.
fn target() -> Json {
    json!({ "anyOf": [
        { "type": "string", "description": "A tag." },
        {
            "type": "object",
            "properties": {
                "prefix": { "type": "string", "description": "Every key that begins with these segments." },
                "pattern": { "type": "string", "description": "Every key that matches: `*` is one segment, a last `*` the rest." },
                "key": { "type": "string", "description": "One key." },
                "class": { "type": "string", "description": "Everything of this class." },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ] })
}

fn name(names: Names) -> &'static str {
    match names {
        Names::Section => "^[a-z][a-z0-9_]{0,63}$",
        Names::Parameter => "^[A-Za-z_][A-Za-z0-9_]{0,63}$",
    }
}

fn quantity<'a>(units: impl Iterator<Item = &'a str>) -> Json {
    let units = units.collect::<Vec<_>>();
    let pattern = format!("^[0-9]+({})$|\\$\\{{", units.join("|"));
    let description = format!("A whole number and one of {}.", units.join(", "));
    json!({ "type": "string", "pattern": pattern, "description": description })
}
