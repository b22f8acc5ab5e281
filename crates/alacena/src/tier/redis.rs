//! A Redis or Valkey as the tier that nodes share.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{RedisShard, Server, ShardSettings};
use alacena_core::{
    engine::Tier,
    error::{Error, catalogue},
    guard::BreakerSettings,
    journal::{Journal, ShardName},
    runtime::SharedRuntime,
    tier::{HashKey, Telling},
};

use super::agreement::Agreement;
#[cfg(feature = "sqlite")]
use crate::sources::Source;
use crate::{
    config::{Config, JournalConfig, PushConfig, RedisConfig},
    handle::Alacena,
};

/// The longest pause between two attempts to connect: a server that is back is noticed within two seconds.
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// What the name of the one shard begins with.
const SHARD: &str = "redis";

/// What all nodes say alike.
pub(super) struct Agreed {
    server: Server,
    settings: ShardSettings,
    secret: [u8; 32],
    agreement: Agreement,
}

impl Agreed {
    pub(super) async fn with(
        config: &Config,
        redis: &RedisConfig,
        runtime: &SharedRuntime,
    ) -> Result<Self, Error> {
        let server = Server::new(redis.address.clone(), redis.ca.as_deref())?;
        let server = match redis.commands_per_day {
            Some(commands) => server.metered(commands, runtime),
            None => server,
        };
        let settings = settings(redis);
        let agreement = Agreement::at(&server, settings.line, runtime);
        let (secret, agreement) = match &config.server.secret {
            Some(secret) => {
                let secret = blake3::derive_key("alacena shared secret v1", secret.reveal().as_bytes());
                (secret, agreement.on_fingerprint(&config.server.namespace, &secret))
            }
            None => agreement.on_secret().await?,
        };
        Ok(Self { server, settings, secret, agreement })
    }

    /// What partitions of callers and names of entries are keyed with.
    pub(super) fn secret(&self) -> [u8; 32] {
        self.secret
    }

    pub(super) fn share(self, config: &Config, redis: &RedisConfig, alacena: &Alacena) -> Result<(), Error> {
        let runtime = Arc::clone(alacena.runtime());
        let shard = Arc::new(RedisShard::open(self.server, self.settings, Arc::clone(&runtime)));
        self.agreement.keep(Arc::clone(&shard), &runtime);
        let journal = match &redis.journal {
            Some(journal) => table(journal, redis, alacena)?,
            None => alacena.inner.store.journal(),
        };
        if !journal.is_durable() {
            tracing::warn!(
                "invalidations that Redis cannot be told of are kept in memory only: this build has no store"
            );
        }
        // Others may keep their debts in the same table, for a Redis or under names of their own.
        let mark = blake3::derive_key("alacena shard name v1", &self.secret);
        let name =
            ShardName::new(&format!("{SHARD}-{}", blake3::hash(&mark).to_hex().get(..8).unwrap_or_default()));
        alacena.inner.engine.share(Tier {
            shards: vec![(name, shard)],
            names: HashKey::derive(&self.secret),
            seal: redis.keys.clone(),
            journal,
            breaker: BreakerSettings {
                failures: redis.breaker.failures,
                window: redis.breaker.window,
                reset_max: redis.breaker.reset_max,
                ..BreakerSettings::default()
            },
            step_within: redis.timeout,
            lease: redis.lease,
            good_replicas_min: redis.replicas_min,
            is_only_node: config.server.replicas == Some(1),
        });
        Ok(())
    }
}

fn settings(redis: &RedisConfig) -> ShardSettings {
    let mut settings = ShardSettings::default();
    settings.telling = match redis.push {
        PushConfig::Auto => None,
        PushConfig::Tracking => Some(Telling::Tracked),
        PushConfig::Publish => Some(Telling::Published),
        PushConfig::None => Some(Telling::Nothing),
    };
    settings.step_within = redis.timeout;
    settings.remove_within = redis.timeout.saturating_mul(5);
    let connection = &mut settings.line.connection;
    connection.connect_within = redis.connect_timeout;
    connection.look_up_within = connection.look_up_within.max(redis.connect_timeout);
    connection.tls_within = connection.tls_within.max(redis.connect_timeout);
    connection.in_flight.commands_max = redis.in_flight_max;
    // Nothing that may still be answered in time costs the connection.
    connection.silence_max = connection.silence_max.max(settings.remove_within.saturating_mul(2));
    settings.line.pause_max = RECONNECT_MAX;
    settings
}

/// The table of a declared source as a journal; what applications write into it is taken up, too.
#[cfg(feature = "sqlite")]
fn table(journal: &JournalConfig, redis: &RedisConfig, alacena: &Alacena) -> Result<Arc<dyn Journal>, Error> {
    let prepared = alacena.prepared_full();
    let source = prepared.sources.get(&journal.source).map(|open| &*open.source);
    let Some(Source::Sqlite(sqlite)) = source else {
        let detail = "a journal is a table of a declared source of the kind sqlite";
        return Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail).with("source", &journal.source));
    };
    let outbox = sqlite.outbox(&journal.table, redis.keys.clone())?;
    alacena.take_up(Arc::clone(&outbox) as _, journal.every);
    Ok(outbox)
}

#[cfg(not(feature = "sqlite"))]
fn table(journal: &JournalConfig, _: &RedisConfig, _: &Alacena) -> Result<Arc<dyn Journal>, Error> {
    let detail = "this build has no sources that could hold a journal";
    Err(Error::new(&catalogue::NOT_BUILT_YET, detail).with("source", &journal.source))
}
