//! Reads that nothing has to be done before: threads that answer all that waits out of one snapshot.
//!
//! Reading a page that the system does not hold waits for the disk, so it is done on no thread of the runtime. It writes
//! nothing: that an entry was asked for is a bit in memory.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
};

use alacena_core::{
    error::{Error, catalogue},
    tier::{Checked, Era, Failure, Looked, MarkerId, Nonce},
};
use parking_lot::{Condvar, Mutex};
use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::{mpsc, oneshot};

use super::{
    WAITING_MAX,
    kept::{Kept, Seen},
    orders::Order,
    shared::{Recent, Shared},
    tables::{EntryKey, IndexRow, MarkerKey, MarkerRow, Place, bits_of_entry, bits_of_marker, key_of},
};

/// Threads: one waits for the disk while the other answers what is in memory.
const THREADS: usize = 2;
/// Reads that are answered out of one snapshot.
const BATCH_MAX: usize = 32;

/// Who is to hear of an answer.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// What is asked of the file without changing it.
pub(super) enum Read {
    Look(Place, Vec<MarkerId>, Reply<Looked>),
    Check(Vec<MarkerId>, Reply<Checked>),
}

/// What was found, for whoever asked.
pub(super) enum Found {
    Look(Looked, Reply<Looked>),
    Check(Checked, Reply<Checked>),
}

impl Read {
    pub(super) fn find<M, I, E>(
        self,
        kept: &Kept<M, I, E>,
        recent: &Recent,
        era: Era,
        now: u64,
    ) -> Result<Found, redb::Error>
    where
        M: ReadableTable<MarkerKey, MarkerRow>,
        I: ReadableTable<EntryKey, IndexRow>,
        E: ReadableTable<EntryKey, &'static [u8]>,
    {
        let marker = |marker: MarkerId| -> Result<Option<Nonce>, redb::Error> {
            let held = kept.marker(marker, now)?;
            if held.is_some() {
                recent.markers.mark(bits_of_marker(key_of(marker)));
            }
            Ok(held)
        };
        let all = |markers: Vec<MarkerId>| markers.into_iter().map(marker).collect::<Result<_, _>>();
        Ok(match self {
            Read::Look(at, markers, reply) => {
                let (markers, bucket) = (all(markers)?, marker(at.id.bucket_marker())?);
                let envelope = kept.entry(&at, now)?;
                if envelope.is_some() {
                    recent.entries.mark(bits_of_entry(at.id));
                }
                Found::Look(Looked { markers, bucket, entry: envelope }, reply)
            }
            Read::Check(markers, reply) => {
                Found::Check(Checked { era, good_replicas: 0, markers: all(markers)? }, reply)
            }
        })
    }
}

impl Found {
    /// Answers. Whoever asked may have gone.
    pub(super) fn send(self) {
        match self {
            Found::Look(looked, reply) => drop(reply.send(Ok(looked))),
            Found::Check(checked, reply) => drop(reply.send(Ok(checked))),
        }
    }
}

/// Reads that wait for a thread.
#[derive(Default)]
pub(super) struct Waiting {
    /// Held for a few instructions.
    queue: Mutex<Queue>,
    is_some: Condvar,
}

#[derive(Default)]
struct Queue {
    reads: Vec<Read>,
    is_closed: bool,
}

impl Waiting {
    /// Has it answered; gives it back where too many wait, or nobody answers any more.
    pub(super) fn push(&self, read: Read) -> Result<(), Read> {
        let mut queue = self.queue.lock();
        if queue.is_closed || queue.reads.len() >= WAITING_MAX {
            return Err(read);
        }
        queue.reads.push(read);
        drop(queue);
        self.is_some.notify_one();
        Ok(())
    }

    /// The next ones, in no order: those who asked at once want nothing of one another. `None`: there is no next one.
    fn next(&self) -> Option<Vec<Read>> {
        let mut queue = self.queue.lock();
        while queue.reads.is_empty() {
            if queue.is_closed {
                return None;
            }
            self.is_some.wait(&mut queue);
        }
        let rest = queue.reads.len().saturating_sub(BATCH_MAX);
        Some(queue.reads.drain(rest..).collect())
    }

    fn close(&self) {
        self.queue.lock().is_closed = true;
        self.is_some.notify_all();
    }
}

/// The threads.
pub(super) struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts them. What fails them is told by `orders`.
    pub(super) fn start(shared: &Arc<Shared>, orders: mpsc::WeakSender<Order>) -> Result<Self, Error> {
        let start = |_| {
            let (shared, orders) = (Arc::clone(shared), orders.clone());
            std::thread::Builder::new().name("alacena-look".to_owned()).spawn(move || serve(&shared, &orders))
        };
        let threads = (0..THREADS).map(start).collect::<Result<_, _>>().map_err(|error| {
            shared.reads.close();
            Error::new(&catalogue::INTERNAL, "a thread that reads entries could not be started")
                .caused_by(error)
        })?;
        Ok(Self { shared: Arc::clone(shared), threads })
    }

    /// Ends them, and waits until they hold nothing of the file any more.
    pub(super) fn stop(&mut self) {
        self.shared.reads.close();
        for thread in self.threads.drain(..) {
            // An error means that the thread panicked, and has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(shared: &Shared, orders: &mpsc::WeakSender<Order>) {
    while let Some(reads) = shared.reads.next() {
        // Over a damaged page redb panics.
        let Some((database, era)) = shared.database().zip(shared.era()) else { continue };
        let answered = catch_unwind(AssertUnwindSafe(|| answer(shared, &database, era, reads)));
        let failure = match answered {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(_) => redb::Error::Corrupted("redb panicked over it".to_owned()),
        };
        if let Some(orders) = orders.upgrade() {
            // Where there is no place for it, the next read fails as well.
            let _ = orders.try_send(Order::Failed(failure, Arc::downgrade(&database)));
        }
    }
}

/// Answers out of the file as it is now; those who are not answered hear that it cannot be used.
fn answer(shared: &Shared, database: &Database, era: Era, reads: Vec<Read>) -> Result<(), redb::Error> {
    let kept = Seen::open(&database.begin_read()?)?;
    let now = shared.clock.millis();
    for read in reads {
        read.find(&kept, &shared.recent, era, now)?.send();
    }
    Ok(())
}
