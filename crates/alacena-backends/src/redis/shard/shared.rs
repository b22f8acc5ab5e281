//! What the connections of a shard have found out about its server.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alacena_core::{
    runtime::Moment,
    tier::{Capabilities, Era},
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
    /// Whether the server tells of changes, as far as is known: until it has shown that it does not.
    tells: AtomicBool,
    /// The same of what loads wait for.
    wakes: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            identity: RwLock::new(None),
            is_up: AtomicBool::new(false),
            clock: Mutex::default(),
            memory: RwLock::new(None),
            tells: AtomicBool::new(true),
            wakes: AtomicBool::new(true),
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

    pub(super) fn set_tells(&self, tells: bool) {
        self.tells.store(tells, Ordering::Relaxed);
    }

    pub(super) fn set_wakes(&self, wakes: bool) {
        self.wakes.store(wakes, Ordering::Relaxed);
    }

    /// Whether those who wait hear what they wait for. A server, or a proxy before it, that keeps to itself which markers
    /// change does not tell of entries either.
    pub(super) fn wakes(&self) -> bool {
        self.wakes.load(Ordering::Relaxed) && self.tells.load(Ordering::Relaxed)
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities {
            push: self.tells.load(Ordering::Relaxed),
            era: self.identity.read().as_ref().is_none_or(Identity::is_known),
            evicts: self.memory.read().as_ref().is_none_or(Memory::evicts),
        }
    }
}
