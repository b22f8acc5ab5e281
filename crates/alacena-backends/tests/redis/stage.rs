//! A real server as a stage for the suite.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{Address, RedisShard, Server, ShardSettings};
use alacena_core::{runtime::BoxFuture, tier::Shard};
use alacena_testkit::{
    servers::{Builder, Flavour, RedisServer},
    tier::suite::{Happening, Stage},
};
use parking_lot::Mutex;

use crate::machine::Machine;

/// A server, and shards at it.
pub(crate) struct RedisStage {
    pub(crate) server: Mutex<RedisServer>,
}

impl RedisStage {
    /// On a server of this flavour; `None` where this machine has none.
    pub(crate) fn start(flavour: Flavour) -> Option<Self> {
        // With its data on disk, so that it can start again with them. Looking for what has expired ten times as often
        // as by default costs an idle server nothing.
        let builder = RedisServer::builder().flavour(flavour).config("appendonly", "yes").config("hz", "100");
        Self::start_as(builder)
    }

    pub(crate) fn start_as(builder: Builder) -> Option<Self> {
        Some(Self { server: Mutex::new(builder.start()?) })
    }

    fn command(&self, command: &[&str]) {
        self.server.lock().command(command);
    }
}

/// A shard at this address, with more time than in production: the machine builds beside it.
pub(crate) fn shard_at(url: &str) -> RedisShard {
    RedisShard::open(server_at(url), patient(), Machine::shared())
}

pub(crate) fn server_at(url: &str) -> Server {
    Server::new(Address::parse(url).expect("it is an address"), None).expect("there is nothing to set up")
}

pub(crate) fn patient() -> ShardSettings {
    let mut settings = ShardSettings::default();
    settings.step_within = Duration::from_secs(2);
    settings.remove_within = Duration::from_secs(2);
    settings
}

impl Stage for RedisStage {
    fn shard(&self) -> Arc<dyn Shard> {
        Arc::new(shard_at(&format!("redis://{}", self.server.lock().address())))
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        Machine::shared().sleep(time)
    }

    fn happen(&self, happening: Happening) -> BoxFuture<'_, bool> {
        match happening {
            Happening::Evicted(name) => self.command(&["UNLINK", &name]),
            Happening::Flushed => self.command(&["FLUSHALL"]),
            Happening::Full(is_full) => {
                let most = if is_full { "1" } else { "0" };
                self.command(&["CONFIG", "SET", "maxmemory", most]);
            }
            Happening::Restarted { keeps } => {
                let mut server = self.server.lock();
                if !keeps {
                    server.command(&["FLUSHALL"]);
                }
                server.restart();
            }
        }
        Box::pin(std::future::ready(true))
    }

    fn names(&self) -> BoxFuture<'_, Vec<String>> {
        let names = self.server.lock().command(&["KEYS", "*"]);
        let names = names.array().iter().map(|name| name.text());
        // What shards keep for themselves is not what they were asked to keep.
        let asked_for = |name: &String| name != "alc:w" && !name.starts_with("alc:m:c:");
        Box::pin(std::future::ready(names.filter(asked_for).collect()))
    }
}
