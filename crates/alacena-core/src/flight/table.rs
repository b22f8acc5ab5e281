//! The flights of this process: the state machine of each key, and the channel on which its waiters hear.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::protocol::{Attempt, End, Flight, Role};
use crate::{
    error::Error,
    key::Key,
    marker::Token,
    memory::Entry,
    outcome::NotStored,
    runtime::{Moment, SharedRuntime},
};

/// Shards of the table.
const SHARDS: usize = 16;
/// Keys of one shard that may rest or be alone; beyond, those whose time is over and then any others are forgotten.
const IDLE_MAX: usize = 4096;

/// What a load brought home, for everyone who waited.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The entry as it would be kept.
    pub entry: Arc<Entry>,
    /// Why it was not kept; `None` when it was.
    pub not_stored: Option<NotStored>,
}

/// Where waiters hear how the load ended. Closed without a word when its task was dropped.
type Landed = watch::Receiver<Option<Result<Settled, Error>>>;

/// What a caller is to do, with what it needs to do it.
pub enum Turn {
    /// Somebody has stored a fresh entry since the caller looked.
    Hit(Arc<Entry>),
    /// Load; whoever drops the landing without ending it fails the flight.
    Lead(Landing, Landed),
    /// Wait.
    Join(Landed),
    /// Take the last failure; another attempt is due after this long.
    Rest(Error, Duration),
    /// Load, share nothing, keep nothing.
    Alone,
}

/// The flights of this process.
#[derive(Clone)]
pub struct Flights(Arc<Inner>);

struct Inner {
    runtime: SharedRuntime,
    hasher: RandomState,
    /// Each guards the flights of its keys, and with them every store of these keys: check and store are one step.
    shards: Box<[Mutex<HashMap<Key, Slot>>]>,
    last_attempt: AtomicU64,
}

#[derive(Default)]
struct Slot {
    flight: Flight,
    /// What the load under way depends on.
    token: Option<Token>,
    landed: Option<Landed>,
    last_error: Option<Error>,
}

impl Flights {
    /// No flights yet.
    #[must_use]
    pub fn new(runtime: SharedRuntime) -> Self {
        Self(Arc::new(Inner {
            runtime,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            last_attempt: AtomicU64::new(0),
        }))
    }

    /// A caller needs the value of `key`. `look` looks for a fresh entry once more, in the same critical section in
    /// which stores happen; `capture` takes the token if the caller leads. `force` leads a new attempt whatever is
    /// under way.
    ///
    /// ```text
    ///   caller A            caller B                    without the second look
    ///   looks: miss
    ///                       leads, loads, stores, done
    ///   leads again                                     one load too many
    /// ```
    pub fn ask(
        &self,
        key: &Key,
        force: bool,
        look: impl FnOnce() -> Option<Arc<Entry>>,
        capture: impl FnOnce() -> Token,
    ) -> Turn {
        let now = self.0.runtime.now();
        let mut shard = self.0.shard(key).lock();
        if !force && let Some(entry) = look() {
            return Turn::Hit(entry);
        }
        make_room(&mut shard, now);
        let slot = shard.entry(key.clone()).or_default();
        let joinable = !force && slot.token.as_ref().is_some_and(Token::is_current);
        let next = Attempt(self.0.last_attempt.fetch_add(1, Ordering::Relaxed) + 1);
        match slot.flight.ask(now, joinable, next) {
            Role::Lead(attempt) => {
                slot.token = Some(capture());
                let (landing, landed) = watch::channel(None);
                slot.landed = Some(landed.clone());
                let token = slot.token.clone().expect("it has just been captured");
                let flights = self.clone();
                Turn::Lead(Landing { flights, key: key.clone(), attempt, token, tell: Some(landing) }, landed)
            }
            Role::Join(_) => match &slot.landed {
                Some(landed) => Turn::Join(landed.clone()),
                None => unreachable!("a key that is loading has a channel"),
            },
            Role::Rest(until) => match &slot.last_error {
                Some(error) => Turn::Rest(error.clone(), until - now),
                None => unreachable!("a key that rests has failed"),
            },
            Role::Alone => Turn::Alone,
        }
    }

