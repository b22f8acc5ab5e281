//! How a class uses the second tier.

use std::time::Duration;

use alacena_core::class::{EraPolicy, Policy, ReadMode, WithoutL2};

use super::{Meaning, Settings};

impl Meaning<'_> {
    /// What a class says of the second tier; the rest of the policy is at its default.
    pub(super) fn tiers(&mut self, settings: &Settings) -> Policy {
        Policy {
            read_mode: match settings.text_maybe("read_mode") {
                // To its own disk a node is told nothing by others, and has told it everything itself.
                Some("strict") if !self.is_on_disk() => ReadMode::Strict,
                _ => ReadMode::Bounded,
            },
            era: match settings.text_maybe("era") {
                Some("strict") => EraPolicy::Strict,
                Some("trust") => EraPolicy::Trust,
                _ => EraPolicy::Revalidate,
            },
            without_l2: match settings.text_maybe("without_l2") {
                Some("bypass") => WithoutL2::Bypass,
                _ => WithoutL2::Local,
            },
            l2: self.uses_l2(settings),
            l1_ttl: settings.duration_maybe("l1_ttl").or(self.copies_stay()),
            l2_ttl: settings.duration_maybe("l2_ttl"),
            l2_compressed: settings.text_maybe("l2_compression").map(|compression| compression == "lz4"),
            readable_key_names: self.has_readable_key_names(settings.text_maybe("key_names")),
            ..Policy::default()
        }
    }

    /// How long copies are answered where a class says nothing and the second tier is this node's own disk: nobody else could
    /// have stored anything newer there.
    fn copies_stay(&self) -> Option<Duration> {
        self.is_on_disk().then_some(Duration::MAX)
    }

    /// Whether the second tier is this node's own disk.
    fn is_on_disk(&self) -> bool {
        !self.has_redis() && self.root.table("embedded").bytes("entries_max") > 0
    }

    /// Whether there is a `[redis]` section that can be looked at.
    pub(super) fn has_redis(&self) -> bool {
        Self::is_given(self.root, "redis") && !self.root.is_wrong("redis")
    }

    /// Whether names of keys hold the keys of a class that says `own` of it.
    pub(super) fn has_readable_key_names(&self, own: Option<&str>) -> bool {
        let of_all = || self.root.table("redis").text_maybe("key_names");
        own.or_else(of_all) == Some("readable")
    }

    /// Whether entries of a class are kept in the second tier that there is.
    fn uses_l2(&mut self, settings: &Settings) -> bool {
        let has_redis = self.has_redis() || self.root.is_wrong("redis");
        // Where Redis is switched off, what is said of it stays as it is for where it is not.
        let is_switched_off = self.switches.redis == Some(false);
        match settings.text_maybe("l2") {
            Some("none") => false,
            Some("redis") => {
                if !has_redis && !is_switched_off {
                    let message = "is Redis, and there is no `[redis]` section";
                    self.refuse(settings, "l2", message, "Say where it is, or remove this.");
                }
                has_redis
            }
            Some("embedded") => {
                let embedded = self.root.table("embedded");
                if has_redis {
                    let message =
                        "is the embedded store, and with a `[redis]` section the second tier is Redis";
                    self.refuse(settings, "l2", message, "Use \"redis\" or \"none\", or remove this.");
                } else if embedded.bytes("entries_max") == 0 && !embedded.is_wrong("entries_max") {
                    let message = "is the embedded store, which has no room for entries";
                    self.refuse(settings, "l2", message, "Set `embedded.entries_max`, or remove this.");
                }
                !has_redis
            }
            _ => true,
        }
    }
}
