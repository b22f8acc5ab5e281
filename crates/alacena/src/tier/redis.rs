//! A Redis or Valkey as the tier that nodes share.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{Line, LineSettings, RedisShard, Server, ShardSettings, State, resp::Command};
use alacena_core::{
    engine::Tier,
    error::{Error, catalogue},
    guard::BreakerSettings,
    journal::{Journal, ShardName},
    runtime::SharedRuntime,
    tier::HashKey,
};
use futures_util::future::{Either, select};

use crate::{
    config::{Config, JournalConfig, RedisConfig},
    handle::Alacena,
    sources::Source,
};

/// Where nodes without a secret of their own find one.
const SECRET_KEY: &str = "alc:cfg";
/// How long the server may take to answer with it. Only the first start of a set-up without a secret waits for it.
const AGREE_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to connect: a server that is back is noticed within two seconds.
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// The name of the one shard.
const SHARD: &str = "redis";

/// What all nodes say alike.
pub(super) struct Agreed {
    server: Server,
    settings: ShardSettings,
    secret: [u8; 32],
}

impl Agreed {
    pub(super) async fn with(
        config: &Config,
        redis: &RedisConfig,
        runtime: &SharedRuntime,
    ) -> Result<Self, Error> {
        let server = Server::new(redis.address.clone(), redis.ca.as_deref())?;
        let settings = settings(redis);
        let secret = match &config.server.secret {
            Some(secret) => blake3::derive_key("alacena shared secret v1", secret.reveal().as_bytes()),
            None => secret_of(&server, settings.line, runtime).await?,
        };
        Ok(Self { server, settings, secret })
    }

    /// What partitions of callers and names of entries are keyed with.
    pub(super) fn secret(&self) -> [u8; 32] {
        self.secret
    }

    pub(super) fn share(self, config: &Config, redis: &RedisConfig, alacena: &Alacena) -> Result<(), Error> {
        let runtime = Arc::clone(alacena.runtime());
        let shard = RedisShard::open(self.server, self.settings, Arc::clone(&runtime));
        let journal = match &redis.journal {
            Some(journal) => table(journal, redis, alacena)?,
            None => alacena.inner.store.journal(),
        };
        if !journal.is_durable() {
            tracing::warn!(
                "invalidations that Redis cannot be told of are kept in memory only: this build has no store"
            );
        }
        alacena.inner.engine.share(Tier {
            shards: vec![(ShardName::new(SHARD), Arc::new(shard))],
            names: HashKey::derive(&self.secret),
            seal: redis.keys.clone(),
            journal,
            breaker: BreakerSettings {
                failures: redis.breaker.failures,
                window: redis.breaker.window,
                reset_max: redis.breaker.reset_max,
                ..BreakerSettings::default()
            },
            lease: redis.lease,
            good_replicas_min: redis.replicas_min,
            is_only_node: config.server.replicas == Some(1),
        });
        Ok(())
    }
}

fn settings(redis: &RedisConfig) -> ShardSettings {
    let mut settings = ShardSettings::default();
    settings.step_within = redis.timeout;
    settings.remove_within = redis.timeout.saturating_mul(5);
    let connection = &mut settings.line.connection;
    connection.connect_within = redis.connect_timeout;
    connection.look_up_within = connection.look_up_within.max(redis.connect_timeout);
    connection.tls_within = connection.tls_within.max(redis.connect_timeout);
    connection.in_flight.commands_max = redis.in_flight_max;
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

/// The secret that lies on the server; made by whoever comes first.
async fn secret_of(
    server: &Server,
    settings: LineSettings,
    runtime: &SharedRuntime,
) -> Result<[u8; 32], Error> {
    let line = Line::open(server.clone(), settings, Arc::clone(runtime), Arc::new(()));
    let mut drawn = [0; 32];
    drawn.chunks_mut(8).for_each(|part| part.copy_from_slice(&runtime.random().to_be_bytes()));
    let commands =
        [Command::new("SET").arg(SECRET_KEY).arg(drawn).arg("NX"), Command::new("GET").arg(SECRET_KEY)];
    let asked = std::pin::pin!(async {
        let mut changes = line.changes();
        // It ends only with the line.
        let _ = changes.wait_for(|state| matches!(state, State::Up { .. })).await;
        line.pipeline(&commands, Duration::from_secs(1)).await
    });
    let answer = match select(asked, runtime.sleep(AGREE_WITHIN)).await {
        Either::Left((Ok(mut replies), _)) => {
            replies.pop().and_then(Result::ok).and_then(|reply| reply.into_bytes())
        }
        Either::Left((Err(_), _)) | Either::Right(_) => None,
    };
    let state = line.state();
    line.close();
    answer.and_then(|bytes| <[u8; 32]>::try_from(&*bytes).ok()).ok_or_else(|| {
        let why = match state {
            State::Connecting(Some(cause)) => format!(" ({cause})"),
            _ => String::new(),
        };
        let detail = format!(
            "the secret that all nodes share lies in Redis, which did not answer{why}; set server.secret, and this \
             node starts without it, too"
        );
        Error::new(&catalogue::SOURCE_UNREACHABLE, detail).retry_after(Duration::from_secs(1))
    })
}