    /// Invalidates one key: the load under way may no longer store, and `remove` takes the entry out, in one step.
    pub fn revoke<R>(&self, key: &Key, remove: impl FnOnce() -> R) -> R {
        let mut shard = self.0.shard(key).lock();
        if let Some(slot) = shard.get_mut(key) {
            slot.flight.revoke();
        }
        remove()
    }

    /// Keys whose load is under way.
    #[must_use]
    pub fn loading(&self) -> usize {
        let loading = |shard: &Mutex<HashMap<Key, Slot>>| {
            shard.lock().values().filter(|slot| slot.flight.is_loading()).count()
        };
        self.0.shards.iter().map(loading).sum()
    }
}

impl Inner {
    fn shard(&self, key: &Key) -> &Mutex<HashMap<Key, Slot>> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARDS as u64).expect("less than the number of shards")]
    }
}

/// Forgets keys that do nothing once there are many of them. A key that is loading is never forgotten.
fn make_room(shard: &mut HashMap<Key, Slot>, now: Moment) {
    if shard.len() < IDLE_MAX {
        return;
    }
    shard.retain(|_, slot| !slot.flight.is_idle(now));
    if shard.len() >= IDLE_MAX {
        shard.retain(|_, slot| slot.flight.is_loading());
    }
}

/// The duty of the one who leads: to say how the load ended. Dropping it says that it failed.
pub struct Landing {
    flights: Flights,
    key: Key,
    attempt: Attempt,
    token: Token,
    tell: Option<watch::Sender<Option<Result<Settled, Error>>>>,
}

impl Landing {
    /// What the value will depend on; captured before the source is asked.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Ends the flight with a value. `store` keeps it, or says why not; it is called only if this attempt still holds
    /// the key and nothing that it depends on was invalidated, in the critical section that guards the key.
    pub fn land(
        mut self,
        entry: Arc<Entry>,
        cacheable: bool,
        store: impl FnOnce(&Key, Arc<Entry>) -> Result<(), NotStored>,
    ) -> Settled {
        let end = if cacheable { End::Loaded } else { End::Uncacheable };
        let (key, token) = (self.key.clone(), self.token.clone());
        let not_stored = self.finish(end, None, |holds| {
            if !holds || !token.is_current() {
                Some(NotStored::Superseded)
            } else {
                store(&key, Arc::clone(&entry)).err()
            }
        });
        let settled = Settled { entry, not_stored };
        self.tell(Ok(settled.clone()));
        settled
    }

    /// Ends the flight with a failure; `looked` is false where the source was not even asked.
    pub fn fail(mut self, error: &Error, looked: bool) {
        self.finish(End::Failed { looked }, Some(error), |_| ());
        self.tell(Err(error.clone()));
    }

    fn finish<R>(&mut self, end: End, error: Option<&Error>, act: impl FnOnce(bool) -> R) -> R {
        let inner = &self.flights.0;
        let (now, random) = (inner.runtime.now(), inner.runtime.random());
        let mut shard = inner.shard(&self.key).lock();
        let Some(slot) = shard.get_mut(&self.key) else { return act(false) };
        let holds = slot.flight.holds(self.attempt);
        // Store first: while the flight is in the table, an invalidation of the key finds it.
        let result = act(holds);
        if holds {
            slot.flight.finish(self.attempt, end, now, random);
            (slot.token, slot.landed) = (None, None);
            slot.last_error = error.cloned();
        }
        if slot.flight.is_idle(now) {
            shard.remove(&self.key);
        }
        result
    }

    fn tell(&mut self, result: Result<Settled, Error>) {
        if let Some(tell) = self.tell.take() {
            // Nobody may be waiting any more: the load outlives its callers.
            tell.send_replace(Some(result));
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.tell.is_some() {
            // The task was dropped with the runtime. Waiters hear the channel close.
            self.finish(End::Failed { looked: false }, None, |_| ());
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flights({} loading)", self.loading())
    }
}
