//! A shard whose commands are paid for: it sleeps while nobody needs it.
//!
//! There is no link, no heartbeat and no canary: one connection, made when a step needs it, and made again when the next
//! one does after a server or a firewall has closed it. What a link would tell is told from here: that there is a
//! connection, to a server of this era, once; and that it is lost only when somebody needed it and there was none.
//! That a sleeping connection is closed is news to nobody.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use alacena_core::tier::{Answer, Era, Watcher};
use parking_lot::Mutex;

use super::{
    super::{State, connection},
    RedisShard,
};

/// Tells its watcher of the one connection that there is.
#[derive(Default)]
pub(super) struct Sleeper {
    watcher: OnceLock<Arc<dyn Watcher>>,
    /// The era of the server that the watcher knows of, if any. Held while it is told, so that all is told in order.
    told: Mutex<Option<Era>>,
}

impl Sleeper {
    /// Who is told from now on; first of all of the server of this era, if there is one.
    pub(super) fn watch(&self, watcher: Arc<dyn Watcher>, era: Option<Era>) {
        // The first one is the only one.
        let _ = self.watcher.set(watcher);
        if let Some(era) = era {
            self.is_there(era);
        }
    }

    /// The data connection is in another state from now on.
    pub(super) fn changed(&self, state: &State, era: Option<Era>) {
        match (state, era) {
            (State::Up { .. }, Some(era)) => self.is_there(era),
            (State::Connecting(Some(_)) | State::Closed, _) => self.is_gone(),
            _ => {}
        }
    }

    /// There is a server of this era, which answers.
    fn is_there(&self, era: Era) {
        let mut told = self.told.lock();
        if let Some(watcher) = self.watcher.get().filter(|_| *told != Some(era)) {
            *told = Some(era);
            watcher.connected(era);
        }
    }

    /// Somebody needs it, and it is not there.
    pub(super) fn is_gone(&self) {
        let mut told = self.told.lock();
        if let Some(watcher) = self.watcher.get().filter(|_| told.take().is_some()) {
            watcher.lost();
        }
    }

    fn is_told(&self) -> bool {
        self.told.lock().is_some()
    }
}

impl RedisShard {
    /// Whether the day has no commands left.
    pub(super) fn is_spent(&self) -> bool {
        self.server.spending().is_some_and(|spending| spending.is_spent)
    }

    /// What brings a connection about; `None`: there is one, or one is kept up.
    pub(super) fn rousing(&self) -> Option<Answer<'_, ()>> {
        let sleeper = self.sleeper.as_ref()?;
        if self.is_spent() {
            let spent = self.failed(connection::Failure::Spent, None);
            return Some(Box::pin(std::future::ready(Err(spent))));
        }
        if matches!(self.data.state(), State::Up { .. }) {
            // Another day has begun.
            if let Some(era) = self.shared.era().filter(|_| !sleeper.is_told()) {
                sleeper.is_there(era);
            }
            return None;
        }
        Some(Box::pin(async move {
            let roused = self.data.rouse(self.rouse_within()).await;
            roused.map_err(|failure| self.failed(failure, None))
        }))
    }

    /// Does a step, where there is a connection, or one can be brought about.
    pub(super) fn roused<'a, T: Send + 'a>(&'a self, step: Answer<'a, T>) -> Answer<'a, T> {
        if self.sleeper.is_none() {
            return step;
        }
        Box::pin(async move {
            if let Some(rousing) = self.rousing() {
                rousing.await?;
            }
            step.await
        })
    }

    /// As long as a connection and its first few questions may take.
    fn rouse_within(&self) -> Duration {
        let line = &self.settings.line.connection;
        let tls = if self.server.is_encrypted() { line.tls_within } else { Duration::ZERO };
        line.connect_within + tls + 4 * self.settings.step_within
    }
}
