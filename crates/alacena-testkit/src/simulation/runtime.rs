//! A runtime in which chance decides who runs, and a seed decides chance.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use alacena_core::runtime::{BoxFuture, Moment, Runtime};
use parking_lot::Mutex;

use super::tasks::Tasks;
use crate::{Chance, chance::mixed};

/// A machine of the simulation: what is spawned on it stops and ends with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine(pub u32);

/// A runtime for simulations: one thread, a clock that jumps to the next thing that is due, and a seed that decides which
/// of the tasks that are ready runs next and what [`random`](Runtime::random) draws. The same seed is the same run, task
/// by task; [`trace_hash`](SimRuntime::trace_hash) says whether it was.
///
/// What is started through [`on`](SimRuntime::on) belongs to a machine, which can [stop](SimRuntime::stop) for a while, as
/// a process does under SIGSTOP (between two steps of its tasks, never within one), or [end](SimRuntime::kill).
///
/// `tokio::sync` works here; what needs Tokio's own clock or reactor does not.
///
/// ```
/// use alacena_core::runtime::Runtime;
/// use alacena_testkit::simulation::SimRuntime;
/// use std::time::Duration;
///
/// let run = |seed| {
///     let runtime = SimRuntime::new(seed);
///     let sleeper = runtime.clone();
///     runtime.run_until(async move { sleeper.sleep(Duration::from_secs(3600)).await }).expect("it ends");
///     runtime.trace_hash()
/// };
/// assert_eq!(run(7), run(7)); // and no hour has passed
/// ```
#[derive(Clone)]
pub struct SimRuntime {
    world: Arc<World>,
    machine: Machine,
}

/// Guards everything that there is, for a few instructions; never while a task runs.
struct World(Mutex<State>);

struct State {
    now: Moment,
    tasks: Tasks,
    timers: BTreeMap<(Moment, u64), Waker>,
    timers_begun: u64,
    /// Who runs next.
    schedule: Chance,
    /// What is drawn.
    drawn: Chance,
    polls: u64,
    hash: u64,
}

/// Why a run has not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Nobody is ready, and nothing is due: everybody waits for somebody else.
    Deadlock {
        /// How many tasks wait.
        tasks: usize,
        /// Since when.
        at: Moment,
    },
    /// So many steps were taken, and there was no end.
    Endless(u64),
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stuck::Deadlock { tasks, at } => {
                let seconds = (*at - Moment::ORIGIN).as_secs_f64();
                write!(f, "after {seconds} s all {tasks} tasks wait for each other")
            }
            Stuck::Endless(polls) => write!(f, "after {polls} steps there is no end"),
        }
    }
}

impl std::error::Error for Stuck {}

/// The most steps of one run.
const POLLS_MAX: u64 = 50_000_000;

impl SimRuntime {
    /// A world at the origin of time, whose every turn follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            now: Moment::ORIGIN,
            tasks: Tasks::default(),
            timers: BTreeMap::new(),
            timers_begun: 0,
            schedule: Chance::new(mixed(seed)),
            drawn: Chance::new(mixed(seed ^ u64::MAX)),
            polls: 0,
            hash: 0,
        };
        Self { world: Arc::new(World(Mutex::new(state))), machine: Machine::default() }
    }

    /// The same world, seen from another machine.
    #[must_use]
    pub fn on(&self, machine: Machine) -> Self {
        Self { world: self.world.clone(), machine }
    }

    /// The machine stands still: none of its tasks runs. Its clock goes on, as clocks do.
    pub fn stop(&self, machine: Machine) {
        self.world.0.lock().tasks.set_stopped(machine, true);
    }

    /// It goes on.
    pub fn resume(&self, machine: Machine) {
        self.world.0.lock().tasks.set_stopped(machine, false);
    }

    /// Every task of the machine ends where it stands. Not from one of its own tasks.
    pub fn kill(&self, machine: Machine) {
        let killed = self.world.0.lock().tasks.kill(machine);
        // What they drop may look at the clock.
        drop(killed);
    }

    /// Runs everything until this future has ended; what else is under way stays where it is.
    ///
    /// # Errors
    /// [`Stuck`]
    pub fn run_until<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stuck> {
        let ended = Arc::new(Mutex::new(None));
        let end = ended.clone();
        self.spawn(Box::pin(async move {
            let output = future.await;
            *end.lock() = Some(output);
        }));
        loop {
            self.step()?;
            if let Some(output) = ended.lock().take() {
                return Ok(output);
            }
        }
    }

    /// Notes that something has happened, so that [`trace_hash`](SimRuntime::trace_hash) tells runs apart in which it did
    /// not, or was something else.
    pub fn note(&self, what: &str) {
        let mut state = self.world.0.lock();
        for byte in what.bytes() {
            state.mix(u64::from(byte));
        }
    }

    /// What tells this run from others: a hash of who ran when, what was drawn, and what was noted.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.world.0.lock().hash
    }

    /// How many steps tasks have taken.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.world.0.lock().polls
    }

    /// Lets one of those who are ready take a step; where nobody is, time goes on to what is due next.
    fn step(&self) -> Result<(), Stuck> {
        let (id, mut future, waker) = {
            let state = &mut *self.world.0.lock();
            if state.polls == POLLS_MAX {
                return Err(Stuck::Endless(state.polls));
            }
            let Some(chosen) = state.tasks.choose(&mut state.schedule) else {
                return state.go_on();
            };
            state.polls += 1;
            state.mix(chosen.0);
            state.mix(state.now.nanos());
            chosen
        };
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let left = {
            let mut state = self.world.0.lock();
            match polled {
                Poll::Pending => state.tasks.put_back(id, future),
                Poll::Ready(()) => {
                    state.tasks.end(id);
                    Some(future)
                }
            }
        };
        drop(left);
        Ok(())
    }
}

