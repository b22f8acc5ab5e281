//! A JSON Schema in a file of its own, as the configuration holds its values.

use std::{fs, path::PathBuf};

use serde_json::Value as Json;

use super::super::{Check, Node, Origin, Table, Value};
use crate::config::tree::Entry;

/// Largest file that a schema is read from, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

impl Check<'_> {
    /// The schema in the file that a text names.
    pub(super) fn answer_file(&mut self, node: &Node, path: &str) -> Option<Node> {
        let named = self.text(node, path, false)?;
        let file = self.resolve(&node.origin, PathBuf::from(&named));
        let read = fs::metadata(&file).and_then(|metadata| {
            // A pipe never ends, and a device may not.
            let fits = metadata.is_file() && metadata.len() <= FILE_BYTES_MAX;
            fits.then(|| fs::read_to_string(&file)).transpose()
        });
        let refused = match read {
            Ok(Some(text)) => match serde_json::from_str::<Json>(&text) {
                Ok(json) => return Some(node_of(&json, &Origin::whole(&named))),
                Err(error) => format!(
                    "names a file that is not JSON at line {}, column {}",
                    error.line(),
                    error.column()
                ),
            },
            Ok(None) => format!("names what is not a file of at most {FILE_BYTES_MAX} bytes"),
            Err(error) => format!("names a file that cannot be read: {}", error.kind()),
        };
        let remedy = "Name a JSON Schema, relative to the configuration file; or write it here as a table.";
        self.wrong(&node.origin, path, &refused, remedy);
        None
    }
}

/// What `null` is called where a value of TOML is expected.
pub(super) const NULL: &str = "null";

/// A JSON document as the configuration holds its values; all of them come from the file as a whole.
fn node_of(json: &Json, origin: &Origin) -> Node {
    let value = match json {
        Json::Null => Value::Foreign(NULL),
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(|item| node_of(item, origin)).collect()),
        Json::Object(members) => {
            let entry = |(key, json): (&String, &Json)| Entry {
                key: key.clone(),
                origin: origin.clone(),
                node: node_of(json, origin),
            };
            Value::Table(Table(members.iter().map(entry).collect()))
        }
    };
    Node { origin: origin.clone(), value }
}
