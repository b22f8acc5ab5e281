//! How Alacena is reached, and by whom.

use alacena_core::declared::nearest;

use super::{Meaning, Origin, Settings};
use crate::config::model::{LogFormat, Role, ServerConfig, TokenConfig, TokenHash};

impl Meaning<'_> {
    pub(super) fn server(&mut self, has_tokens: bool) -> ServerConfig {
        let server = self.root.table("server");
        let listen = server.address_maybe("listen").expect("the schema gives this field a default");
        if !listen.ip().to_canonical().is_loopback() && !has_tokens && self.root.named("tokens").is_empty() {
            let message = "is reached from other machines, and nobody needs a token";
            let remedy = "Declare one: [tokens.<name>] with `hash` and `role`; or listen on 127.0.0.1.";
            self.refuse(server, "listen", message, remedy);
        }
        if !server.list("authorization_servers").is_empty()
            && !has_tokens
            && self.root.named("tokens").is_empty()
        {
            let message = "names who hands out tokens, and nobody needs one";
            let remedy = "Declare one: [tokens.<name>] with `hash` and `role`; or remove it.";
            self.refuse(server, "authorization_servers", message, remedy);
        }
        ServerConfig {
            listen,
            hosts: server.texts("hosts"),
            cors_origins: server.texts("cors_origins"),
            authorization_servers: server.texts("authorization_servers"),
            drain: server.duration("drain"),
            request_bytes_max: server.size("request_bytes_max"),
            connections_max: server.integer("connections_max"),
            connections_per_address_max: server.integer("connections_per_address_max"),
            idle_timeout: server.duration("idle_timeout"),
            namespace: server.text("namespace"),
            secret: server.secret_maybe("secret").cloned(),
            log: server.text("log"),
            log_format: match server.text_maybe("log_format") {
                Some("json") => LogFormat::Json,
                _ => LogFormat::Text,
            },
            replicas: server.integer_maybe("replicas").and_then(|number| number.try_into().ok()),
        }
    }

    pub(super) fn tokens(&mut self) -> Vec<TokenConfig> {
        let mut tokens: Vec<TokenConfig> = Vec::new();
        for (name, settings) in self.root.named("tokens") {
            let (Some(hash), Some(role)) = (settings.hash_maybe("hash"), settings.text_maybe("role")) else {
                continue;
            };
            let role = match role {
                "read" => Role::Read,
                "load" => Role::Load,
                "operate" => Role::Operate,
                _ => Role::Admin,
            };
            let hash = TokenHash(hash);
            if let Some(other) = tokens.iter().find(|token| token.hash == hash) {
                let message = format!("is the token of `tokens.{}`, too", other.name);
                self.refuse(settings, "hash", message, "Give each of them a token of its own.");
            }
            tokens.push(TokenConfig { name: name.clone(), hash, role });
        }
        tokens
    }

    /// The section under `of` that `field` of `settings` names; a problem where there is none.
    pub(super) fn named_by(
        &mut self,
        settings: &Settings,
        field: &'static str,
        of: &'static str,
        noun: &str,
    ) -> Option<(String, Settings)> {
        let name = settings.text_maybe(field)?;
        let sections = self.root.named(of);
        if let Some(found) = sections.iter().find(|(other, _)| other == name) {
            return Some(found.clone());
        }
        if !self.root.is_wrong(of) {
            let message = match nearest(name, sections.iter().map(|(name, _)| name.as_str())) {
                Some(near) => format!("names no {noun}; did you mean `{near}`?"),
                None => format!("names no {noun}"),
            };
            self.refuse(
                settings,
                field,
                message,
                format!("Declare it as [{of}.<name>], or correct the name."),
            );
        }
        None
    }

    /// Whether somebody wrote this field.
    pub(super) fn is_given(settings: &Settings, field: &str) -> bool {
        settings.is_wrong(field) || settings.get(field).is_some_and(|item| item.origin != Origin::Default)
    }
}
