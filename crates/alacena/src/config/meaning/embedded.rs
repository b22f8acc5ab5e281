//! The store on local disk, and what it is sealed with.

use alacena_core::envelope::{SealKey, SealKeys};

use super::{Meaning, Settings};
use crate::config::model::EmbeddedConfig;

impl Meaning<'_> {
    pub(super) fn embedded(&mut self) -> EmbeddedConfig {
        let settings = self.root.table("embedded");
        let current = self.seal_key(settings, "key");
        let previous = self.seal_key(settings, "key_previous");
        if previous.is_some() && !Self::is_given(settings, "key") {
            let message = "is given without `key`";
            let remedy = "Give the new key as `key`; where the key has not changed, it is `key`.";
            self.refuse(settings, "key_previous", message, remedy);
        }
        EmbeddedConfig {
            path: settings.path_maybe("path").cloned().unwrap_or_default(),
            keys: current.map(|current| SealKeys::new(current, previous)),
        }
    }

    fn seal_key(&mut self, settings: &Settings, field: &'static str) -> Option<SealKey> {
        let parsed = SealKey::parse(settings.secret_maybe(field)?.reveal());
        if let Err(refused) = &parsed {
            self.refuse(settings, field, refused.to_string(), "Make one with `openssl rand -base64 32`.");
        }
        parsed.ok()
    }
}
