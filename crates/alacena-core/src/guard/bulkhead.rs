//! The bulkhead: how many calls a source gets at once, and how many may wait for it.
//!
//! Places are handed over directly, in order of arrival: callers who would get nothing before those who have something to
//! fall back on, and callers before background work. When the queue is full the newest arrival is turned away at once, in
//! the opposite order: those who have waited longest keep their turn, and nobody waits for an answer that would come too
//! late.
//!
//! After an outage a source is not met by everybody at once: a tenth of the places is open at first, and all of them
//! ten seconds later. More open with time alone, so whoever arrives lets those in who may go before it, and an arrival
//! never overtakes. That needs no timer: nobody waits while nothing runs, so there is always one that will leave.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use crate::{
    runtime::{Moment, SharedRuntime},
    sync::Mutex,
};

/// Background work gets one place in so many.
const BACKGROUND_SHARE: usize = 4;
/// How long it takes after an outage until every place is open again.
const RAMP: Duration = Duration::from_secs(10);
/// The share of the places that is open when it begins.
const RAMP_FIRST: f64 = 0.1;

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
    /// A caller who gets nothing without it.
    Foreground,
    /// A caller who can be answered with something older. All but a quarter of the places and of the queue, so that
    /// those who would get nothing find room when everything has to be loaded anew; after them.
    Spared,
    /// Nobody: a refresh of something that is still being answered. A quarter of the places at most, though never
    /// less than one, and a quarter of the queue.
    Background,
    /// Nobody yet: a load ahead of its first caller. Goes with the background work, and never while the source's
    /// breaker is open or tries it out.
    Warming,
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
    spared: Lane,
    background: Lane,
    shed: u64,
    next_ticket: u64,
    /// When the last outage ended; `None` before the first, and once every place is open again.
    ramp_since: Option<Moment>,
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
    /// At once when the queue is full, else when the turn does not come within `queue_wait`; background work also when
    /// a caller comes for whom the queue is full.
    ///
    /// # Cancellation
    /// Dropping the future leaves the queue; a place that was on its way goes to the next in line.
    pub async fn enter(&self, urgency: Urgency) -> Result<Place, Shed> {
        let inner = &*self.0;
        let mut gave_way = None;
        let (ticket, turn) = {
            let mut lanes = inner.state.lock();
            let places = lanes.places(&inner.settings, inner.runtime.now());
            if lanes.may_run(urgency, places) && !lanes.anybody_before(urgency) {
                lanes.lane(urgency).running += 1;
                return Ok(Place { bulkhead: Arc::clone(&self.0), urgency, held: true });
            }
            if !lanes.may_wait(urgency, inner.settings.queue) {
                lanes.shed += 1;
                gave_way = lanes.give_way_to(urgency);
                if gave_way.is_none() {
                    return Err(Shed::Full);
                }
            }
            let number = lanes.next_ticket;
            lanes.next_ticket += 1;
            let (sender, receiver) = oneshot::channel();
            lanes.lane(urgency).waiting.push_back(Waiter { ticket: number, turn: sender });
            (Ticket { bulkhead: inner, urgency, number }, receiver)
        };
        // Outside of the lock: it wakes.
        drop(gave_way);
        self.0.invite();
        // The turn is looked at first: who is called at the last moment is served.
        let outcome = select(turn, inner.runtime.sleep(inner.settings.queue_wait)).await;
        drop(ticket);
        match outcome {
            Either::Left((Ok(place), _)) => Ok(place),
            // It had to give way to a caller, who has counted it.
            Either::Left((Err(_), _)) => Err(Shed::Full),
            Either::Right(_) => {
                inner.state.lock().shed += 1;
                Err(Shed::WaitedTooLong)
            }
        }
    }

    /// Begins again with few places and opens the rest little by little: the source has just come back.
    pub fn ramp(&self) {
        self.0.state.lock().ramp_since = Some(self.0.runtime.now());
    }

    /// How full it is.
    #[must_use]
    pub fn load(&self) -> Load {
        let lanes = self.0.state.lock();
        Load { running: lanes.running() as u64, queued: lanes.waiting() as u64, shed: lanes.shed }
    }
}

