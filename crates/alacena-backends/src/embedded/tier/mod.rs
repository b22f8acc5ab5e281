//! Entries on local disk as a second tier: what was loaded survives a restart of the one process that owns the store.
//!
//! ```text
//!   engine ── EmbeddedShard ─┬─ reads, nothing before them ──▶ readers: two threads, each look one snapshot
//!                            └─ steps, reads behind steps ───▶ keeper: one thread, one transaction for all that waits
//!                                                                │ commit: seen      → watchers, who waits, answers
//!                                                                └ flush:  on disk   → answers of invalidations
//! ```
//!
//! `tables` says what the file holds; `kept` reads and changes it; `steps` is each step of a
//! [`Shard`](alacena_core::tier::Shard); `leases` holds who loads what, in memory alone; `room` evicts and sweeps;
//! `opening` opens the file and `trust` decides how far to believe it; `keeper` and `readers` are the threads, `orders`
//! what the first is asked, `open` what it does with the file, and `shared` what they share with [`EmbeddedShard`].
//!
//! # What is durable
//! An invalidation, before it is answered; everything else within a second. The file is a prefix of what happened, never
//! shorter than the last invalidation that was answered: a kill loses entries, and markers that were minted for them, but
//! brings nothing back. So the file is of one [`Era`](alacena_core::tier::Era) over restarts, until something says that it
//! may have gone back in time all the same (`trust`).
//!
//! # What a failing disk does
//! The shard is away: the node goes on in memory, owes its invalidations to the journal, and the file is tried again after
//! a pause. A file that is damaged is moved aside, and another one begun.

mod keeper;
mod kept;
mod leases;
mod open;
mod opening;
mod orders;
mod readers;
mod room;
mod shard;
mod shared;
mod steps;
mod tables;
mod trust;
mod used;

use std::{fmt, path::Path, sync::Arc, thread::JoinHandle, time::Duration};

use alacena_core::{
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

pub use shard::EmbeddedShard;

use super::ledger::EmbeddedLedger;
use keeper::Keeper;
use opening::Site;
use orders::Order;
use readers::Readers;
use shared::Shared;

/// The file of the entries, beside the store's own.
pub(super) const FILE: &str = "entries.redb";
/// One that was damaged, for people to look at. The next one takes its place.
pub(super) const FILE_DAMAGED: &str = "entries.redb.damaged";

/// Steps and reads that wait for a thread; the next one is refused.
const WAITING_MAX: usize = 4_096;
/// How often what is not on disk yet gets there, and what has expired is looked for.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// How entries are kept on disk.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TierSettings {
    /// Most bytes of entries, each counted as what it takes in the file. Default 1 GiB, at least 1 MiB.
    pub entries_bytes_max: u64,
    /// Most markers; one that is pushed out makes misses. Default 262,144, at least 1,024.
    pub markers_max: u64,
    /// What the names of entries are hashed with and what they are sealed with, as one fingerprint: a file that was written
    /// with anything else is begun anew. Default: zeros.
    pub mark: [u8; 32],
    /// Whether a file that is damaged is kept, beside the one that takes its place. Default true. Where entries are sealed it
    /// had better not be: it may be of before, and readable. One that was kept earlier is removed then.
    pub keeps_damaged: bool,
    /// How long a step may take. Default 250 ms.
    pub step_within: Duration,
    /// How long an invalidation may take, which waits for the disk. Default 1 s.
    pub remove_within: Duration,
}

impl Default for TierSettings {
    fn default() -> Self {
        Self {
            entries_bytes_max: 1 << 30,
            markers_max: 1 << 18,
            mark: [0; 32],
            keeps_damaged: true,
            step_within: Duration::from_millis(250),
            remove_within: Duration::from_secs(1),
        }
    }
}

/// What is kept on disk, as it was when that was looked at last: within a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierFigures {
    /// Entries, those included that have run out and were not met yet.
    pub entries: u64,
    /// Bytes that they take in the file; markers, and pages that are free, are not among them.
    pub bytes: u64,
    /// Bytes that they may take.
    pub bytes_max: u64,
    /// Entries that gave way to others, since the file was opened.
    pub evicted: u64,
    /// Markers.
    pub markers: u64,
}

