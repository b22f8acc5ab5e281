//! A breaker that several callers share, and so many places that a burst of calls is not taken for a server that is slow.

use std::{future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};

use tokio::sync::SemaphorePermit;

use super::{
    breaker::{Breaker, BreakerSettings, Pass, Report, State},
    places::Places,
};
use crate::{
    error::{Error, catalogue},
    runtime::{Moment, SharedRuntime},
    sync::Mutex,
    tier::Failure,
};

/// Switches one direction of one shard off while it does not answer, so that nobody waits for it.
pub(crate) struct Switch {
    runtime: SharedRuntime,
    /// How long a call may take, and how long one that begins something waits for its place.
    limit: Duration,
    /// Held for a few instructions, never across an await.
    breaker: Mutex<Breaker>,
    /// Of calls that begin something, ...
    begin: Places,
    /// ... and of those that go on with it, so that these never wait for the others.
    go_on: Places,
}

/// A pass that hands itself back where its call was given up.
struct Held<'s> {
    switch: &'s Switch,
    pass: Option<Pass>,
}

impl Switch {
    /// Closed; a call that takes more than half of `limit` is slow.
    pub(crate) fn new(settings: BreakerSettings, limit: Duration, runtime: SharedRuntime) -> Self {
        let breaker = Mutex::new(Breaker::new(settings, runtime.now()));
        Self { runtime, limit, breaker, begin: Places::new(), go_on: Places::new() }
    }

    /// Makes the call as soon as there is a place for it, unless the switch is off.
    ///
    /// # Errors
    /// Those of the call; `Overloaded` where the switch is off, or no place was free for as long as a call may take: then it
    /// was not made.
    pub(crate) async fn call<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let place = match self.place(&self.begin)? {
            Some(place) => place,
            None => match select(pin!(self.begin.wait()), self.runtime.sleep(self.limit)).await {
                Either::Left((place, _)) => place?,
                Either::Right(_) => {
                    let detail = format!("its turn did not come within {:?}", self.limit);
                    return Err(Failure::Overloaded(Error::new(&catalogue::TIER_OVERLOADED, detail)));
                }
            },
        };
        self.call_at(place, call).await
    }

    /// The same for a call that goes on with what others have begun, and is not to wait behind those who are about to begin:
    /// what they have would run out meanwhile. There are no more of these than have begun, so none gives its turn up.
    pub(crate) async fn go_on<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let place = match self.place(&self.go_on)? {
            Some(place) => place,
            None => self.go_on.wait().await?,
        };
        self.call_at(place, call).await
    }

    /// A free place; `None`: it has to be waited for.
    fn place<'p>(&self, places: &'p Places) -> Result<Option<SemaphorePermit<'p>>, Failure> {
        match places.free() {
            None if !self.is_on() => Err(off()),
            place => Ok(place),
        }
    }

    async fn call_at<T>(
        &self,
        _place: SemaphorePermit<'_>,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began = self.runtime.now();
        let acquired = self.breaker.lock().acquire(began);
        let Ok(pass) = acquired else { return Err(off()) };
        self.report(Held { switch: self, pass: Some(pass) }, began, self.limit / 2, call.await)
    }

    /// Makes a call at once that has a time limit of its own, and tells nothing of how quickly the others are answered.
    pub(crate) async fn call_unhurried<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began = self.runtime.now();
        let acquired = self.breaker.lock().acquire(began);
        let Ok(pass) = acquired else { return Err(off()) };
        self.report(Held { switch: self, pass: Some(pass) }, began, Duration::MAX, call.await)
    }

    /// Makes the call at once, also where the switch is off for no more than that answers are slow: it had better be late than
    /// not be made, and is never slow itself.
    pub(crate) async fn call_late<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began = self.runtime.now();
        let acquired = {
            let mut breaker = self.breaker.lock();
            breaker.acquire(began).map_err(|_| breaker.is_off_for_slowness())
        };
        let held = match acquired {
            Ok(pass) => Held { switch: self, pass: Some(pass) },
            Err(true) => Held { switch: self, pass: None },
            Err(false) => return Err(off()),
        };
        self.report(held, began, Duration::MAX, call.await)
    }

    /// Hands the pass back with what its call has shown: nothing, for one that was given up.
    fn report<T>(
        &self,
        mut held: Held<'_>,
        began: Moment,
        slow: Duration,
        result: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let now = self.runtime.now();
        let report = match &result {
            Ok(_) => Some(Report { failed: false, slow: now - began > slow }),
            Err(failure) if failure.counts() => Some(Report { failed: true, slow: false }),
            // What the server refuses it has answered; what was not sent says nothing.
            Err(Failure::Overloaded(_)) => None,
            Err(_) => Some(Report { failed: false, slow: false }),
        };
        if let Some((report, pass)) = report.and_then(|report| Some((report, held.pass.take()?))) {
            // Spreads how long it stays off: a good answer does not switch it off, and chance is a call of the system's.
            let random = if report.failed || report.slow { self.runtime.random() } else { 0 };
            self.breaker.lock().report(pass, report, now, random);
        }
        result
    }

    /// Whether a call would be made now.
    pub(crate) fn is_on(&self) -> bool {
        let breaker = self.breaker.lock();
        match breaker.state() {
            State::Closed => true,
            State::HalfOpen => true,
            State::Open => breaker.next_probe().is_none_or(|at| at <= self.runtime.now()),
        }
    }

    /// What it lets through.
    pub(crate) fn state(&self) -> State {
        self.breaker.lock().state()
    }

    /// Somebody has seen that it answers: an open switch tries it at once.
    pub(crate) fn probe_now(&self) {
        self.breaker.lock().probe_now(self.runtime.now());
    }
}

