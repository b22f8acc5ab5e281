//! What a read says that it answers, against what is answered.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use alacena_core::declared::{AnswerSchema, JsonType};
use proptest::{collection::vec, option, prelude::*, sample::subsequence};
use serde_json::{Value as Json, json};

fn job() -> AnswerSchema {
    let tags = AnswerSchema {
        items: Some(Box::new(AnswerSchema::of(&[JsonType::String]))),
        ..AnswerSchema::of(&[JsonType::Array])
    };
    let status = AnswerSchema { choices: vec![json!("open"), Json::Null], ..AnswerSchema::default() };
    let share =
        AnswerSchema { minimum: Some(0.0), maximum: Some(1.5), ..AnswerSchema::of(&[JsonType::Number]) };
    AnswerSchema {
        properties: vec![
            ("id".to_owned(), AnswerSchema::of(&[JsonType::Integer])),
            ("a/b~c".to_owned(), share),
            ("status".to_owned(), status),
            ("tags".to_owned(), tags),
        ],
        required: vec!["id".to_owned()],
        closed: true,
        ..AnswerSchema::of(&[JsonType::Object])
    }
}

#[test]
fn what_is_wrong_is_named_by_place_and_rule_and_never_by_value() {
    let jobs = AnswerSchema { items: Some(Box::new(job())), ..AnswerSchema::of(&[JsonType::Array]) };
    let good = r#"[{"id": 7.0, "a/b~c": 1.5, "status": null, "tags": ["x"]}, {"tags": [], "id": 1e3}, {"id": 18446744073709551615}]"#;
    assert_eq!(jobs.check(good), Ok(()));
    for (answer, told) in [
        (r#"{"id": 1}"#, "must be an array"),
        (r#"[{"id": 1}, 5]"#, "at `/1`: must be an object"),
        (r#"[{}]"#, "at `/0`: must have the member `id`"),
        (r#"[{"id": "secret"}]"#, "at `/0/id`: must be an integer"),
        (r#"[{"id": 1.5}]"#, "at `/0/id`: must be an integer"),
        (r#"[{"id": 1, "a/b~c": 2}]"#, "at `/0/a~1b~0c`: must be at most 1.5"),
        (r#"[{"id": 1, "a/b~c": -1}]"#, "at `/0/a~1b~0c`: must be at least 0"),
        (r#"[{"id": 1, "status": "secret"}]"#, "at `/0/status`: must be one of the values of `enum`"),
        (r#"[{"id": 1, "status": []}]"#, "at `/0/status`: must be one of the values of `enum`"),
        (r#"[{"id": 1, "tags": ["a", 5]}]"#, "at `/0/tags/1`: must be a string"),
        (r#"[{"id": 1, "secret": 5}]"#, "at `/0`: must have no members but the declared ones"),
        ("[{\"id\":\n1e999}]", "cannot be read at line 2, column 5"),
        ("[]]", "cannot be read at line 1, column 3"),
    ] {
        let mismatch = jobs.check(answer).expect_err(answer);
        assert_eq!(mismatch.to_string(), told, "{answer}");
    }
    let several = AnswerSchema::of(&[JsonType::Null, JsonType::Integer]);
    assert_eq!(several.check("true").unwrap_err().rule, "must be null or an integer");
}

#[test]
fn where_nothing_is_said_anything_may_stand() {
    let open = AnswerSchema {
        properties: vec![("any".to_owned(), AnswerSchema { title: "T".into(), ..AnswerSchema::default() })],
        ..AnswerSchema::default()
    };
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for document in ["5", "[1]", r#"{"any": 1e999}"#, &format!(r#"{{"any": {deep}, "other": {deep}}}"#)] {
        assert_eq!(open.check(document), Ok(()), "{document}");
    }
}

#[test]
fn it_is_said_in_json_schema() {
    assert_eq!(
        Json::Object(job().to_json()),
        json!({
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "a/b~c": {"type": "number", "minimum": 0, "maximum": 1.5},
                "status": {"enum": ["open", null]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["id"],
            "additionalProperties": false,
        })
    );
    assert!(job().is_object() && !AnswerSchema::default().is_object());
}

/// What JSON Schema says of a tree, word by word.
fn conforms(schema: &Json, value: &Json) -> bool {
    let is = |word: &str| match word {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    let equal = |choice: &Json| match (choice.as_f64(), value.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => choice == value,
    };
    let types = match &schema["type"] {
        Json::Null => true,
        Json::String(word) => is(word),
        words => words.as_array().unwrap().iter().any(|word| is(word.as_str().unwrap())),
    };
    let members = |check: &dyn Fn(&str, &Json) -> bool| {
        value.as_object().is_none_or(|members| members.iter().all(|(name, value)| check(name, value)))
    };
    types
        && schema["enum"].as_array().is_none_or(|choices| choices.iter().any(equal))
        && value.as_f64().is_none_or(|number| schema["minimum"].as_f64().is_none_or(|least| number >= least))
        && value.as_f64().is_none_or(|number| schema["maximum"].as_f64().is_none_or(|most| number <= most))
        && value.as_array().is_none_or(|items| {
            schema.get("items").is_none_or(|schema| items.iter().all(|item| conforms(schema, item)))
        })
        && value.as_object().is_none_or(|members| {
            let required = schema["required"].as_array();
            required.is_none_or(|names| names.iter().all(|name| members.contains_key(name.as_str().unwrap())))
        })
        && members(&|name, value| match schema["properties"].get(name) {
            Some(schema) => conforms(schema, value),
            None => schema["additionalProperties"] != false,
        })
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3_i64..3).prop_map(Json::from),
        prop_oneof![Just(0.5), Just(1.0), Just(-2.0)].prop_map(Json::from),
        "[ab]".prop_map(Json::from),
    ]
}

/// Names that documents and schemas have in common.
const NAMES: [&str; 4] = ["a", "b", "c/d", "~"];

fn document() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            (subsequence(&NAMES, 0..=4), vec(inner, 4)).prop_map(|(names, values)| Json::Object(
                names.into_iter().map(str::to_owned).zip(values).collect()
            )),
        ]
    })
}

fn schema() -> impl Strategy<Value = AnswerSchema> {
    let types = || subsequence(&JsonType::ALL, 0..=4);
    let limits = || (option::weighted(0.2, -2.0..1.0), option::weighted(0.2, -1.0..2.0));
    let leaf = (types(), option::weighted(0.2, vec(scalar(), 1..4)), limits()).prop_map(
        |(types, choices, (minimum, maximum))| AnswerSchema {
            choices: choices.unwrap_or_default(),
            minimum,
            maximum,
            ..AnswerSchema::of(&types)
        },
    );
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = (subsequence(&NAMES, 0..=4), vec(inner.clone(), 4));
        (types(), members, subsequence(&NAMES, 0..=2), any::<bool>(), option::of(inner)).prop_map(
            |(types, (names, schemas), required, closed, items)| AnswerSchema {
                properties: names.into_iter().map(str::to_owned).zip(schemas).collect(),
                required: required.into_iter().map(str::to_owned).collect(),
                closed,
                items: items.map(Box::new),
                ..AnswerSchema::of(&types)
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The one pass over the text and the words of JSON Schema over a tree come to the same, and what is told stands in
    /// the document or one step above what is missing.
    #[test]
    fn one_pass_says_what_the_words_say(schema in schema(), document in document()) {
        let written = Json::Object(schema.to_json());
        let checked = schema.check(&document.to_string());
        prop_assert_eq!(checked.is_ok(), conforms(&written, &document), "{} {}", written, document);
        if let Err(mismatch) = checked {
            prop_assert!(document.pointer(&mismatch.pointer).is_some(), "{}", mismatch);
        }
    }
}
