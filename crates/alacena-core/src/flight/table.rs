//! The flights of this process: the state machine of each key, and the channel on which its waiters hear.

use std::{collections::HashMap, fmt, hash::BuildHasher, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::protocol::{Attempt, End, Flight, Ground, Role};
use crate::{
    error::{Error, Retry, catalogue},
    key::Key,
    marker::Token,
    memory::{Entry, Victims},
    outcome::{NotStored, Origin},
    runtime::{Moment, SharedRuntime},
    sync::{
        Mutex, RandomState,
        atomic::{AtomicU64, Ordering},
    },
};

/// Shards of the table.
const SHARDS: usize = 16;
/// Keys of one shard that may rest or be alone; beyond, those whose time is over and then any others are forgotten.
const IDLE_MAX: usize = 512;

/// What a load brought home, for everyone who waited.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The entry as it would be kept.
    pub entry: Entry,
    /// Why it was not kept; `None` when it was.
    pub not_stored: Option<NotStored>,
    /// Whether the source forbade sharing it: then it is for the one who led.
    pub private: bool,
    /// Where it came from.
    pub origin: Origin,
    /// When its flight began: it knows of everything that had been invalidated before.
    pub began: Moment,
}

/// Why a load brought nothing home, for everyone who waited.
#[derive(Clone, Debug)]
pub struct Unsettled {
    /// What is said of it.
    pub error: Error,
    /// Whether that says nothing to a caller: the load was given up, or got no place at its source because nobody was
    /// known to wait for it. A caller takes another turn.
    pub concerns_nobody: bool,
    /// Whether the load goes on, for the one who leads alone.
    pub goes_on: bool,
}

/// Where waiters hear how the load ended. Closed without a word when its task was dropped.
pub type Landed = watch::Receiver<Option<Result<Settled, Unsettled>>>;

/// What a second look into the memory found.
pub enum Look {
    /// An answer.
    Fresh(Entry),
    /// No answer. What there is instead is handed back, so that it is not dropped within the critical section.
    Missing(Option<Entry>),
}

/// What a caller is to do, with what it needs to do it.
pub enum Turn {
    /// Somebody has stored a fresh entry since the caller looked.
    Hit(Entry),
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
    /// No value is dropped while one is held, since the drop of a value may be anything.
    shards: Box<[Mutex<Shard>]>,
    last_attempt: AtomicU64,
}

struct Shard {
    slots: HashMap<Key, Slot, RandomState>,
    /// The number of slots at which idle ones are looked for.
    sweep_at: usize,
}

#[derive(Default)]
struct Slot {
    flight: Flight,
    /// What the load that callers may join depends on, and where they hear of its end.
    joinable: Option<(Token, Landed)>,
    last_error: Option<Error>,
}

impl Flights {
    /// No flights yet.
    #[must_use]
    pub fn new(runtime: SharedRuntime) -> Self {
        let shard = || Mutex::new(Shard { slots: HashMap::default(), sweep_at: IDLE_MAX });
        Self(Arc::new(Inner {
            runtime,
            hasher: RandomState::default(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            last_attempt: AtomicU64::new(0),
        }))
    }

    /// A caller needs the value of `key`. `look` looks for a fresh entry once more, in the same critical section in
    /// which stores happen; `capture` takes the token if the caller leads. `force` neither looks nor joins: it leads a
    /// new attempt, unless the key rests or may not be shared.
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
        look: impl FnOnce() -> Look,
        capture: impl FnOnce() -> Token,
    ) -> Turn {
        // Declared before the lock, so dropped after it.
        let _looked_at;
        let mut shard = self.0.shard(key).lock();
        // Read under the lock: whoever had read it before, and came late, would find a rest that is over, and whose
        // error a later attempt has taken away.
        let now = self.0.runtime.now();
        if !force {
            match look() {
                Look::Fresh(entry) => return Turn::Hit(entry),
                Look::Missing(entry) => _looked_at = entry,
            }
        }
        shard.make_room(now);
        let slot = shard.slots.entry(key.clone()).or_default();
        let joinable = !force && slot.joinable.as_ref().is_some_and(|(token, _)| token.is_current());
        let next = Attempt(self.0.last_attempt.fetch_add(1, Ordering::Relaxed) + 1);
        match slot.flight.ask(now, joinable, next) {
            Role::Lead(attempt) => {
                let (token, (tell, landed)) = (capture(), watch::channel(None));
                slot.joinable = Some((token.clone(), landed.clone()));
                let (flights, key, tell) = (self.clone(), key.clone(), Some(tell));
                let follows_failure = slot.flight.has_failed();
                let is_grounded = false;
                Turn::Lead(
                    Landing { flights, key, attempt, token, began: now, is_grounded, follows_failure, tell },
                    landed,
                )
            }
            Role::Join(_) => match &slot.joinable {
                Some((_, landed)) => Turn::Join(landed.clone()),
                None => unreachable!("a load that may be joined has a channel"),
            },
            Role::Rest(until) => match &slot.last_error {
                Some(error) => Turn::Rest(error.clone(), until - now),
                None => unreachable!("a key that rests has failed"),
            },
            Role::Alone => Turn::Alone,
        }
    }

