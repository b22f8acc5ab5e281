//! The bulkhead: how many calls a source gets at once, and how many may wait for it.
//!
//! Places are handed over directly, in order of arrival, callers before background work. When the queue is full the
//! newest arrival is turned away at once: those who have waited longest keep their turn, and nobody waits for an
//! answer that would come too late.
//!
//! Invariant: a caller waits only while every place is taken; background work only while every place, or its own
//! share, is taken. So each place that becomes free lets in at most one, and an arrival never overtakes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::runtime::SharedRuntime;

/// Background work gets one place in so many.
const BACKGROUND_SHARE: usize = 4;

/// How many calls run and wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkheadSettings {
    /// How many calls may run at once. Default 64. Zero counts as 1.
    pub concurrency: usize,
    /// How many may wait. Default 128. Zero: nobody waits.
    pub queue: usize,
    /// How long one may wait. Default 100 milliseconds.
    pub queue_wait: Duration,
}

impl Default for BulkheadSettings {
    fn default() -> Self {
        Self { concurrency: 64, queue: 128, queue_wait: Duration::from_millis(100) }
    }
}

/// Who waits for a call's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// A caller.
    Foreground,
    /// Nobody: a refresh of something that is still being answered. A quarter of the places at most, though never
    /// less than one, and a quarter of the queue.
    Background,
}

/// Why a call was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// The queue is full.
    Full,
    /// Its turn did not come in time.
    WaitedTooLong,
}

impl Shed {
    /// What happened, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Shed::Full => "the queue is full",
            Shed::WaitedTooLong => "no place became free in time",
        }
    }
}

/// How full a bulkhead is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls running.
    pub running: u64,
    /// Calls waiting.
    pub queued: u64,
    /// Calls turned away so far.
    pub shed: u64,
}

/// The bulkhead of one source; a cheap handle.
#[derive(Clone)]
pub struct Bulkhead(Arc<Inner>);

struct Inner {
    settings: BulkheadSettings,
    runtime: SharedRuntime,
    /// Guards the counts and the queues; held for a few instructions, never while a place changes hands.
    state: Mutex<Lanes>,
}

/// One pair of counts and queue for each [`Urgency`].
#[derive(Default)]
struct Lanes {
    foreground: Lane,
    background: Lane,
    shed: u64,
    next_ticket: u64,
}

#[derive(Default)]
struct Lane {
    running: usize,
    waiting: VecDeque<Waiter>,
}

struct Waiter {
    ticket: u64,
    turn: oneshot::Sender<Place>,
}

/// The right to run one call; dropping it lets the next one in.
#[must_use = "a place that is dropped at once lets the next call in"]
pub struct Place {
    bulkhead: Arc<Inner>,
    urgency: Urgency,
    /// Whether dropping gives the place up: not when it has only failed to change hands.
    held: bool,
}

/// A place in the queue, given up when dropped.
struct Ticket<'a> {
    bulkhead: &'a Inner,
    urgency: Urgency,
    number: u64,
}

impl Bulkhead {
    /// An empty bulkhead.
    #[must_use]
    pub fn new(mut settings: BulkheadSettings, runtime: SharedRuntime) -> Self {
        settings.concurrency = settings.concurrency.max(1);
        Self(Arc::new(Inner { settings, runtime, state: Mutex::default() }))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// At once when the queue is full, else when the turn does not come within `queue_wait`.
    ///
    /// # Cancellation
    /// Dropping the future leaves the queue; a place that was on its way goes to the next in line.
    pub async fn enter(&self, urgency: Urgency) -> Result<Place, Shed> {
        let inner = &*self.0;
        let (ticket, turn) = {
            let mut lanes = inner.state.lock();
            if lanes.has_place(urgency, &inner.settings) {
                lanes.lane(urgency).running += 1;
                return Ok(Place { bulkhead: Arc::clone(&self.0), urgency, held: true });
            }
            if !lanes.has_seat(urgency, &inner.settings) {
                lanes.shed += 1;
                return Err(Shed::Full);
            }
            let number = lanes.next_ticket;
            lanes.next_ticket += 1;
            let (sender, receiver) = oneshot::channel();
            lanes.lane(urgency).waiting.push_back(Waiter { ticket: number, turn: sender });
            (Ticket { bulkhead: inner, urgency, number }, receiver)
        };
        // The turn is looked at first: who is called at the last moment is served.
        let outcome = select(turn, inner.runtime.sleep(inner.settings.queue_wait)).await;
        drop(ticket);
        if let Either::Left((Ok(place), _)) = outcome {
            return Ok(place);
        }
        inner.state.lock().shed += 1;
        Err(Shed::WaitedTooLong)
    }

    /// How full it is.
    #[must_use]
    pub fn load(&self) -> Load {
        let lanes = self.0.state.lock();
        Load {
            running: (lanes.foreground.running + lanes.background.running) as u64,
            queued: (lanes.foreground.waiting.len() + lanes.background.waiting.len()) as u64,
            shed: lanes.shed,
        }
    }
}

impl Inner {
    /// Gives a place up and lets the next in line have it.
    fn leave(self: &Arc<Self>, urgency: Urgency) {
        let mut leaving = urgency;
        loop {
            let next = {
                let mut lanes = self.state.lock();
                lanes.lane(leaving).running -= 1;
                lanes.next(&self.settings)
            };
            let Some((urgency, waiter)) = next else { return };
            let place = Place { bulkhead: Arc::clone(self), urgency, held: true };
            let Err(mut returned) = waiter.turn.send(place) else { return };
            // It has just gone away: the place goes to the one after it, here rather than in `drop`, which would nest.
            returned.held = false;
            leaving = urgency;
        }
    }
}

impl Lanes {
    fn lane(&mut self, urgency: Urgency) -> &mut Lane {
        match urgency {
            Urgency::Foreground => &mut self.foreground,
            Urgency::Background => &mut self.background,
        }
    }

    fn has_place(&self, urgency: Urgency, settings: &BulkheadSettings) -> bool {
        let free = self.foreground.running + self.background.running < settings.concurrency;
        match urgency {
            Urgency::Foreground => free,
            Urgency::Background => {
                free && self.background.running < (settings.concurrency / BACKGROUND_SHARE).max(1)
            }
        }
    }

    fn has_seat(&self, urgency: Urgency, settings: &BulkheadSettings) -> bool {
        let free = self.foreground.waiting.len() + self.background.waiting.len() < settings.queue;
        match urgency {
            Urgency::Foreground => free,
            Urgency::Background => free && self.background.waiting.len() < settings.queue / BACKGROUND_SHARE,
        }
    }

    /// Takes the next in line who may run out of the queue and counts it as running.
    fn next(&mut self, settings: &BulkheadSettings) -> Option<(Urgency, Waiter)> {
        for urgency in [Urgency::Foreground, Urgency::Background] {
            if self.has_place(urgency, settings)
                && let Some(waiter) = self.lane(urgency).waiting.pop_front()
            {
                self.lane(urgency).running += 1;
                return Some((urgency, waiter));
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.held {
            self.bulkhead.leave(self.urgency);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let gone = {
            let mut lanes = self.bulkhead.state.lock();
            let waiting = &mut lanes.lane(self.urgency).waiting;
            // Tickets are numbered in order of arrival.
            let at = waiting.binary_search_by_key(&self.number, |waiter| waiter.ticket);
            at.ok().and_then(|at| waiting.remove(at))
        };
        drop(gone);
    }
}
