//! Tree against schema: every value gets its type or its problem, every absent field its default.

mod text;
mod quantity;
mod structure;
mod answer;

pub(super) use quantity::{boolean, whole};

use std::{collections::BTreeMap, path::Path};

use alacena_core::{
    declared::{Scalar, nearest},
    secret::Secret,
};

use super::{
    Origin, forms,
    problem::{NOT_BUILT_REMEDY, Problem},
    schema::{self, Field, Format, HEADERS_MAX, Kind, Names},
    secrets,
    setting::{Item, Setting, Settings},
    tree::{Node, Table, Value},
    units,
};

/// Checks one configuration.
pub(super) struct Check<'a> {
    /// What `${NAME}` names.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// What paths of the file are relative to.
    pub(super) folder: &'a Path,
    /// What was wrong.
    pub(super) problems: Vec<Problem>,
    /// Where each value that is not a default came from.
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Check<'_> {
    /// Checks the fields of one section.
    pub(super) fn section(
        &mut self,
        fields: &'static [Field],
        table: &Table,
        path: &str,
        origin: &Origin,
    ) -> Settings {
        let mut settings = Settings::new(path, origin);
        if self.is_of_later_kind(fields, table, &settings) {
            settings.later = true;
            return settings;
        }
        for entry in &table.0 {
            let inner = settings.path_of(&shown(&entry.key));
            match schema::find(fields, &entry.key) {
                // Whoever slipped on a required name did not leave it out.
                None => {
                    if let Some(meant) = self.unknown(fields, &entry.key, &inner, path, &entry.origin) {
                        settings.mark_wrong(meant);
                    }
                }
                Some(Field { kind: Kind::Later, .. }) => self.later(&entry.origin, &inner),
                Some(Field { kind: Kind::Elsewhere { message, remedy }, .. }) => {
                    self.wrong(&entry.origin, &inner, message, remedy);
                }
                Some(field) => {
                    self.belongs(field, table, &entry.origin, &inner);
                    match self.value(&field.kind, &entry.node, &inner) {
                        Some(setting) => {
                            settings.put(field.name, Item { origin: entry.node.origin.clone(), setting });
                        }
                        None => settings.mark_wrong(field.name),
                    }
                }
            }
        }
        for field in fields.iter().filter(|field| field.is_accepted()) {
            if settings.get(field.name).is_some() {
                continue;
            }
            let inner = settings.path_of(field.name);
            if field.required && !settings.is_wrong(field.name) {
                let remedy = format!("Add it. {}", field.doc);
                self.problems.push(Problem::new(origin, &inner, "missing", remedy));
                settings.mark_wrong(field.name);
            }
            if let Some(setting) = self.default(field, &inner) {
                settings.put(field.name, Item { origin: Origin::Default, setting });
            }
        }
        settings
    }

    /// A section whose `kind` is not built yet is told once and not looked into.
    fn is_of_later_kind(&mut self, fields: &'static [Field], table: &Table, settings: &Settings) -> bool {
        let Some(Kind::Choice { later, .. }) = schema::find(fields, "kind").map(|field| &field.kind) else {
            return false;
        };
        let (Some(entry), Some(kind)) = (table.get("kind"), table.text("kind")) else { return false };
        let is_later = later.contains(&kind);
        if is_later {
            self.later(&entry.node.origin, &settings.path_of("kind"));
        }
        is_later
    }

    fn later(&mut self, origin: &Origin, path: &str) {
        self.problems.push(Problem::not_built(origin, path, NOT_BUILT_REMEDY));
    }

    /// Refuses a name that is no field; answers the one that may have been meant.
    fn unknown(
        &mut self,
        fields: &'static [Field],
        key: &str,
        inner: &str,
        path: &str,
        origin: &Origin,
    ) -> Option<&'static str> {
        let noun = if path.is_empty() { "section" } else { "key" };
        let built = || fields.iter().filter(|field| field.is_accepted()).map(|field| field.name);
        let meant = nearest(key, built());
        let message = match meant {
            Some(near) => format!("unknown {noun}; did you mean `{near}`?"),
            None => format!("unknown {noun}"),
        };
        let accepted = built().collect::<Vec<_>>().join(", ");
        let remedy = match schema::home_of(key).filter(|_| !path.is_empty() && meant.is_none()) {
            Some(home) => format!("It belongs in {home}; accepted here: {accepted}."),
            None => format!("Correct it or remove it; accepted here: {accepted}."),
        };
        self.problems.push(Problem::new(origin, inner, message, remedy));
        meant
    }

    /// A field of one kind of source does not belong to another.
    fn belongs(&mut self, field: &Field, table: &Table, origin: &Origin, path: &str) {
        if let Some(kind) = table.text("kind").filter(|kind| ["http", "sqlite"].contains(kind))
            && !field.only.is_empty()
            && field.only != kind
        {
            let message = format!("belongs to a source of kind \"{}\"", field.only);
            self.wrong(origin, path, &message, "Remove it, or correct `kind`.");
        }
    }

    fn default(&mut self, field: &'static Field, path: &str) -> Option<Setting> {
        match (&field.kind, field.default) {
            // A section that cannot do without something is only there where it is given.
            (Kind::Table(fields), _) if fields.iter().any(|field| field.required) => None,
            (Kind::Table(fields), _) => {
                let section = self.section(fields, &Table::default(), path, &Origin::Default);
                Some(Setting::Table(section))
            }
            (kind, Some(text)) => {
                let node = Node { origin: Origin::Default, value: Value::Loose(text.to_owned()) };
                self.value(kind, &node, path)
            }
            (_, None) => None,
        }
    }

    /// Gives a value the type that the schema says; `None`: the problem has been told.
    fn value(&mut self, kind: &'static Kind, node: &Node, path: &str) -> Option<Setting> {
        if node.origin != Origin::Default
            && !matches!(kind, Kind::Table(_) | Kind::Named { .. } | Kind::Texts { .. })
        {
            self.origins.insert(path.to_owned(), node.origin.clone());
        }
        match kind {
            Kind::Duration { min, max } => self.duration(node, path, min, max),
            Kind::Bytes { min, max } => self.bytes(node, path, min, max),
            Kind::Integer { min, max } => self.integer(node, path, *min, *max),
            Kind::Number => self.number(node, path).map(Setting::Number),
            Kind::Ratio { max } => self.ratio(node, path, *max),
            Kind::Boolean => self.boolean(node, path),
            Kind::Text(format) => self.text_of(*format, node, path),
            Kind::Secret { min } => self.secret(node, path, *min).map(Setting::Secret),
            Kind::Choice { words, .. } => self.choice(node, path, words),
            Kind::List { of, max } => self.list(node, path, of, *max),
            Kind::Headers { secret } => self.headers(node, path, *secret),
            Kind::Texts { format, max } => self.texts(node, path, *format, *max),
            Kind::Json => self.json(node, path).map(Setting::Json),
            Kind::Answer => self.answer(node, path).map(Setting::Answer),
            Kind::Scalar => self.scalar(node, path).map(Setting::Scalar),
            Kind::Target => self.target(node, path),
            Kind::Values => self.values(node, path),
            Kind::Table(fields) => {
                let table = self.table(node, path)?;
                Some(Setting::Table(self.section(fields, table, path, &node.origin)))
            }
            Kind::Named { names, fields, max } => self.named(node, path, *names, fields, *max),
            Kind::Later | Kind::Elsewhere { .. } => None,
        }
    }

    fn wrong(&mut self, origin: &Origin, path: &str, message: &str, remedy: &str) {
        self.problems.push(Problem::new(origin, path, message, remedy));
    }

    fn expected<T>(&mut self, node: &Node, path: &str, what: &str, example: &str) -> Option<T> {
        let message = format!("is {}, and must be {what}", node.value.noun());
        self.wrong(&node.origin, path, &message, &format!("Write {example}."));
        None
    }

    fn list(&mut self, node: &Node, path: &str, of: &'static Kind, max: usize) -> Option<Setting> {
        let loose;
        let nodes = match &node.value {
            Value::List(nodes) => nodes,
            // One name of the environment holds several texts: `a,b`.
            Value::Loose(text) => {
                let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                let value = |text: &str| Value::Loose(text.to_owned());
                loose = texts
                    .map(|text| Node { origin: node.origin.clone(), value: value(text) })
                    .collect::<Vec<_>>();
                &loose
            }
            _ => return self.expected(node, path, "a list", "it in brackets: [\"a\", \"b\"]"),
        };
        if nodes.len() > max {
            let message = format!("has {} elements, and at most {max} are accepted", nodes.len());
            self.wrong(&node.origin, path, &message, "Shorten it.");
            return None;
        }
        let items: Vec<Option<Item>> = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| {
                let setting = self.value(of, node, &format!("{path}[{at}]"))?;
                Some(Item { origin: node.origin.clone(), setting })
            })
            .collect();
        items.into_iter().collect::<Option<_>>().map(Setting::List)
    }

    fn named(
        &mut self,
        node: &Node,
        path: &str,
        names: Names,
        fields: &'static [Field],
        max: usize,
    ) -> Option<Setting> {
        let table = self.table(node, path)?;
        if table.0.len() > max {
            let message = format!("has {} names, and at most {max} are accepted", table.0.len());
            self.wrong(&node.origin, path, &message, "Split the configuration.");
            return None;
        }
        let mut sections = Vec::new();
        for entry in &table.0 {
            let inner = format!("{path}.{}", shown(&entry.key));
            if !is_name(names, &entry.key) {
                let first = if names == Names::Section { "a lower-case letter" } else { "a letter or `_`" };
                let case = if names == Names::Section { "lower-case letters" } else { "letters" };
                let remedy = format!("Begin it with {first}, then use {case}, digits and `_`, at most 64.");
                self.wrong(&entry.origin, &inner, "not accepted as a name", &remedy);
            }
            if let Some(table) = self.table(&entry.node, &inner) {
                let section = self.section(fields, table, &inner, &entry.origin);
                sections.push((entry.key.clone(), section));
            }
        }
        Some(Setting::Named(sections))
    }

    fn table<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n Table> {
        match &node.value {
            Value::Table(table) => Some(table),
            Value::Loose(_) => {
                let message = "is a table, which one text cannot be";
                self.wrong(&node.origin, path, message, "Set its fields by a longer name, or in the file.");
                None
            }
            _ => self.expected(node, path, "a table", "it as a [section], or as { name = value }"),
        }
    }
}

/// A key as a problem shows it: short and in one line.
pub(super) fn shown(key: &str) -> String {
    key.chars()
        .take(64)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}

fn is_name(names: Names, name: &str) -> bool {
    let lower = |first: char| first.is_ascii_lowercase();
    let any = |first: char| first.is_ascii_alphabetic() || first == '_';
    match names {
        Names::Section => {
            let rest = |character: char| lower(character) || character.is_ascii_digit() || character == '_';
            name.len() <= 64 && name.starts_with(lower) && name.chars().all(rest)
        }
        Names::Parameter => {
            let rest = |character: char| any(character) || character.is_ascii_digit();
            name.len() <= 64 && name.starts_with(any) && name.chars().all(rest)
        }
    }
}