/// The entries in the folder of an [`EmbeddedLedger`], for as long as that is open.
///
/// ```
/// use alacena_backends::embedded::{EmbeddedLedger, EmbeddedTier, Owner, TierSettings};
/// use alacena_core::tier::{MarkerId, Nonce, Shard};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let runtime = std::sync::Arc::new(alacena_testkit::FakeRuntime::new(1));
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let owner = Owner { pid: std::process::id(), listen: None, started_at: 0 };
/// let (marker, minute) = (MarkerId::Dep(7), Duration::from_secs(60));
///
/// let ledger = EmbeddedLedger::open(folder, owner.clone(), None, runtime.clone())?;
/// let tier = EmbeddedTier::open(&ledger, TierSettings::default(), runtime.clone())?;
/// tier.opened().await?;
/// let shard = tier.shard();
/// let era = shard.era().expect("it is open");
/// let nonce = Nonce { era, random: 1 };
/// shard.mint(era, &[(marker, nonce)], minute).await.expect("there is room");
/// tier.close().await;
/// ledger.close().await;
///
/// // The next process finds what the first has left.
/// let ledger = EmbeddedLedger::open(folder, owner, None, runtime.clone())?;
/// let tier = EmbeddedTier::open(&ledger, TierSettings::default(), runtime)?;
/// tier.opened().await?;
/// let looked = tier.shard().check(&[marker]).await.expect("it can be read");
/// assert_eq!((looked.era, looked.markers), (era, vec![Some(nonce)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EmbeddedTier {
    shared: Arc<Shared>,
    settings: TierSettings,
    orders: Option<mpsc::Sender<Order>>,
    /// Taken once, when the tier is dropped.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedTier {
    /// Begins to open the entries beside the store of `ledger`, which has to stay open for as long; see
    /// [`opened`](EmbeddedTier::opened). A file that cannot be opened is tried again, so that no disk keeps a process from
    /// starting.
    ///
    /// # Errors
    /// `Internal` where no thread could be started.
    pub fn open(
        ledger: &EmbeddedLedger,
        settings: TierSettings,
        runtime: SharedRuntime,
    ) -> Result<Arc<Self>, Error> {
        let site = Site { folder: ledger.folder().to_owned(), start: ledger.start(), settings };
        let shared = Arc::new(Shared::new(Arc::clone(&runtime), settings));
        let (orders, queue) = mpsc::channel(WAITING_MAX);
        let readers = Readers::start(&shared, orders.downgrade())?;
        let keeper = Keeper::new(site, Arc::clone(&shared), readers);
        let thread = std::thread::Builder::new()
            .name("alacena-entries".to_owned())
            .spawn(move || keeper.serve(queue))
            .map_err(|error| {
                Error::new(&catalogue::INTERNAL, "the thread of the entries could not be started")
                    .caused_by(error)
            })?;
        runtime.spawn(Box::pin(tidy(orders.downgrade(), Arc::clone(&runtime))));
        Ok(Arc::new(Self { shared, settings, orders: Some(orders), thread: Mutex::new(Some(thread)) }))
    }

    /// Removes what an earlier process has kept in this folder: whoever goes on without the entries invalidates without
    /// them hearing of it. Nothing happens where there is none.
    pub fn remove(folder: &Path) {
        for name in [FILE, FILE_DAMAGED] {
            // Where it cannot be removed it is of another start than the next one that opens it, which does not trust it.
            let _ = std::fs::remove_file(folder.join(name));
        }
    }

    /// Waits until the file has been opened for the first time: after a kill all of it is looked at, which takes about a
    /// second a gigabyte.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be used for now. It is tried again.
    pub async fn opened(&self) -> Result<(), Error> {
        self.order(Order::Opened).await?
    }

    /// One more who asks and is told. In production there is one; where there are several, each is told what any of them
    /// does.
    #[must_use]
    pub fn shard(self: &Arc<Self>) -> EmbeddedShard {
        EmbeddedShard::new(Arc::clone(self), false)
    }

    /// The only one who asks: [closing](alacena_core::tier::Shard::close) it closes the tier.
    #[must_use]
    pub fn only_shard(self: Arc<Self>) -> EmbeddedShard {
        EmbeddedShard::new(self, true)
    }

    /// How much is kept.
    #[must_use]
    pub fn figures(&self) -> TierFigures {
        self.shared.holds.figures()
    }

    /// Puts on disk what is not there yet, and removes whatever has expired.
    ///
    /// # Errors
    /// `Closed` after [`close`](EmbeddedTier::close).
    pub async fn tidy(&self) -> Result<(), Error> {
        self.order(|done| Order::Tidy(Some(done))).await
    }

    /// The names of everything that is kept, in no order: for people and tests.
    ///
    /// # Errors
    /// `Unavailable` while the file cannot be used.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        self.order(Order::Names).await
    }

    /// Removes everything, and tells of it.
    ///
    /// # Errors
    /// `Unavailable` while the file cannot be used.
    pub async fn clear(&self) -> Result<(), Error> {
        self.order(Order::Clear).await
    }

    /// Removes what has this name, as if it had been evicted. Nothing happens where nothing has it.
    ///
    /// # Errors
    /// `Unavailable` while the file cannot be used.
    pub async fn evict(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.order(|done| Order::Evict(name, done)).await
    }

    /// Puts on disk what is not there yet and gives the file back: when this returns, another process can open it. What
    /// is asked afterwards is [`Failure::Unavailable`](alacena_core::tier::Failure::Unavailable). Does nothing the second
    /// time.
    pub async fn close(&self) {
        // An error means that it is closed already.
        let _ = self.order(Order::Close).await;
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let closed = || Error::new(&catalogue::CLOSED, "the entries on disk have been closed");
        self.orders().send(order(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| match self.orders().is_closed() {
            true => closed(),
            false => Error::new(&catalogue::STORE_FAILED, "the entries on disk cannot be used for now"),
        })
    }

    fn orders(&self) -> &mpsc::Sender<Order> {
        self.orders.as_ref().expect("it is taken only when the tier is dropped")
    }
}

impl Drop for EmbeddedTier {
    /// Waits for the thread to put on disk what it has, so that the file is free afterwards.
    fn drop(&mut self) {
        self.orders = None;
        // Whoever is told something may be the last who holds it, and that is the thread itself.
        let others = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.lock().take().filter(others) {
            // An error means that the thread panicked, and has said so.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for EmbeddedTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedTier").field("era", &self.shared.era()).finish_non_exhaustive()
    }
}

/// Has the file put in order again and again, for as long as there is a tier.
async fn tidy(orders: mpsc::WeakSender<Order>, runtime: SharedRuntime) {
    loop {
        runtime.sleep(TIDY_EVERY).await;
        let Some(orders) = orders.upgrade() else { return };
        // One that finds no place comes in a second.
        if let Err(mpsc::error::TrySendError::Closed(_)) = orders.try_send(Order::Tidy(None)) {
            return;
        }
    }
}
