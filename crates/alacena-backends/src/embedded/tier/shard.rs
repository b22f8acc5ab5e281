//! The tier as a shard: each step is on its way when it has been asked for, whether its future is polled or not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    error::{Error, catalogue},
    runtime::BoxFuture,
    tier::{
        Answer, Begin, Begun, Capabilities, Checked, EntryId, EntryName, Era, Failure, Lack, Looked,
        MarkerId, Minted, Nonce, Overwrite, Shard, Store, Stored, Telling, Watcher,
    },
};
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{
    EmbeddedTier,
    orders::{self, Order, Step, Unseen},
    readers::{Read, Reply},
    shared::Shared,
    steps::{Started, Stop, Work},
    tables::{Place, bits_of_marker, key_of},
};

/// Bytes of entries that may wait to be stored; the next one is refused, and its answer stays in memory.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// A [`Shard`] at an [`EmbeddedTier`].
///
/// Nothing is asked of the disk on the caller's thread. A read waits for nothing but the steps before it, an invalidation
/// until it is on disk. Where more wait than there is room for, the next one is [`Failure::Overloaded`].
pub struct EmbeddedShard {
    tier: Arc<EmbeddedTier>,
    /// Whether closing it closes the tier.
    is_only: bool,
    is_closed: AtomicBool,
    /// Keeps those who listen being told. Held for a few instructions.
    ears: Mutex<Vec<Arc<()>>>,
}

impl EmbeddedShard {
    pub(super) fn new(tier: Arc<EmbeddedTier>, is_only: bool) -> Self {
        Self { tier, is_only, is_closed: AtomicBool::new(false), ears: Mutex::default() }
    }

    /// Has a step taken, and answered once it can be seen.
    fn step<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Work<'_, '_>) -> Result<T, Stop> + Send + 'static,
    ) -> Answer<'_, T> {
        self.ask(false, self.tier.settings.step_within, run)
    }

    /// Has a step taken, and answered once it is on disk.
    fn removal(
        &self,
        run: impl FnOnce(&mut Work<'_, '_>) -> Result<(), redb::Error> + Send + 'static,
    ) -> Answer<'_, ()> {
        self.ask(true, self.tier.settings.remove_within, move |work| Ok(run(work)?))
    }

    fn ask<T: Send + 'static>(
        &self,
        is_durable: bool,
        within: Duration,
        run: impl FnOnce(&mut Work<'_, '_>) -> Result<T, Stop> + Send + 'static,
    ) -> Answer<'_, T> {
        let (reply, answer): (Reply<T>, _) = oneshot::channel();
        let run = Box::new(move |work: &mut Work<'_, '_>| {
            let answer = match run(work) {
                Ok(answer) => Ok(answer),
                Err(Stop::Refused(failure)) => Err(failure),
                Err(Stop::Failed(error)) => return Err(error),
            };
            // Whoever asked may have gone.
            Ok(Box::new(move || drop(reply.send(answer))) as orders::Answer)
        });
        let sent =
            self.send(|| Order::Step(Step { run, is_durable, unseen: Unseen::new(&self.tier.shared) }));
        self.answered(sent, answer, within)
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(Reply<T>) -> Read) -> Answer<'_, T> {
        let (reply, answer) = oneshot::channel();
        let read = read(reply);
        let shared = &self.tier.shared;
        let sent = if shared.unseen.load(Ordering::Acquire) > 0 {
            self.send(|| Order::Read(read))
        } else {
            self.is_open().and_then(|()| shared.reads.push(read).map_err(|_| overloaded()))
        };
        self.answered(sent, answer, self.tier.settings.step_within)
    }

    /// Counts an entry among those that wait to be stored.
    fn waits(&self, bytes: usize) -> Result<WaitingBytes, Failure> {
        let waits = WaitingBytes::new(&self.tier.shared, bytes as u64);
        if self.tier.shared.waiting_bytes.load(Ordering::Acquire) > WAITING_BYTES_MAX {
            return Err(overloaded());
        }
        Ok(waits)
    }

    fn send(&self, order: impl FnOnce() -> Order) -> Result<(), Failure> {
        self.is_open()?;
        self.tier.orders().try_send(order()).map_err(|refused| match refused {
            TrySendError::Full(_) => overloaded(),
            TrySendError::Closed(_) => unavailable("it has been closed"),
        })
    }

    fn is_open(&self) -> Result<(), Failure> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(unavailable("it has been closed"));
        }
        self.tier.shared.era().map(drop).ok_or_else(|| unavailable("the file cannot be used for now"))
    }

    fn answered<T: Send + 'static>(
        &self,
        sent: Result<(), Failure>,
        answer: oneshot::Receiver<Result<T, Failure>>,
        within: Duration,
    ) -> Answer<'_, T> {
        if let Err(failure) = sent {
            return Box::pin(std::future::ready(Err(failure)));
        }
        let over = self.tier.shared.clock.sleep(within);
        Box::pin(async move {
            match select(answer, over).await {
                Either::Left((Ok(answer), _)) => answer,
                Either::Left((Err(_), _)) => Err(unavailable("the file failed")),
                Either::Right(_) => {
                    let error = Error::new(&catalogue::STORE_FAILED, "the disk did not answer in time");
                    Err(Failure::TimedOut(error))
                }
            }
        })
    }
}

