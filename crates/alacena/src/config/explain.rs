//! Every value that is in force, as it was written, and where it came from.
//!
//! What is shown is what somebody wrote, not what it became: `${NAME}` stays a name wherever it stands, so that what it
//! names does not show. Fields that hold secrets show nothing at all.

use serde_json::{Number, Value as Json};

use super::{
    Config, Layers, Origin, Problems,
    check::{boolean, shown},
    load::read,
    schema::{Field, Format, Kind, ROOT},
    tree::{Node, Table, Value},
};

/// One value of a configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explained {
    /// Where it belongs: `classes.jobs.ttl`.
    pub path: String,
    /// What it is, as it was written; none: a secret.
    pub value: Option<Json>,
    /// Where it came from.
    pub origin: Origin,
}

impl Config {
    /// Every value that is in force, in the order of the reference, with where it came from. Fields without a value
    /// and without a default are left out.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the lines: each problem says where its value came from.
    pub fn explain(layers: &Layers) -> Result<Vec<Explained>, Problems> {
        let (config, tree) = read(layers)?;
        let mut explanation = Explanation { config: &config, values: Vec::new() };
        explanation.section(ROOT, &tree, "");
        let origin = config.origins.get("cache_enabled").cloned().unwrap_or(Origin::Default);
        explanation.value("cache_enabled", Some(config.cache_enabled.into()), origin);
        if let Some(origin) = config.origins.get("redis_enabled") {
            explanation.value("redis_enabled", Some(config.redis.is_some().into()), origin.clone());
        }
        Ok(explanation.values)
    }
}

struct Explanation<'a> {
    config: &'a Config,
    values: Vec<Explained>,
}

impl Explanation<'_> {
    fn section(&mut self, fields: &[Field], table: &Table, path: &str) {
        for field in fields {
            let inner =
                if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
            let given = table.get(field.name).map(|entry| &entry.node);
            match &field.kind {
                Kind::Later | Kind::Elsewhere { .. } => {}
                // What is not warmed has no defaults either, nor has a Redis that is not there.
                Kind::Table(_) if ["warm", "redis"].contains(&field.name) && given.is_none() => {}
                Kind::Table(inner) if given.is_none() && inner.iter().any(|field| field.required) => {}
                Kind::Table(fields) => self.section(fields, &table_of(given), &inner),
                Kind::Named { fields, .. } => self.named(fields, &table_of(given), &inner),
                Kind::Headers { secret } => self.texts(&table_of(given), &inner, *secret),
                Kind::Texts { .. } => self.texts(&table_of(given), &inner, false),
                kind => match given {
                    Some(node) => self.value(&inner, written(kind, node), node.origin.clone()),
                    None => self.default(field, table, path, inner),
                },
            }
        }
    }

    fn named(&mut self, fields: &[Field], table: &Table, path: &str) {
        for entry in &table.0 {
            let inner = format!("{path}.{}", shown(&entry.key));
            self.section(fields, &table_of(Some(&entry.node)), &inner);
        }
        if path == "classes" {
            // A read without a class has one of its own name, which nobody wrote down.
            for name in self.config.classes.keys().filter(|name| table.get(name).is_none()) {
                self.section(fields, &Table::default(), &format!("{path}.{name}"));
            }
        }
    }

    fn texts(&mut self, table: &Table, path: &str, secret: bool) {
        for entry in &table.0 {
            let value = (!secret).then(|| as_json(&entry.node));
            let path = format!("{path}.{}", shown(&entry.key));
            self.value(&path, value, entry.node.origin.clone());
        }
    }

    fn value(&mut self, path: &str, value: Option<Json>, origin: Origin) {
        self.values.push(Explained { path: path.to_owned(), value, origin });
    }

    /// What stands in for a field that nobody gave, if anything does.
    fn default(&mut self, field: &Field, table: &Table, section: &str, path: String) {
        let value = match field.default {
            // It gives way to a shorter `hard_timeout`.
            Some(text) if field.name == "soft_timeout" && self.gives_way(section) => {
                table.get("hard_timeout").map_or_else(|| text.into(), |entry| as_json(&entry.node))
            }
            Some(text) if !text.is_empty() && belongs(field, table) => loose(&field.kind, text),
            Some(_) => return,
            None => match self.derived(field.name, section) {
                Some(text) => text.into(),
                None => return,
            },
        };
        self.value(&path, Some(value), Origin::Default);
    }

    fn gives_way(&self, section: &str) -> bool {
        let policy = section.strip_prefix("classes.").and_then(|name| self.config.classes.get(name));
        policy.is_some_and(|policy| policy.soft_timeout == policy.hard_timeout)
    }

    /// What a read is called, classed and keyed by where it does not say so itself.
    fn derived(&self, field: &str, section: &str) -> Option<String> {
        let name = section.strip_prefix("reads.")?;
        let read = self.config.reads.iter().find(|read| read.name == name)?;
        match field {
            "title" => Some(read.title.clone()),
            "class" => Some(read.class.clone()),
            "key" => Some(read.key.to_string()),
            _ => None,
        }
    }
}

/// Whether the default of a field says anything in a section that holds what `table` holds.
fn belongs(field: &Field, table: &Table) -> bool {
    match field.name {
        "result" => table.get("sql").is_some(),
        "length_max" => table.text("type") == Some("string"),
        _ => field.only.is_empty() || table.text("kind") == Some(field.only),
    }
}

fn table_of(node: Option<&Node>) -> Table {
    match node.map(|node| &node.value) {
        Some(Value::Table(table)) => table.clone(),
        _ => Table::default(),
    }
}

/// A value as it was written; none: it is not shown.
fn written(kind: &Kind, node: &Node) -> Option<Json> {
    match (kind, &node.value) {
        (Kind::Secret { .. } | Kind::Text(Format::TokenHash), _) => None,
        (kind, Value::Loose(text)) => Some(loose(kind, text)),
        _ => Some(as_json(node)),
    }
}

/// What a text of the environment, of a flag or of the schema stands for.
pub(super) fn loose(kind: &Kind, text: &str) -> Json {
    let read = match kind {
        Kind::Integer { .. } => text.parse::<i64>().ok().map(Json::from),
        Kind::Number | Kind::Ratio { .. } => text.parse().ok().and_then(Number::from_f64).map(Json::Number),
        Kind::Boolean => boolean(text).map(Json::from),
        Kind::List { of, .. } => {
            let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
            Some(texts.map(|text| loose(of, text)).collect())
        }
        _ => None,
    };
    read.unwrap_or_else(|| text.into())
}

fn as_json(node: &Node) -> Json {
    match &node.value {
        Value::Text(text) | Value::Loose(text) => text.as_str().into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Float(float) => (*float).into(),
        Value::Boolean(value) => (*value).into(),
        Value::Foreign(_) => Json::Null,
        Value::List(nodes) => nodes.iter().map(as_json).collect(),
        Value::Table(table) => {
            table.0.iter().map(|entry| (entry.key.clone(), as_json(&entry.node))).collect()
        }
    }
}
