//! What a checked field holds: of the type that the schema gives it, within its limits.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use alacena_core::{
    declared::{AnswerSchema, Scalar, Template},
    secret::Secret,
};

use super::Origin;

/// One value with its origin.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) origin: Origin,
    pub(super) setting: Setting,
}

/// One value.
#[derive(Clone)]
pub(super) enum Setting {
    Duration(Duration),
    Bytes(u64),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Text(String),
    Secret(Secret),
    Address(SocketAddr),
    Path(PathBuf),
    Hash([u8; 32]),
    Template(Template),
    /// Method and target.
    Request(String, Template),
    /// Names in lower case, with secrets or templates.
    Headers(Vec<(String, Item)>),
    /// Names of parameters with a text each.
    Texts(Vec<(String, Item)>),
    Json(serde_json::Value),
    Answer(AnswerSchema),
    Scalar(Scalar),
    /// Values of parameters, by name, in the order of the file.
    Values(Vec<(String, Item)>),
    /// `tag`, `prefix`, `pattern`, `key` or `class`, and what it says.
    Target(&'static str, Template),
    List(Vec<Item>),
    Table(Settings),
    Named(Vec<(String, Settings)>),
}

/// The fields of one section. What was wrong has its default here, if there is one, and is remembered as wrong, so
/// that nothing is said twice.
#[derive(Clone)]
pub(super) struct Settings {
    /// Where it is in the configuration: `classes.jobs`.
    pub(super) path: String,
    pub(super) origin: Origin,
    fields: BTreeMap<&'static str, Item>,
    wrong: BTreeSet<&'static str>,
    /// Whether it is of a kind that is not built yet, and says nothing.
    pub(super) later: bool,
}

/// A getter for one type of field.
macro_rules! getter {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty, $of:expr) => {
        $(#[$doc])*
        pub(super) fn $name(&self, name: &'static str) -> Option<$type> {
            match &self.get(name)?.setting {
                Setting::$variant(value) => Some($of(value)),
                _ => None,
            }
        }
    };
}

impl Settings {
    pub(super) fn new(path: &str, origin: &Origin) -> Self {
        Self {
            path: path.to_owned(),
            origin: origin.clone(),
            fields: BTreeMap::new(),
            wrong: BTreeSet::new(),
            later: false,
        }
    }

    pub(super) fn put(&mut self, name: &'static str, item: Item) {
        self.fields.insert(name, item);
    }

    pub(super) fn mark_wrong(&mut self, name: &'static str) {
        self.wrong.insert(name);
    }

    /// Whether a problem with this field has been told already.
    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.wrong.contains(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Item> {
        self.fields.get(name)
    }

    /// Where the field is given; where its section is, when it is not.
    pub(super) fn origin_of(&self, name: &str) -> &Origin {
        self.get(name)
            .map(|item| &item.origin)
            .filter(|origin| **origin != Origin::Default)
            .unwrap_or(&self.origin)
    }

    /// The path of a field.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    getter!(text_maybe, Text, &str, String::as_str);
    getter!(secret_maybe, Secret, &Secret, |secret| secret);
    getter!(path_maybe, Path, &PathBuf, |path| path);
    getter!(template_maybe, Template, &Template, |template| template);
    getter!(answer_maybe, Answer, &AnswerSchema, |schema| schema);
    getter!(json_maybe, Json, &serde_json::Value, |json| json);
    getter!(number_maybe, Number, f64, |number: &f64| *number);
    getter!(boolean_maybe, Boolean, bool, |value: &bool| *value);
    getter!(hash_maybe, Hash, [u8; 32], |hash: &[u8; 32]| *hash);
    getter!(address_maybe, Address, SocketAddr, |address: &SocketAddr| *address);
    getter!(duration_maybe, Duration, Duration, |duration: &Duration| *duration);
    getter!(bytes_maybe, Bytes, u64, |bytes: &u64| *bytes);
    getter!(integer_maybe, Integer, i64, |integer: &i64| *integer);

    /// A field that the schema gives a default.
    pub(super) fn duration(&self, name: &'static str) -> Duration {
        self.duration_maybe(name).expect("the schema gives this field a default")
    }

    /// A size that the schema gives a default.
    pub(super) fn bytes(&self, name: &'static str) -> u64 {
        self.bytes_maybe(name).expect("the schema gives this field a default")
    }

    /// A size in memory that the schema gives a default.
    pub(super) fn size(&self, name: &'static str) -> usize {
        usize::try_from(self.bytes(name)).unwrap_or(usize::MAX)
    }

    /// A whole number that the schema gives a default and limits within the type.
    pub(super) fn integer<T: TryFrom<i64>>(&self, name: &'static str) -> T {
        let integer = self.integer_maybe(name).expect("the schema gives this field a default");
        T::try_from(integer).ok().expect("the schema limits this field to what its type holds")
    }

    /// Text that the schema gives a default.
    pub(super) fn text(&self, name: &'static str) -> String {
        self.text_maybe(name).expect("the schema gives this field a default").to_owned()
    }

    /// What a list holds; an absent one is empty.
    pub(super) fn list(&self, name: &'static str) -> &[Item] {
        match self.get(name).map(|item| &item.setting) {
            Some(Setting::List(items)) => items,
            _ => &[],
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self, name: &'static str) -> Vec<String> {
        let text = |item: &Item| match &item.setting {
            Setting::Text(text) => Some(text.clone()),
            _ => None,
        };
        self.list(name).iter().filter_map(text).collect()
    }

    /// The headers of a table; an absent one is empty.
    pub(super) fn headers(&self, name: &'static str) -> &[(String, Item)] {
        match self.get(name).map(|item| &item.setting) {
            Some(Setting::Headers(headers)) => headers,
            _ => &[],
        }
    }

    /// The texts of a table by name; an absent one is empty.
    pub(super) fn texts_by_name(&self, name: &'static str) -> &[(String, Item)] {
        match self.get(name).map(|item| &item.setting) {
            Some(Setting::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// The fields of a section that is not always there.
    pub(super) fn table_maybe(&self, name: &'static str) -> Option<&Settings> {
        match &self.get(name)?.setting {
            Setting::Table(settings) => Some(settings),
            _ => None,
        }
    }

    /// The fields of a section of one.
    pub(super) fn table(&self, name: &'static str) -> &Settings {
        match self.get(name).map(|item| &item.setting) {
            Some(Setting::Table(settings)) => settings,
            _ => unreachable!("the check fills every section of the schema in"),
        }
    }

    /// The sections of a kind with their names, in the order of the file.
    pub(super) fn named(&self, name: &'static str) -> &[(String, Settings)] {
        match self.get(name).map(|item| &item.setting) {
            Some(Setting::Named(sections)) => sections,
            _ => &[],
        }
    }
}
