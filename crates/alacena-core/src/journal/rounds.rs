//! The rounds of a drain: read what was left, send a batch, take out of the journal what has been applied.

use std::{sync::Arc, time::Duration};

use futures_util::future::{Either, join, select};

use super::{drain::Inner, pause::pause, terms::Batch};
use crate::{error::Error, runtime::BoxFuture, sync::atomic::Ordering, tier::Failure};

/// How often a journal is looked into that others write as well.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How one round ended.
enum Round {
    /// There may be more to do.
    Progress,
    /// Nothing is owed.
    Idle,
    /// The shard failed, or only the journal did and nothing else is to be done.
    Failed,
}

pub(super) fn start(inner: &Arc<Inner>) {
    if inner.life.begin() {
        let rounds = Rounds(Arc::clone(inner));
        inner.runtime.spawn(Box::pin(async move { rounds.run().await }));
    }
}

/// The rounds under way; dropping them ends them.
struct Rounds(Arc<Inner>);

impl Drop for Rounds {
    fn drop(&mut self) {
        self.0.life.end();
    }
}

impl Rounds {
    async fn run(&self) {
        let inner = &*self.0;
        let (mut is_found, mut failures) = (false, 0_u32);
        while inner.life.is_running() {
            match inner.round(&mut is_found).await {
                Round::Progress => failures = 0,
                Round::Idle => is_found = !inner.idle().await,
                Round::Failed => {
                    let pause = inner.runtime.sleep(pause(failures, inner.runtime.random()));
                    failures = failures.saturating_add(1);
                    select(std::pin::pin!(inner.back.notified()), pause).await;
                }
            }
        }
    }
}

impl Inner {
    /// Waits until something is owed, or it is time to look whether somebody else has written something; whether it is.
    async fn idle(&self) -> bool {
        let look: BoxFuture<'static, ()> = match self.journal.is_shared() {
            true => self.runtime.sleep(LOOK_EVERY),
            false => Box::pin(std::future::pending()),
        };
        let (more, back) = (std::pin::pin!(self.more.notified()), std::pin::pin!(self.back.notified()));
        matches!(select(more, select(back, look)).await, Either::Right(_))
    }

    async fn round(&self, is_found: &mut bool) -> Round {
        if !*is_found {
            *is_found = self.find().await.map_err(|error| self.complain(&error)).is_ok();
        }
        // The shard is told what is owed, whether or not the journal can be read.
        let sent = self.send().await;
        let cleared = self.clear().await;
        match (sent, cleared) {
            (Err(_), _) => Round::Failed,
            (Ok(true), _) | (_, Ok(true)) => Round::Progress,
            (Ok(false), Ok(false)) if *is_found => Round::Idle,
            (Ok(false), _) => Round::Failed,
        }
    }

    /// Reads what earlier processes left, or others have written since.
    async fn find(&self) -> Result<(), Error> {
        let _writing = self.writing.write().await;
        let remaining = self.journal.remaining(&self.settings.shard).await?;
        if !remaining.is_empty() {
            let shard = &self.settings.shard;
            tracing::info!(%shard, records = remaining.len(), "invalidations that the journal holds are owed");
        }
        let records = remaining.into_iter().map(|(id, record)| (id, record.removals, record.at));
        self.step(|backlog| backlog.found(records));
        Ok(())
    }

    /// Sends one batch, and waits for its answer; whether there was one.
    async fn send(&self) -> Result<bool, Failure> {
        let Some(batch) = self.step(|backlog| backlog.send()) else { return Ok(false) };
        let sending = Sending { inner: self, is_acknowledged: false };
        sending.carry_out(batch).await.map(|()| true)
    }

    /// Takes out of the journal what has been applied; whether there was anything.
    pub(super) async fn clear(&self) -> Result<bool, Error> {
        let records = self.step(|backlog| backlog.removable());
        if records.is_empty() {
            return Ok(false);
        }
        // Who fails here does not matter to readers: at worst they are applied once more.
        let removed = self.journal.remove(&self.settings.shard, records.clone()).await;
        removed.inspect_err(|error| self.complain(error))?;
        self.step(|backlog| backlog.removed(&records));
        Ok(true)
    }

    fn complain(&self, error: &Error) {
        let shard = &self.settings.shard;
        tracing::warn!(%shard, ?error, "the journal of invalidations cannot be used");
    }
}

/// A batch under way; dropped without an answer, it is sent again.
struct Sending<'a> {
    inner: &'a Inner,
    is_acknowledged: bool,
}

impl Sending<'_> {
    async fn carry_out(mut self, batch: Batch) -> Result<(), Failure> {
        let (shard, count) = (&self.inner.shard, batch.markers.len() + batch.entries.len());
        let markers = if batch.whole { &self.inner.settings.whole } else { &batch.markers };
        let markers = async { if markers.is_empty() { Ok(()) } else { shard.invalidate(markers).await } };
        let entries = async {
            if batch.entries.is_empty() { Ok(()) } else { shard.invalidate_entries(&batch.entries).await }
        };
        let (markers, entries) = join(markers, entries).await;
        markers.and(entries)?;
        self.is_acknowledged = true;
        let applied = count.max(usize::from(batch.whole)) as u64;
        self.inner.applied.fetch_add(applied, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if self.is_acknowledged {
            self.inner.step(|backlog| backlog.acknowledged());
        } else {
            self.inner.failures.fetch_add(1, Ordering::Relaxed);
            self.inner.step(|backlog| backlog.failed());
        }
    }
}