    /// Invalidates one key: the loads under way may no longer store, and `remove` takes the entry out, in one step.
    pub fn revoke<R>(&self, key: &Key, remove: impl FnOnce() -> R) -> R {
        let _no_longer_joinable;
        let mut shard = self.0.shard(key).lock();
        if let Some(slot) = shard.slots.get_mut(key) {
            slot.flight.revoke();
            _no_longer_joinable = slot.joinable.take();
        }
        remove()
    }

    /// Acts in the critical section of a key, in which nobody else stores under it. What `act` returns is dropped
    /// outside.
    pub fn exclusively<R>(&self, key: &Key, act: impl FnOnce() -> R) -> R {
        let _shard = self.0.shard(key).lock();
        act()
    }

    /// Keys about which anything is remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.lock().slots.len()).sum()
    }

    /// Whether nothing is remembered of any key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inner {
    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARDS as u64).expect("less than the number of shards")]
    }
}

impl Shard {
    /// Forgets keys that do nothing once there are many of them. A key that is loading is never forgotten; where that
    /// leaves many, the next sweep is due when there are twice as many, so that asking stays cheap.
    fn make_room(&mut self, now: Moment) {
        if self.slots.len() < self.sweep_at {
            return;
        }
        self.slots.retain(|_, slot| !slot.flight.is_idle(now));
        if self.slots.len() >= IDLE_MAX {
            self.slots.retain(|_, slot| slot.flight.is_loading());
        }
        self.sweep_at = IDLE_MAX.max(2 * self.slots.len());
    }
}

/// The duty of the one who leads: to say how the load ended. Dropping it says that the source was not asked.
pub struct Landing {
    flights: Flights,
    key: Key,
    attempt: Attempt,
    token: Token,
    began: Moment,
    /// Whether every shared marker of the token had been read before the source was asked. What is captured and read
    /// later could be of after an invalidation that the answer knows nothing of.
    is_grounded: bool,
    follows_failure: bool,
    tell: Option<watch::Sender<Option<Result<Settled, Unsettled>>>>,
}

impl Landing {
    /// What the value will depend on; captured before the source is asked.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whether the load before this one failed.
    #[must_use]
    pub fn follows_failure(&self) -> bool {
        self.follows_failure
    }

    /// Ends the flight with a value that may be shared. `store` keeps it, or says why not; it is called only if no
    /// later attempt has kept one and nothing that this one depends on was invalidated, in the critical section that
    /// guards the key. A value that is `withheld` is never kept, and that is what is said of it.
    pub fn land(
        mut self,
        entry: Entry,
        withheld: Option<NotStored>,
        store: impl FnOnce(Entry) -> Result<Victims, NotStored>,
    ) -> Option<NotStored> {
        let (token, kept) = (self.token.clone(), entry.clone());
        let was_read = self.is_grounded;
        let stored = self.finish(End::Loaded, None, |may_keep| match withheld {
            Some(reason) => Err(reason),
            None => {
                let (is_shared, has_ended) = (token.is_shared(), token.is_broken());
                let bears = Ground { is_shared, was_read, has_ended }.bears();
                if may_keep && bears { store(kept) } else { Err(NotStored::Superseded) }
            }
        });
        let not_stored = stored.err();
        self.tell(Ok(Settled {
            entry,
            not_stored,
            private: false,
            origin: Origin::Source,
            began: self.began,
        }));
        not_stored
    }

    /// Ends the flight with what was stored already, elsewhere. `store` keeps it here, and hands out what gave way; it is
    /// called only if no later attempt has kept one, and nothing that it depends on has ended.
    pub fn found(mut self, entry: Entry, origin: Origin, store: impl FnOnce(Entry) -> Option<Victims>) {
        let (token, kept) = (self.token.clone(), entry.clone());
        let _victims = self.finish(End::Loaded, None, |may_keep| {
            (may_keep && !token.is_broken()).then(|| store(kept)).flatten()
        });
        self.tell(Ok(Settled { entry, not_stored: None, private: false, origin, began: self.began }));
    }

