//! How the answers of a class are kept in memory.

use alacena_core::value::Compression;

use super::Meaning;

impl Meaning<'_> {
    /// What the class of this name says; one that is declared nowhere compresses nothing.
    pub(super) fn compression(&self, class: &str) -> Compression {
        let section = self.root.named("classes").iter().find(|(name, _)| name == class);
        match section.and_then(|(_, settings)| settings.text_maybe("compression")) {
            Some("lz4") => Compression::Lz4,
            Some("gzip") => Compression::Gzip,
            _ => Compression::None,
        }
    }
}
