//! One connection as it is watched: what it did last, and what is to become of it.
//!
//! The connection writes down what happens with a few plain stores; whoever watches over all of them
//! ([`Connections`](super::Connections)) looks once a [`TICK`] and decides. No request sets a timer or reads a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    task::Context,
    time::Duration,
};

use alacena::runtime::Moment;
use futures_util::task::AtomicWaker;

use super::limits::{HEAD_TIMEOUT, LINGER_MAX, STALL_GRACE, TAKE_RATE_MIN, TICK};

/// The time as it was at the last tick, for stamps: a tick too early at most.
#[derive(Debug, Default)]
pub(super) struct Clock(AtomicU64);

impl Clock {
    pub(super) fn set(&self, now: Moment) {
        self.0.store(now.nanos(), Relaxed);
    }

    fn stamp(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// It stays.
    Stay = 0,
    /// It ends once what has begun is answered.
    End = 1,
    /// It ends now.
    Cut = 2,
}

const NEVER: u64 = Moment::NEVER.nanos();

/// What one connection did last. Times are stamps of the [`Clock`].
#[derive(Debug)]
pub(super) struct Watch {
    clock: Arc<Clock>,
    /// When it last did what keeps it alive: over HTTP/1 bytes that went either way, over HTTP/2 a request.
    active: AtomicU64,
    /// When the head that is arriving began.
    head: AtomicU64,
    /// Since when an answer waits for the other side, and what that has taken of it since.
    stalled: AtomicU64,
    taken: AtomicU64,
    /// Requests that are worked on.
    running: AtomicU64,
    /// Requests that were asked, and the one among them that must not be answered.
    asked: AtomicU64,
    flawed: AtomicU64,
    http2: AtomicBool,
    /// When it was told to end.
    told: AtomicU64,
    verdict: AtomicU8,
    waker: AtomicWaker,
}

impl Watch {
    /// Of a connection that has just been opened: its first head is awaited from now on.
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        let now = clock.stamp();
        let at = |moment| AtomicU64::new(moment);
        Self {
            clock,
            active: at(now),
            head: at(now),
            stalled: at(NEVER),
            taken: at(0),
            running: at(0),
            asked: at(0),
            flawed: at(NEVER),
            http2: AtomicBool::new(false),
            told: at(NEVER),
            verdict: AtomicU8::new(Verdict::Stay as u8),
            waker: AtomicWaker::new(),
        }
    }

    pub(super) fn bytes_moved(&self) {
        if !self.http2.load(Relaxed) {
            self.active.store(self.clock.stamp(), Relaxed);
        }
    }

    pub(super) fn head_began(&self) {
        self.head.store(self.clock.stamp(), Relaxed);
    }

    pub(super) fn head_ended(&self) {
        self.head.store(NEVER, Relaxed);
    }

    pub(super) fn speaks_http2(&self) {
        self.http2.store(true, Relaxed);
    }

    /// The request with this number is not to be answered.
    pub(super) fn distrust(&self, number: u64) {
        self.flawed.store(number, Relaxed);
    }

    pub(super) fn answer_waits(&self) {
        self.taken.store(0, Relaxed);
        self.stalled.store(self.clock.stamp(), Relaxed);
    }

    pub(super) fn answer_goes_on(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn answer_gone(&self) {
        self.stalled.store(NEVER, Relaxed);
    }

    /// Counts a request until what is returned is dropped; with whether it may be answered.
    pub(super) fn request(self: &Arc<Self>) -> (Running, bool) {
        self.active.store(self.clock.stamp(), Relaxed);
        self.running.fetch_add(1, Relaxed);
        // Only the connection itself counts them, one after the other.
        let number = self.asked.load(Relaxed) + 1;
        self.asked.store(number, Relaxed);
        (Running(Arc::clone(self)), self.flawed.load(Relaxed) != number)
    }

    /// What is to become of it at `now`, where connections may be idle for `idle`.
    pub(super) fn judge(&self, now: Moment, idle: Duration) -> Verdict {
        // A stamp may be a tick early; nobody gets less time than promised.
        let since = |stamp: &AtomicU64| now - (Moment::from_nanos(stamp.load(Relaxed)) + TICK);
        let takes = Duration::from_secs(self.taken.load(Relaxed) / TAKE_RATE_MIN);
        let http2 = self.http2.load(Relaxed);
        let is_working = self.running.load(Relaxed) > 0;
        // A head behind a request that is worked on waits for us.
        if !is_working && since(&self.head) >= HEAD_TIMEOUT || since(&self.stalled) >= STALL_GRACE + takes {
            Verdict::Cut
        } else if is_working || since(&self.active) < idle {
            Verdict::Stay
        } else if http2 && since(&self.told) >= LINGER_MAX {
            // It answers whatever we say and leaves answers lying in streams that it does not read.
            Verdict::Cut
        } else {
            Verdict::End
        }
    }

    /// Makes it known to the connection. What was said before and is worse stands.
    pub(super) fn tell(&self, verdict: Verdict) {
        if self.verdict.fetch_max(verdict as u8, Relaxed) < verdict as u8 {
            if verdict == Verdict::End {
                self.told.store(self.clock.stamp(), Relaxed);
            }
            self.waker.wake();
        }
    }

    /// What was said; wakes `context` when something else is.
    pub(super) fn hear(&self, context: &Context<'_>) -> Verdict {
        self.waker.register(context.waker());
        match self.verdict.load(Relaxed) {
            0 => Verdict::Stay,
            1 => Verdict::End,
            _ => Verdict::Cut,
        }
    }
}

/// A request that is worked on.
pub(super) struct Running(Arc<Watch>);

impl Drop for Running {
    fn drop(&mut self) {
        let now = self.0.clock.stamp();
        self.0.active.store(now, Relaxed);
        // What has come of the next head meanwhile was not read on: its time begins.
        if self.0.head.load(Relaxed) != NEVER {
            self.0.head.store(now, Relaxed);
        }
        self.0.running.fetch_sub(1, Relaxed);
    }
}
