//! Parameters and answers as JSON Schema 2020-12.

use alacena::declared::{AnswerSchema, Parameter, Scalar, ScalarKind};
use serde_json::{Map, Value as Json, json};

/// The schema of an object with these parameters and no others.
pub(crate) fn input(parameters: &[Parameter]) -> Map<String, Json> {
    let properties = parameters.iter().map(|parameter| (parameter.name.clone(), property(parameter)));
    let required: Vec<&str> = parameters
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| parameter.name.as_str())
        .collect();
    let mut schema = of_2020();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Json::Object(properties.collect()));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// What a read promises to answer.
pub(crate) fn output(answer: &AnswerSchema) -> Map<String, Json> {
    let mut schema = of_2020();
    schema.extend(answer.to_json());
    schema
}

fn of_2020() -> Map<String, Json> {
    Map::from_iter([("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into())])
}

fn property(parameter: &Parameter) -> Json {
    let mut property = Map::new();
    let mut say = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            property.insert(name.to_owned(), value);
        }
    };
    say("type", Some(parameter.kind.as_str().into()));
    say("description", (!parameter.description.is_empty()).then(|| parameter.description.as_str().into()));
    say("default", parameter.default.as_ref().map(Scalar::to_json));
    say("minimum", parameter.min.map(number));
    say("maximum", parameter.max.map(number));
    // The limit is in bytes and JSON Schema counts characters: as many characters never fit into fewer bytes.
    let length_max = parameter.choices.is_empty() && parameter.kind == ScalarKind::Text;
    say("maxLength", length_max.then(|| parameter.length_max.into()));
    let choices: Vec<Json> = parameter.choices.iter().map(Scalar::to_json).collect();
    say("enum", (!choices.is_empty()).then(|| choices.into()));
    Json::Object(property)
}

/// A limit as JSON: 10, not 10.0, where it is whole.
pub(crate) fn number(limit: f64) -> Json {
    /// Whole numbers up to here are exact in an f64.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if limit.fract() == 0.0 && limit.abs() <= EXACT { json!(limit as i64) } else { json!(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_says_everything_that_a_parameter_does() {
        let parameters = [
            Parameter {
                description: "Which company".into(),
                min: Some(1.0),
                max: Some(9.5),
                ..Parameter::required("company", ScalarKind::Number)
            },
            Parameter {
                choices: vec![Scalar::Text("open".into()), Scalar::Text("closed".into())],
                ..Parameter::with_default("status", Scalar::Text("open".into()))
            },
            Parameter { required: false, length_max: 50, ..Parameter::required("text", ScalarKind::Text) },
        ];
        assert_eq!(
            Json::Object(input(&parameters)),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "company": {"type": "number", "description": "Which company", "minimum": 1, "maximum": 9.5},
                    "status": {"type": "string", "default": "open", "enum": ["open", "closed"]},
                    "text": {"type": "string", "maxLength": 50},
                },
                "required": ["company"],
                "additionalProperties": false,
            })
        );
        assert!(input(&[]).get("required").is_none());
    }
}
