//! Keys: who asks, what for, with what; never ambiguous, never shared by accident.
//!
//! A key is a tuple of *schema, generation, namespace, principal, class, segments*, the last four length-prefixed.
//! Because every part carries its length, `a|b` + `c` and `a` + `b|c` are two keys whatever the parts contain. People
//! see and write the *text* of a key, its segments joined by `:` (`jobs:list:all:0:50`), with `:` and `%` inside a
//! segment percent-encoded.
//!
//! The *generation* says which declaration a key was made by. A declaration that changes while the process runs has
//! keys of a new one, so that what was loaded, or is just being loaded, by the old one is no answer to the new one:
//! they have no entry, no flight and no stale value in common.

use std::{borrow::Borrow, fmt, sync::Arc};

use crate::{
    dep::Dep,
    error::{Error, catalogue},
};

mod bytes;

pub use bytes::KeyBytes;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 8 * 1024;
/// Most segments of one key.
pub const SEGMENTS_MAX: usize = 64;

/// First byte of every key: the version of the tuple.
const SCHEMA: u8 = 2;
/// The bytes before the parts: the schema and the generation.
const HEAD_BYTES: usize = 1 + size_of::<u32>();

/// The partition of one caller: a digest of the credentials that a read passes through to its source.
///
/// Two callers with different credentials never share an entry; the credentials themselves are not in the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Principal([u8; 16]);

impl Principal {
    /// The partition of the caller who sent these credentials, as `(name, value)` pairs in a fixed order. `secret`
    /// keeps others from testing guesses against a digest.
    #[must_use]
    pub fn of<'a>(secret: &[u8; 32], credentials: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        for (name, value) in credentials {
            for part in [name.as_bytes(), value] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(digest)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The identity of one entry. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The whole tuple.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key of this tuple: what [`as_bytes`](Key::as_bytes) gave. `None` where no key has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let mut parts = 0;
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            rest = tail.get(usize::from(u16::from_be_bytes(*length))..)?;
            parts += 1;
        }
        // Namespace, principal and class come before the segments.
        let whole = head[0] == SCHEMA && rest.is_empty() && (3..=3 + SEGMENTS_MAX).contains(&parts);
        (whole && bytes.len() <= KEY_BYTES_MAX).then(|| Self(bytes.into()))
    }

    /// The key of an entry, whose bytes were taken from one.
    pub(crate) fn of_entry(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The [generation](KeySpace::in_generation) of the declaration that it was made by.
    #[must_use]
    pub fn generation(&self) -> u32 {
        let (_, rest) = self.0.split_first_chunk::<1>().expect("a key begins with its schema");
        u32::from_be_bytes(*rest.first_chunk().expect("and its generation"))
    }

    /// Everything that means the same in every process: the tuple without schema and generation.
    pub(crate) fn parts(&self) -> &[u8] {
        &self.0[HEAD_BYTES..]
    }

    /// The namespace that it is of.
    pub(crate) fn namespace(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.each_part().next().expect("a key has a namespace"))
    }

    /// The class that it is of.
    #[must_use]
    pub fn class(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.each_part().nth(2).expect("a key has a class"))
    }

    /// Namespace, principal and class, then the segments.
    fn each_part(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.parts();
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<2>()?;
            let (part, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
            rest = tail;
            Some(part)
        })
    }

    /// The segments as people write them: `jobs:list:all:0:50`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (at, part) in self.each_part().skip(3).enumerate() {
            if at > 0 {
                text.push(':');
            }
            escape_into(&mut text, &String::from_utf8_lossy(part));
        }
        text
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.text())
    }
}

/// Writes one segment as it stands in the text of a key.
#[must_use]
pub fn escape(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    escape_into(&mut text, segment);
    text
}

fn escape_into(text: &mut String, segment: &str) {
    for character in segment.chars() {
        match character {
            ':' => text.push_str("%3A"),
            '%' => text.push_str("%25"),
            other => text.push(other),
        }
    }
}

/// Takes the text of a key apart: `a:b%3Ac` is the two segments `a` and `b:c`.
#[must_use]
pub fn split_text(text: &str) -> Vec<String> {
    text.split(':')
        .map(|segment| segment.replace("%3A", ":").replace("%3a", ":").replace("%25", "%"))
        .collect()
}

