//! Names in the environment that hosts and older set-ups already use.

use std::collections::BTreeMap;

use alacena_core::declared::nearest;

use super::{Switches, classes_of};
use crate::config::{
    Origin,
    check::{boolean, whole},
    problem::Problem,
    tree::Table,
};

/// What each name means, for the reference.
pub(in crate::config) const ENVIRONMENT_NAMES: &[(&str, &str)] = &[
    ("PORT", "listens on `0.0.0.0:PORT`; a token is then required"),
    ("FRONTEND_URL", "the allowed CORS origin: `server.cors_origins`"),
    ("LOG_LEVEL", "`server.log`, in any case"),
    ("NODE_ENV", "`production`: JSON logs; anything else says nothing"),
    ("CACHE_ENABLED", "`false`: every read goes to its source"),
    (
        "CACHE_TTL_<CLASS>",
        "s; `CACHE_TTL_JOBS` sets the `ttl` of `jobs` and of every `jobs_*` class without a name of its own; one that no class goes by is warned of",
    ),
    ("CACHE_MAX_ITEM_SIZE_KB", "KiB; `item_max` of every class"),
    (
        "CACHE_COMPRESSION_ENABLED",
        "`compression` and `l2_compression` of every class: `true` is `lz4`, `false` is `none`",
    ),
    ("CACHE_CIRCUIT_FAILURE_THRESHOLD", "`breaker.failures` of every source and of Redis"),
    ("CACHE_CIRCUIT_RESET_TIMEOUT", "ms; `breaker.reset_max` of every source and of Redis"),
    (
        "REDIS_ENABLED",
        "`false`: neither `[redis]` nor the names below mean anything; `true`, and nothing says where Redis is: a warning",
    ),
    ("REDIS_URL", "`redis.url`, in place of the parts and of `username`, `password` and `db` in the file"),
    (
        "REDIS_HOST, REDIS_PORT, REDIS_PASSWORD, REDIS_DB",
        "the parts: `redis.url` of host and port (6379), `redis.password`, `redis.db`, in place of those in the file; without a host they mean nothing",
    ),
    (
        "REDISHOST, REDISPORT, REDISUSER, REDISPASSWORD",
        "the same where those are not set; `REDISUSER` is `redis.username`",
    ),
    ("REDIS_TLS_ENABLED", "`true`: `redis.tls`; `false` says nothing"),
    (
        "REDIS_MAX_RETRIES",
        "`redis.breaker.failures`, at least 1: how often connecting is tried before Redis is left alone",
    ),
    ("REDIS_CONNECTION_TIMEOUT", "ms; `redis.connect_timeout`"),
    (
        "UPSTASH_REDIS_REST_URL, KV_REST_API_URL",
        "refused as not built yet, unless `REDIS_URL`, `REDIS_HOST` or `REDISHOST` is set or `REDIS_ENABLED=false`; their tokens mean nothing alone",
    ),
    (
        "DATABASE_URL, SUPABASE_*, TWILIO_*, ADMIN_PHONE_NUMBER",
        "mean nothing until a configuration names them, as in `${DATABASE_URL}`",
    ),
];

/// What a class's name of its own begins with.
const TTL: &str = "CACHE_TTL_";

/// Longest time that one of these names may give, in seconds: a year.
const SECONDS_MAX: u64 = 365 * 86_400;

