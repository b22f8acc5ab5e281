//! The ledger on disk, as the engine sees it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use alacena_core::{
    envelope::SealKeys,
    error::{Error, catalogue},
    ledger::{Intent, IntentId, Invalidation, Ledger},
    runtime::{BoxFuture, SharedRuntime},
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::{
    owner::Owner,
    records::Records,
    store::{Edit, Identity, Store},
    writer::{self, Order},
};

/// A [`Ledger`] and a [`Journal`](alacena_core::journal::Journal) in a folder on disk, with one owner at a time.
///
/// ```
/// use alacena_backends::embedded::{EmbeddedLedger, Owner, read_owner};
/// use alacena_core::ledger::{Intent, Ledger, Target};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let runtime = std::sync::Arc::new(alacena_testkit::FakeRuntime::new(1));
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let owner = Owner { pid: std::process::id(), listen: None, started_at: 0 };
/// let ledger = EmbeddedLedger::open(folder, owner.clone(), None, runtime.clone())?;
/// assert_eq!(read_owner(folder), Some(owner.clone()));
/// let intent = Intent { write: "create_job".into(), targets: vec![Target::Tag("jobs".into())], at: 0 };
/// ledger.open_intent(intent.clone()).await?;
/// ledger.close().await;
///
/// // The next process finds what the first did not finish.
/// let ledger = EmbeddedLedger::open(folder, owner, None, runtime)?;
/// assert_eq!(ledger.open_intents().await?[0].1, intent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EmbeddedLedger {
    folder: PathBuf,
    identity: Identity,
    /// The next number of an intent, or of a record of the journal.
    next: AtomicU64,
    owner: Owner,
    orders: Option<mpsc::Sender<Order>>,
    /// Taken once, when the ledger is dropped.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedLedger {
    /// Opens the store in `folder` and makes `owner` known beside it. Folder and store are created when they are
    /// missing, readable for their owner only, with a secret of their own.
    ///
    /// With `keys`, every record is sealed. A store that is readable, or sealed with the previous key, is written anew
    /// with the current one before this returns, so that nothing readable stays behind.
    ///
    /// Blocking: for the start of a process.
    ///
    /// # Errors
    /// `Unavailable`: the store belongs to another process, which the error names; or the folder cannot be written;
    /// or the store was written by a newer version, which is left as it is. `Invalid`: it is sealed with a key that is
    /// not in `keys`; it is left as it is, too.
    pub fn open(
        folder: &Path,
        owner: Owner,
        keys: Option<SealKeys>,
        runtime: SharedRuntime,
    ) -> Result<Arc<Self>, Error> {
        let store = Store::open(folder, Records::new(keys, runtime))?;
        store.announce(&owner)?;
        let identity = store.identity();
        let (orders, thread) = writer::start(store)?;
        Ok(Arc::new(Self {
            folder: folder.to_owned(),
            identity,
            next: AtomicU64::new(identity.first),
            owner,
            orders: Some(orders),
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// A secret of 32 bytes, made with the store and kept in it: the key of principals.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.identity.secret
    }

    /// The number of this start of a process among all that have opened the store.
    pub(super) fn start(&self) -> u64 {
        self.identity.first >> 32
    }

    /// Where the store is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes known where this process listens, once it knows itself: a port of 0 becomes a real one late.
    ///
    /// # Errors
    /// `Unavailable` when the file beside the store cannot be written.
    pub async fn announce(&self, listen: &str) -> Result<(), Error> {
        let owner = Owner { listen: Some(listen.to_owned()), ..self.owner.clone() };
        self.ask(move |store| store.announce(&owner)).await?
    }

    /// Finishes what has been asked for and gives the store back: when this returns, another process can open it.
    /// Calls after it fail with `Closed`. Does nothing the second time.
    pub async fn close(&self) {
        // An error means that it is closed already.
        let _ = self.order(Order::Close).await;
    }

    /// A number that was never used.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) async fn edit(&self, edit: Edit) -> Result<(), Error> {
        self.order(|answer| Order::Edit(edit, answer)).await?
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, Error> {
        // An error of the sender means that the caller is gone.
        self.order(|answer| Order::Ask(Box::new(move |store| drop(answer.send(question(store)))))).await
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, Error> {
        let closed = || Error::new(&catalogue::CLOSED, "the store has been closed");
        let (answer, answered) = oneshot::channel();
        let orders = self.orders.as_ref().expect("it is taken only when the ledger is dropped");
        orders.send(order(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }
}

impl Ledger for EmbeddedLedger {
    fn is_durable(&self) -> bool {
        true
    }

    fn era(&self) -> u64 {
        self.identity.era
    }

    fn open_intent(&self, intent: Intent) -> BoxFuture<'_, Result<IntentId, Error>> {
        let id = self.number();
        Box::pin(async move { self.edit(Edit::Open(id, intent)).await.map(|()| id) })
    }

    fn close_intent(&self, id: IntentId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.edit(Edit::Close(id)))
    }

    fn open_intents(&self) -> BoxFuture<'_, Result<Vec<(IntentId, Intent)>, Error>> {
        Box::pin(async move { self.ask(Store::open_intents).await? })
    }

    fn record(&self, invalidation: Invalidation) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.edit(Edit::Record(invalidation)))
    }

    fn history(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Invalidation>, Error>> {
        Box::pin(async move { self.ask(move |store| store.history(limit)).await? })
    }
}

impl Drop for EmbeddedLedger {
    /// Waits for the thread to finish what it has, so that the store is free afterwards: one flush of the disk.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.lock().take() {
            // An error means that the thread panicked, and has said so.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for EmbeddedLedger {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLedger").field("owner", &self.owner).finish_non_exhaustive()
    }
}