/// Where a family of keys lives: namespace, class, and the constant segments that every one of them begins with.
///
/// Each run of constant segments is a prefix that can be invalidated.
///
/// ```
/// use alacena_core::key::KeySpace;
///
/// let lists = KeySpace::new("shop", "jobs", &["jobs", "list"])?;
/// let key = lists.key(None, ["all", "0", "50"])?;
/// assert_eq!(key.text(), "jobs:list:all:0:50");
/// assert_eq!(lists.prefixes().collect::<Vec<_>>(), ["jobs", "jobs:list"]);
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeySpace {
    generation: u32,
    namespace: Arc<str>,
    class: Arc<str>,
    constant: Arc<[String]>,
    deps: Arc<[Dep]>,
    /// What the keys that all callers share begin with.
    shared: Arc<[u8]>,
}

impl KeySpace {
    /// The keys of `class` in `namespace` that begin with `constant`.
    ///
    /// # Errors
    /// `Invalid` when there are more than eight constant segments, or one is empty or too long.
    pub fn new(namespace: &str, class: &str, constant: &[&str]) -> Result<Self, Error> {
        if constant.len() > 8 {
            return Err(Error::new(&catalogue::KEY_INVALID, "a key begins with at most 8 constant segments"));
        }
        if constant.iter().any(|segment| segment.is_empty() || segment.len() > 128) {
            return Err(Error::new(&catalogue::KEY_INVALID, "a constant segment has 1 to 128 bytes"));
        }
        let mut deps = vec![Dep::everything(), Dep::namespace(namespace), Dep::class(namespace, class)];
        let escaped: Vec<String> = constant.iter().map(|segment| escape(segment)).collect();
        deps.extend((1..=escaped.len()).map(|end| Dep::prefix(namespace, &escaped[..end].join(":"))));
        let space = Self {
            generation: 0,
            namespace: namespace.into(),
            class: class.into(),
            constant: constant.iter().map(|&segment| segment.to_owned()).collect(),
            deps: deps.into(),
            shared: Arc::default(),
        };
        space.with_head()
    }

    fn with_head(self) -> Result<Self, Error> {
        let mut shared = KeyBytes::default();
        head(&mut shared, &self, &[])?;
        Ok(Self { shared: shared.as_bytes().into(), ..self })
    }

    /// The same keys as another declaration makes them: none of them is a key of any other generation. Generation 0
    /// unless it is said here.
    #[must_use]
    pub fn in_generation(self, generation: u32) -> Self {
        let space = Self { generation, ..self };
        space.with_head().expect("a generation is as long as any other")
    }

    /// The generation of these keys.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The key made of the constant segments and `rest`, in the partition of `principal`.
    ///
    /// # Errors
    /// `Invalid` when the key would have more than [`SEGMENTS_MAX`] segments or [`KEY_BYTES_MAX`] bytes.
    pub fn key<S: AsRef<str>>(
        &self,
        principal: Option<Principal>,
        rest: impl IntoIterator<Item = S>,
    ) -> Result<Key, Error> {
        let mut bytes = KeyBytes::default();
        self.write_key(&mut bytes, principal, rest)?;
        Ok(bytes.to_key())
    }

    /// Writes that key to `bytes`, which is empty, to look it up by: no memory is asked for where it is short.
    ///
    /// # Errors
    /// As [`key`](KeySpace::key).
    #[inline]
    pub fn write_key<S: AsRef<str>>(
        &self,
        bytes: &mut KeyBytes,
        principal: Option<Principal>,
        rest: impl IntoIterator<Item = S>,
    ) -> Result<(), Error> {
        match &principal {
            None => bytes.extend(&self.shared)?,
            Some(principal) => head(bytes, self, &principal.0)?,
        }
        let mut segments = self.constant.len();
        for segment in rest {
            bytes.push(segment.as_ref().as_bytes())?;
            segments += 1;
            if segments > SEGMENTS_MAX {
                return Err(too_many_segments());
            }
        }
        Ok(())
    }

    /// The namespace of these keys.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The class of these keys.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The constant segments, not escaped.
    #[must_use]
    pub fn constant(&self) -> &[String] {
        &self.constant
    }

