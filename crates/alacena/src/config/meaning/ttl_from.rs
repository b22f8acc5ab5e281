//! What may set the TTL of an answer besides its class.

use alacena_core::declared::Pointer;

use super::{Meaning, Settings};
use crate::config::model::TtlFrom;

impl Meaning<'_> {
    /// What the class of this name hears; a class that is declared nowhere hears nothing.
    pub(super) fn ttl_from(&self, class: &str) -> TtlFrom {
        let section = self.root.named("classes").iter().find(|(name, _)| name == class);
        let Some((_, settings)) = section else { return TtlFrom::default() };
        TtlFrom {
            headers: hears_headers(settings),
            value: settings.text_maybe("ttl_from_value").and_then(|text| Pointer::parse(text).ok()),
            max: settings.duration_maybe("ttl_max").unwrap_or_else(|| settings.duration("ttl")),
        }
    }

    /// Refuses what cannot be meant.
    pub(super) fn ttl_sources(&mut self, class: &str, settings: &Settings) {
        let hears = hears_headers(settings) || Self::is_given(settings, "ttl_from_value");
        if let Some(max) = settings.duration_maybe("ttl_max") {
            if !hears {
                let remedy = "Add `ttl_from_headers = true` or `ttl_from_value`, or remove it.";
                self.refuse(settings, "ttl_max", "bounds what nothing sets", remedy);
            } else if max < settings.duration("ttl") && !settings.is_wrong("ttl") {
                let remedy = "Raise it, or lower `ttl`, which counts where nothing is said.";
                self.refuse(settings, "ttl_max", "is shorter than `ttl`", remedy);
            }
        }
        if hears && settings.duration_maybe("sliding_max").is_some() {
            let message = "would let hits extend an end that the source has set";
            let remedy = "Remove it, or take the `ttl` from neither headers nor the answer.";
            self.refuse(settings, "sliding_max", message, remedy);
        }
        if hears_headers(settings) && self.is_all_sql(class) {
            let remedy = "Remove it; an answer itself can say how long it holds: `ttl_from_value`.";
            let message = "means nothing: every read of this class asks an SQL source, which has no headers";
            self.refuse(settings, "ttl_from_headers", message, remedy);
        }
    }

    /// Whether sources of reads of this class are shown the version that is held.
    pub(super) fn is_conditional(&self, class: &str) -> bool {
        let section = self.root.named("classes").iter().find(|(name, _)| name == class);
        section.is_none_or(|(_, settings)| settings.boolean_maybe("conditional").unwrap_or(true))
    }

    /// Refuses what cannot be meant.
    pub(super) fn conditional(&mut self, class: &str, settings: &Settings) {
        if Self::is_given(settings, "conditional") && self.is_all_sql(class) {
            let message =
                "means nothing: every read of this class asks an SQL source, which has no versions to show";
            self.refuse(settings, "conditional", message, "Remove it.");
        }
    }

    /// Whether the class has reads, and each of them is known to ask an SQL source.
    fn is_all_sql(&self, class: &str) -> bool {
        let reads = self.root.named("reads").iter();
        let mut kinds = reads
            .filter(|(name, read)| read.text_maybe("class").unwrap_or(name) == class)
            .map(|(_, read)| {
                let source = read.text_maybe("source")?;
                let (_, source) = self.root.named("sources").iter().find(|(name, _)| name == source)?;
                source.text_maybe("kind").filter(|_| !source.later)
            })
            .peekable();
        kinds.peek().is_some() && kinds.all(|kind| kind == Some("sqlite"))
    }
}

fn hears_headers(settings: &Settings) -> bool {
    settings.boolean_maybe("ttl_from_headers").unwrap_or(false)
}
