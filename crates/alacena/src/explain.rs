//! Why a key is answered as it is, and which keys there are. Never a value.

use std::sync::Arc;

use alacena_core::{
    engine::Rules,
    error::{Error, catalogue},
    key::{Key, split_text},
    tier::Failure,
};

pub use alacena_core::engine::{Explanation, Found, KeyPage, Shown};

use crate::{declared_reads::Read, handle::Alacena};

/// What is known of a key by a read, or a class of the application's own, that can have it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyExplanation {
    /// The read; `None` for a class of the application's own.
    pub read: Option<String>,
    /// Its class.
    pub class: String,
    /// Its source; `None` for a class that no guard stands before.
    pub source: Option<String>,
    /// Whether its entries go to the second tier where there is one, for other nodes to find; else they stay on this node.
    pub shared: bool,
    /// The key, as people write it.
    pub text: String,
    /// By what rules it is looked for where nodes share; `None` where that takes a caller's credentials.
    asked: Option<(Arc<Rules>, Key)>,
    /// One element an entry: several where callers' credentials are part of the key, none where nothing is held.
    pub entries: Vec<Explanation>,
}

impl Alacena {
    /// What is known of the key of this text, by every declared read and every class of the application's own that can
    /// have it.
    ///
    /// # Errors
    /// `Invalid`, naming the forms that keys have, when nothing has a key like it.
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
            let Read { name, class, source, .. } = &*read.read;
            let (name, source) = (Some(name.clone()), Some(source.clone()));
            explanations.push(KeyExplanation {
                read: name,
                class: class.clone(),
                source,
                shared: read.rules.shared.is_some(),
                text: key.text(),
                asked: read.read.credentials.is_empty().then(|| (Arc::clone(&read.rules), key)),
                entries,
            });
        }
        let own = self.inner.own.list();
        let segments = split_text(text);
        for class in &own {
            let Some(key) = class.key(&segments)? else { continue };
            let entries = if class.is_partitioned() {
                self.partitions_of(&key)
            } else {
                self.inner.engine.explain(&key).into_iter().collect()
            };
            let (name, source) = (class.name().to_owned(), class.source().map(str::to_owned));
            let (shared, text) = (class.rules.shared.is_some(), key.text());
            let asked = (!class.is_partitioned()).then(|| (Arc::clone(&class.rules), key));
            explanations.push(KeyExplanation {
                read: None,
                class: name,
                source,
                shared,
                text,
                asked,
                entries,
            });
        }
        if explanations.is_empty() {
            let declared = prepared.declared_reads.iter().map(|read| read.key.clone());
            let forms: Vec<String> = declared.chain(own.iter().map(|class| class.form())).take(20).collect();
            let detail = format!("nothing has a key of this form; there are: {}", forms.join(", "));
            return Err(Error::new(&catalogue::KEY_INVALID, detail));
        }
        Ok(explanations)
    }

    /// What lies under an explained key in the tier that nodes share; `None` where there is no such tier, its value stays
    /// on this node, or which entry it is depends on a caller's credentials. Asks the tier and changes nothing.
    ///
    /// # Errors
    /// Why the tier does not say.
    pub async fn explain_shared(&self, known: &KeyExplanation) -> Option<Result<Shown, Failure>> {
        let (rules, key) = known.asked.as_ref()?;
        self.inner.engine.explain_shared(rules, key).await
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
