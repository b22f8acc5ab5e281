//! Rows that applications write, and who applies them.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::select;
use tokio::sync::Notify;

use super::{
    life::{Handle, Life, Loop},
    pause::pause,
};
use crate::{
    error::{Error, Kind},
    ledger::Target,
    runtime::{BoxFuture, SharedRuntime},
};

/// Longest text of one row, in bytes.
const ROW_BYTES_MAX: usize = 64 * 1024;
/// Rows that are looked at at once.
const ROWS_MAX: usize = 256;
/// The shortest and the longest time between two looks.
const EVERY_MIN: Duration = Duration::from_millis(10);
const EVERY_MAX: Duration = Duration::from_secs(60);

/// A table in a database of an application, into which it writes what its own transactions invalidate.
///
/// # Ordering
/// None is needed. Rows are found by being there, not by being later than some row: one whose transaction began early and
/// was committed late is not missed.
///
/// # Cancellation
/// A dropped future may or may not have taken effect; it never leaves half of it.
pub trait Outbox: Send + Sync + 'static {
    /// At most so many rows that are committed, oldest first.
    fn rows(&self, limit: usize) -> BoxFuture<'_, Result<Vec<OutboxRow>, Error>>;

    /// Removes rows. One that is not there is no error.
    fn remove_rows(&self, rows: Vec<u64>) -> BoxFuture<'_, Result<(), Error>>;
}

/// What an application has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The number of the row, never given twice.
    pub id: u64,
    /// What is to be invalidated.
    pub targets: Vec<Target>,
}

impl OutboxRow {
    /// The row whose text is a JSON array of targets:
    /// `[{"tag": "company:42"}, {"key": "jobs:7"}, {"prefix": "jobs:list"}, {"pattern": "jobs:*:7"}, {"class": "jobs"},
    /// {"namespace": "shop"}, "everything"]`. A text that is anything else, or longer than 64 KiB, may have been about
    /// anything: everything is invalidated.
    #[must_use]
    pub fn of_text(id: u64, text: Option<&str>) -> Self {
        let text = text.filter(|text| text.len() <= ROW_BYTES_MAX);
        let targets = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| {
            tracing::warn!(
                row = id,
                "a row of the outbox is no JSON array of targets: everything will be invalidated in its place"
            );
            vec![Target::Everything]
        });
        Self { id, targets }
    }
}

/// Who invalidates.
pub trait Invalidator: Send + Sync + 'static {
    /// Invalidates all of `targets`. `Ok` once that is applied, or durably deferred.
    ///
    /// # Errors
    /// `Invalid`: one of them names nothing that exists, and none has been invalidated. Anything else may pass, and is
    /// worth another try.
    fn invalidate(&self, targets: Vec<Target>) -> BoxFuture<'_, Result<(), Error>>;
}

/// What became of the rows since this process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxFigures {
    /// Rows applied.
    pub applied: u64,
    /// Targets in them that named something that does not exist. They are logged.
    pub refused: u64,
    /// Looks at the table, or invalidations, that failed.
    pub failures: u64,
}

/// Looks into an [`Outbox`] again and again, and removes each row once what it says is applied. A cheap handle.
///
/// A row is applied at least once; more often where several nodes look into one table, or one is killed in between. That
/// costs misses and nothing else.
#[derive(Clone)]
pub struct Poller(Arc<Handle<Inner>>);

struct Inner {
    outbox: Arc<dyn Outbox>,
    invalidator: Arc<dyn Invalidator>,
    every: Duration,
    runtime: SharedRuntime,
    applied: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
    /// Somebody wants a look now, or the end.
    look: Notify,
    life: Life,
}

impl Poller {
    /// Looks `every` so often: 10 ms at least, a minute at most. Nothing happens before [`start`](Poller::start).
    #[must_use]
    pub fn new(
        outbox: Arc<dyn Outbox>,
        invalidator: Arc<dyn Invalidator>,
        every: Duration,
        runtime: SharedRuntime,
    ) -> Self {
        Self(Handle::new(Inner {
            outbox,
            invalidator,
            every: every.clamp(EVERY_MIN, EVERY_MAX),
            runtime,
            applied: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            look: Notify::new(),
            life: Life::new(),
        }))
    }

    /// Begins to look, until [`close`](Poller::close) or until nobody holds a handle any more. Only the first call does
    /// anything.
    pub fn start(&self) {
        if self.0.life.begin() {
            let looks = Looks(Arc::clone(&self.0));
            self.0.runtime.spawn(Box::pin(async move { looks.run().await }));
        }
    }

    /// Looks now, without waiting for the time: something says that there is a row.
    pub fn look(&self) {
        self.0.look.notify_one();
    }

    /// Ends the looking, once what is under way is done. Closing twice, or before the start, is legal.
    pub async fn close(&self) {
        self.0.end_soon();
        self.0.life.ended().await;
    }

    /// What became of the rows.
    #[must_use]
    pub fn figures(&self) -> OutboxFigures {
        OutboxFigures {
            applied: self.0.applied.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
            failures: self.0.failures.load(Ordering::Relaxed),
        }
    }
}

/// The looks under way; dropping them ends them.
struct Looks(Arc<Inner>);

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.life.end();
    }
}

impl Looks {
    async fn run(&self) {
        let inner = &*self.0;
        let mut failures = 0_u32;
        while inner.life.is_running() {
            let wait = match inner.round().await {
                Ok(rows) => {
                    failures = 0;
                    if rows < ROWS_MAX { inner.every } else { Duration::ZERO }
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(?error, "rows of the outbox could not be applied, and stay");
                    }
                    inner.failures.fetch_add(1, Ordering::Relaxed);
                    failures = failures.saturating_add(1);
                    pause(failures - 1, inner.runtime.random()).max(inner.every)
                }
            };
            if !wait.is_zero() {
                select(std::pin::pin!(inner.look.notified()), inner.runtime.sleep(wait)).await;
            }
        }
    }
}

impl Loop for Inner {
    fn end_soon(&self) {
        self.life.close();
        self.look.notify_one();
    }
}

impl Inner {
    /// One look; how many rows there were.
    async fn round(&self) -> Result<usize, Error> {
        let rows = self.outbox.rows(ROWS_MAX).await?;
        let count = rows.len();
        if count == 0 {
            return Ok(0);
        }
        let targets: HashSet<&Target> = rows.iter().flat_map(|row| &row.targets).collect();
        let targets = targets.into_iter().cloned().collect();
        match self.invalidator.invalidate(targets).await {
            Ok(()) => {
                self.applied.fetch_add(count as u64, Ordering::Relaxed);
                self.outbox.remove_rows(rows.iter().map(|row| row.id).collect()).await?;
            }
            // A target that names nothing must not keep the others from being applied.
            Err(error) if error.kind() == Kind::Invalid => self.one_by_one(rows).await?,
            Err(error) => return Err(error),
        }
        Ok(count)
    }

    async fn one_by_one(&self, rows: Vec<OutboxRow>) -> Result<(), Error> {
        for OutboxRow { id, targets } in rows {
            for target in targets {
                match self.invalidator.invalidate(vec![target]).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == Kind::Invalid => {
                        tracing::warn!(row = id, ?error, "a row of the outbox names what does not exist");
                        self.refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.applied.fetch_add(1, Ordering::Relaxed);
            self.outbox.remove_rows(vec![id]).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("every", &self.0.every).field("figures", &self.figures()).finish()
    }
}