    /// Lets the value depend on something else, which was captured before the source is asked.
    pub fn stand_on(&mut self, token: Token) {
        let mut shard = self.flights.0.shard(&self.key).lock();
        let slot = shard.slots.get_mut(&self.key).expect("a key that is loading is not forgotten");
        if slot.flight.leads(self.attempt)
            && let Some((joinable, _)) = &mut slot.joinable
        {
            joinable.clone_from(&token);
        }
        drop(shard);
        self.token = token;
        self.is_grounded = false;
    }

    /// Every shared marker that the value will depend on has been read, and the source has not been asked.
    pub fn ground(&mut self) {
        self.is_grounded = self.token.is_read();
    }

    /// Sends away whoever has joined, to ask for itself, and lets nobody join any more: what comes home may not be shared,
    /// as is known already. The load goes on.
    pub fn separate(&mut self) {
        let inner = &self.flights.0;
        let mut shard = inner.shard(&self.key).lock();
        let slot = shard.slots.get_mut(&self.key).expect("a key that is loading is not forgotten");
        slot.flight.separate(self.attempt, inner.runtime.now());
        drop(shard);
        let error = Error::new(&catalogue::CLOSED, "it is loaded for each who asks");
        if let Some(tell) = &self.tell {
            tell.send_replace(Some(Err(Unsettled { error, concerns_nobody: true, goes_on: true })));
        }
    }

    /// Ends the flight with a value that the source forbids to share: whoever joined asks for itself.
    pub fn land_private(mut self, entry: Entry, withheld: Option<NotStored>) -> Option<NotStored> {
        self.finish(End::Uncacheable, None, |_| ());
        let not_stored = Some(withheld.unwrap_or(NotStored::Uncacheable));
        self.tell(Ok(Settled {
            entry,
            not_stored,
            private: true,
            origin: Origin::Source,
            began: self.began,
        }));
        not_stored
    }

    /// Ends the flight with a failure; `looked` is false where the source was not even asked.
    pub fn fail(mut self, error: &Error, looked: bool) {
        let end = match error.retry() {
            _ if !looked => End::NotAsked,
            Retry::After(pause) => End::Failed(pause),
            Retry::Never => End::Failed(Duration::ZERO),
        };
        self.finish(end, Some(error), |_| ());
        self.tell(Err(Unsettled { error: error.clone(), concerns_nobody: false, goes_on: false }));
    }

    /// Ends the flight before the source was asked, for a reason that would not have kept a caller from asking it.
    pub fn give_up(mut self, error: &Error) {
        self.finish(End::NotAsked, Some(error), |_| ());
        self.tell(Err(Unsettled { error: error.clone(), concerns_nobody: true, goes_on: false }));
    }

    fn finish<R>(&mut self, end: End, error: Option<&Error>, act: impl FnOnce(bool) -> R) -> R {
        let inner = &self.flights.0;
        let now = inner.runtime.now();
        // Spreads the pauses after failures, and is a call of the system's.
        let random = if matches!(end, End::Failed(_)) { inner.runtime.random() } else { 0 };
        let _no_longer_joinable;
        let mut shard = inner.shard(&self.key).lock();
        let slot = shard.slots.get_mut(&self.key).expect("a key that is loading is not forgotten");
        // Store first: while the flight is in the table, an invalidation of the key finds it.
        let result = act(slot.flight.may_keep(self.attempt));
        if slot.flight.leads(self.attempt) {
            _no_longer_joinable = slot.joinable.take();
            slot.last_error = error.cloned();
        }
        slot.flight.finish(self.attempt, end, now, random);
        if slot.flight.is_idle(now) {
            shard.slots.remove(&self.key);
        }
        result
    }

    fn tell(&mut self, result: Result<Settled, Unsettled>) {
        // Nobody may be waiting any more: the load outlives its callers.
        if let Some(tell) = self.tell.take().filter(|tell| tell.receiver_count() > 0) {
            tell.send_replace(Some(result));
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.tell.is_some() {
            // The task was dropped with the runtime. Waiters hear the channel close.
            self.finish(End::NotAsked, None, |_| ());
        }
    }
}

impl From<Unsettled> for Error {
    fn from(unsettled: Unsettled) -> Error {
        unsettled.error
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flights({} keys)", self.len())
    }
}
