//! The configuration between text and meaning: values of no declared type yet, each with its origin.

use super::Origin;

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A TOML date or time, or a number that fits no type: nothing that Alacena accepts anywhere.
    Foreign(&'static str),
    List(Vec<Node>),
    Table(Table),
    /// Text of the environment or of a flag: the schema decides what it is.
    Loose(String),
}

impl Value {
    /// What it is, as a problem says it.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Loose(_) => "text",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Foreign(noun) => noun,
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key stands; the value has an origin of its own.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

/// Keys with values, in the order of the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

impl Table {
    /// The entry of this key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    /// The table under this key.
    pub(super) fn table(&self, key: &str) -> Option<&Table> {
        match &self.get(key)?.node.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text under this key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node.value {
            Value::Text(text) | Value::Loose(text) => Some(text),
            _ => None,
        }
    }

    /// The keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.key.as_str())
    }

    /// Takes out what is under this key.
    pub(super) fn remove(&mut self, key: &str) {
        self.0.retain(|entry| entry.key != key);
    }

    /// The table under this key, to change.
    pub(super) fn table_mut(&mut self, key: &str) -> Option<&mut Table> {
        match &mut self.0.iter_mut().find(|entry| entry.key == key)?.node.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Puts `text` at `path` over whatever a lower layer has there; tables on the way are made. A value on the way
    /// that is no table stays as it is: the check names it.
    pub(super) fn overlay(&mut self, path: &[&str], text: &str, origin: &Origin) {
        let [key, rest @ ..] = path else { return };
        let at = self.0.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
            let node = Node { origin: origin.clone(), value: Value::Table(Table::default()) };
            self.0.push(Entry { key: (*key).to_owned(), origin: origin.clone(), node });
            self.0.len() - 1
        });
        let entry = &mut self.0[at];
        if rest.is_empty() {
            entry.origin = origin.clone();
            entry.node = Node { origin: origin.clone(), value: Value::Loose(text.to_owned()) };
        } else if let Value::Table(table) = &mut entry.node.value {
            table.overlay(rest, text, origin);
        }
    }
}
