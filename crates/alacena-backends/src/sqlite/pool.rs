//! Blocking connections for asynchronous callers: one named thread each, which nobody ever waits for in vain.
//!
//! A caller first takes one of as many permits as there are connections, then hands its work over. So there is
//! always a thread that is free or about to be, a caller that goes away while it waits leaves nothing behind, and
//! callers are served in the order in which they came.

use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use alacena_core::error::{Error, catalogue};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Connections with their threads. The threads end when the last share of the pool is dropped.
pub(super) struct Pool {
    free: Arc<Semaphore>,
    jobs: SyncSender<Job>,
}

impl Pool {
    /// Gives each connection a thread.
    pub(super) fn start(source: &str, connections: Vec<Connection>) -> Result<Self, Error> {
        let free = Arc::new(Semaphore::new(connections.len()));
        let (jobs, queue) = sync_channel(connections.len());
        // Held by the thread that waits for the next job; the others wait for the lock instead.
        let queue = Arc::new(Mutex::new(queue));
        for connection in connections {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("sqlite {source}"))
                .spawn(move || serve(connection, &queue))
                .map_err(|error| {
                    Error::new(&catalogue::INTERNAL, "no thread could be started")
                        .with("source", source)
                        .caused_by(error)
                })?;
        }
        Ok(Self { free, jobs })
    }

    /// Runs `work` on the next free connection.
    ///
    /// # Cancellation
    /// Dropped while it waits, nothing happens; later, `work` runs to its end and the connection comes back.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| lost())?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = work(connection);
            // Before the answer: who has it may ask again at once and must find the connection free.
            drop(permit);
            // An error means that the caller is gone.
            let _ = answer.send(result);
        });
        // Every job in the queue has a permit and there are as many places as permits: it cannot be full.
        self.jobs.try_send(job).map_err(|_| lost())?;
        answered.await.map_err(|_| lost())
    }
}

fn serve(mut connection: Connection, queue: &Mutex<Receiver<Job>>) {
    loop {
        // A statement of its own, so that the lock is released before the job runs.
        let next = queue.lock().recv();
        let Ok(job) = next else { return };
        job(&mut connection);
    }
}

/// What the callers of a thread that panicked are told.
fn lost() -> Error {
    Error::new(&catalogue::INTERNAL, "the thread of an SQLite connection ended")
}
