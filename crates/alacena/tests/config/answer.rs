//! What a read says that it answers.

use std::fs;

use alacena::config::{Config, Layers};
use serde_json::{Value as Json, json};

use crate::{only, parse, told};

fn with(answer: &str) -> String {
    format!(
        "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n[reads.job]\nsource = \"crm\"\nhttp = \"GET /jobs/1\"\n{answer}\n"
    )
}

fn schema(config: &Config) -> Json {
    Json::Object(config.reads[0].answer.as_ref().expect("it is declared").to_json())
}

/// The place, and what is said of it.
fn refused(answer: &str) -> String {
    let (problem, _) = only(&with(answer));
    problem.trim_start_matches("alacena.toml:").to_owned()
}

#[test]
fn a_table_says_it_in_the_words_of_json_schema() {
    let text = with(
        r#"[reads.job.answer]
type = "object"
required = ["id"]
additionalProperties = false
properties.id = { type = "integer", minimum = 1, description = "Its number" }
properties.status = { type = ["string", "null"], enum = ["open", "closed"] }
properties."a b" = { description = "costs ${PRICE}" }
properties.when = { type = "string", format = "date-time", title = "When" }
properties.tags = { type = "array", items = { type = "number", maximum = 0.5 } }"#,
    );
    assert_eq!(
        schema(&parse(&text).unwrap()),
        json!({
            "type": "object",
            "properties": {
                "id": {"type": "integer", "description": "Its number", "minimum": 1},
                "status": {"type": ["string", "null"], "enum": ["open", "closed", null]},
                "a b": {"description": "costs ${PRICE}"},
                "when": {"type": "string", "title": "When", "format": "date-time"},
                "tags": {"type": "array", "items": {"type": "number", "maximum": 0.5}},
            },
            "required": ["id"],
            "additionalProperties": false,
        })
    );
    assert!(parse(&with("")).unwrap().reads[0].answer.is_none());
}

