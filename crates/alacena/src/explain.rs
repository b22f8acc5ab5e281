//! Why a key is answered as it is, and which keys there are. Never a value.

use alacena_core::{
    error::{Error, catalogue},
    key::Key,
};

pub use alacena_core::engine::{Explanation, KeyPage};

use crate::handle::Alacena;

/// What is known of a key by one of the reads that can have it.
#[derive(Clone, Debug)]
pub struct KeyExplanation {
    /// The read.
    pub read: String,
    /// Its class.
    pub class: String,
    /// The key, as people write it.
    pub text: String,
    /// One element an entry: several where callers' credentials are part of the key, none where nothing is held.
    pub entries: Vec<Explanation>,
}

impl Alacena {
    /// What is known of the key of this text, by every declared read that can have it.
    ///
    /// # Errors
    /// `Invalid`, naming the forms that keys have, when no read has a key like it.
    pub fn explain(&self, text: &str) -> Result<Vec<KeyExplanation>, Error> {
        let mut explanations = Vec::new();
        let prepared = self.prepared();
        for read in &prepared.reads {
            let Some(key) = read.keys.of_text(text)? else { continue };
            let entries = if read.read.credentials.is_empty() {
                self.inner.engine.explain(&key).into_iter().collect()
            } else {
                self.partitions_of(&key)
            };
            let (name, class) = (read.read.name.clone(), read.read.class.clone());
            explanations.push(KeyExplanation { read: name, class, text: key.text(), entries });
        }
        if explanations.is_empty() {
            let forms: Vec<&str> =
                prepared.declared_reads.iter().take(20).map(|read| read.key.as_str()).collect();
            let detail = format!("no read has a key of this form; there are: {}", forms.join(", "));
            return Err(Error::new(&catalogue::KEY_INVALID, detail));
        }
        Ok(explanations)
    }

    /// The first `limit` (at most 1,000) entries whose key text begins with `prefix`, after `after`. Looks at every
    /// entry in memory.
    #[must_use]
    pub fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> KeyPage {
        self.inner.engine.keys(after, limit, |key| prefix.is_empty() || key.text().starts_with(prefix))
    }

    /// The entries of one key in every caller's partition.
    fn partitions_of(&self, key: &Key) -> Vec<Explanation> {
        let text = key.text();
        self.inner.engine.keys(None, 100, |other| other.text() == text).entries
    }
}
