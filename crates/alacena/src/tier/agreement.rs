//! What nodes must say alike, and how they notice that they do not.
//!
//! Names on the shard are hashed with a secret. Nodes with different ones see neither one another's entries nor one
//! another's invalidations, and nothing else would tell: each of them works. So a value stands on the server, which every
//! node compares with its own, again and again: without a secret of their own the secret itself, which whoever comes first
//! has drawn; with one a fingerprint of it. A node that finds another value there leaves the tier and says so: it goes on
//! alone, and owes its invalidations, until somebody has looked.
//!
//! The server may lose the value, by a flush, a restart or for want of memory: then the next node that looks puts it back.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use alacena_backends::redis::{Line, LineSettings, RedisShard, Server, State, resp::Command};
use alacena_core::{
    error::{Error, catalogue},
    runtime::SharedRuntime,
    tier::Lack,
};
use futures_util::future::{Either, select};

/// Where nodes without a secret of their own find one.
const SECRET_KEY: &str = "alc:cfg";
/// How long the server may take to answer with it. Only the start of a node without a secret waits for it.
const AGREE_WITHIN: Duration = Duration::from_secs(5);
/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(1);
/// How often a node looks whether the others still say the same.
const EVERY: Duration = Duration::from_secs(10);
/// The same where commands are paid for, and then only if anything else was asked meanwhile.
const EVERY_METERED: Duration = Duration::from_secs(3600);

/// The value that all nodes must find.
pub(super) struct Agreement {
    line: Line,
    runtime: SharedRuntime,
    key: String,
    value: [u8; 32],
}

/// How many commands have been sent, where that is counted.
fn used(line: &Line) -> Option<u64> {
    line.server().spending().map(|spending| spending.used)
}

impl Agreement {
    /// At this server, on a connection of its own; nothing is agreed on yet.
    pub(super) fn at(server: &Server, settings: LineSettings, runtime: &SharedRuntime) -> Self {
        let line = Line::open(server.clone(), settings, Arc::clone(runtime), Arc::new(()));
        let mut value = [0; 32];
        value.chunks_mut(8).for_each(|part| part.copy_from_slice(&runtime.random().to_be_bytes()));
        Self { line, runtime: Arc::clone(runtime), key: SECRET_KEY.to_owned(), value }
    }

    /// On the fingerprint of a secret that each node has by itself: of those of one namespace.
    pub(super) fn on_fingerprint(self, namespace: &str, secret: &[u8; 32]) -> Self {
        let place = blake3::hash(namespace.as_bytes()).to_hex();
        let key = format!("{SECRET_KEY}:{}", place.get(..16).unwrap_or_default());
        Self { key, value: blake3::derive_key("alacena fingerprint of a secret v1", secret), ..self }
    }

    /// On the secret that lies on the server; made by whoever comes first.
    ///
    /// # Errors
    /// `Unavailable` where the server does not say it within five seconds.
    pub(super) async fn on_secret(self) -> Result<([u8; 32], Self), Error> {
        let found = {
            let asked = std::pin::pin!(async {
                self.rouse().await;
                let mut changes = self.line.changes();
                // It ends only with the line.
                let _ = changes.wait_for(|state| matches!(state, State::Up { .. })).await;
                self.look().await
            });
            match select(asked, self.runtime.sleep(AGREE_WITHIN)).await {
                Either::Left((found, _)) => found,
                Either::Right(_) => Err(match self.line.state() {
                    State::Connecting(Some(cause)) => cause.to_string(),
                    _ => "it did not answer in time".to_owned(),
                }),
            }
        };
        let why = match found {
            Ok(secret) => return Ok((secret, Self { value: secret, ..self })),
            Err(why) => why,
        };
        let detail = format!(
            "the secret that all nodes share lies in Redis, and could not be read: {why}; set server.secret, and this \
             node starts without it, too"
        );
        Err(Error::new(&catalogue::TIER_UNREACHABLE, detail).retry_after(Duration::from_secs(1)))
    }

    /// Brings the connection about where none is kept up.
    async fn rouse(&self) {
        if used(&self.line).is_some() {
            // Whether it has come to anything, whoever asks finds out.
            let _ = self.line.rouse(AGREE_WITHIN).await;
        }
    }

    /// What stands there, and if that is nothing, from now on what this node says.
    async fn look(&self) -> Result<[u8; 32], String> {
        let commands = [
            Command::new("SET").arg(&*self.key).arg(self.value).arg("NX"),
            Command::new("GET").arg(&*self.key),
        ];
        let replies =
            self.line.pipeline(&commands, LOOK_WITHIN).await.map_err(|failure| failure.to_string())?;
        let mut refused = None;
        let mut held = None;
        for reply in replies {
            match reply {
                Ok(frame) => held = frame.into_bytes(),
                Err(refusal) => refused = refused.or(Some(refusal.to_string())),
            }
        }
        let held = held.ok_or_else(|| refused.unwrap_or_else(|| "there is none".to_owned()))?;
        <[u8; 32]>::try_from(&*held).map_err(|_| format!("`{}` holds something else", self.key))
    }

    /// Looks again and again, for as long as the shard is used; leaves it once the others say something else.
    pub(super) fn keep(self, shard: Arc<RedisShard>, runtime: &SharedRuntime) {
        let shard = Arc::downgrade(&shard);
        runtime.spawn(Box::pin(async move {
            loop {
                self.until_it_is_time(&shard).await;
                let found = self.look().await;
                let Some(shard) = shard.upgrade() else { break };
                if found.as_ref().is_ok_and(|found| *found != self.value) {
                    shard.leave(self.parted());
                    break;
                }
                drop(shard);
                if used(&self.line).is_none() {
                    let pause = if found.is_ok() { EVERY } else { LOOK_WITHIN };
                    self.runtime.sleep(pause).await;
                }
            }
            self.line.close();
        }));
    }

    /// Where commands are paid for: returns once others have been sent, an hour after the last look at the earliest, or when
    /// there is no shard any more.
    async fn until_it_is_time(&self, shard: &Weak<RedisShard>) {
        let Some(before) = used(&self.line) else { return };
        if before > 0 {
            self.runtime.sleep(EVERY_METERED).await;
        }
        while used(&self.line) == Some(before) && shard.strong_count() > 0 {
            self.runtime.sleep(EVERY).await;
        }
        self.rouse().await;
    }

    /// What is said of a node that leaves.
    fn parted(&self) -> Lack {
        let (server, key) = (self.line.server().address(), &self.key);
        Lack {
            what: format!("other nodes on {server} have another secret than this one (`{key}`)"),
            costs: "it would neither find their entries nor hear their invalidations, so it has left: it answers by itself, \
                    and what it invalidates is written down and told to nobody",
            remedy: "Set the same server.secret on all nodes, remove the key, and start this node again.",
            is_serious: true,
        }
    }
}
