//! The schema that editors use says what the check says, as far as a schema can.

use alacena::config::json_schema;
use serde_json::{Value as Json, json};

const QUICKSTART: &str = include_str!("../../../alacena-cli/src/quickstart/alacena.toml");
const INIT: &str = include_str!("../../../alacena-cli/src/init/alacena.toml");

/// Everything in `value` that `schema` does not accept, by its path. Of patterns only that of a reference is looked at.
fn refused(root: &Json, schema: &Json, value: &Json, path: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointed = root.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere");
        return refused(root, pointed, value, path);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let accepted = any.iter().any(|schema| refused(root, schema, value, path).is_empty());
        return if accepted { Vec::new() } else { vec![format!("{path}: none of several")] };
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("a type of its own: {other}"),
    };
    let types = match &schema["type"] {
        Json::Array(types) => types.iter().filter_map(Json::as_str).collect(),
        Json::String(one) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let mut wrong = Vec::new();
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        wrong.push(format!("{path}: not of type {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        wrong.push(format!("{path}: no such word"));
    }
    if schema["pattern"] == r"\$\{" && !value.as_str().is_some_and(|text| text.contains("${")) {
        wrong.push(format!("{path}: no reference"));
    }
    let number = value.as_f64().unwrap_or(0.0);
    if schema["minimum"].as_f64().is_some_and(|min| number < min)
        || schema["maximum"].as_f64().is_some_and(|max| number > max)
    {
        wrong.push(format!("{path}: outside its limits"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(refused(root, &schema["items"], item, &format!("{path}[{at}]")));
    }
    let Some(members) = value.as_object() else { return wrong };
    for (name, member) in members {
        let inner = format!("{path}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Json::Null, Json::Bool(false)) => wrong.push(format!("{inner}: unknown")),
            (Json::Null, others) => wrong.extend(refused(root, others, member, &inner)),
            (known, _) => wrong.extend(refused(root, known, member, &inner)),
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
    wrong.extend(
        required.filter(|name| !members.contains_key(*name)).map(|name| format!("{path}.{name}: missing")),
    );
    let most = schema["maxProperties"].as_u64().unwrap_or(u64::MAX);
    let least = schema["minProperties"].as_u64().unwrap_or(0);
    if !(least..=most).contains(&(members.len() as u64)) {
        wrong.push(format!("{path}: {} members", members.len()));
    }
    wrong
}

fn refused_in(text: &str) -> Vec<String> {
    let schema = json_schema();
    let value: Json = toml::from_str(text).expect("it is TOML");
    refused(&schema, &schema, &value, "")
}

#[test]
fn what_the_templates_write_is_accepted() {
    assert_eq!(refused_in(QUICKSTART), [""; 0]);
    assert_eq!(refused_in(INIT), [""; 0]);
}

#[test]
fn what_the_check_refuses_by_name_type_or_limit_is_refused() {
    let text = r#"
[servr]
[server]
listn = "x"
log_format = "xml"
[memory]
markers_max = 1
[sources.crm]
base_url = 5
[classes.jobs]
jitter = 0.7
[reads.r]
source = "crm"
tags = "a"
params.size = { type = "integr" }
[writes.w]
source = "crm"
invalidates = [{ prefix = "a", key = "b" }]
"#;
    let mut wrong = refused_in(text);
    wrong.sort();
    let expected = [
        ".classes.jobs.jitter: outside its limits",
        ".memory.markers_max: outside its limits",
        ".reads.r.params.size.type: none of several",
        ".reads.r.tags: not of type [\"array\"]",
        ".server.listn: unknown",
        ".server.log_format: none of several",
        ".servr: unknown",
        ".sources.crm.base_url: not of type [\"string\"]",
        ".sources.crm.kind: missing",
        ".writes.w.invalidates[0]: none of several",
    ];
    assert_eq!(wrong, expected);
    assert_eq!(refused_in("[server]\nlog_format = \"${FORMAT}\"\n"), [""; 0]);
}

#[test]
fn what_a_read_answers_is_completed_word_by_word() {
    let read = |answer: &str| refused_in(&format!("[reads.r]\nsource = \"crm\"\nanswer = {answer}\n"));
    let deep = r#"{ type = ["array", "null"], items = { type = "object", properties.id = { enum = [1] }, required = ["id"] } }"#;
    assert_eq!(read(deep), [""; 0]);
    assert_eq!(read(r#""job.schema.json""#), [""; 0]);
    for wrong in [r#"{ typ = "array" }"#, r#"{ items = { type = "integr" } }"#, "5"] {
        assert_eq!(read(wrong), [".reads.r.answer: none of several"], "{wrong}");
    }
}

#[test]
fn every_field_says_what_it_is_and_what_stands_in_for_it() {
    fn walk(schema: &Json, path: &str, fields: &mut usize) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let inner = format!("{path}.{name}");
            assert!(
                field["description"].as_str().is_some_and(|words| words.ends_with('.')),
                "{inner}: {field}"
            );
            *fields += 1;
            walk(field, &inner, fields);
        }
        if schema["additionalProperties"].is_object() {
            walk(&schema["additionalProperties"], path, fields);
        }
    }
    let schema = json_schema();
    let mut fields = 0;
    walk(&schema, "", &mut fields);
    assert!(fields > 70, "{fields}");
    let properties = &schema["properties"];
    assert_eq!(properties["memory"]["properties"]["markers_max"]["default"], json!(65_536));
    let duration = schema["$defs"]["duration"]["pattern"].as_str().unwrap();
    assert_eq!(duration, r"^[0-9]+(ms|s|m|h|d)$|\$\{");
}
