//! What must survive the process: intents of declared writes, the history of invalidations, the process's era.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{error::Error, runtime::BoxFuture};

/// What is to be invalidated, as people and files write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The entries under one key, by its text.
    Key(String),
    /// Every entry with this tag.
    Tag(String),
    /// Every entry under this constant prefix.
    Prefix(String),
    /// Every entry whose key text matches this pattern, in which `*` stands for one segment and a last `*` for the rest.
    Pattern(String),
    /// Every entry of this class.
    Class(String),
    /// Every entry of this namespace.
    Namespace(String),
    /// Every entry.
    Everything,
}

/// The names of [`Target`]s for people: `tag company:42`.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Key(text) => write!(f, "key {text}"),
            Target::Tag(text) => write!(f, "tag {text}"),
            Target::Prefix(text) => write!(f, "prefix {text}"),
            Target::Pattern(text) => write!(f, "pattern {text}"),
            Target::Class(text) => write!(f, "class {text}"),
            Target::Namespace(text) => write!(f, "namespace {text}"),
            Target::Everything => f.write_str("everything"),
        }
    }
}

/// A declared write that is about to be sent, with what it invalidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The write's name.
    pub write: String,
    /// What is invalidated unless the source definitely refuses.
    pub targets: Vec<Target>,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// One invalidation that has been applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invalidation {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who asked: `api`, `cli`, `write create_job`, `recovery create_job`.
    pub who: String,
    /// What was invalidated.
    pub targets: Vec<Target>,
    /// How far it had gone when it was acknowledged: `applied`.
    pub level: String,
}

/// Names an open intent.
pub type IntentId = u64;

/// The durable side of the engine.
///
/// # Atomicity
/// What a method has answered `Ok` to survives a kill of the process, unless the implementation is volatile
/// ([`is_durable`](Ledger::is_durable) is false). Methods may be called at the same time.
///
/// # Cancellation
/// A dropped future may or may not have taken effect; it never leaves half of it.
pub trait Ledger: Send + Sync + 'static {
    /// Whether what is written survives the process.
    fn is_durable(&self) -> bool;

    /// A number that is new with every start of the process on this store.
    fn era(&self) -> u64;

    /// Records a write before it is sent.
    fn open_intent(&self, intent: Intent) -> BoxFuture<'_, Result<IntentId, Error>>;

    /// Removes a write whose invalidation has been applied or that was definitely refused.
    fn close_intent(&self, id: IntentId) -> BoxFuture<'_, Result<(), Error>>;

    /// The writes of an earlier process whose end nobody recorded, oldest first.
    fn open_intents(&self) -> BoxFuture<'_, Result<Vec<(IntentId, Intent)>, Error>>;

    /// Adds to the history. Bounded: the oldest go.
    fn record(&self, invalidation: Invalidation) -> BoxFuture<'_, Result<(), Error>>;

    /// The newest `limit` invalidations, newest first.
    fn history(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Invalidation>, Error>>;
}

/// A ledger in memory: for the library without a store, and for tests. Forgets everything with the process.
#[derive(Debug, Default)]
pub struct VolatileLedger {
    /// Held for a few instructions, never across an await.
    state: Mutex<Volatile>,
}

#[derive(Debug, Default)]
struct Volatile {
    next: IntentId,
    intents: Vec<(IntentId, Intent)>,
    history: VecDeque<Invalidation>,
}

/// Invalidations that a [`VolatileLedger`] keeps.
const VOLATILE_HISTORY_MAX: usize = 1024;

impl Ledger for VolatileLedger {
    fn is_durable(&self) -> bool {
        false
    }

    fn era(&self) -> u64 {
        0
    }

    fn open_intent(&self, intent: Intent) -> BoxFuture<'_, Result<IntentId, Error>> {
        let mut state = self.state.lock();
        state.next += 1;
        let id = state.next;
        state.intents.push((id, intent));
        Box::pin(std::future::ready(Ok(id)))
    }

    fn close_intent(&self, id: IntentId) -> BoxFuture<'_, Result<(), Error>> {
        self.state.lock().intents.retain(|(open, _)| *open != id);
        Box::pin(std::future::ready(Ok(())))
    }

    fn open_intents(&self) -> BoxFuture<'_, Result<Vec<(IntentId, Intent)>, Error>> {
        Box::pin(std::future::ready(Ok(self.state.lock().intents.clone())))
    }

    fn record(&self, invalidation: Invalidation) -> BoxFuture<'_, Result<(), Error>> {
        let mut state = self.state.lock();
        if state.history.len() == VOLATILE_HISTORY_MAX {
            state.history.pop_front();
        }
        state.history.push_back(invalidation);
        Box::pin(std::future::ready(Ok(())))
    }

    fn history(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Invalidation>, Error>> {
        let newest = self.state.lock().history.iter().rev().take(limit).cloned().collect();
        Box::pin(std::future::ready(Ok(newest)))
    }
}
