//! The server that a suite runs on, and the nodes that it puts there.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    runtime::BoxFuture,
    tier::{Begin, EntryId, Era, Fill, MarkerId, Nonce, Push, Shard, Store, Watcher},
};
use bytes::Bytes;
use parking_lot::Mutex;

/// Where a suite runs: one server, and what a test can do to it.
pub trait Stage: Send + Sync {
    /// Another node's shard of the server. It need not be connected yet; nobody watches it.
    fn shard(&self) -> Arc<dyn Shard>;

    /// So much time passes, for the server, too.
    fn pass(&self, time: Duration) -> BoxFuture<'_, ()>;

    /// Something happens to the server. Whether that can be done here; where not, what would follow is not looked at.
    fn happen(&self, happening: Happening) -> BoxFuture<'_, bool>;

    /// The names of everything that is kept there.
    fn names(&self) -> BoxFuture<'_, Vec<String>>;
}

/// What can happen to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// What has this name is removed, as if it had been evicted.
    Evicted(String),
    /// Everything is.
    Flushed,
    /// There is no memory for anything new, and nothing is evicted; or there is again.
    Full(bool),
    /// The server starts again with its data, or without.
    Restarted {
        /// With them.
        keeps: bool,
    },
}

/// What a node was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Connected(Era),
    Lost,
    Pushed(Push),
}

/// A node of the suite.
pub(super) struct Member<'s> {
    stage: &'s dyn Stage,
    shard: Arc<dyn Shard>,
    heard: Arc<Ear>,
}

/// Guards what was heard, for the moment of looking at it.
#[derive(Default)]
struct Ear(Mutex<Vec<Heard>>);

impl Watcher for Ear {
    fn connected(&self, era: Era) {
        self.0.lock().push(Heard::Connected(era));
    }

    fn lost(&self) {
        self.0.lock().push(Heard::Lost);
    }

    fn pushed(&self, push: Push) {
        self.0.lock().push(Heard::Pushed(push));
    }
}

impl Deref for Member<'_> {
    type Target = dyn Shard;

    fn deref(&self) -> &Self::Target {
        &*self.shard
    }
}

/// How long something may take that is to happen by itself, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(5);

impl<'s> Member<'s> {
    /// One more node, connected.
    pub(super) async fn join(stage: &'s dyn Stage) -> Self {
        let member = Self { stage, shard: stage.shard(), heard: Arc::default() };
        member.shard.watch(member.heard.clone());
        member.hears("that it is connected", |heard| matches!(heard, Heard::Connected(_))).await;
        member
    }

    /// The era of the server, which has to be known.
    pub(super) fn current_era(&self) -> Era {
        self.shard.era().expect("who is connected knows the era")
    }

    /// A nonce that was never used.
    pub(super) fn nonce(&self) -> Nonce {
        Nonce { era: self.current_era(), random: number() }
    }

    /// Waits until it has heard something; forgets it and all that came before.
    pub(super) async fn hears(&self, what: &str, is: impl Fn(&Heard) -> bool) {
        let mut waited = Duration::ZERO;
        loop {
            if self.has_heard(&is) {
                return;
            }
            assert!(waited < PATIENCE, "a node did not hear {what}; it heard {:?}", self.heard.0.lock());
            self.stage.pass(GLANCE).await;
            waited += GLANCE;
        }
    }

    /// Waits until it has heard of a change of this marker.
    pub(super) async fn hears_of(&self, marker: MarkerId) {
        let push = Heard::Pushed(Push::Marker(marker));
        self.hears("of a marker that has changed", |heard| *heard == push).await;
    }

    /// Whether it has heard something by now; forgets it and all that came before.
    pub(super) fn has_heard(&self, is: impl Fn(&Heard) -> bool) -> bool {
        let mut heard = self.heard.0.lock();
        let found = heard.iter().position(is);
        if let Some(at) = found {
            heard.drain(..=at);
        }
        found.is_some()
    }

    /// Waits until everything that was done so far has been heard of, and forgets it.
    pub(super) async fn catches_up(&self) {
        for _ in 0..2 {
            self.ping().await.expect("a ping is answered");
        }
        self.heard.0.lock().clear();
    }

    /// What a load of this entry begins with, for ten seconds.
    pub(super) fn load(&self, entry: EntryId, seen: Option<Fill>) -> Begin {
        Begin { entry: entry.into(), attempt: self.nonce(), seen, lease: Duration::from_secs(10) }
    }
}

/// Ids that no other part of any suite in this process uses.
pub(super) fn marker() -> MarkerId {
    MarkerId::Dep(u128::from(number()) << 64 | 7)
}

/// Each in a bucket of its own.
pub(super) fn entry() -> EntryId {
    let number = number();
    EntryId(u128::from(number % 4_096) << 116 | u128::from(number))
}

fn number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// An envelope as far as a shard looks at it: the fill stands after four bytes.
pub(in crate::tier) fn envelope(fill: Fill, text: &str) -> Bytes {
    [b"any.", fill.0.to_be_bytes().as_slice(), text.as_bytes()].concat().into()
}

/// An entry for a minute.
pub(super) fn store(load: &Begin, envelope: &Bytes) -> Store {
    let (entry, attempt, envelope) = (load.entry.clone(), load.attempt, envelope.clone());
    Store { entry, attempt, envelope, keep: Duration::from_secs(60) }
}

/// For how long markers are kept unless that is what is looked at.
pub(super) const KEEP: Duration = Duration::from_secs(60);