    /// The prefixes of these keys that can be invalidated, shortest first.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.deps[3..].iter().map(Dep::text)
    }

    /// What every entry under these keys depends on: everything, the namespace, the class, each prefix.
    #[must_use]
    pub fn deps(&self) -> &Arc<[Dep]> {
        &self.deps
    }
}

/// Everything up to the segments that differ.
fn head(bytes: &mut KeyBytes, space: &KeySpace, principal: &[u8]) -> Result<(), Error> {
    bytes.extend(&[SCHEMA])?;
    bytes.extend(&space.generation.to_be_bytes())?;
    for part in [space.namespace.as_bytes(), principal, space.class.as_bytes()] {
        bytes.push(part)?;
    }
    space.constant.iter().try_for_each(|segment| bytes.push(segment.as_bytes()))
}

#[cold]
fn too_many_segments() -> Error {
    too_long(format!("a key has at most {SEGMENTS_MAX} segments"))
}

fn too_long(detail: String) -> Error {
    Error::new(&catalogue::KEY_INVALID, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distinct_tuples_are_distinct_keys(
            a in prop::collection::vec("[a-c:%|]{0,3}", 0..4),
            b in prop::collection::vec("[a-c:%|]{0,3}", 0..4),
        ) {
            let space = KeySpace::new("n", "c", &["r"]).unwrap();
            let (ka, kb) = (space.key(None, &a).unwrap(), space.key(None, &b).unwrap());
            prop_assert_eq!(a == b, ka == kb);
            prop_assert_eq!(a == b, ka.text() == kb.text());
        }

        #[test]
        fn text_splits_back_into_the_segments(a in prop::collection::vec("[a-c:%3A25]{0,6}", 1..4)) {
            let space = KeySpace::new("n", "c", &["r"]).unwrap();
            let mut expected = vec!["r".to_owned()];
            expected.extend(a.iter().cloned());
            prop_assert_eq!(split_text(&space.key(None, &a).unwrap().text()), expected);
        }

        #[test]
        fn bytes_are_a_key_or_none(a in prop::collection::vec("[a-c:%|]{0,3}", 0..4), cut in 1_usize..12) {
            let key = KeySpace::new("n", "c", &["r"]).unwrap().key(None, &a).unwrap();
            prop_assert_eq!(Key::from_bytes(key.as_bytes()), Some(key.clone()));
            let cut = &key.as_bytes()[..key.as_bytes().len().saturating_sub(cut)];
            prop_assert!(Key::from_bytes(cut).is_none_or(|shorter| shorter.as_bytes() == cut));
        }

        #[test]
        fn no_bytes_are_too_wild(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Key::from_bytes(&bytes).is_none_or(|key| key.text().len() <= 6 * bytes.len()));
        }
    }

    #[test]
    fn generation_namespace_class_and_principal_separate_keys() {
        let secret = [7; 32];
        let of = |value: &[u8]| Some(Principal::of(&secret, [("authorization", value)]));
        let key = |namespace, class, principal| {
            KeySpace::new(namespace, class, &["r"]).unwrap().key(principal, ["1"]).unwrap()
        };
        let later = KeySpace::new("n", "c", &["r"]).unwrap().in_generation(7).key(None, ["1"]).unwrap();
        assert_eq!((later.generation(), later.text()), (7, "r:1".to_owned()));
        let keys = [
            later,
            key("n", "c", None),
            key("m", "c", None),
            key("n", "d", None),
            key("n", "c", of(b"Bearer a")),
            key("n", "c", of(b"Bearer b")),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|other| other != one));
        }
        assert_eq!(key("n", "c", of(b"Bearer a")), keys[4]);
        assert!(!format!("{:?}", of(b"Bearer a")).contains("Bearer"));
    }

    #[test]
    fn a_key_that_is_too_long_is_refused() {
        let space = KeySpace::new("n", "c", &["r"]).unwrap();
        assert!(space.key(None, ["x".repeat(KEY_BYTES_MAX)]).is_err());
        assert!(space.key(None, vec!["x"; SEGMENTS_MAX]).is_err());
        assert!(space.key(None, ["x".repeat(70_000)]).is_err());
    }
}
