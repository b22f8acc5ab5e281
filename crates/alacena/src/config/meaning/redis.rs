//! The second tier: where Redis is, and which classes use it.

use super::{Meaning, Settings};
use crate::config::model::{BreakerConfig, JournalConfig, PushConfig, RedisConfig};

impl Meaning<'_> {
    /// What `[redis]` says; none: there is no such section, or it does not say where Redis is.
    pub(super) fn redis(&mut self) -> Option<RedisConfig> {
        if !self.has_redis() {
            return None;
        }
        let settings = self.root.table("redis");
        self.needs(settings, "url", "Add where it is: url = \"${REDIS_URL}\".");
        let breaker = settings.table("breaker");
        let journal = settings.table_maybe("journal").and_then(|journal| self.journal(journal));
        let keys = self.seal_keys(settings);
        let pushes = settings.text_maybe("push").is_some_and(|push| ["tracking", "publish"].contains(&push));
        if pushes && settings.integer_maybe("metered").is_some() {
            let message = "costs commands all day long, and `metered` has none to spare";
            self.refuse(settings, "push", message, "Remove it, or remove `metered`.");
        }
        #[cfg(feature = "redis")]
        let address = self.redis_address(settings)?;
        #[cfg(not(feature = "redis"))]
        if !settings.is_wrong("url") {
            let remedy = "Build Alacena with its feature `redis`, or remove the section.";
            self.refuse(settings, "url", "this build has no Redis", remedy);
        }
        Some(RedisConfig {
            #[cfg(feature = "redis")]
            address,
            ca: settings.path_maybe("ca").cloned(),
            connect_timeout: settings.duration("connect_timeout"),
            timeout: settings.duration("timeout"),
            in_flight_max: settings.integer("in_flight_max"),
            lease: settings.duration("lease"),
            push: match settings.text_maybe("push") {
                Some("tracking") => PushConfig::Tracking,
                Some("publish") => PushConfig::Publish,
                Some("none") => PushConfig::None,
                _ => PushConfig::Auto,
            },
            replicas_min: settings.integer("replicas_min"),
            commands_per_day: settings.integer_maybe("metered").and_then(|number| number.try_into().ok()),
            keys,
            journal,
            breaker: BreakerConfig {
                failures: breaker.integer("failures"),
                window: breaker.duration("window"),
                reset_max: breaker.duration("reset_max"),
            },
        })
    }

    fn journal(&mut self, settings: &Settings) -> Option<JournalConfig> {
        let (source, found) = self.named_by(settings, "source", "sources", "source")?;
        if found.text_maybe("kind").is_some_and(|kind| kind != "sqlite") {
            let message = "names a source that is no SQLite file";
            self.refuse(settings, "source", message, "Name one of kind \"sqlite\", or remove `journal`.");
        }
        Some(JournalConfig { source, table: settings.text("table"), every: settings.duration("every") })
    }
}
