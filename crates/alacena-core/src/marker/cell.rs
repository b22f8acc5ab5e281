//! The state of one dep.

use std::sync::OnceLock;

use super::{
    doubt::{Doubts, State},
    protocol::Mark,
};
use crate::{
    dep::Dep,
    sync::atomic::{AtomicU8, AtomicU32, Ordering},
    tier::{MarkerId, Nonce},
};

/// The bits of [`Cell::used`].
const HAND: u8 = 1;
const MARKER: u8 = 2;

/// The state of one dep: alive until it ends, and where other nodes can end it, in doubt now and then.
pub(super) struct Cell {
    /// A [`State`]: the mark in two bits, the doubts above.
    state: AtomicU32,
    /// Two bits, set when the cell is used: one is cleared when the hand of the clock passes over it, the other when its
    /// marker is touched on the second tier.
    used: AtomicU8,
    pub(super) dep: Dep,
    /// The marker on the second tier that it is the copy of; `None`: this process alone decides.
    pub(super) marker: Option<Marker>,
}

/// What a cell is the copy of.
pub(super) struct Marker {
    pub(super) id: MarkerId,
    /// What the marker held when it was first read for this cell. One that holds something else has another cell.
    pub(super) nonce: OnceLock<Nonce>,
}

impl Cell {
    /// A cell that this process alone decides about.
    pub(super) fn own(dep: Dep) -> Self {
        Self { state: pack(State::ALIVE).into(), used: AtomicU8::new(0), dep, marker: None }
    }

    /// The copy of a marker that has not been read yet.
    pub(super) fn shared(dep: Dep, id: MarkerId) -> Self {
        let marker = Some(Marker { id, nonce: OnceLock::new() });
        Self { state: pack(State::UNPROVED).into(), used: AtomicU8::new(0), dep, marker }
    }

    pub(super) fn mark(&self) -> Mark {
        // Acquire pairs with the release of whoever ends the cell: who learned that an invalidation has returned sees
        // it here.
        self.state().mark
    }

    pub(super) fn doubts(&self) -> Doubts {
        self.state().doubts
    }

    pub(super) fn state(&self) -> State {
        unpack(self.state.load(Ordering::Acquire))
    }

    /// Changes the state, if that changes anything. What it was, and what it is.
    pub(super) fn change(&self, next: impl Fn(State) -> State) -> (State, State) {
        let mut before = self.state.load(Ordering::Acquire);
        loop {
            let after = pack(next(unpack(before)));
            if after == before {
                return (unpack(before), unpack(before));
            }
            match self.state.compare_exchange_weak(before, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (unpack(before), unpack(after)),
                Err(other) => before = other,
            }
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.mark(), Mark::Invalidated | Mark::PushedOut)
    }

    /// Whether it is alive.
    pub(super) fn is_alive(&self) -> bool {
        self.mark() == Mark::Alive
    }

    /// Whether it is alive; whoever asks uses it.
    pub(super) fn is_current(&self) -> bool {
        self.touch();
        self.is_alive()
    }

    /// Keeps the cell from being the next to leave. Written only where that changes something: the line is shared by
    /// everyone who reads the state.
    pub(super) fn touch(&self) {
        if self.used.load(Ordering::Relaxed) != HAND | MARKER {
            self.used.store(HAND | MARKER, Ordering::Relaxed);
        }
    }

    /// Whether it was used since this was last asked.
    pub(super) fn take_used(&self) -> bool {
        self.used.fetch_and(!HAND, Ordering::Relaxed) & HAND != 0
    }

    /// Whether it was used since this was last asked, to keep its marker.
    pub(super) fn take_used_marker(&self) -> bool {
        self.used.fetch_and(!MARKER, Ordering::Relaxed) & MARKER != 0
    }
}

fn pack(State { mark, doubts }: State) -> u32 {
    let mark = match mark {
        Mark::Alive => 0,
        Mark::InDoubt => 1,
        Mark::Invalidated => 2,
        Mark::PushedOut => 3,
    };
    doubts.0 << 2 | mark
}

fn unpack(packed: u32) -> State {
    let mark = match packed & 3 {
        0 => Mark::Alive,
        1 => Mark::InDoubt,
        2 => Mark::Invalidated,
        _ => Mark::PushedOut,
    };
    State { mark, doubts: Doubts(packed >> 2) }
}
