//! The JSON document of a request: a tree whose strings are templates.

use std::collections::BTreeSet;

use alacena_core::{
    declared::{Hole, Parameters, Piece, Scalar, Template},
    error::Error,
};
use serde_json::{Map, Value as Json};

/// A document taken apart once, at start.
#[derive(Debug)]
pub(super) enum Document {
    /// The same whatever the parameters are.
    Constant(Json),
    /// A string that is exactly one hole: the parameter with its type.
    Typed(Hole),
    /// A string with holes in it.
    Text(Template),
    /// An array.
    Items(Vec<Document>),
    /// An object.
    Members(Vec<(String, Document)>),
    /// An object of every parameter but these, which are used elsewhere.
    Rest(BTreeSet<String>),
}

impl Document {
    /// Takes `json` apart.
    ///
    /// # Errors
    /// `Invalid` when a string is not a template.
    pub(super) fn parse(json: &Json) -> Result<Self, Error> {
        Ok(match json {
            Json::String(text) => {
                let template = Template::parse(text)?;
                match template.pieces() {
                    [] => Document::Constant(Json::String(String::new())),
                    [Piece::Literal(text)] => Document::Constant(Json::String(text.clone())),
                    [Piece::Hole(hole)] => Document::Typed(hole.clone()),
                    _ => Document::Text(template),
                }
            }
            Json::Array(items) => Document::Items(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Json::Object(members) => {
                let parse = |(name, json): (&String, &Json)| Ok((name.clone(), Self::parse(json)?));
                Document::Members(members.iter().map(parse).collect::<Result<_, Error>>()?)
            }
            other => Document::Constant(other.clone()),
        })
    }

    /// The document for these parameters; nothing where it is all one hole and the parameter is absent.
    ///
    /// # Errors
    /// `Invalid` when a parameter is missing inside a text.
    pub(super) fn render(&self, parameters: &Parameters) -> Result<Option<Json>, Error> {
        Ok(Some(match self {
            Document::Constant(json) => json.clone(),
            Document::Typed(hole) => {
                let fallback = || hole.fallback.as_deref().map(Json::from);
                return Ok(parameters.get(&hole.name).map(Scalar::to_json).or_else(fallback));
            }
            Document::Text(template) => template.render(parameters, str::to_owned)?.into(),
            Document::Items(items) => {
                let rendered = items.iter().filter_map(|item| item.render(parameters).transpose());
                Json::Array(rendered.collect::<Result<_, _>>()?)
            }
            Document::Members(members) => {
                let mut object = Map::new();
                for (name, document) in members {
                    if let Some(json) = document.render(parameters)? {
                        object.insert(name.clone(), json);
                    }
                }
                Json::Object(object)
            }
            Document::Rest(used) => {
                let rest = parameters.iter().filter(|(name, _)| !used.contains(*name));
                Json::Object(rest.map(|(name, scalar)| (name.to_owned(), scalar.to_json())).collect())
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena_core::declared::{Parameter, ScalarKind};
    use serde_json::json;

    fn render(document: &Document, given: &Json) -> Option<Json> {
        let optional = |name, kind| Parameter { required: false, ..Parameter::required(name, kind) };
        let declared = [
            optional("id", ScalarKind::Integer),
            optional("name", ScalarKind::Text),
            optional("done", ScalarKind::Boolean),
        ];
        let given = given.as_object().unwrap().iter().map(|(name, json)| (name.as_str(), json));
        document.render(&Parameters::from_json(&declared, given).unwrap()).unwrap()
    }

    #[test]
    fn one_hole_keeps_its_type_and_an_absent_one_drops_its_member() {
        let document = Document::parse(&json!({
            "id": "{id}", "name": "{name?}", "done": "{done?}", "kind": "{name|none}", "title": "job {id}: {name?}",
            "ids": ["{id}", "{name?}"], "fixed": [1, null, "{{}}", ""],
        }))
        .unwrap();
        assert_eq!(
            render(&document, &json!({"id": 7, "name": "\"},x:{\"", "done": true})).unwrap(),
            json!({
                "id": 7, "name": "\"},x:{\"", "done": true, "kind": "\"},x:{\"", "title": "job 7: \"},x:{\"",
                "ids": [7, "\"},x:{\""], "fixed": [1, null, "{}", ""],
            })
        );
        assert_eq!(
            render(&document, &json!({"id": 7})).unwrap(),
            json!({"id": 7, "kind": "none", "title": "job 7: ", "ids": [7], "fixed": [1, null, "{}", ""]})
        );
        let whole = Document::parse(&json!("{name?}")).unwrap();
        assert_eq!(render(&whole, &json!({})), None);
    }

    #[test]
    fn without_a_document_the_parameters_that_nothing_else_uses_are_sent() {
        let document = Document::Rest(["id".to_owned()].into());
        assert_eq!(render(&document, &json!({"id": 7, "name": "x"})).unwrap(), json!({"name": "x"}));
        assert_eq!(render(&document, &json!({"id": 7})).unwrap(), json!({}));
    }
}
