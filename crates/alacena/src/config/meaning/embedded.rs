//! The store on local disk, and what it is sealed with.

use alacena_core::envelope::{SealKey, SealKeys};

use super::{Meaning, Settings};
use crate::config::model::EmbeddedConfig;

impl Meaning<'_> {
    pub(super) fn embedded(&mut self) -> EmbeddedConfig {
        let settings = self.root.table("embedded");
        EmbeddedConfig {
            path: settings.path_maybe("path").cloned().unwrap_or_default(),
            entries_bytes_max: settings.bytes("entries_max"),
            keys: self.seal_keys(settings),
        }
    }

    /// What the section's records are sealed with, from `key` and `key_previous`.
    pub(super) fn seal_keys(&mut self, settings: &Settings) -> Option<SealKeys> {
        let current = self.seal_key(settings, "key");
        let previous = self.seal_key(settings, "key_previous");
        if previous.is_some() && !Self::is_given(settings, "key") {
            let message = "is given without `key`";
            let remedy = "Give the new key as `key`; where the key has not changed, it is `key`.";
            self.refuse(settings, "key_previous", message, remedy);
        }
        current.map(|current| SealKeys::new(current, previous))
    }

    fn seal_key(&mut self, settings: &Settings, field: &'static str) -> Option<SealKey> {
        let parsed = SealKey::parse(settings.secret_maybe(field)?.reveal());
        if let Err(refused) = &parsed {
            self.refuse(settings, field, refused.to_string(), "Make one with `openssl rand -base64 32`.");
        }
        parsed.ok()
    }
}