impl Inner {
    /// Lets everybody in who may run now, in order.
    fn invite(self: &Arc<Self>) {
        while let Some((urgency, waiter)) = self.call_next() {
            let place = Place { bulkhead: Arc::clone(self), urgency, held: true };
            if let Err(mut returned) = waiter.turn.send(place) {
                // It has just gone away. Given back here rather than in `drop`, which would come back to this line.
                returned.held = false;
                self.state.lock().lane(urgency).running -= 1;
            }
        }
    }

    /// A function of its own, so that the lock is given back before the place changes hands.
    fn call_next(&self) -> Option<(Urgency, Waiter)> {
        let now = self.runtime.now();
        self.state.lock().call_next(&self.settings, now)
    }
}

impl Lanes {
    fn lane(&mut self, urgency: Urgency) -> &mut Lane {
        match urgency {
            Urgency::Foreground => &mut self.foreground,
            Urgency::Spared => &mut self.spared,
            Urgency::Background | Urgency::Warming => &mut self.background,
        }
    }

    fn running(&self) -> usize {
        self.foreground.running + self.spared.running + self.background.running
    }

    fn waiting(&self) -> usize {
        self.foreground.waiting.len() + self.spared.waiting.len() + self.background.waiting.len()
    }

    /// How many places are open.
    fn places(&mut self, settings: &BulkheadSettings, now: Moment) -> usize {
        let Some(since) = self.ramp_since else { return settings.concurrency };
        let done = (now - since).as_secs_f64() / RAMP.as_secs_f64();
        if done >= 1.0 {
            self.ramp_since = None;
            return settings.concurrency;
        }
        let share = RAMP_FIRST + (1.0 - RAMP_FIRST) * done;
        ((settings.concurrency as f64 * share) as usize).max(1)
    }

    fn may_run(&self, urgency: Urgency, places: usize) -> bool {
        let free = self.running() < places;
        match urgency {
            Urgency::Foreground => free,
            Urgency::Spared => {
                free && self.spared.running + self.background.running < all_but_reserved(places)
            }
            Urgency::Background | Urgency::Warming => {
                free && self.background.running < (places / BACKGROUND_SHARE).max(1)
            }
        }
    }

    fn anybody_before(&self, urgency: Urgency) -> bool {
        let lanes = [&self.foreground, &self.spared, &self.background];
        let before = match urgency {
            Urgency::Foreground => 1,
            Urgency::Spared => 2,
            Urgency::Background | Urgency::Warming => 3,
        };
        lanes[..before].iter().any(|lane| !lane.waiting.is_empty())
    }

    fn may_wait(&self, urgency: Urgency, queue: usize) -> bool {
        let free = self.waiting() < queue;
        match urgency {
            Urgency::Foreground => free,
            Urgency::Spared => {
                free && self.spared.waiting.len() + self.background.waiting.len() < all_but_reserved(queue)
            }
            Urgency::Background | Urgency::Warming => {
                free && self.background.waiting.len() < queue / BACKGROUND_SHARE
            }
        }
    }

    /// Takes the one out who waits least and is missed least, so that a caller can have its place in the queue.
    fn give_way_to(&mut self, urgency: Urgency) -> Option<Waiter> {
        match urgency {
            Urgency::Foreground => {
                self.background.waiting.pop_back().or_else(|| self.spared.waiting.pop_back())
            }
            Urgency::Spared => self.background.waiting.pop_back(),
            Urgency::Background | Urgency::Warming => None,
        }
    }

    /// Takes the next in line who may run out of the queue and counts it as running.
    fn call_next(&mut self, settings: &BulkheadSettings, now: Moment) -> Option<(Urgency, Waiter)> {
        let places = self.places(settings, now);
        for urgency in [Urgency::Foreground, Urgency::Spared, Urgency::Background] {
            if self.may_run(urgency, places)
                && let Some(waiter) = self.lane(urgency).waiting.pop_front()
            {
                self.lane(urgency).running += 1;
                return Some((urgency, waiter));
            }
        }
        None
    }
}

/// What those may take who have something to fall back on.
const fn all_but_reserved(count: usize) -> usize {
    count - count / BACKGROUND_SHARE
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.held {
            self.bulkhead.state.lock().lane(self.urgency).running -= 1;
            self.bulkhead.invite();
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
