//! What a caller says, as JSON or as text.

use alacena_core::declared::{Parameter, Parameters, Scalar, ScalarKind};
use serde_json::{Map, Value as Json};

use crate::text;

/// Whatever is accepted is accepted again, as JSON and as text, and means the same.
pub fn parameters(data: &[u8]) {
    let text = text(data);
    let declared = declared();
    if let Ok(said) = serde_json::from_str::<Map<String, Json>>(&text) {
        let given = said.iter().map(|(name, json)| (name.as_str(), json));
        if let Ok(accepted) = Parameters::from_json(&declared, given) {
            accept_again(&declared, &accepted);
        }
    }
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    if let Ok(accepted) = Parameters::from_text(&declared, pairs) {
        accept_again(&declared, &accepted);
    }
}

/// One of each kind, with and without limits.
fn declared() -> Vec<Parameter> {
    let optional = |name: &str, kind| Parameter { required: false, ..Parameter::required(name, kind) };
    vec![
        optional("text", ScalarKind::Text),
        Parameter { length_max: 8, ..optional("short", ScalarKind::Text) },
        Parameter {
            choices: vec![Scalar::Text("open".to_owned()), Scalar::Text("done".to_owned())],
            ..optional("state", ScalarKind::Text)
        },
        optional("whole", ScalarKind::Integer),
        Parameter { min: Some(1.0), max: Some(100.0), ..optional("size", ScalarKind::Integer) },
        optional("number", ScalarKind::Number),
        Parameter { min: Some(-0.5), max: Some(0.5), ..optional("share", ScalarKind::Number) },
        optional("flag", ScalarKind::Boolean),
        Parameter::with_default("page", Scalar::Integer(1)),
    ]
}

fn accept_again(declared: &[Parameter], accepted: &Parameters) {
    let json: Vec<(&str, Json)> = accepted.iter().map(|(name, scalar)| (name, scalar.to_json())).collect();
    let again = Parameters::from_json(declared, json.iter().map(|(name, json)| (*name, json)));
    assert_eq!(again.as_ref().ok(), Some(accepted), "as JSON: {again:?}");

    let shown: Vec<(&str, String)> =
        accepted.iter().map(|(name, scalar)| (name, scalar.to_string())).collect();
    let again = Parameters::from_text(declared, shown.iter().map(|(name, text)| (*name, text.as_str())));
    assert_eq!(again.as_ref().ok(), Some(accepted), "as text: {again:?}");
}
