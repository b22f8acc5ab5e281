//! What a read answers, in the words of JSON Schema, and whether an answer is that.
//!
//! Only the words that tell a program or an agent what it will get: types, members, items, choices and limits of
//! numbers. Nothing that combines schemas, so that a document is checked in one pass, without a tree, and what is wrong
//! is one sentence about one place.

mod check;

use std::fmt;

use serde_json::{Map, Value as Json, json};

/// Most levels of a schema.
pub const ANSWER_DEPTH_MAX: usize = 16;
/// Most places of a schema: itself, its members, its items, and theirs.
pub const ANSWER_PLACES_MAX: usize = 1000;
/// Most names that one object can require.
pub const ANSWER_REQUIRED_MAX: usize = 128;

/// A type of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction, however it is written.
    Integer,
    /// Any number.
    Number,
    /// Text.
    String,
    /// A list.
    Array,
    /// Names with values.
    Object,
}

impl JsonType {
    /// All of them.
    pub const ALL: [JsonType; 7] = [
        JsonType::Null,
        JsonType::Boolean,
        JsonType::Integer,
        JsonType::Number,
        JsonType::String,
        JsonType::Array,
        JsonType::Object,
    ];

    /// The word for it in JSON Schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            JsonType::Null => "null",
            JsonType::Boolean => "boolean",
            JsonType::Integer => "integer",
            JsonType::Number => "number",
            JsonType::String => "string",
            JsonType::Array => "array",
            JsonType::Object => "object",
        }
    }
}

/// What a JSON value may be. The default accepts any.
///
/// ```
/// use alacena_core::declared::{AnswerSchema, JsonType};
///
/// let id = AnswerSchema { types: vec![JsonType::Integer], ..AnswerSchema::default() };
/// let job = AnswerSchema {
///     types: vec![JsonType::Object],
///     properties: vec![("id".to_owned(), id)],
///     required: vec!["id".to_owned()],
///     ..AnswerSchema::default()
/// };
/// assert!(job.check(r#"{"id": 7, "name": "roof"}"#).is_ok());
/// assert_eq!(job.check(r#"{"id": "7"}"#).unwrap_err().to_string(), "at `/id`: must be an integer");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerSchema {
    /// The types that it may have; none: any.
    pub types: Vec<JsonType>,
    /// A short name for people.
    pub title: String,
    /// What it means, for people and agents.
    pub description: String,
    /// What is known of the members of an object, in order.
    pub properties: Vec<(String, AnswerSchema)>,
    /// Members that an object must have; at most [`ANSWER_REQUIRED_MAX`].
    pub required: Vec<String>,
    /// Whether an object has no members but `properties`.
    pub closed: bool,
    /// What is known of every item of a list.
    pub items: Option<Box<AnswerSchema>>,
    /// The only values that it may have, none of them a list or an object; none: any.
    pub choices: Vec<Json>,
    /// The smallest number.
    pub minimum: Option<f64>,
    /// The largest number.
    pub maximum: Option<f64>,
    /// What a text is, for people and programs; never checked.
    pub format: String,
}

/// What is wrong with an answer: where, and which rule it breaks. Never what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The place, as a JSON pointer (RFC 6901) made of declared names and positions.
    pub pointer: String,
    /// What must hold there.
    pub rule: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.rule)
        } else {
            write!(f, "at `{}`: {}", self.pointer, self.rule)
        }
    }
}

impl std::error::Error for Mismatch {}

impl AnswerSchema {
    /// Any value of these types.
    #[must_use]
    pub fn of(types: &[JsonType]) -> Self {
        Self { types: types.to_vec(), ..Self::default() }
    }

    /// Whether every value that it accepts is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.types == [JsonType::Object]
    }

    /// Whether `document` is what this says.
    ///
    /// # Errors
    /// With the first place at which it is not.
    pub fn check(&self, document: &str) -> Result<(), Mismatch> {
        check::check(self, document)
    }

    /// The same as JSON Schema 2020-12.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Json> {
        let mut schema = Map::new();
        let mut say = |name: &str, value: Json| {
            schema.insert(name.to_owned(), value);
        };
        match self.types.as_slice() {
            [] => {}
            [one] => say("type", one.as_str().into()),
            several => say("type", several.iter().map(|one| one.as_str()).collect()),
        }
        for (name, text) in
            [("title", &self.title), ("description", &self.description), ("format", &self.format)]
        {
            if !text.is_empty() {
                say(name, text.as_str().into());
            }
        }
        if !self.properties.is_empty() {
            let members =
                self.properties.iter().map(|(name, schema)| (name.clone(), schema.to_json().into()));
            say("properties", Json::Object(members.collect()));
        }
        if !self.required.is_empty() {
            say("required", json!(self.required));
        }
        if self.closed {
            say("additionalProperties", false.into());
        }
        if let Some(items) = &self.items {
            say("items", items.to_json().into());
        }
        if !self.choices.is_empty() {
            say("enum", json!(self.choices));
        }
        for (name, limit) in [("minimum", self.minimum), ("maximum", self.maximum)] {
            if let Some(limit) = limit {
                say(name, whole_if_it_is(limit));
            }
        }
        schema
    }
}

/// A limit as JSON: 10, not 10.0, where it is whole.
fn whole_if_it_is(limit: f64) -> Json {
    /// Whole numbers up to here are exact in a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if limit.fract() == 0.0 && limit.abs() <= EXACT { json!(limit as i64) } else { json!(limit) }
}
