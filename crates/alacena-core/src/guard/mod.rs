//! What stands between the engine and a source: a circuit breaker, then a bulkhead.
//!
//! One [`Guard`] per source, never one for all: a source that is down must not cost another one anything. The breaker
//! is asked first, since it costs nothing, and once more after a wait for a place: whoever waited while the source was
//! switched off is not sent to it. When the breaker closes, the bulkhead opens its places little by little.

use std::{sync::Arc, time::Duration};

use crate::{
    error::{Code, Error, Kind, Retry, catalogue},
    runtime::{Moment, SharedRuntime},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

pub mod breaker;
pub mod bulkhead;
mod places;
mod switch;
mod window;

pub use breaker::{BreakerSettings, State};
pub use bulkhead::{BulkheadSettings, Urgency};
pub(crate) use switch::Switch;

use breaker::{Breaker, Pass, Refused, Report};
use bulkhead::{Bulkhead, Place};

/// How long a call may take unless [`Permit::allowing`] says otherwise: the default hard timeout of a class.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Answers that say more about the declaration of a read than about its source.
static DECLARATIONS_FAULT: [&Code; 2] = [&catalogue::ANSWER_TOO_LARGE, &catalogue::ANSWER_LACKS_PART];
/// The longest pause that a source can ask for.
const THROTTLE_MAX: Duration = Duration::from_secs(60);
/// How long whoever was turned away for lack of room is told to wait.
const SHED_RETRY: Duration = Duration::from_secs(1);

/// The limits of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardSettings {
    /// When it is switched off, and for how long.
    pub breaker: BreakerSettings,
    /// How many calls run and wait.
    pub bulkhead: BulkheadSettings,
}

/// The figures of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardFigures {
    /// The source's name.
    pub source: String,
    /// Its breaker.
    pub breaker: BreakerFigures,
    /// Calls running.
    pub running: u64,
    /// Calls waiting for a place.
    pub queued: u64,
    /// Calls turned away for lack of room so far.
    pub shed: u64,
}

/// The figures of one breaker.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerFigures {
    /// What it lets through.
    pub state: State,
    /// How many calls of the window failed.
    pub failures: u64,
    /// When the latest failure was counted, in milliseconds since 1970.
    pub last_failure_at: Option<u64>,
    /// The share of the window's calls that did not fail; `None` without any.
    pub success_rate: Option<f64>,
    /// How many times it has opened.
    pub opened: u64,
    /// How long until a call is let through to try out the source; `None` unless it is open.
    pub next_probe_in: Option<Duration>,
}

/// The guard of one source; a cheap handle.
///
/// ```
/// use alacena_core::{error::{catalogue, Error}, guard::{Guard, GuardSettings, Urgency}};
/// use alacena_testkit::FakeRuntime;
/// use std::{sync::Arc, time::Duration};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let guard = Guard::new("crm", GuardSettings::default(), Arc::new(FakeRuntime::new(1)));
/// for _ in 0..5 {
///     let permit = guard.admit(Urgency::Foreground).await.unwrap();
///     permit.fail(&Error::new(&catalogue::SOURCE_UNREACHABLE, "connection refused"), Duration::ZERO);
/// }
/// let error = guard.admit(Urgency::Foreground).await.err().unwrap();
/// assert_eq!(error.code(), &catalogue::BREAKER_OPEN);
/// # });
/// ```
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    name: String,
    runtime: SharedRuntime,
    /// Held for a few instructions, never across an await: a plain mutex is the cheapest there is.
    breaker: Mutex<Breaker>,
    bulkhead: Bulkhead,
    /// Until when the source has asked to be left alone, in nanoseconds of [`Moment`].
    throttled_until: AtomicU64,
}

/// The right to ask the source once. Dropped without a word, as when its call is cancelled, it says nothing about the
/// source: neither that it works nor that it does not.
#[must_use = "a permit that is dropped at once guards nothing"]
pub struct Permit {
    pass: HeldPass,
    timeout: Duration,
    /// Given back after the breaker has been told, so that who comes next meets a breaker that knows.
    _place: Place,
}

/// A pass that hands itself back.
struct HeldPass {
    guard: Arc<Inner>,
    /// Empty once it has been handed back.
    pass: Option<Pass>,
}

