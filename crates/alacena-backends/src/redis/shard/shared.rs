//! What the connections of a shard have found out about its server.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    runtime::Moment,
    tier::{Capabilities, Era, Telling},
};
use parking_lot::{Mutex, RwLock};

use super::{
    clock::ServerClock,
    said::{Identity, Memory},
};

/// What is known of the server; each part is written by the connection that finds it out.
pub(super) struct Shared {
    /// Who the data connection leads to, or last led to. Guards a few words, for a few instructions.
    identity: RwLock<Option<Identity>>,
    /// Whether it leads there now.
    is_up: AtomicBool,
    /// Guards a few words, for a few instructions.
    clock: Mutex<ServerClock>,
    /// How it keeps its memory, once it has said so. Guards a few words, for a few instructions.
    memory: RwLock<Option<Memory>>,
    /// How the server tells of changes. Guards a few words, for a few instructions.
    told: RwLock<Told>,
    /// Whether it tells of what loads wait for, as far as is known: until it has shown that it does not.
    wakes: AtomicBool,
    /// Whether its commands are paid for.
    is_metered: bool,
}

/// How long a missing right is held against a user: whoever needs it asks again sooner.
const DENIED_FOR: Duration = Duration::from_secs(30);
/// How long what is removed counts as not heard after something was not: longer than from an answer until whoever asked
/// for it has looked, so that what others remove meanwhile hides nothing from him.
const UNHEARD_FOR: Duration = Duration::from_secs(5);

/// How the server tells of changes, and why not otherwise; and what it does not let its user do.
struct Told {
    /// As far as is known: in the best way, until it has shown that it does not.
    telling: Telling,
    /// Why it does not tell in these ways.
    fallen: BTreeMap<Telling, Arc<str>>,
    /// Why nobody hears what this node removes who relies on that it says so.
    unpublished: Option<Arc<str>>,
    /// When that was last so.
    unheard_at: Option<Moment>,
    /// What the user was last not permitted to do, and when.
    denied: Option<(Arc<str>, Moment)>,
}

impl Shared {
    /// Of a server that tells of changes in this way, if in any.
    pub(super) fn new(telling: Telling, is_metered: bool) -> Self {
        Self {
            identity: RwLock::new(None),
            is_up: AtomicBool::new(false),
            clock: Mutex::default(),
            memory: RwLock::new(None),
            told: RwLock::new(Told {
                telling,
                fallen: BTreeMap::new(),
                unpublished: None,
                unheard_at: None,
                denied: None,
            }),
            wakes: AtomicBool::new(true),
            is_metered,
        }
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity.read().clone()
    }

    pub(super) fn memory(&self) -> Option<Memory> {
        self.memory.read().clone()
    }

    pub(super) fn learn(&self, identity: Identity, memory: Memory) {
        *self.memory.write() = Some(memory);
        *self.identity.write() = Some(identity);
    }

    pub(super) fn set_up(&self, is_up: bool) {
        self.is_up.store(is_up, Ordering::Release);
    }

    pub(super) fn era(&self) -> Option<Era> {
        let era = self.identity.read().as_ref().map(|identity| identity.era);
        era.filter(|_| self.is_up.load(Ordering::Acquire))
    }

    pub(super) fn hear_time(&self, said: Duration, asked: Moment, answered: Moment) {
        self.clock.lock().hears(said, asked, answered);
    }

    pub(super) fn millis(&self, now: Moment) -> Option<u64> {
        self.clock.lock().millis(now)
    }

    pub(super) fn telling(&self) -> Telling {
        self.told.read().telling
    }

    /// The server tells of changes in this way, as far as is known.
    pub(super) fn set_telling(&self, telling: Telling) {
        let mut told = self.told.write();
        told.telling = telling;
        told.fallen.retain(|way, _| *way < telling);
    }

    /// It does not tell of them in this way, and why.
    pub(super) fn falls(&self, way: Telling, why: &Arc<str>) {
        self.told.write().fallen.insert(way, Arc::clone(why));
    }

    /// Why it does not tell of changes in better ways than it does.
    pub(super) fn fallen(&self) -> BTreeMap<Telling, Arc<str>> {
        self.told.read().fallen.clone()
    }

    /// What this node has removed has been published.
    pub(super) fn set_published(&self) {
        if self.told.read().unpublished.is_some() {
            self.told.write().unpublished = None;
        }
    }

    /// It could not be, and why.
    pub(super) fn set_unpublished(&self, why: &str, now: Moment) {
        let mut told = self.told.write();
        (told.unpublished, told.unheard_at) = (Some(why.into()), Some(now));
    }

    /// The user is not permitted to do what a step needs.
    pub(super) fn set_denied(&self, what: &str, now: Moment) {
        self.told.write().denied = Some((what.into(), now));
    }

    /// What the user is not permitted to do, as far as that has been seen lately.
    pub(super) fn denied(&self, now: Moment) -> Option<Arc<str>> {
        let denied = self.told.read().denied.clone();
        denied.filter(|(_, at)| now - *at < DENIED_FOR).map(|(what, _)| what)
    }

    pub(super) fn unpublished(&self) -> Option<Arc<str>> {
        self.told.read().unpublished.clone()
    }

    pub(super) fn set_wakes(&self, wakes: bool) {
        self.wakes.store(wakes, Ordering::Relaxed);
    }

    /// Whether those who wait hear what they wait for. A server, or a proxy before it, that keeps to itself which markers
    /// change does not tell of entries either.
    pub(super) fn wakes(&self) -> bool {
        self.is_tracking_waits() && self.telling() == Telling::Tracked
    }

    /// Whether the server has been told to tell of what loads wait for.
    pub(super) fn is_tracking_waits(&self) -> bool {
        self.wakes.load(Ordering::Relaxed)
    }

    pub(super) fn capabilities(&self, now: Moment) -> Capabilities {
        let (telling, unheard_at) = {
            let told = self.told.read();
            (told.telling, told.unheard_at)
        };
        Capabilities {
            telling,
            era: self.identity.read().as_ref().is_none_or(Identity::is_known),
            evicts: self.memory.read().as_ref().is_none_or(Memory::evicts),
            is_metered: self.is_metered,
            is_heard: unheard_at.is_none_or(|at| now - at >= UNHEARD_FOR),
        }
    }
}