/// Puts what these names say into `tree`; answers what they switch.
pub(super) fn apply(
    tree: &mut Table,
    environment: &BTreeMap<String, String>,
    says_of_redis: bool,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Switches {
    let mut hosts = Hosts { tree, environment, problems };
    hosts.server();
    hosts.classes(warnings);
    hosts.sources();
    let redis = hosts.redis(says_of_redis);
    Switches { cache: hosts.flag("CACHE_ENABLED"), redis }
}

pub(super) struct Hosts<'a> {
    pub(super) tree: &'a mut Table,
    environment: &'a BTreeMap<String, String>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Hosts<'_> {
    /// The value of a name; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn refuse(&mut self, name: &str, message: &str, remedy: &str) {
        self.problems.push(Problem::new(&Origin::environment(name), "", message, remedy));
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let read = boolean(self.get(name)?);
        if read.is_none() {
            self.refuse(name, "is neither true nor false", "Set it to true or false.");
        }
        read
    }

    pub(super) fn whole(&mut self, name: &str, what: &str, max: u64) -> Option<u64> {
        let read = whole(self.get(name)?, max);
        if read.is_none() {
            let message = format!("is not {what}, at most {max}");
            self.refuse(name, &message, "Set it to digits alone.");
        }
        read
    }

    pub(super) fn set(&mut self, path: &[&str], value: &str, name: &str) {
        self.tree.overlay(path, value, &Origin::environment(name));
    }

    fn server(&mut self) {
        if self.get("PORT").is_some()
            && let Some(port) = self.whole("PORT", "a port", u64::from(u16::MAX))
        {
            self.set(&["server", "listen"], &format!("0.0.0.0:{port}"), "PORT");
        }
        if let Some(origin) = self.get("FRONTEND_URL").map(str::to_owned) {
            self.set(&["server", "cors_origins"], &origin, "FRONTEND_URL");
        }
        if let Some(level) = self.get("LOG_LEVEL").map(str::to_ascii_lowercase) {
            self.set(&["server", "log"], &level, "LOG_LEVEL");
        }
        if self.get("NODE_ENV") == Some("production") {
            self.set(&["server", "log_format"], "json", "NODE_ENV");
        }
    }

    fn classes(&mut self, warnings: &mut Vec<Problem>) {
        let classes = classes_of(self.tree);
        let names: Vec<String> =
            self.environment.keys().filter(|name| name.starts_with(TTL)).cloned().collect();
        let of = |name: &str| name[TTL.len()..].to_ascii_lowercase();
        let reaches = |name: &str, class: &str| {
            let of = of(name);
            !of.is_empty()
                && (class == of || class.strip_prefix(&of).is_some_and(|rest| rest.starts_with('_')))
        };
        for class in &classes {
            // The longest name that reaches a class is its own, or that of its nearest family.
            let name = names.iter().filter(|name| self.get(name).is_some() && reaches(name, class));
            if let Some(name) = name.max_by_key(|name| name.len()).cloned()
                && let Some(seconds) = self.whole(&name, "a whole number of seconds", SECONDS_MAX)
            {
                self.set(&["classes", class, "ttl"], &format!("{seconds}s"), &name);
            }
        }
        for name in names.iter().filter(|name| !classes.iter().any(|class| reaches(name, class))) {
            let message = match nearest(&of(name), classes.iter().map(String::as_str)) {
                Some(near) => {
                    format!("no class goes by this name; did you mean {TTL}{}?", near.to_ascii_uppercase())
                }
                None => "no class goes by this name".to_owned(),
            };
            let remedy = "Correct it, or leave it if another program needs it.";
            warnings.push(Problem::new(&Origin::environment(name), "", message, remedy));
        }
        if let Some(size) = self.whole("CACHE_MAX_ITEM_SIZE_KB", "a whole number of KiB", 256 * 1024) {
            for class in &classes {
                self.set(&["classes", class, "item_max"], &format!("{size}KiB"), "CACHE_MAX_ITEM_SIZE_KB");
            }
        }
        if let Some(compresses) = self.flag("CACHE_COMPRESSION_ENABLED") {
            let compression = if compresses { "lz4" } else { "none" };
            for class in &classes {
                self.set(&["classes", class, "compression"], compression, "CACHE_COMPRESSION_ENABLED");
                // What is sealed is compressed only where its class says so by name.
                if !compresses {
                    self.set(&["classes", class, "l2_compression"], compression, "CACHE_COMPRESSION_ENABLED");
                }
            }
        }
    }

    fn sources(&mut self) {
        let sources: Vec<String> =
            self.tree.table("sources").into_iter().flat_map(Table::keys).map(str::to_owned).collect();
        for source in &sources {
            self.breaker(&["sources", source]);
        }
    }

    /// When what stands at `path` is left alone.
    pub(super) fn breaker(&mut self, path: &[&str]) {
        let name = "CACHE_CIRCUIT_FAILURE_THRESHOLD";
        if let Some(failures) = self.whole(name, "a whole number of failures", 10_000) {
            self.set(&[path, &["breaker", "failures"]].concat(), &failures.to_string(), name);
        }
        let name = "CACHE_CIRCUIT_RESET_TIMEOUT";
        if let Some(reset) = self.whole(name, "a whole number of milliseconds", 3_600_000) {
            self.set(&[path, &["breaker", "reset_max"]].concat(), &format!("{reset}ms"), name);
        }
    }
}
