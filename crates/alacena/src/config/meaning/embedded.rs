//! The store on local disk, and what it is sealed with.

use alacena_core::envelope::{SealKey, SealKeys};

use super::{Meaning, Settings};
use crate::config::{model::EmbeddedConfig, units::shown_bytes};

/// The least room for entries, if there is any.
const ENTRIES_BYTES_MIN: u64 = 1024 * 1024;

impl Meaning<'_> {
    pub(super) fn embedded(&mut self) -> EmbeddedConfig {
        let settings = self.root.table("embedded");
        EmbeddedConfig {
            path: settings.path_maybe("path").cloned().unwrap_or_default(),
            entries_bytes_max: self.entries_bytes_max(settings),
            markers_max: settings.integer("markers_max"),
            keys: self.seal_keys(settings),
        }
    }

    /// How many bytes of entries it has room for; so little that hardly one has is a mistake.
    fn entries_bytes_max(&mut self, settings: &Settings) -> u64 {
        let bytes_max = settings.bytes("entries_max");
        if (1..ENTRIES_BYTES_MIN).contains(&bytes_max) && !settings.is_wrong("entries_max") {
            let message = format!("is less than {}", shown_bytes(ENTRIES_BYTES_MIN));
            let remedy = "Give entries more room, or none: 0B.";
            self.refuse(settings, "entries_max", message, remedy);
        }
        bytes_max
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