impl Guard {
    /// The guard of the source of that name, closed and empty.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: GuardSettings, runtime: SharedRuntime) -> Self {
        let breaker = Mutex::new(Breaker::new(settings.breaker, runtime.now()));
        let bulkhead = Bulkhead::new(settings.bulkhead, Arc::clone(&runtime));
        let throttled_until = AtomicU64::new(0);
        Self(Arc::new(Inner { name: name.into(), runtime, breaker, bulkhead, throttled_until }))
    }

    /// Waits until the source may be asked.
    ///
    /// # Errors
    /// [`SOURCE_THROTTLED`](catalogue::SOURCE_THROTTLED) as long as the source has asked to be left alone,
    /// [`BREAKER_OPEN`](catalogue::BREAKER_OPEN) while it is switched off, worth retrying when the next probe is due; [`BULKHEAD_FULL`](catalogue::BULKHEAD_FULL) when too many calls wait for it, or this one waited too long.
    ///
    /// # Cancellation
    /// Dropping the future leaves the queue and counts for nothing.
    pub async fn admit(&self, urgency: Urgency) -> Result<Permit, Error> {
        self.0.respect_throttle()?;
        let mut pass = self.pass(urgency)?;
        let place = self.0.bulkhead.enter(urgency).await.map_err(|shed| {
            Error::new(&catalogue::BULKHEAD_FULL, shed.as_str())
                .with("source", &self.0.name)
                .retry_after(SHED_RETRY)
        })?;
        if !pass.is_current() {
            pass = self.pass(urgency)?;
        }
        Ok(Permit { pass, timeout: TIMEOUT_DEFAULT, _place: place })
    }

    /// What the breaker and the bulkhead have counted.
    #[must_use]
    pub fn figures(&self) -> GuardFigures {
        let load = self.0.bulkhead.load();
        GuardFigures {
            source: self.0.name.clone(),
            breaker: self.0.breaker_figures(),
            running: load.running,
            queued: load.queued,
            shed: load.shed,
        }
    }

    fn pass(&self, urgency: Urgency) -> Result<HeldPass, Error> {
        let acquired = {
            let (now, mut breaker) = (self.0.runtime.now(), self.0.breaker.lock());
            match urgency {
                // Its probes are for those who need an answer.
                Urgency::Warming if breaker.state() != State::Closed => {
                    let due = breaker.next_probe().map_or(Duration::ZERO, |due| due - now);
                    Err(Refused { retry_after: due })
                }
                _ => breaker.acquire(now),
            }
        };
        match acquired {
            Ok(pass) => Ok(HeldPass { guard: Arc::clone(&self.0), pass: Some(pass) }),
            Err(Refused { retry_after }) => Err(Error::new(
                &catalogue::BREAKER_OPEN,
                "it failed too often of late and is being left alone",
            )
            .with("source", &self.0.name)
            .retry_after(retry_after)),
        }
    }
}

impl Permit {
    /// Says how long the call may take, so that one that needs more than half of it counts as slow. Default 10 seconds.
    pub fn allowing(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The source answered, after that long.
    pub fn succeed(self, took: Duration) {
        self.settle(false, took);
    }

    /// The call ended with an error, after that long.
    ///
    /// What says that the source is not working counts as a failure: it is unavailable, too slow, or answers what
    /// cannot be trusted. Everything else counts for nothing, not even as a success: a source that asks for fewer
    /// calls is throttled, not broken, and would be flooded again by a breaker that closed on it; a wrong question or
    /// a wrong credential may have been found on our side, before anything was sent, so it must neither vouch for a
    /// source nor water down its failure rate.
    pub fn fail(self, error: &Error, took: Duration) {
        if let (Kind::Overloaded, Retry::After(pause)) = (error.kind(), error.retry()) {
            self.pass.guard.throttle(pause);
        }
        match error.kind() {
            // The source works: it answers more, or something else, than one read was declared to expect. Other reads
            // of it must not pay for that.
            Kind::Corrupt if DECLARATIONS_FAULT.contains(&error.code()) => {}
            Kind::Unavailable | Kind::Timeout | Kind::Corrupt => self.settle(true, took),
            Kind::Overloaded | Kind::Invalid | Kind::Denied | Kind::Closed | Kind::Internal => {}
        }
    }

    fn settle(mut self, failed: bool, took: Duration) {
        let report = Report { failed, slow: took > self.timeout / 2 };
        self.pass.report(report);
    }
}

impl Inner {
    /// The source asked to be left alone: everyone does, not only the key that heard it.
    fn throttle(&self, pause: Duration) {
        let until = self.runtime.now() + pause.min(THROTTLE_MAX);
        self.throttled_until.fetch_max(until.nanos(), Ordering::Relaxed);
    }

    fn respect_throttle(&self) -> Result<(), Error> {
        let until = Moment::from_nanos(self.throttled_until.load(Ordering::Relaxed));
        let left = until - self.runtime.now();
        if left.is_zero() {
            return Ok(());
        }
        let error = Error::new(&catalogue::SOURCE_THROTTLED, "it has asked to be left alone for a while");
        Err(error.with("source", &self.name).retry_after(left))
    }

    fn breaker_figures(&self) -> BreakerFigures {
        let now = self.runtime.now();
        let mut breaker = self.breaker.lock();
        let ago_millis = |at| u64::try_from((now - at).as_millis()).unwrap_or(u64::MAX);
        BreakerFigures {
            state: breaker.state(),
            failures: breaker.failures(now),
            last_failure_at: breaker
                .last_failure()
                .map(|at| self.runtime.unix_millis().saturating_sub(ago_millis(at))),
            success_rate: breaker.success_rate(now),
            opened: breaker.opened(),
            next_probe_in: breaker.next_probe().map(|at| at - now),
        }
    }
}

impl HeldPass {
    fn is_current(&self) -> bool {
        self.pass.as_ref().is_some_and(|pass| self.guard.breaker.lock().is_current(pass))
    }

    fn report(&mut self, report: Report) {
        let Some(pass) = self.pass.take() else { return };
        let guard = &*self.guard;
        let (now, random) = (guard.runtime.now(), guard.runtime.random());
        let changed = guard.breaker.lock().report(pass, report, now, random);
        match changed {
            Some(State::Open) => tracing::warn!(source = guard.name, "source switched off after failures"),
            Some(State::Closed) => {
                guard.bulkhead.ramp();
                tracing::info!(source = guard.name, "source switched on again");
            }
            Some(State::HalfOpen) | None => {}
        }
    }
}

impl Drop for HeldPass {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.guard.breaker.lock().ignore(pass);
        }
    }
}