fn off() -> Failure {
    Failure::Overloaded(Error::new(&catalogue::BREAKER_OPEN, "the second tier does not answer"))
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.switch.breaker.lock().ignore(pass);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::Arc,
        task::{Context, Poll, Waker},
    };

    use futures_util::{FutureExt, future::LocalBoxFuture};
    use tokio::sync::oneshot;

    use super::*;
    use crate::runtime::{BoxFuture, Runtime};

    const LIMIT: Duration = Duration::from_millis(50);

    /// Time as the test sets it.
    #[derive(Default)]
    struct Clock(Arc<parking_lot::Mutex<Moment>>);

    impl Clock {
        fn pass(&self, time: Duration) {
            let mut now = self.0.lock();
            *now = *now + time;
        }
    }

    impl Runtime for Clock {
        fn now(&self) -> Moment {
            *self.0.lock()
        }

        fn unix_millis(&self) -> u64 {
            0
        }

        /// Over when it is next looked at.
        fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
            let (now, end) = (Arc::clone(&self.0), self.now() + time);
            let is_over = move || if *now.lock() >= end { Poll::Ready(()) } else { Poll::Pending };
            Box::pin(std::future::poll_fn(move |_| is_over()))
        }

        fn spawn(&self, _: BoxFuture<'static, ()>) {}

        fn random(&self) -> u64 {
            0
        }
    }

    fn switch() -> (Switch, Arc<Clock>) {
        let clock = Arc::<Clock>::default();
        (Switch::new(BreakerSettings::default(), LIMIT, Arc::clone(&clock) as _), clock)
    }

    async fn takes(clock: &Clock, time: Duration) -> Result<(), Failure> {
        clock.pass(time);
        Ok(())
    }

    async fn fails() -> Result<(), Failure> {
        Err(Failure::TimedOut(Error::new(&catalogue::TIER_TIMEOUT, "")))
    }

    fn is_pending<T>(call: &mut LocalBoxFuture<'_, T>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        matches!(call.as_mut().poll(&mut context), Poll::Pending)
    }

    type Call<'s> = LocalBoxFuture<'s, Result<(), Failure>>;

    /// A thousand calls at once, each of which ends with `result` when it is told to.
    fn burst<'s>(
        switch: &'s Switch,
        begun: &'s Cell<u32>,
        result: impl Fn() -> Result<(), Failure> + Copy + 's,
    ) -> Vec<(oneshot::Sender<()>, Call<'s>)> {
        let calls = (0..1_000).map(|_| {
            let (end, ended) = oneshot::channel::<()>();
            let call = switch.call(async move {
                begun.set(begun.get() + 1);
                // Told, or left alone.
                let _ = ended.await;
                result()
            });
            let mut call: Call<'s> = Box::pin(call);
            assert!(is_pending(&mut call));
            (end, call)
        });
        calls.collect()
    }

    #[test]
    fn a_burst_waits_for_places_and_is_not_late() {
        let (switch, clock) = switch();
        let begun = Cell::new(0);
        let calls = burst(&switch, &begun, || Ok(()));
        assert!((100..500).contains(&begun.get()), "{} at once", begun.get());
        let goes_on = switch.go_on(async { Ok(()) }).now_or_never();
        assert!(goes_on.is_some(), "what goes on waits for nobody who is to begin");
        // One after the other, each in no time, and all of them together in far more than the limit.
        for (end, mut call) in calls {
            clock.pass(Duration::from_micros(100));
            let _ = end.send(());
            assert!(!is_pending(&mut call), "it was its turn");
        }
        assert_eq!((begun.get(), switch.state()), (1_000, State::Closed));
    }

    #[test]
    fn nobody_waits_longer_for_a_place_than_a_call_may_take() {
        let (switch, clock) = switch();
        let begun = Cell::new(0);
        let mut calls = burst(&switch, &begun, || Ok(()));
        let taken = begun.get() as usize;
        clock.pass(LIMIT - Duration::from_millis(1));
        assert!(calls[taken..].iter_mut().all(|(_, call)| is_pending(call)), "their turn may still come");
        clock.pass(Duration::from_millis(1));
        for (_, call) in &mut calls[taken..] {
            let given_up = call.as_mut().now_or_never().expect("it waits no longer");
            assert!(matches!(given_up, Err(Failure::Overloaded(_))), "{given_up:?}");
        }
        assert_eq!((begun.get() as usize, switch.state()), (taken, State::Closed), "nothing was made");
        let goes_on = switch.go_on(async { Ok(()) }).now_or_never();
        assert!(goes_on.is_some());
    }

    /// A connection that has to be made first takes as long as it takes; that nobody is there is a failure as ever.
    #[test]
    fn what_is_unhurried_is_never_slow_and_may_fail() {
        let (switch, clock) = switch();
        for _ in 0..100 {
            let unhurried = switch.call_unhurried(takes(&clock, LIMIT * 9)).now_or_never().unwrap();
            assert!(unhurried.is_ok());
        }
        assert_eq!(switch.state(), State::Closed);
        for _ in 0..5 {
            let _ = switch.call_unhurried(fails()).now_or_never();
        }
        assert_eq!(switch.state(), State::Open);
        assert!(switch.call_unhurried(takes(&clock, LIMIT)).now_or_never().unwrap().is_err());
    }

    #[test]
    fn who_waits_for_a_place_hears_at_once_that_nobody_answers() {
        let (switch, _) = switch();
        let begun = Cell::new(0);
        let calls =
            burst(&switch, &begun, || Err(Failure::TimedOut(Error::new(&catalogue::TIER_TIMEOUT, ""))));
        let begun_at_once = begun.get();
        for (end, mut call) in calls {
            drop(end);
            assert!(!is_pending(&mut call), "it is over");
        }
        assert_eq!((begun.get(), switch.state()), (begun_at_once, State::Open), "the others are not made");
    }

    #[test]
    fn what_had_better_be_late_is_called_where_calls_are_slow_and_not_where_they_fail() {
        let (switch, clock) = switch();
        for _ in 0..20 {
            let _ = switch.call(takes(&clock, LIMIT - Duration::from_millis(1))).now_or_never();
        }
        assert_eq!(switch.state(), State::Open);
        let call = || switch.call(takes(&clock, Duration::ZERO)).now_or_never().unwrap();
        let call_late = || switch.call_late(takes(&clock, Duration::ZERO)).now_or_never().unwrap();
        assert!(call().is_err() && call_late().is_ok());
        // It is tried, and fails: now nobody answers.
        clock.pass(Duration::from_secs(2));
        assert!(switch.call(fails()).now_or_never().unwrap().is_err());
        assert!(call().is_err() && call_late().is_err());
    }
}
