//! What an entry depends on, and can therefore be invalidated by.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use crate::{
    error::{Error, catalogue},
    tier::BUCKETS,
};

/// Longest text of a tag or prefix, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;
/// Most deps of one entry, the structural ones (everything, namespace, class, prefixes) included.
pub const DEPS_MAX: usize = 16;

/// The kinds of dep, from the widest to the narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DepKind {
    /// Every entry of the process.
    Everything,
    /// Every entry of one namespace.
    Namespace,
    /// Every entry of one class.
    Class,
    /// Every entry whose key begins with these constant segments.
    Prefix,
    /// Every entry of a class whose key has this value of a parameter that the class declares as index.
    Index,
    /// Every entry that carries this tag.
    Tag,
    /// One key in every caller's partition: what a key names when the callers' credentials are part of it.
    Key,
    /// Every entry of this bucket of a second tier: how copies in memory hear of an invalidation by key.
    Bucket,
}

impl DepKind {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DepKind::Everything => "everything",
            DepKind::Namespace => "namespace",
            DepKind::Class => "class",
            DepKind::Prefix => "prefix",
            DepKind::Index => "index",
            DepKind::Tag => "tag",
            DepKind::Key => "key",
            DepKind::Bucket => "bucket",
        }
    }

    /// Whether configuration, and not data, bounds how many there are.
    #[must_use]
    pub const fn is_structural(self) -> bool {
        !matches!(self, DepKind::Index | DepKind::Tag | DepKind::Key)
    }
}

/// Something that an entry depends on: invalidating it invalidates every entry that does.
///
/// ```
/// use alacena_core::dep::Dep;
///
/// let tag = Dep::tag("shop", "company:42")?;
/// assert_eq!(tag.to_string(), "tag company:42");
/// assert!(Dep::tag("shop", "").is_err());
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dep {
    kind: DepKind,
    namespace: Arc<str>,
    text: Arc<str>,
}

impl Dep {
    /// Every entry of the process.
    #[must_use]
    pub fn everything() -> Self {
        Self { kind: DepKind::Everything, namespace: "".into(), text: "".into() }
    }

    /// Every entry of `namespace`.
    #[must_use]
    pub fn namespace(namespace: &str) -> Self {
        Self { kind: DepKind::Namespace, namespace: namespace.into(), text: "".into() }
    }

    /// Every entry of `class` in `namespace`.
    #[must_use]
    pub fn class(namespace: &str, class: &str) -> Self {
        Self { kind: DepKind::Class, namespace: namespace.into(), text: class.into() }
    }

    /// Every entry whose key text begins with the constant segments `prefix`, written as in a key: `jobs:list`.
    #[must_use]
    pub fn prefix(namespace: &str, prefix: &str) -> Self {
        Self { kind: DepKind::Prefix, namespace: namespace.into(), text: prefix.into() }
    }

    /// Every entry of `class` whose key has `value` for the parameter `name`, which the class declares as index. Values
    /// that begin with the same [`TEXT_BYTES_MAX`] bytes share one: too much is invalidated then, never too little.
    #[must_use]
    pub fn index(namespace: &str, class: &str, name: &str, value: &str) -> Self {
        let value = &value[..value.floor_char_boundary(TEXT_BYTES_MAX)];
        let text = format!("{class}:{name}={value}");
        Self { kind: DepKind::Index, namespace: namespace.into(), text: text.into() }
    }

    /// The key of this text in every partition.
    #[must_use]
    pub fn key(namespace: &str, text: &str) -> Self {
        Self { kind: DepKind::Key, namespace: namespace.into(), text: text.into() }
    }

    /// Every entry of this bucket of a second tier. All of them are made at once, since each read there asks for one.
    #[must_use]
    pub(crate) fn bucket(number: u16) -> &'static Self {
        static ALL: LazyLock<Vec<Dep>> = LazyLock::new(|| {
            let namespace: Arc<str> = "".into();
            let bucket = |number| Dep {
                kind: DepKind::Bucket,
                namespace: Arc::clone(&namespace),
                text: format!("{number:03x}").into(),
            };
            (0..BUCKETS).map(bucket).collect()
        });
        &ALL[usize::from(number)]
    }

    /// Every entry that carries `tag`.
    ///
    /// # Errors
    /// `Invalid` when the tag is empty, longer than [`TEXT_BYTES_MAX`] bytes or holds a control character.
    pub fn tag(namespace: &str, tag: &str) -> Result<Self, Error> {
        let wrong = if tag.is_empty() {
            "a tag cannot be empty".to_owned()
        } else if tag.len() > TEXT_BYTES_MAX {
            format!("a tag has at most {TEXT_BYTES_MAX} bytes, this one has {}", tag.len())
        } else if tag.chars().any(char::is_control) {
            "a tag cannot hold control characters".to_owned()
        } else {
            return Ok(Self { kind: DepKind::Tag, namespace: namespace.into(), text: tag.into() });
        };
        Err(Error::new(&catalogue::KEY_INVALID, wrong))
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> DepKind {
        self.kind
    }

    /// The namespace that it is of; empty for everything.
    #[must_use]
    pub(crate) fn of_namespace(&self) -> &str {
        &self.namespace
    }

    /// What it names within its kind and namespace.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Dep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DepKind::Everything => f.write_str("everything"),
            DepKind::Namespace => write!(f, "namespace {}", self.namespace),
            kind => write!(f, "{} {}", kind.as_str(), self.text),
        }
    }
}

impl fmt::Debug for Dep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dep({}/{self})", self.namespace)
    }
}
