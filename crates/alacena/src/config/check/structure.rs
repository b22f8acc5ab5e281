//! Values with an inside: JSON bodies, values of parameters, targets of an invalidation.

use serde_json::{Map, Value as Json};

use super::{Check, Format, Item, Names, Node, Scalar, Setting, Value, is_name, shown};

/// The kinds of target that a write may name in a table.
const TARGETS: [&str; 4] = ["prefix", "pattern", "key", "class"];
/// Most levels of a JSON body.
const DEPTH_MAX: usize = 16;

impl Check<'_> {
    pub(super) fn json(&mut self, node: &Node, path: &str) -> Option<Json> {
        if matches!(node.value, Value::Loose(_)) {
            return self.only_in_file(node, path);
        }
        self.json_at(node, path, DEPTH_MAX)
    }

    fn json_at(&mut self, node: &Node, path: &str, levels: usize) -> Option<Json> {
        if levels == 0 {
            let message = format!("has more than {DEPTH_MAX} levels");
            self.wrong(&node.origin, path, &message, "Make it flatter.");
            return None;
        }
        match &node.value {
            Value::Text(_) | Value::Loose(_) => {
                let text = self.text(node, path, true)?;
                // Parsed here for its problems only: whoever sends the body takes it apart string by string.
                self.form(Format::Template, &text, node, path)?;
                Some(Json::String(text))
            }
            Value::Integer(integer) => Some((*integer).into()),
            Value::Float(float) => Some((*float).into()),
            Value::Boolean(value) => Some((*value).into()),
            Value::Foreign(_) => self.expected(node, path, "what JSON has", "it as text"),
            Value::List(nodes) => {
                let inner = |at| format!("{path}[{at}]");
                let list: Vec<_> = nodes
                    .iter()
                    .enumerate()
                    .map(|(at, node)| self.json_at(node, &inner(at), levels - 1))
                    .collect();
                list.into_iter().collect::<Option<_>>().map(Json::Array)
            }
            Value::Table(table) => {
                let members: Vec<_> = table
                    .0
                    .iter()
                    .map(|entry| {
                        let inner = format!("{path}.{}", shown(&entry.key));
                        let value = self.json_at(&entry.node, &inner, levels - 1)?;
                        Some((entry.key.clone(), value))
                    })
                    .collect();
                members.into_iter().collect::<Option<Map<_, _>>>().map(Json::Object)
            }
        }
    }

    pub(super) fn scalar(&mut self, node: &Node, path: &str) -> Option<Scalar> {
        match &node.value {
            Value::Integer(integer) => Some(Scalar::Integer(*integer)),
            Value::Float(float) => Some(Scalar::Number(*float)),
            Value::Boolean(value) => Some(Scalar::Boolean(*value)),
            Value::Text(_) => self.text(node, path, false).map(Scalar::Text),
            Value::Loose(_) => self.only_in_file(node, path),
            Value::Foreign(_) | Value::List(_) | Value::Table(_) => self.expected(
                node,
                path,
                "text, a number, true or false",
                "one value of the parameter's type",
            ),
        }
    }

    /// Names of parameters, each with a text.
    pub(super) fn texts(&mut self, node: &Node, path: &str, format: Format, max: usize) -> Option<Setting> {
        let table = self.table(node, path)?;
        if table.0.len() > max {
            let message = format!("has {} names, and at most {max} are accepted", table.0.len());
            self.wrong(&node.origin, path, &message, "Remove some.");
            return None;
        }
        let (mut texts, before) = (Vec::new(), self.problems.len());
        for entry in &table.0 {
            let inner = format!("{path}.{}", shown(&entry.key));
            if !is_name(Names::Parameter, &entry.key) {
                let remedy = "Begin it with a letter or `_`, then use letters, digits and `_`, at most 64.";
                self.wrong(&entry.origin, &inner, "not accepted as a name", remedy);
                continue;
            }
            let origin = entry.node.origin.clone();
            let Some(setting) = self.text_of(format, &entry.node, &inner) else { continue };
            self.origins.insert(inner, origin.clone());
            texts.push((entry.key.clone(), Item { origin, setting }));
        }
        (self.problems.len() == before).then_some(Setting::Texts(texts))
    }

    /// Values of parameters: which of them there are is for the meaning to check.
    pub(super) fn values(&mut self, node: &Node, path: &str) -> Option<Setting> {
        let Value::Table(table) = &node.value else {
            return self.expected(node, path, "a table", "it as { name = value }");
        };
        let values: Vec<_> = table
            .0
            .iter()
            .map(|entry| {
                let scalar = self.scalar(&entry.node, &format!("{path}.{}", shown(&entry.key)))?;
                let item = Item { origin: entry.node.origin.clone(), setting: Setting::Scalar(scalar) };
                Some((entry.key.clone(), item))
            })
            .collect();
        values.into_iter().collect::<Option<_>>().map(Setting::Values)
    }

    /// A tag as text, or a table with one of `prefix`, `pattern`, `key`, `class`.
    pub(super) fn target(&mut self, node: &Node, path: &str) -> Option<Setting> {
        let Value::Table(table) = &node.value else {
            return self.target_text("tag", node, path);
        };
        let kind = match table.0.as_slice() {
            [entry] => TARGETS.into_iter().find(|kind| *kind == entry.key).map(|kind| (kind, &entry.node)),
            _ => None,
        };
        let Some((kind, node)) = kind else {
            let remedy = "Write a tag as text, or one of { prefix = \"jobs:list\" }, { pattern = \"jobs:list:*:{id}\" }, { key = \"jobs:detail:{id}\" }, { class = \"jobs\" }.";
            self.wrong(&node.origin, path, "names no target of an invalidation", remedy);
            return None;
        };
        self.target_text(kind, node, &format!("{path}.{kind}"))
    }

    fn target_text(&mut self, kind: &'static str, node: &Node, path: &str) -> Option<Setting> {
        match self.text_of(Format::Template, node, path)? {
            Setting::Template(template) if template.pieces().is_empty() => {
                self.wrong(&node.origin, path, "is empty", "Name what is invalidated.");
                None
            }
            Setting::Template(template) => Some(Setting::Target(kind, template)),
            _ => None,
        }
    }

    pub(super) fn only_in_file<T>(&mut self, node: &Node, path: &str) -> Option<T> {
        self.wrong(&node.origin, path, "cannot be set from outside the file", "Set it in the file.");
        None
    }
}
