//! The engine: questions in, outcomes out.
//!
//! The path of a read, one file a step: `read.rs` (this is where to begin) → [`crate::key`] → [`crate::memory`] →
//! [`crate::freshness`] → [`crate::flight`] → `load.rs` (breaker, bulkhead, time limit, the source, admission) →
//! [`crate::outcome`]. `invalidate.rs` is the other way in.

mod exchange;
mod explain;
mod hit;
mod invalidate;
mod join;
mod reach;
mod load;
mod many;
mod put;
mod question;
mod read;
mod reload;
mod renew;
mod running;
mod second;
mod warm;

pub use explain::{Explanation, KeyPage, PAGE_MAX};
pub use invalidate::{Change, Listener};
pub use load::{Learned, Loaded};
pub use many::BATCH_MAX;
pub use put::{Put, PutRefusal};
pub use question::{Mode, Question, Rules, SharedForm};
pub use reach::Reach;
pub use second::{
    COPY_MAX, Found, LOCAL_MAX, Level, PostFigures, Reached, STEP_BOUNDS, Shown, Spread, StepFigures, Tier,
    Wish,
};
pub use warm::Warmed;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    error::Error,
    figures::Counter,
    flight::Flights,
    marker::{Markers, Trail},
    memory::{QuickMemory, Removals},
    runtime::SharedRuntime,
};
use running::Running;
pub use running::Work;
use second::Second;

/// The sizes of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Bytes of memory that entries may take. Default 64 MiB.
    pub memory_bytes_max: u64,
    /// Marker cells for tags and keys; one that is pushed out takes its entries with it. Default 65,536.
    pub markers_max: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { memory_bytes_max: 64 * 1024 * 1024, markers_max: 65_536 }
    }
}

/// The cache of one process. Cheap to clone; every clone is the same one.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    runtime: SharedRuntime,
    memory: QuickMemory,
    markers: Markers,
    flights: Flights,
    removals: Arc<Removals>,
    trail: Trail,
    running: Running,
    invalidations: Counter,
    /// Who hears of invalidations, once somebody has said so.
    listener: OnceLock<Arc<dyn Listener>>,
    /// What is shared with other nodes, once somebody has said so.
    second: OnceLock<Second>,
}

/// Sizes of an engine, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineFigures {
    /// Entries in memory, those that no read can be answered from included.
    pub entries: u64,
    /// Bytes that entries take.
    pub bytes: u64,
    /// Bytes that entries may take.
    pub bytes_max: u64,
    /// Entries that gave way to others.
    pub evictions: u64,
    /// Invalidations applied.
    pub invalidations: u64,
    /// Marker cells held.
    pub markers: u64,
    /// Loads and writes under way.
    pub loads_running: u64,
    /// Keys that are loading, rest after a failure, or may not be shared.
    pub flights: u64,
}

impl Engine {
    /// An empty engine.
    #[must_use]
    pub fn new(settings: EngineSettings, runtime: SharedRuntime) -> Self {
        let removals = Arc::new(Removals::default());
        let memory = QuickMemory::new(settings.memory_bytes_max, Arc::clone(&removals));
        Self(Arc::new(Inner {
            memory,
            markers: Markers::new(settings.markers_max),
            flights: Flights::new(Arc::clone(&runtime)),
            removals,
            trail: Trail::default(),
            running: Running::default(),
            invalidations: Counter::default(),
            listener: OnceLock::new(),
            second: OnceLock::new(),
            runtime,
        }))
    }

    /// The runtime that it runs on.
    #[must_use]
    pub fn runtime(&self) -> &SharedRuntime {
        &self.0.runtime
    }

    /// Sizes, now.
    #[must_use]
    pub fn figures(&self) -> EngineFigures {
        EngineFigures {
            entries: self.0.memory.len(),
            bytes: self.0.memory.bytes(),
            bytes_max: self.0.memory.bytes_max(),
            evictions: self.0.memory.evictions(),
            invalidations: self.0.invalidations.get(),
            markers: self.0.markers.len() as u64,
            loads_running: self.0.running.count(),
            flights: self.0.flights.len() as u64,
        }
    }

    /// Counts a piece of work that is not a load, such as a write, among those that [`close`](Engine::close) waits
    /// for, until what is returned is dropped.
    ///
    /// # Errors
    /// `Closed` once the engine is.
    pub fn begin_work(&self) -> Result<Work, Error> {
        self.0.running.enter()
    }

    /// Takes no new loads, and waits until those under way have ended, at most `grace`; whether all of them have. Then
    /// leaves the second tier, if there is one: what it is owed stays in the journal. What is in memory is still
    /// answered. Closing twice is legal.
    pub async fn close(&self, grace: Duration) -> bool {
        let have_ended = self.0.running.close(self.0.runtime.sleep(grace)).await;
        self.leave_posts().await;
        have_ended
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figures().fmt(f)
    }
}
