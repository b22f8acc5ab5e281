//! A node: a shard, and what it was told.

use std::{future::Future, ops::Deref, sync::Arc, time::Duration};

use alacena_backends::redis::{RedisShard, ShardSettings};
use alacena_core::{
    runtime::Runtime,
    tier::{
        Begin, Begun, EntryId, Era, Failure, Fill, MarkerId, Nonce, Push, Shard, Store, Stored, Watcher,
        record::{Record, Statistics},
    },
};
use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};

use crate::{
    machine::Machine,
    stage::{patient, server_at},
};

/// How long anything may take that is to come.
const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What a node was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Connected(Era),
    Lost,
    Pushed(Push),
}

struct Ear(mpsc::UnboundedSender<Heard>);

impl Ear {
    fn hear(&self, heard: Heard) {
        // An error: the test is over.
        let _ = self.0.send(heard);
    }
}

impl Watcher for Ear {
    fn connected(&self, era: Era) {
        self.hear(Heard::Connected(era));
    }

    fn lost(&self) {
        self.hear(Heard::Lost);
    }

    fn pushed(&self, push: Push) {
        self.hear(Heard::Pushed(push));
    }
}

/// One that listens, and where it puts what it hears.
pub(crate) fn listener() -> (Arc<dyn Watcher>, mpsc::UnboundedReceiver<Heard>) {
    let (told, heard) = mpsc::unbounded_channel();
    (Arc::new(Ear(told)), heard)
}

pub(crate) struct Node {
    shard: RedisShard,
    heard: Mutex<mpsc::UnboundedReceiver<Heard>>,
}

impl Deref for Node {
    type Target = RedisShard;

    fn deref(&self) -> &RedisShard {
        &self.shard
    }
}

impl Node {
    /// One that listens; it need not be connected yet.
    pub(crate) fn at(url: &str, settings: ShardSettings) -> Self {
        let shard = RedisShard::open(server_at(url), settings, Machine::shared());
        let (watcher, heard) = listener();
        shard.watch(watcher);
        Self { shard, heard: Mutex::new(heard) }
    }

    /// One that is connected.
    pub(crate) async fn join(url: &str) -> Self {
        let node = Self::at(url, patient());
        node.is_connected().await;
        node
    }

    pub(crate) async fn is_connected(&self) -> Era {
        match self.hears(|heard| matches!(heard, Heard::Connected(_))).await {
            Heard::Connected(era) => era,
            _ => unreachable!("it has been asked for"),
        }
    }

    /// Waits until it hears something, and forgets what came before.
    pub(crate) async fn hears(&self, is: impl Fn(&Heard) -> bool) -> Heard {
        let mut heard = self.heard.lock().await;
        let listening = async {
            loop {
                let next = heard.recv().await.expect("the shard is there");
                if is(&next) {
                    return next;
                }
            }
        };
        within_patience(listening).await
    }

    /// What it has heard by now, which is then forgotten.
    pub(crate) async fn has_heard(&self) -> Vec<Heard> {
        let mut heard = self.heard.lock().await;
        std::iter::from_fn(|| heard.try_recv().ok()).collect()
    }

    pub(crate) fn nonce(&self) -> Nonce {
        Nonce { era: self.era().expect("it is connected"), random: Machine.random() }
    }

    /// Mints one marker, for a minute.
    pub(crate) async fn mints(&self, marker: MarkerId) -> Result<Nonce, Failure> {
        let nonce = self.nonce();
        Ok(self.mint(nonce.era, &[(marker, nonce)], MINUTE).await?[0])
    }

    pub(crate) fn load(&self, entry: EntryId) -> Begin {
        Begin { entry: entry.into(), attempt: self.nonce(), seen: None, lease: MINUTE }
    }

    /// Loads and stores an entry, which nobody else does.
    pub(crate) async fn fills(&self, entry: EntryId, value: &str) -> Result<Stored, Failure> {
        let load = self.load(entry);
        match self.begin(load.clone()).await? {
            Begun::Lead => {}
            _ => panic!("nobody else loads {entry:?}"),
        }
        self.store(Store {
            entry: load.entry,
            attempt: load.attempt,
            envelope: record(entry, value),
            keep: MINUTE,
        })
        .await
    }
}

/// What `call` comes to once it is Ok; until then it is asked again and again.
pub(crate) async fn in_time<T, F: Future<Output = Result<T, Failure>>>(mut call: impl FnMut() -> F) -> T {
    within_patience(async {
        loop {
            if let Ok(answer) = call().await {
                return answer;
            }
            Machine.sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

/// The failure that `call` comes to once it is of this kind; until then it is asked again and again.
pub(crate) async fn fails_in_time<T, F: Future<Output = Result<T, Failure>>>(
    kind: &str,
    mut call: impl FnMut() -> F,
) -> Failure {
    within_patience(async {
        loop {
            match call().await {
                Err(failure) if failure.as_str() == kind => return failure,
                _ => Machine.sleep(Duration::from_millis(2)).await,
            }
        }
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "a real server is waited for, on the machine's clock")]
pub(crate) async fn within_patience<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, call).await.expect("what is to come comes within 20 s")
}

/// The envelope of a value, as nodes write it.
pub(crate) fn record(entry: EntryId, value: &str) -> Bytes {
    let record = Record {
        fill: Fill(Machine.random()),
        entry,
        fingerprint: *b"redis/v1",
        era: Era(0),
        loaded_at: 0,
        asked_before: Duration::ZERO,
        fresh: MINUTE,
        revalidate: Duration::ZERO,
        stand_in: Duration::ZERO,
        statistics: Statistics::first(0, Duration::ZERO),
        soft: Vec::new(),
        hard: Vec::new(),
        key: Bytes::new(),
        version: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    };
    record.encode(false, None).expect("it is small")
}

/// An entry in a bucket of its own, and a marker.
pub(crate) fn entry(number: u16) -> EntryId {
    EntryId(u128::from(number % 4_096) << 116 | 0xe)
}

pub(crate) fn marker(number: u16) -> MarkerId {
    MarkerId::Dep(u128::from(number) << 64 | 0xd)
}
