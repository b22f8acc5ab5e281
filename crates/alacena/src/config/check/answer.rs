//! What a read says that it answers: in the file, or as a JSON Schema in a file of its own.
//!
//! Both are the same words and are checked the same way. A word that is not read is refused: what it says would be
//! promised to callers and not be held.

mod file;

use alacena_core::declared::{
    ANSWER_DEPTH_MAX, ANSWER_PLACES_MAX, ANSWER_REQUIRED_MAX, AnswerSchema, JsonType, nearest,
};
use serde_json::Value as Json;

use super::{Check, Node, Table, Value, shown};
use crate::config::{
    schema::{PROSE_BYTES_MAX, TEXT_BYTES_MAX},
    tree::Entry,
};

/// The words that are read, in the order in which they are best written.
const WORDS: [&str; 11] = [
    "type",
    "title",
    "description",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "minimum",
    "maximum",
    "format",
];
/// Words of a schema that say nothing about an answer.
const ABOUT_THE_SCHEMA: [&str; 3] = ["$schema", "$id", "$comment"];
/// Most values of an `enum`.
const CHOICES_MAX: usize = 100;

impl Check<'_> {
    pub(super) fn answer(&mut self, node: &Node, path: &str) -> Option<AnswerSchema> {
        let mut places = 0;
        match &node.value {
            Value::Loose(_) => self.only_in_file(node, path),
            Value::Text(_) => {
                let file = self.answer_file(node, path)?;
                self.schema_at(&file, path, ANSWER_DEPTH_MAX, &mut places)
            }
            _ => self.schema_at(node, path, ANSWER_DEPTH_MAX, &mut places),
        }
    }

    fn schema_at(
        &mut self,
        node: &Node,
        path: &str,
        levels: usize,
        places: &mut usize,
    ) -> Option<AnswerSchema> {
        *places += 1;
        let too_much = match (levels, *places) {
            (0, _) => format!("has more than {ANSWER_DEPTH_MAX} levels"),
            (_, places) if places == ANSWER_PLACES_MAX + 1 => {
                format!("describes more than {ANSWER_PLACES_MAX} places")
            }
            // It has been told.
            (_, places) if places > ANSWER_PLACES_MAX => return None,
            _ => String::new(),
        };
        if !too_much.is_empty() {
            self.wrong(
                &node.origin,
                path,
                &too_much,
                "Describe less of it: what is not described may be anything.",
            );
            return None;
        }
        let table = self.table(node, path)?;
        let before = self.problems.len();
        let mut schema = AnswerSchema::default();
        for entry in &table.0 {
            let inner = format!("{path}.{}", shown(&entry.key));
            self.word(entry, &inner, &mut schema, (levels, &mut *places));
        }
        self.agree(table, path, &mut schema);
        (self.problems.len() == before).then_some(schema)
    }

    fn word(
        &mut self,
        entry: &Entry,
        path: &str,
        schema: &mut AnswerSchema,
        (levels, places): (usize, &mut usize),
    ) {
        let node = &entry.node;
        match entry.key.as_str() {
            "type" => schema.types = self.types(node, path).unwrap_or_default(),
            "title" => schema.title = self.literal(node, path).unwrap_or_default(),
            "description" => schema.description = self.literal(node, path).unwrap_or_default(),
            "format" => schema.format = self.literal(node, path).unwrap_or_default(),
            "properties" => {
                for entry in self.table(node, path).map_or(&[][..], |table| &table.0) {
                    let inner = format!("{path}.{}", shown(&entry.key));
                    if entry.key.len() > TEXT_BYTES_MAX {
                        let message = format!("has a name of more than {TEXT_BYTES_MAX} bytes");
                        self.wrong(&entry.origin, &inner, &message, "Leave it out.");
                    }
                    if let Some(member) = self.schema_at(&entry.node, &inner, levels - 1, places) {
                        schema.properties.push((entry.key.clone(), member));
                    }
                }
            }
            "required" => schema.required = self.names(node, path),
            "additionalProperties" => match node.value {
                Value::Boolean(open) => schema.closed = !open,
                _ => {
                    let _: Option<()> = self.expected(node, path, "true or false", "one of them");
                }
            },
            "items" => schema.items = self.schema_at(node, path, levels - 1, places).map(Box::new),
            "enum" => schema.choices = self.choices(node, path),
            "minimum" => schema.minimum = self.number(node, path),
            "maximum" => schema.maximum = self.number(node, path),
            about if ABOUT_THE_SCHEMA.contains(&about) => {}
            other => {
                let message = match nearest(other, WORDS.into_iter()) {
                    Some(near) => format!("is no word of a schema that is read; did you mean `{near}`?"),
                    None => "is no word of a schema that is read".to_owned(),
                };
                let remedy = format!("Correct it or remove it; accepted here: {}.", WORDS.join(", "));
                self.wrong(&entry.origin, path, &message, &remedy);
            }
        }
    }

    /// Text as it stands there: `${NAME}` in a schema names nothing, since callers are told what it says.
    fn literal(&mut self, node: &Node, path: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) if text.len() > PROSE_BYTES_MAX => {
                let message = format!("has more than {PROSE_BYTES_MAX} bytes");
                self.wrong(&node.origin, path, &message, "Say less.");
                None
            }
            Value::Text(text) => Some(text.clone()),
            _ => self.expected(node, path, "text", "it in quotes: \"text\""),
        }
    }

    fn types(&mut self, node: &Node, path: &str) -> Option<Vec<JsonType>> {
        let one = |value: &Value| match value {
            Value::Text(word) => JsonType::ALL.into_iter().find(|one| one.as_str() == word),
            _ => None,
        };
        let types = match &node.value {
            Value::List(nodes) => nodes.iter().map(|node| one(&node.value)).collect::<Option<Vec<_>>>(),
            value => one(value).map(|one| vec![one]),
        };
        let distinct = |types: &Vec<JsonType>| (1..types.len()).all(|at| !types[..at].contains(&types[at]));
        let types = types.filter(|types| !types.is_empty() && distinct(types));
        if types.is_none() {
            let words = JsonType::ALL.map(JsonType::as_str).join(", ");
            let remedy = format!("Write one of {words}; or several of them, each once, as a list.");
            self.wrong(&node.origin, path, "names no types of JSON", &remedy);
        }
        types
    }

    fn names(&mut self, node: &Node, path: &str) -> Vec<String> {
        let Value::List(nodes) = &node.value else {
            return self
                .expected(node, path, "a list of names", "it as [\"id\", \"name\"]")
                .unwrap_or_default();
        };
        if nodes.len() > ANSWER_REQUIRED_MAX {
            let message =
                format!("has {} names, and at most {ANSWER_REQUIRED_MAX} are accepted", nodes.len());
            self.wrong(&node.origin, path, &message, "Shorten it.");
        }
        let mut text = |(at, node): (usize, &Node)| self.literal(node, &format!("{path}[{at}]"));
        nodes.iter().enumerate().filter_map(&mut text).collect()
    }

    fn choices(&mut self, node: &Node, path: &str) -> Vec<Json> {
        let Value::List(nodes) = &node.value else {
            return self.expected(node, path, "a list of values", "it in brackets").unwrap_or_default();
        };
        if nodes.is_empty() || nodes.len() > CHOICES_MAX {
            let message = format!("has {} values, and 1 to {CHOICES_MAX} are accepted", nodes.len());
            self.wrong(&node.origin, path, &message, "Leave it out, and any value is accepted.");
        }
        let choice = |(at, node): (usize, &Node)| match &node.value {
            Value::Foreign(file::NULL) => Some(Json::Null),
            Value::Text(text) => Some(text.as_str().into()),
            Value::Integer(integer) => Some((*integer).into()),
            Value::Float(float) => Some((*float).into()),
            Value::Boolean(value) => Some((*value).into()),
            _ => {
                self.expected(node, &format!("{path}[{at}]"), "text, a number, true or false", "one of them")
            }
        };
        nodes.iter().enumerate().filter_map(choice).collect()
    }

    /// What must hold between the words of one place.
    fn agree(&mut self, table: &Table, path: &str, schema: &mut AnswerSchema) {
        use JsonType::{Array, Integer, Null, Number, Object, String};
        let is = |types: &[JsonType]| schema.types.iter().any(|one| types.contains(one));
        let belongs: [(&[&str], &str, bool); 4] = [
            (&["properties", "required", "additionalProperties"], "object", is(&[Object])),
            (&["items"], "array", is(&[Array])),
            (&["minimum", "maximum"], "number", is(&[Integer, Number])),
            (&["format"], "string", is(&[String])),
        ];
        for entry in &table.0 {
            let word = entry.key.as_str();
            let misplaced = belongs.iter().find(|(words, _, fits)| words.contains(&word) && !fits);
            if let Some((_, belongs, _)) = misplaced {
                let message = format!("means nothing without type = \"{belongs}\"");
                self.wrong(
                    &entry.origin,
                    &format!("{path}.{word}"),
                    &message,
                    "Say the `type`, or remove it.",
                );
            }
        }
        let declared = || schema.properties.iter().map(|(name, _)| name.as_str());
        for (at, name) in schema.required.iter().enumerate() {
            if let Some(entry) = table.get("required").filter(|_| schema.required[..at].contains(name)) {
                let message = format!("names `{}` more than once", shown(name));
                self.wrong(&entry.node.origin, &format!("{path}.required"), &message, "Name it once.");
            }
            // Members that are wrong have been told, and may be what is named here.
            if let Some(entry) = table.get("required").filter(|_| declared().all(|other| other != name)) {
                let message = match nearest(name, declared()) {
                    Some(near) => format!("names no member of `properties`; did you mean `{}`?", shown(near)),
                    None => format!("names `{}`, which is no member of `properties`", shown(name)),
                };
                let remedy = "Describe it there: `{}` is enough where it may be anything.";
                self.wrong(&entry.node.origin, &format!("{path}.required"), &message, remedy);
            }
        }
        if let (Some(least), Some(most), Some(entry)) = (schema.minimum, schema.maximum, table.get("minimum"))
            && least > most
        {
            self.wrong(
                &entry.node.origin,
                &format!("{path}.minimum"),
                "is above `maximum`",
                "Exchange them.",
            );
        }
        // TOML has no null: that it may stand there, `type` says.
        if is(&[Null]) && !schema.choices.is_empty() && !schema.choices.contains(&Json::Null) {
            schema.choices.push(Json::Null);
        }
    }
}
