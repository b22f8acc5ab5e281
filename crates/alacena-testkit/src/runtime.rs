//! A runtime whose clock stands still until the test moves it.

use std::{
    collections::BinaryHeap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::runtime::{BoxFuture, Moment, Runtime};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::chance::{STRIDE, mixed};

/// A runtime for tests: time moves only by [`advance`](FakeRuntime::advance), chance is a seeded sequence, tasks run on
/// Tokio.
///
/// ```
/// use alacena_core::runtime::{Moment, Runtime};
/// use alacena_testkit::FakeRuntime;
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let runtime = FakeRuntime::new(1);
/// let sleep = runtime.sleep(Duration::from_secs(60));
/// runtime.advance(Duration::from_secs(60)).await;
/// sleep.await; // at once
/// assert_eq!(runtime.now() - Moment::ORIGIN, Duration::from_secs(60));
/// # });
/// ```
#[derive(Clone)]
pub struct FakeRuntime(Arc<Inner>);

struct Inner {
    /// Guards the clock and those who wait on it; held for a few instructions.
    time: Mutex<Time>,
    random: AtomicU64,
    /// By how much somebody has set the wall clock, in milliseconds.
    wall_steps: AtomicI64,
}

#[derive(Default)]
struct Time {
    now: Moment,
    sleepers: BinaryHeap<Sleeper>,
}

struct Sleeper {
    due: Moment,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}
impl Eq for Sleeper {}
impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Sleeper {
    /// The earliest first: the heap hands out its greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.due.cmp(&self.due)
    }
}

impl FakeRuntime {
    /// A runtime at the origin of time, whose random numbers follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (random, wall_steps) = (AtomicU64::new(seed), AtomicI64::new(0));
        Self(Arc::new(Inner { time: Mutex::default(), random, wall_steps }))
    }

    /// Sets the wall clock forward by so many milliseconds, or back, as an operator or NTP does. Time goes on as before.
    pub fn step_wall_clock(&self, by_millis: i64) {
        self.0.wall_steps.fetch_add(by_millis, Ordering::Relaxed);
    }

    /// Moves the clock, waking sleepers in the order in which they are due, and lets every task that can run do so.
    pub async fn advance(&self, by: Duration) {
        let end = self.now() + by;
        settle().await;
        loop {
            let wake = {
                let mut time = self.0.time.lock();
                match time.sleepers.peek() {
                    Some(sleeper) if sleeper.due <= end => {
                        let sleeper = time.sleepers.pop().expect("it has just been seen");
                        time.now = time.now.max(sleeper.due);
                        sleeper.wake
                    }
                    _ => {
                        time.now = end;
                        break;
                    }
                }
            };
            // Of whoever has dropped its sleep nothing follows.
            if wake.send(()).is_ok() {
                settle().await;
            }
        }
        settle().await;
    }

    /// How many sleeps are waiting: for tests that must know that somebody is.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.0.time.lock().sleepers.iter().filter(|sleeper| !sleeper.wake.is_closed()).count()
    }
}

/// Lets every ready task of a current-thread runtime run until all of them wait.
pub async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

impl Runtime for FakeRuntime {
    fn now(&self) -> Moment {
        self.0.time.lock().now
    }

    fn unix_millis(&self) -> u64 {
        // A fixed day, so that what tests print does not change: 2026-11-20.
        let unstepped: u64 = 1_795_132_800_000 + self.now().nanos() / 1_000_000;
        unstepped.saturating_add_signed(self.0.wall_steps.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        let mut time = self.0.time.lock();
        let due = time.now + duration;
        time.sleepers.push(Sleeper { due, wake });
        Box::pin(async move {
            // An error means that the runtime is gone, and with it all time.
            let _ = woken.await;
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the runtime that the ban points to")]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn random(&self) -> u64 {
        mixed(self.0.random.fetch_add(STRIDE, Ordering::Relaxed))
    }
}