#[test]
fn what_is_wrong_is_told_where_it_stands() {
    for (answer, problem) in [
        (r#"answer = { type = "integr" }"#, "7:19: reads.job.answer.type: names no types of JSON"),
        (r#"answer = { type = [] }"#, "7:19: reads.job.answer.type: names no types of JSON"),
        (r#"answer = { type = ["null", "null"] }"#, "7:19: reads.job.answer.type: names no types of JSON"),
        (
            r#"answer = { typ = "array" }"#,
            "7:12: reads.job.answer.typ: is no word of a schema that is read; did you mean `type`?",
        ),
        (r#"answer = { oneOf = [] }"#, "7:12: reads.job.answer.oneOf: is no word of a schema that is read"),
        (r#"answer = 5"#, "7:10: reads.job.answer: is an integer, and must be a table"),
        (
            r#"answer = { items = {} }"#,
            "7:12: reads.job.answer.items: means nothing without type = \"array\"",
        ),
        (
            r#"answer = { type = "array", items = { minimum = 1 } }"#,
            "7:38: reads.job.answer.items.minimum: means nothing without type = \"number\"",
        ),
        (
            r#"answer = { type = "number", minimum = 2, maximum = 1 }"#,
            "7:39: reads.job.answer.minimum: is above `maximum`",
        ),
        (
            r#"answer = { type = "number", minimum = nan }"#,
            "7:39: reads.job.answer.minimum: is no finite number, and must be a number",
        ),
        (
            r#"answer = { type = "object", additionalProperties = {} }"#,
            "7:29: reads.job.answer.additionalProperties: is a table, and must be true or false",
        ),
        (
            r#"answer = { type = "object", properties.id = {}, required = ["di"] }"#,
            "7:60: reads.job.answer.required: names no member of `properties`; did you mean `id`?",
        ),
        (
            r#"answer = { type = "object", properties.id = {}, required = ["id", "id"] }"#,
            "7:60: reads.job.answer.required: names `id` more than once",
        ),
        (
            r#"answer = { type = "object", required = ["id"] }"#,
            "7:40: reads.job.answer.required: names `id`, which is no member of `properties`",
        ),
        (
            r#"answer = { enum = [[]] }"#,
            "7:20: reads.job.answer.enum[0]: is a list, and must be text, a number, true or false",
        ),
        (
            r#"answer = { description = 5 }"#,
            "7:26: reads.job.answer.description: is an integer, and must be text",
        ),
        (r#"answer = { enum = [] }"#, "7:19: reads.job.answer.enum: has 0 values, and 1 to 100 are accepted"),
    ] {
        assert_eq!(refused(answer), problem, "{answer}");
    }
    let several = told(parse(&with(
        r#"answer = { type = "object", properties = { a = { type = "x" }, b = { type = "y" } } }"#,
    )));
    assert_eq!(several.len(), 2, "{several:?}");
}

#[test]
fn it_has_limits() {
    let deep = |levels: usize| {
        let (open, close) = (r#"{ type = "array", items = "#.repeat(levels - 1), " }".repeat(levels - 1));
        format!("answer = {open}{{}}{close}")
    };
    assert!(parse(&with(&deep(16))).is_ok());
    assert!(refused(&deep(17)).ends_with("has more than 16 levels"));
    let wide = |places: usize| {
        let members: Vec<String> = (1..places).map(|at| format!("m{at} = {{}}")).collect();
        format!("answer = {{ type = \"object\", properties = {{ {} }} }}", members.join(", "))
    };
    assert!(parse(&with(&wide(1000))).is_ok());
    assert!(refused(&wide(1001)).ends_with("describes more than 1000 places"));
    assert_eq!(told(parse(&with(&wide(2000)))).len(), 1, "it is told once");
}

#[test]
fn a_file_says_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| {
        let file = folder.path().join("alacena.toml");
        fs::write(&file, with(&format!("answer = \"{name}\""))).unwrap();
        Config::load(&Layers { file: Some(file), ..Layers::default() })
    };
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let job = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": "ours",
        "type": "object", "properties": {"id": {"enum": [null, 1, "x"]}},
    });
    write("job.json", &job.to_string());
    let said = schema(&read("job.json").unwrap());
    assert_eq!(said, json!({"type": "object", "properties": {"id": {"enum": [null, 1, "x"]}}}));

    write("wrong.json", r#"{"type": "object", "properties": {"id": {"$ref": "secret"}}}"#);
    let wrong = told(read("wrong.json"));
    assert_eq!(
        wrong,
        ["wrong.json: reads.job.answer.properties.id.$ref: is no word of a schema that is read"]
    );
    write("broken.json", "{\n \"type\": secret");
    write("large.json", &" ".repeat(256 * 1024 + 1));
    for (name, reason) in [
        ("broken.json", "names a file that is not JSON at line 2, column 10"),
        ("large.json", "names what is not a file of at most 262144 bytes"),
        (".", "names what is not a file of at most 262144 bytes"),
        ("none.json", "names a file that cannot be read: entity not found"),
    ] {
        let told = told(read(name));
        assert!(told.len() == 1 && told[0].ends_with(reason), "{told:?}");
    }
}

#[test]
fn the_guide_shows_what_is_accepted() {
    let guide = include_str!("../../../../docs/guide/mcp.md");
    let blocks: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert_eq!(blocks.len(), 2);
    let crm = "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n";
    let job = schema(&parse(&format!("{crm}{}", blocks[0])).unwrap());
    assert_eq!(job["properties"]["due"]["format"], "date-time");

    let (nobody, _) = only(blocks[1]);
    assert!(
        nobody.ends_with("server.authorization_servers: names who hands out tokens, and nobody needs one"),
        "{nobody}"
    );
    let token = format!("{}[tokens.app]\nhash = \"blake3:{}\"\nrole = \"read\"\n", blocks[1], "0".repeat(64));
    assert_eq!(parse(&token).unwrap().server.authorization_servers, ["https://login.example"]);
}