impl Shard for EmbeddedShard {
    fn capabilities(&self) -> Capabilities {
        Capabilities { telling: Telling::Tracked, era: true, evicts: true, is_metered: false, is_heard: true }
    }

    fn lacks(&self) -> Vec<Lack> {
        self.tier.shared.lacks()
    }

    fn era(&self) -> Option<Era> {
        self.tier.shared.era().filter(|_| !self.is_closed.load(Ordering::Acquire))
    }

    fn server_millis(&self) -> u64 {
        self.tier.shared.clock.millis()
    }

    fn look(&self, entry: &EntryName, markers: &[MarkerId]) -> Answer<'_, Looked> {
        let (at, markers) = (Place::from(entry), markers.to_vec());
        self.read(|reply| Read::Look(at, markers, reply))
    }

    fn check(&self, markers: &[MarkerId]) -> Answer<'_, Checked> {
        if markers.is_empty() {
            // A sign of life, several times a second: no thread has to wake for it.
            let era = self.is_open().and_then(|()| self.era().ok_or(Failure::OtherEra));
            let checked = era.map(|era| Checked { era, good_replicas: 0, markers: Vec::new() });
            return Box::pin(std::future::ready(checked));
        }
        let markers = markers.to_vec();
        self.read(|reply| Read::Check(markers, reply))
    }

    fn mint(&self, era: Era, markers: &[(MarkerId, Nonce)], keep: Duration) -> Answer<'_, Minted> {
        let markers = markers.to_vec();
        self.step(move |work| work.mint(era, &markers, keep))
    }

    fn begin(&self, load: Begin) -> Answer<'_, Begun> {
        self.step(move |work| {
            Ok(match work.begin(&load)? {
                Started::Hit(envelope) => Begun::Hit(envelope),
                Started::Lead => Begun::Lead,
                Started::Alone => Begun::Alone,
                // An error: it cannot be heard of any more.
                Started::Wait(left, woken) => {
                    Begun::Wait(left, Box::pin(async move { woken.await.unwrap_or_default() }))
                }
            })
        })
    }

    fn renew(&self, entry: EntryId, attempt: Nonce, lease: Duration) -> Answer<'_, bool> {
        self.step(move |work| Ok(work.renew(entry, attempt, lease)))
    }

    fn store(&self, store: Store) -> Answer<'_, Stored> {
        match self.waits(store.envelope.len()) {
            Ok(waits) => self.step(move |work| {
                drop(waits);
                work.store(&store)
            }),
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }

    /// On disk before it is answered: what it takes the place of must not come back.
    fn overwrite(&self, overwrite: Overwrite) -> Answer<'_, bool> {
        match self.waits(overwrite.envelope.len()) {
            Ok(waits) => self.ask(true, self.tier.settings.remove_within, move |work| {
                drop(waits);
                work.overwrite(&overwrite)
            }),
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }

    fn release(&self, entry: EntryId, attempt: Nonce, alone: Option<Duration>) -> Answer<'_, ()> {
        self.step(move |work| {
            work.release(entry, attempt, alone);
            Ok(())
        })
    }

    fn invalidate(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        let markers = markers.to_vec();
        self.removal(move |work| work.invalidate(&markers))
    }

    fn invalidate_entries(&self, entries: &[EntryName]) -> Answer<'_, ()> {
        let entries = entries.to_vec();
        self.removal(move |work| work.invalidate_entries(&entries))
    }

    /// There never is one, so nobody waits.
    fn replicate(&self, _replicas: u32, _within: Duration) -> Answer<'_, u32> {
        Box::pin(std::future::ready(self.is_open().map(|()| 0)))
    }

    fn touch(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        let recent = &self.tier.shared.recent;
        markers.iter().for_each(|marker| recent.markers.mark(bits_of_marker(key_of(*marker))));
        Box::pin(std::future::ready(self.is_open()))
    }

    /// What has been answered has been told before: there is nothing to wait for.
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(self.is_open()))
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        let ear = self.tier.shared.watch(watcher);
        self.ears.lock().push(ear);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.is_closed.store(true, Ordering::Release);
        Box::pin(async {
            if self.is_only {
                self.tier.close().await;
            }
        })
    }
}

impl std::fmt::Debug for EmbeddedShard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedShard").field("era", &self.era()).finish_non_exhaustive()
    }
}

/// Counts the bytes of an entry among those that wait to be stored.
struct WaitingBytes(Arc<Shared>, u64);

impl WaitingBytes {
    fn new(shared: &Arc<Shared>, bytes: u64) -> Self {
        shared.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        Self(Arc::clone(shared), bytes)
    }
}

impl Drop for WaitingBytes {
    fn drop(&mut self) {
        self.0.waiting_bytes.fetch_sub(self.1, Ordering::AcqRel);
    }
}

fn unavailable(why: &str) -> Failure {
    Failure::Unavailable(Error::new(&catalogue::STORE_FAILED, format!("entries on disk: {why}")))
}

fn overloaded() -> Failure {
    Failure::Overloaded(Error::new(&catalogue::STORE_FAILED, "too much is waiting for the disk"))
}
