//! The sources.

use super::{Meaning, Settings};
use crate::config::{
    model::{GuardConfig, HttpConfig, SourceConfig, SourceKind, SqliteConfig},
    setting::{Item, Setting},
};

impl Meaning<'_> {
    pub(super) fn sources(&mut self) -> Vec<SourceConfig> {
        let sources = self.root.named("sources").iter().filter(|(_, settings)| !settings.later);
        sources
            .filter_map(|(name, settings)| {
                let kind = match settings.text_maybe("kind")? {
                    "http" => SourceKind::Http(self.http(settings)?),
                    _ => SourceKind::Sqlite(self.sqlite(settings)?),
                };
                let (guard, settle) = (guard(settings), settings.duration("settle"));
                Some(SourceConfig { name: name.clone(), kind, guard, settle })
            })
            .collect()
    }

    fn http(&mut self, settings: &Settings) -> Option<HttpConfig> {
        let secret = |(name, item): &(String, Item)| match &item.setting {
            Setting::Secret(secret) => Some((name.clone(), secret.clone())),
            _ => None,
        };
        let headers: Vec<_> = settings.headers("headers").iter().filter_map(secret).collect();
        let credentials = settings.texts("credentials");
        for name in credentials.iter().filter(|name| headers.iter().any(|(other, _)| other == *name)) {
            let message = format!("passes `{name}` through, which `headers` sets");
            self.refuse(settings, "credentials", message, "Keep one of them.");
        }
        self.needs(settings, "base_url", "Add where it is: base_url = \"https://crm.example/api1\".");
        Some(HttpConfig {
            base_url: settings.text_maybe("base_url")?.to_owned(),
            headers,
            credentials,
            ca: settings.path_maybe("ca").cloned(),
            connect_timeout: settings.duration("connect_timeout"),
            body_max: settings.size("body_max"),
            retries: settings.integer("retries"),
        })
    }

    fn sqlite(&mut self, settings: &Settings) -> Option<SqliteConfig> {
        self.needs(settings, "path", "Add its file: path = \"app.db\".");
        Some(SqliteConfig {
            path: settings.path_maybe("path")?.clone(),
            connections: settings.integer("connections"),
            statement_timeout: settings.duration("statement_timeout"),
            rows_max: settings.integer("rows_max"),
            body_max: settings.size("body_max"),
        })
    }

    pub(super) fn needs(&mut self, settings: &Settings, field: &'static str, remedy: &str) {
        if !Self::is_given(settings, field) {
            self.refuse(settings, field, "missing", remedy);
        }
    }
}

fn guard(settings: &Settings) -> GuardConfig {
    let breaker = settings.table("breaker");
    GuardConfig {
        concurrency: settings.integer("concurrency"),
        queue: settings.integer("queue"),
        queue_wait: settings.duration("queue_wait"),
        failures: breaker.integer("failures"),
        window: breaker.duration("window"),
        reset_max: breaker.duration("reset_max"),
    }
}
