//! The state of one dep.

use super::protocol::Mark;
use crate::{
    dep::Dep,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};

const ALIVE: u8 = 0;
const INVALIDATED: u8 = 1;
const PUSHED_OUT: u8 = 2;

/// The state of one dep: alive until it ends.
pub(super) struct Cell {
    state: AtomicU8,
    /// Set when the cell is used, cleared when the hand of the clock passes over it.
    used: AtomicBool,
    pub(super) dep: Dep,
}

impl Cell {
    pub(super) fn new(dep: Dep) -> Self {
        Self { state: AtomicU8::new(ALIVE), used: AtomicBool::new(false), dep }
    }

    pub(super) fn mark(&self) -> Mark {
        // Acquire pairs with the release of whoever ends the cell: who learned that an invalidation has returned sees
        // it here.
        match self.state.load(Ordering::Acquire) {
            ALIVE => Mark::Alive,
            INVALIDATED => Mark::Invalidated,
            _ => Mark::PushedOut,
        }
    }

    pub(super) fn end(&self, mark: Mark) {
        let state = match mark {
            Mark::Alive => return,
            Mark::Invalidated => INVALIDATED,
            Mark::PushedOut => PUSHED_OUT,
        };
        self.state.store(state, Ordering::Release);
    }

    /// Whether it is alive; whoever asks uses it.
    pub(super) fn is_current(&self) -> bool {
        self.touch();
        self.mark() == Mark::Alive
    }

    /// Keeps the cell from being the next to leave. Written only where that changes something: the line is shared by
    /// everyone who reads the state.
    pub(super) fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since this was last asked.
    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}