impl State {
    fn mix(&mut self, with: u64) {
        self.hash = mixed(self.hash.wrapping_add(with).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }

    /// Time goes on to what is due next.
    fn go_on(&mut self) -> Result<(), Stuck> {
        let Some(((due, _), _)) = self.timers.first_key_value() else {
            return Err(Stuck::Deadlock { tasks: self.tasks.len(), at: self.now });
        };
        self.now = self.now.max(*due);
        let later = self.timers.split_off(&(self.now, u64::MAX));
        for (_, waker) in std::mem::replace(&mut self.timers, later) {
            waker.wake();
        }
        Ok(())
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Moment {
        self.world.0.lock().now
    }

    /// Each machine has a wall clock of its own, and they are hours apart: 2026-11-20, give or take.
    fn unix_millis(&self) -> u64 {
        let apart = 3_600_000 * u64::from(self.machine.0 % 12);
        1_795_132_800_000 + apart + self.now().nanos() / 1_000_000
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.world.0.lock();
        state.timers_begun += 1;
        let at = (state.now + duration, state.timers_begun);
        Box::pin(Sleep { world: self.world.clone(), at })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.world.0.lock().tasks.spawn(self.machine, task);
    }

    fn random(&self) -> u64 {
        let mut state = self.world.0.lock();
        let number = state.drawn.number();
        state.mix(number);
        number
    }
}

/// Waits for a moment; who drops it does not wait any more.
struct Sleep {
    world: Arc<World>,
    at: (Moment, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.world.0.lock();
        if state.now >= self.at.0 {
            return Poll::Ready(());
        }
        state.timers.insert(self.at, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.world.0.lock().timers.remove(&self.at);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::{mpsc, oneshot};

    fn race(seed: u64) -> (Vec<u32>, u64) {
        let runtime = SimRuntime::new(seed);
        let (said, mut heard) = mpsc::unbounded_channel();
        for name in 0..6_u32 {
            let (said, runner) = (said.clone(), runtime.clone());
            runtime.spawn(Box::pin(async move {
                let pause = Duration::from_nanos(runner.random() % 3);
                runner.sleep(pause).await;
                said.send(name).expect("somebody listens");
            }));
        }
        drop(said);
        let order = runtime.run_until(async move {
            let mut order = Vec::new();
            while let Some(name) = heard.recv().await {
                order.push(name);
            }
            order
        });
        (order.expect("it ends"), runtime.trace_hash())
    }

    #[test]
    fn a_seed_is_a_run() {
        assert_eq!(race(1), race(1));
        let orders: std::collections::BTreeSet<_> = (0..50).map(|seed| race(seed).0).collect();
        assert!(orders.len() > 20, "chance decides who comes first");
    }

    #[test]
    fn who_waits_for_nothing_is_noticed() {
        let runtime = SimRuntime::new(1);
        let (_kept, never) = oneshot::channel::<()>();
        let stuck = runtime.run_until(never).expect_err("nobody sends");
        assert_eq!(stuck, Stuck::Deadlock { tasks: 1, at: Moment::ORIGIN });
    }

    #[test]
    fn a_machine_that_stands_still_does_nothing_until_it_goes_on() {
        let runtime = SimRuntime::new(1);
        let there = runtime.on(Machine(1));
        let (done, mut is_done) = oneshot::channel();
        let sleeper = there.clone();
        there.spawn(Box::pin(async move {
            sleeper.sleep(Duration::from_secs(1)).await;
            let _ = done.send(sleeper.now());
        }));
        let here = runtime.clone();
        let seen = runtime.run_until(async move {
            here.sleep(Duration::from_millis(1)).await;
            here.stop(Machine(1));
            here.sleep(Duration::from_secs(5)).await;
            assert!(is_done.try_recv().is_err());
            here.resume(Machine(1));
            is_done.await.expect("it goes on") - Moment::ORIGIN
        });
        assert_eq!(seen, Ok(Duration::from_millis(5_001)));
    }

    #[test]
    fn a_machine_that_ends_takes_its_tasks_along() {
        let runtime = SimRuntime::new(1);
        let there = runtime.on(Machine(1));
        let (held, dropped) = oneshot::channel::<()>();
        let sleeper = there.clone();
        there.spawn(Box::pin(async move {
            sleeper.sleep(Duration::from_secs(60)).await;
            let _ = held.send(());
        }));
        let here = runtime.clone();
        let ended = runtime.run_until(async move {
            here.sleep(Duration::from_secs(1)).await;
            here.kill(Machine(1));
            dropped.await.is_err()
        });
        assert_eq!(ended, Ok(true));
    }
}
