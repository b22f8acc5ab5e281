//! How a source's places are shared out: in order, callers first, and none is ever lost.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use alacena_core::{
    guard::bulkhead::{Bulkhead, BulkheadSettings, Load, Place, Shed, Urgency},
    runtime::{BoxFuture, Moment, Runtime},
};
use alacena_testkit::{FakeRuntime, settle};
use parking_lot::Mutex;
use proptest::prelude::*;

use Urgency::{Background, Foreground, Spared};

const WAIT: Duration = Duration::from_millis(100);

fn bulkhead(runtime: &FakeRuntime, concurrency: usize, queue: usize) -> Bulkhead {
    let settings = BulkheadSettings { concurrency, queue, queue_wait: WAIT };
    Bulkhead::new(settings, Arc::new(runtime.clone()))
}

type Entering = BoxFuture<'static, Result<Place, Shed>>;

fn enter(bulkhead: &Bulkhead, urgency: Urgency) -> Entering {
    let bulkhead = bulkhead.clone();
    Box::pin(async move { bulkhead.enter(urgency).await })
}

/// Looks at a future once, as its executor would.
async fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Poll<T> {
    settle().await; // a fresh budget: Tokio lets one task do only so much at a time
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

async fn entered(bulkhead: &Bulkhead, urgency: Urgency) -> Option<Place> {
    match poll(&mut enter(bulkhead, urgency)).await {
        Poll::Ready(Ok(place)) => Some(place),
        _ => None,
    }
}

#[tokio::test]
async fn the_defaults_are_those_of_the_specification() {
    let runtime = FakeRuntime::new(1);
    let bulkhead = Bulkhead::new(BulkheadSettings::default(), Arc::new(runtime.clone()));
    let mut running = Vec::new();
    for _ in 0..64 {
        running.push(entered(&bulkhead, Foreground).await.expect("a place"));
    }
    let mut waiting = Vec::new();
    for _ in 0..128 {
        let mut entering = enter(&bulkhead, Foreground);
        assert!(poll(&mut entering).await.is_pending());
        waiting.push(entering);
    }
    assert!(matches!(poll(&mut enter(&bulkhead, Foreground)).await, Poll::Ready(Err(Shed::Full))));
    assert_eq!(bulkhead.load(), Load { running: 64, queued: 128, shed: 1 });

    runtime.advance(Duration::from_millis(99)).await;
    assert!(poll(&mut waiting[0]).await.is_pending());
    runtime.advance(Duration::from_millis(1)).await;
    for mut entering in waiting {
        assert!(matches!(poll(&mut entering).await, Poll::Ready(Err(Shed::WaitedTooLong))));
    }
    assert_eq!(bulkhead.load(), Load { running: 64, queued: 0, shed: 129 });
}

#[tokio::test]
async fn a_caller_that_waits_is_served_before_background_work_that_came_earlier() {
    let runtime = FakeRuntime::new(1);
    let bulkhead = bulkhead(&runtime, 1, 8);
    let running = entered(&bulkhead, Foreground).await.expect("a place");
    let (mut refresh, mut first, mut second) =
        (enter(&bulkhead, Background), enter(&bulkhead, Foreground), enter(&bulkhead, Foreground));
    for entering in [&mut refresh, &mut first, &mut second] {
        assert!(poll(entering).await.is_pending());
    }
    drop(running);
    assert!(poll(&mut second).await.is_pending());
    assert!(poll(&mut refresh).await.is_pending());
    let Poll::Ready(Ok(place)) = poll(&mut first).await else { panic!("not called") };
    drop(place);
    let Poll::Ready(Ok(place)) = poll(&mut second).await else { panic!("not called") };
    drop(place);
    assert!(matches!(poll(&mut refresh).await, Poll::Ready(Ok(_))));
}

#[tokio::test]
async fn background_work_gets_a_quarter_of_the_places_and_of_the_queue() {
    let runtime = FakeRuntime::new(1);
    let bulkhead = bulkhead(&runtime, 8, 8);
    let refreshes = [entered(&bulkhead, Background).await, entered(&bulkhead, Background).await];
    assert!(refreshes.iter().all(Option::is_some));
    let mut waiting = [enter(&bulkhead, Background), enter(&bulkhead, Background)];
    for entering in &mut waiting {
        assert!(poll(entering).await.is_pending(), "six places are free, but not for it");
    }
    assert!(matches!(poll(&mut enter(&bulkhead, Background)).await, Poll::Ready(Err(Shed::Full))));
    assert!(entered(&bulkhead, Foreground).await.is_some(), "callers do not wait behind it");
}

/// When everything has to be loaded anew, those who hold nothing are not kept out by those who do.
#[tokio::test]
async fn a_quarter_of_the_places_and_of_the_queue_is_left_to_callers_who_would_get_nothing() {
    let runtime = FakeRuntime::new(1);
    let bulkhead = bulkhead(&runtime, 8, 8);
    let mut running = Vec::new();
    for _ in 0..6 {
        running.push(entered(&bulkhead, Spared).await.expect("a place"));
    }
    let mut waiting: Vec<_> = (0..6).map(|_| enter(&bulkhead, Spared)).collect();
    for entering in &mut waiting {
        assert!(poll(entering).await.is_pending(), "two places are free, but not for it");
    }
    assert!(matches!(poll(&mut enter(&bulkhead, Spared)).await, Poll::Ready(Err(Shed::Full))));
    for _ in 0..2 {
        running.push(entered(&bulkhead, Foreground).await.expect("they do not wait behind it"));
    }
    // Those who would get nothing have the rest of the queue, and then the place of the last who would not.
    let mut missing: Vec<_> = (0..3).map(|_| enter(&bulkhead, Foreground)).collect();
    for entering in &mut missing {
        assert!(poll(entering).await.is_pending());
    }
    assert!(matches!(poll(&mut waiting[5]).await, Poll::Ready(Err(Shed::Full))));
    assert!(poll(&mut waiting[4]).await.is_pending());
    running.pop();
    assert!(matches!(poll(&mut missing[0]).await, Poll::Ready(Ok(_))), "it is next");
}

#[tokio::test]
async fn even_a_single_place_lets_background_work_in_when_nobody_needs_it() {
    let bulkhead = bulkhead(&FakeRuntime::new(1), 1, 0);
    assert!(entered(&bulkhead, Background).await.is_some());
}

#[tokio::test]
async fn limits_of_zero_leave_one_place_and_no_queue() {
    let bulkhead = bulkhead(&FakeRuntime::new(1), 0, 0);
    let place = entered(&bulkhead, Foreground).await.expect("a place");
    assert!(matches!(poll(&mut enter(&bulkhead, Foreground)).await, Poll::Ready(Err(Shed::Full))));
    drop(place);
    assert!(entered(&bulkhead, Foreground).await.is_some());
}

#[tokio::test]
async fn after_an_outage_those_who_wait_go_before_those_who_arrive() {
    let runtime = FakeRuntime::new(1);
    let bulkhead = bulkhead(&runtime, 20, 8);
    bulkhead.ramp();
    let running = [entered(&bulkhead, Foreground).await, entered(&bulkhead, Foreground).await];
    assert!(running.iter().all(Option::is_some), "a tenth of the places is open");
    // The third opens when 15 % are, after 556 ms: nobody leaves then, so nobody but an arrival would notice.
    runtime.advance(Duration::from_millis(500)).await;
    let mut waiting = enter(&bulkhead, Foreground);
    assert!(poll(&mut waiting).await.is_pending());
    runtime.advance(Duration::from_millis(60)).await;
    let mut arriving = enter(&bulkhead, Foreground);
    assert!(poll(&mut arriving).await.is_pending());
    let Poll::Ready(Ok(place)) = poll(&mut waiting).await else { panic!("not called") };

    drop((running, arriving, place));
    runtime.advance(Duration::from_secs(10)).await;
    let mut all = Vec::new();
    while let Some(place) = entered(&bulkhead, Foreground).await {
        all.push(place);
    }
    assert_eq!(all.len(), 20);
}

/// A runtime whose sleeps give a place back when they are dropped: it comes free in the very moment in which the one
/// who waits for it goes away, which otherwise takes two threads and luck.
struct BadTiming {
    fake: FakeRuntime,
    place: Arc<Mutex<Option<Place>>>,
}

struct GivesBack(Arc<Mutex<Option<Place>>>);

impl Drop for GivesBack {
    fn drop(&mut self) {
        let place = self.0.lock().take();
        drop(place);
    }
}

impl Runtime for BadTiming {
    fn now(&self) -> Moment {
        self.fake.now()
    }

    fn unix_millis(&self) -> u64 {
        self.fake.unix_millis()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (sleep, gives_back) = (self.fake.sleep(duration), GivesBack(Arc::clone(&self.place)));
        Box::pin(async move {
            sleep.await;
            drop(gives_back);
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.fake.spawn(task);
    }

    fn random(&self) -> u64 {
        self.fake.random()
    }
}

#[tokio::test]
async fn a_place_whose_taker_goes_away_in_that_moment_goes_to_the_next() {
    let place = Arc::new(Mutex::new(None));
    let runtime = BadTiming { fake: FakeRuntime::new(1), place: Arc::clone(&place) };
    let settings = BulkheadSettings { concurrency: 1, ..BulkheadSettings::default() };
    let bulkhead = Bulkhead::new(settings, Arc::new(runtime));
    let running = entered(&bulkhead, Foreground).await.expect("a place");
    let (mut leaving, mut next) = (enter(&bulkhead, Foreground), enter(&bulkhead, Foreground));
    assert!(poll(&mut leaving).await.is_pending());
    assert!(poll(&mut next).await.is_pending());

    *place.lock() = Some(running);
    drop(leaving);
    assert!(matches!(poll(&mut next).await, Poll::Ready(Ok(_))));
    assert_eq!(bulkhead.load(), Load { running: 0, queued: 0, shed: 0 });
}

/// The same as a list of who is where.
#[derive(Default)]
struct Model {
    running: Vec<(usize, Urgency)>,
    /// Number, urgency, and when it gives up; in order of arrival.
    waiting: Vec<(usize, Urgency, u128)>,
    shed: Vec<(usize, Shed)>,
}

const CONCURRENCY: usize = 8;
const QUEUE: usize = 8;

impl Model {
    fn running(&self, urgency: Urgency) -> usize {
        self.running.iter().filter(|(_, other)| *other == urgency).count()
    }

    fn waiting(&self, urgency: Urgency) -> usize {
        self.waiting.iter().filter(|(_, other, _)| *other == urgency).count()
    }

    fn may_run(&self, urgency: Urgency) -> bool {
        self.running.len() < CONCURRENCY
            && (urgency == Foreground || self.running(Background) < CONCURRENCY / 4)
    }

    fn arrive(&mut self, number: usize, urgency: Urgency, now: u128) {
        if self.may_run(urgency) {
            self.running.push((number, urgency));
        } else if self.waiting.len() < QUEUE
            && (urgency == Foreground || self.waiting(Background) < QUEUE / 4)
        {
            self.waiting.push((number, urgency, now + WAIT.as_millis()));
        } else if urgency == Foreground
            && let Some(last) = self.waiting.iter().rposition(|(_, other, _)| *other == Background)
        {
            let (gives_way, ..) = self.waiting.remove(last);
            self.shed.push((gives_way, Shed::Full));
            self.waiting.push((number, urgency, now + WAIT.as_millis()));
        } else {
            self.shed.push((number, Shed::Full));
        }
    }

    fn leave(&mut self, number: usize) {
        self.running.retain(|(other, _)| *other != number);
        self.waiting.retain(|(other, ..)| *other != number);
        for urgency in [Foreground, Background] {
            while self.may_run(urgency)
                && let Some(at) = self.waiting.iter().position(|(_, other, _)| *other == urgency)
            {
                let (number, ..) = self.waiting.remove(at);
                self.running.push((number, urgency));
            }
        }
    }

    fn give_up(&mut self, now: u128) {
        for (number, ..) in self.waiting.extract_if(.., |(.., until)| *until <= now) {
            self.shed.push((number, Shed::WaitedTooLong));
        }
    }

    fn expected(&self, number: usize) -> Standing {
        if self.running.iter().any(|(other, _)| *other == number) {
            return Standing::Runs;
        }
        let shed = self.shed.iter().find(|(other, _)| *other == number);
        shed.map_or(Standing::Waits, |(_, why)| Standing::Shed(*why))
    }
}

#[derive(Debug, PartialEq)]
enum Standing {
    Runs,
    Waits,
    Shed(Shed),
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(Urgency),
    /// Ends its call, or is cancelled while it waits, or while its place is on its way to it.
    Leave(prop::sample::Index),
    /// Lets everybody look whether its turn has come.
    Look,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Arrive(Foreground)),
        2 => Just(Step::Arrive(Background)),
        4 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => Just(Step::Look),
        1 => (1..150_u64).prop_map(Step::Pass),
    ]
}

enum Caller {
    Entering(Entering),
    Inside { _place: Place },
    Away(Shed),
}

async fn look(callers: &mut [(usize, Caller)], model: &Model) {
    for (number, caller) in callers {
        if let Caller::Entering(entering) = caller {
            match poll(entering).await {
                Poll::Ready(Ok(place)) => *caller = Caller::Inside { _place: place },
                Poll::Ready(Err(shed)) => *caller = Caller::Away(shed),
                Poll::Pending => {}
            }
        }
        let standing = match caller {
            Caller::Entering(_) => Standing::Waits,
            Caller::Inside { .. } => Standing::Runs,
            Caller::Away(shed) => Standing::Shed(*shed),
        };
        assert_eq!(standing, model.expected(*number), "caller {number}");
    }
}

async fn run(steps: Vec<Step>) {
    let runtime = FakeRuntime::new(1);
    let bulkhead = bulkhead(&runtime, CONCURRENCY, QUEUE);
    let mut model = Model::default();
    let mut callers: Vec<(usize, Caller)> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let now = u128::from(runtime.now().nanos()) / 1_000_000;
        match step {
            Step::Arrive(urgency) => {
                model.arrive(number, urgency, now);
                callers.push((number, Caller::Entering(enter(&bulkhead, urgency))));
                // It has arrived once it has been looked at; the others need not have noticed anything yet.
                let newest = callers.len() - 1;
                look(&mut callers[newest..], &model).await;
            }
            Step::Leave(which) if !callers.is_empty() => {
                let (number, caller) = callers.swap_remove(which.index(callers.len()));
                model.leave(number);
                drop(caller);
            }
            Step::Leave(_) => {}
            Step::Look => look(&mut callers, &model).await,
            Step::Pass(millis) => {
                runtime.advance(Duration::from_millis(millis)).await;
                model.give_up(now + u128::from(millis));
                look(&mut callers, &model).await;
            }
        }
        let load = bulkhead.load();
        assert_eq!(load.running, model.running.len() as u64);
        assert_eq!(load.queued, model.waiting.len() as u64);
        assert_eq!(load.shed, model.shed.len() as u64);
    }
    drop(callers);
    assert_eq!((bulkhead.load().running, bulkhead.load().queued), (0, 0), "everything was given back");
}

proptest! {
    /// Whoever arrives, leaves, is cancelled or gives up, in whatever order: places, queue and turns are those of the
    /// list.
    #[test]
    fn places_are_shared_out_as_on_a_list(steps in prop::collection::vec(step(), 1..120)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}
