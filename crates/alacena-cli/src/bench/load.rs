//! One load: threads of its own, so that nothing else in this process is between a question and its answer.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use alacena::{
    SystemRuntime,
    error::{Error, catalogue},
    runtime::{Moment, SharedRuntime},
};
use parking_lot::Mutex;
use tokio::task::{JoinSet, yield_now};

use super::{
    connection::{Connection, Question},
    course::{Arrivals, Course, Turn},
    pace::Pace,
    tally::Tally,
};

/// Between the beginning of a load and its first question: time to open connections.
const LEAD: Duration = Duration::from_millis(50);
/// How long answers are waited for after the last question was due.
const GRACE: Duration = Duration::from_secs(15);
/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);
/// A connection that breaks so often in a row has nobody at its other end.
const BROKEN_IN_A_ROW_MAX: u32 = 10;
/// More threads than this compete with the server for the machine.
const THREADS_MAX: usize = 4;

/// What is asked, how often and by how many.
#[derive(Clone)]
pub(crate) struct Load {
    /// What is asked, and where.
    pub(crate) question: Question,
    /// How questions arrive.
    pub(crate) arrivals: Arrivals,
    /// For how long.
    pub(crate) duration: Duration,
    /// How many connections ask.
    pub(crate) connections: usize,
}

/// How far a load is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// How long it has been running.
    pub(crate) elapsed: Duration,
    /// Questions that have been answered or have failed.
    pub(crate) answered: u64,
}

impl Load {
    /// Runs it to its end, and tells how far it is.
    ///
    /// # Errors
    /// Where the system gives no threads or no timers.
    pub(crate) async fn run(
        self,
        runtime: &SharedRuntime,
        progress: impl Fn(Progress),
    ) -> Result<Tally, Error> {
        let course = Arc::new(Course::new(self.arrivals, runtime.now() + LEAD, self.duration));
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get() / 2);
        let threads = threads.clamp(1, THREADS_MAX).min(self.connections);
        let workers: Vec<_> = (0..threads)
            .map(|at| {
                let connections = self.connections / threads + usize::from(at < self.connections % threads);
                worker(self.question.clone(), course.clone(), connections)
            })
            .collect::<io::Result<_>>()
            .map_err(refused)?;
        while workers.iter().any(|worker| !worker.is_finished()) {
            let elapsed = runtime.now() - course.begin();
            progress(Progress { elapsed, answered: course.answered_so_far() });
            runtime.sleep(TICK).await;
        }
        let mut tally = Tally::new();
        for worker in workers {
            tally.merge(worker.join().expect("a worker has nothing to panic about").map_err(refused)?);
        }
        tally.questions = course.questions();
        if self.arrivals != Arrivals::Closed {
            // The last question was due before the end of a rate's time, and is answered as if that were over.
            tally.took = tally.took.max(self.duration);
        }
        Ok(tally)
    }
}

fn refused(cause: io::Error) -> Error {
    let detail = format!("the system does not let the load be made: {cause}");
    Error::new(&catalogue::INTERNAL, detail).caused_by(cause)
}

/// A thread with a poller of its own, and its share of the connections.
fn worker(
    question: Question,
    course: Arc<Course>,
    connections: usize,
) -> io::Result<JoinHandle<io::Result<Tally>>> {
    let work = move || {
        let poller = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        poller.block_on(ask_all(Arc::new(question), course, connections))
    };
    thread::Builder::new().name("load".to_owned()).spawn(work)
}

async fn ask_all(question: Arc<Question>, course: Arc<Course>, connections: usize) -> io::Result<Tally> {
    let runtime = SystemRuntime::shared();
    // One thread has it: nobody ever waits for this lock. It outlives connections that are cut off.
    let tally = Arc::new(Mutex::new(Tally::new()));
    let mut asking = JoinSet::new();
    for _ in 0..connections {
        let pace = Pace::new(runtime.clone())?;
        let asker = Asker {
            question: question.clone(),
            course: course.clone(),
            tally: tally.clone(),
            runtime: runtime.clone(),
        };
        asking.spawn(async move { asker.ask(&pace).await });
    }
    let latest = course.end() + GRACE;
    let all = async { while asking.join_next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        () = runtime.sleep(latest - runtime.now()) => {}
    }
    drop(asking);
    let tally = tally.lock().clone();
    Ok(tally)
}

/// One connection's worth of asking.
struct Asker {
    question: Arc<Question>,
    course: Arc<Course>,
    tally: Arc<Mutex<Tally>>,
    runtime: SharedRuntime,
}

impl Asker {
    async fn ask(self, pace: &Pace) {
        let mut connection = Connection::new();
        // Whether it opens is seen when it is asked over.
        let _ = connection.open(&self.question).await;
        let mut broken_in_a_row = 0;
        while let Some(Turn { due }) = self.course.next(self.runtime.now()) {
            if let Err(error) = pace.until(due).await {
                self.broken(&error);
                return;
            }
            match connection.ask(&self.question).await {
                Ok(answer) => {
                    broken_in_a_row = 0;
                    self.answered(due, answer.status, answer.hit);
                    // Whoever has an answer waiting reads it first: a latency is none of ours, and questions go out
                    // together, as wrk sends them, instead of waking the server for each.
                    yield_now().await;
                }
                Err(error) => {
                    broken_in_a_row += 1;
                    self.broken(&error);
                    if broken_in_a_row == BROKEN_IN_A_ROW_MAX {
                        return;
                    }
                }
            }
        }
    }

    fn answered(&self, due: Moment, status: u16, hit: bool) {
        let now = self.runtime.now();
        let mut tally = self.tally.lock();
        if (200..300).contains(&status) {
            tally.latencies.record(now - due);
            tally.hits += u64::from(hit);
        } else {
            *tally.refused.entry(status).or_default() += 1;
        }
        tally.took = now - self.course.begin();
        self.course.answered();
    }

    fn broken(&self, error: &io::Error) {
        let mut tally = self.tally.lock();
        tally.broken.0 += 1;
        tally.broken.1 = Some(error.to_string());
        self.course.answered();
    }
}
