//! Names in the environment that say where Redis is.

use std::net::Ipv6Addr;

use super::{
    super::{Origin, forms, problem::Problem, schema::Format, tree::Table},
    hosts::Hosts,
};

/// Where Redis is said to be over HTTP.
const REST: [&str; 2] = ["UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"];

impl Hosts<'_> {
    /// Puts what the names of Redis say into the tree; answers what `REDIS_ENABLED` says. With `is_ours`, a layer above
    /// says something of `[redis]`.
    pub(super) fn redis(&mut self, is_ours: bool) -> Option<bool> {
        let enabled = self.flag("REDIS_ENABLED");
        if enabled == Some(false) {
            return enabled;
        }
        if let Some(url) = self.get("REDIS_URL").map(str::to_owned) {
            self.redis_is_at(&url, "REDIS_URL");
        } else if let Some((name, host)) = self.part(["REDIS_HOST", "REDISHOST"]) {
            self.redis_parts(name, &host);
        } else if let Some(name) = REST.into_iter().find(|name| self.get(name).is_some()) {
            let remedy = "Set REDIS_URL to the address that begins with rediss:// and is shown beside it; or set REDIS_ENABLED=false: Alacena then works in memory, on one machine.";
            self.problems.push(Problem::not_built(&Origin::environment(name), "", remedy));
        }
        // How it is reached says nothing where nobody says that it is there.
        if is_ours || self.tree.get("redis").is_some() {
            self.redis_settings();
        }
        enabled
    }

    /// The address is one thing: what the file says of it is not for another server, a password least of all.
    fn redis_is_at(&mut self, url: &str, name: &str) {
        if let Some(redis) = self.tree.table_mut("redis") {
            ["url", "username", "password", "db"].into_iter().for_each(|field| redis.remove(field));
        }
        self.set(&["redis", "url"], url, name);
    }

    fn redis_parts(&mut self, name: &'static str, host: &str) {
        let is_v6 = host.parse::<Ipv6Addr>().is_ok();
        if !is_v6 && forms::read(Format::Host, host).is_err() {
            let remedy = "Write a name or an address alone; anything else is for REDIS_URL.";
            self.refuse(name, "is no name of a host", remedy);
            return;
        }
        // Kubernetes sets REDIS_PORT to `tcp://…` of its own accord beside a service that is called redis.
        let is_port = |name: &&'static str| self.get(name).is_some_and(|value| !value.starts_with("tcp://"));
        let port = match ["REDIS_PORT", "REDISPORT"].into_iter().find(is_port) {
            Some(name) => match self.whole(name, "a port", u64::from(u16::MAX)) {
                Some(port) => port,
                None => return,
            },
            None => 6379,
        };
        let host = if is_v6 { format!("[{host}]") } else { host.to_owned() };
        self.redis_is_at(&format!("redis://{host}:{port}"), name);
        for (field, names) in [
            ("username", ["REDISUSER"].as_slice()),
            ("password", &["REDIS_PASSWORD", "REDISPASSWORD"]),
            ("db", &["REDIS_DB"]),
        ] {
            if let Some((name, value)) = self.part(names.iter().copied()) {
                self.set(&["redis", field], &value, name);
            }
        }
    }

    fn redis_settings(&mut self) {
        if self.flag("REDIS_TLS_ENABLED") == Some(true) {
            self.set(&["redis", "tls"], "true", "REDIS_TLS_ENABLED");
        }
        let name = "REDIS_CONNECTION_TIMEOUT";
        if let Some(timeout) = self.whole(name, "a whole number of milliseconds", 60_000) {
            self.set(&["redis", "connect_timeout"], &format!("{timeout}ms"), name);
        }
        self.breaker(&["redis"]);
        if let Some(retries) = self.whole("REDIS_MAX_RETRIES", "a whole number of attempts", 10_000) {
            let failures = retries.max(1).to_string();
            self.set(&["redis", "breaker", "failures"], &failures, "REDIS_MAX_RETRIES");
        }
    }

    /// The first of these names that says something, and what.
    fn part(&self, names: impl IntoIterator<Item = &'static str>) -> Option<(&'static str, String)> {
        names.into_iter().find_map(|name| self.get(name).map(|value| (name, value.to_owned())))
    }
}

/// Once every layer has spoken: there is no Redis where it is switched off, and where it is wanted and missing that is
/// said.
pub(super) fn settle(tree: &mut Table, enabled: Option<bool>, warnings: &mut Vec<Problem>) {
    if enabled == Some(false) {
        tree.remove("redis");
    } else if enabled == Some(true) && tree.get("redis").is_none() {
        let remedy = "Say where it is: REDIS_URL, or a `[redis]` section; or set REDIS_ENABLED=false.";
        let origin = Origin::environment("REDIS_ENABLED");
        warnings.push(Problem::new(&origin, "", "Redis not available, using memory", remedy));
    }
}
