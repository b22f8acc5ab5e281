//! The handle that applications and the server hold.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    declared::Parameters,
    error::Error,
    ledger::Target,
    outcome::Outcome,
    runtime::SharedRuntime,
    source::Credential,
    value::Body,
};

use crate::{
    config::Config,
    declared_reads::{Read, Write},
    figures::{Figures, Health},
};

/// A running Alacena. Cheap to clone; every clone is the same one.
#[derive(Clone)]
pub struct Alacena {
    inner: Arc<()>,
}

/// How one read is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The caller's credentials that the read passes through.
    pub credentials: Arc<[Credential]>,
    /// Whether the cache may answer.
    pub mode: Mode,
}

/// Whether the cache may answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It may.
    #[default]
    Normal,
    /// The source is asked, and its answer kept.
    Refresh,
    /// The source is asked, and its answer not kept.
    Bypass,
}

/// How far an invalidation had gone when it was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// No read that begins now returns what was loaded before.
    Applied,
}

impl Level {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Applied => "applied",
        }
    }
}

/// An invalidation that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidated {
    /// How far it had gone.
    pub level: Level,
    /// Markers and keys that were held and are no more; not the number of entries, which nobody counts.
    pub dropped: u64,
}

/// A declared write that was done, or may have been done.
#[derive(Clone, Debug)]
pub struct Written {
    /// What the source said.
    pub body: Body,
    /// How far the invalidation had gone.
    pub level: Level,
    /// What was invalidated.
    pub targets: Vec<Target>,
}

impl Alacena {
    /// Opens the store, prepares the sources, and applies what an earlier process left open.
    ///
    /// # Errors
    /// `Invalid` where the configuration does not fit its sources, `Unavailable` where store or files cannot be used.
    pub async fn open(_config: &Config, _runtime: SharedRuntime) -> Result<Alacena, Error> {
        todo!()
    }

    /// The declared reads, in order of name.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        todo!()
    }

    /// The declared read of this name.
    #[must_use]
    pub fn read(&self, _name: &str) -> Option<&Read> {
        todo!()
    }

    /// The declared writes, in order of name.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        todo!()
    }

    /// The declared write of this name.
    #[must_use]
    pub fn write_named(&self, _name: &str) -> Option<&Write> {
        todo!()
    }

    /// Answers a declared read.
    ///
    /// # Errors
    /// Whatever the source fails with, where no stale value may stand in.
    ///
    /// # Cancellation
    /// A caller that goes away neither kills nor leaks the load.
    pub async fn ask(&self, _read: &str, _parameters: Parameters, _ask: Ask) -> Result<Outcome<Body>, Error> {
        todo!()
    }

    /// Sends a declared write, and invalidates what it declares unless the source definitely refused it.
    ///
    /// # Errors
    /// Whatever the source refuses it with, or leaves it unknown with.
    pub async fn write(
        &self,
        _write: &str,
        _parameters: Parameters,
        _credentials: Arc<[Credential]>,
    ) -> Result<Written, Error> {
        todo!()
    }

    /// Invalidates every target.
    ///
    /// # Errors
    /// `Invalid` where a target names nothing that can be invalidated; then nothing is.
    pub async fn invalidate(&self, _targets: &[Target], _who: &str) -> Result<Invalidated, Error> {
        todo!()
    }

    /// Invalidates everything and frees its memory.
    ///
    /// # Errors
    /// `Unavailable` where the history cannot be written.
    pub async fn clear(&self, _who: &str) -> Result<Invalidated, Error> {
        todo!()
    }

    /// Counts since the start, and sizes now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        todo!()
    }

    /// Whether it is well.
    #[must_use]
    pub fn health(&self) -> Health {
        todo!()
    }

    /// The runtime it runs on.
    #[must_use]
    pub fn runtime(&self) -> &SharedRuntime {
        todo!()
    }

    /// Takes no new loads and waits until the running ones are over, at most `grace`.
    pub async fn close(&self, _grace: Duration) {
        let _ = &self.inner;
        todo!()
    }
}
