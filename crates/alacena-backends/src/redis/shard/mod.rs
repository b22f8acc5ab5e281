//! One primary of a second tier at a Redis or a Valkey.
//!
//! ```text
//!   RedisShard ── data ─────  look, check, mint, store, renew, release, invalidate, touch: in the order of the calls
//!              ── waits ────  begin, tracked by the server (OPTIN): what a load waits for wakes it
//!              ── markers ──  the link: the server tells of every change of a marker (BCAST), and answers pings
//!              ── replicas ─  WAIT, which blocks its connection: one for each call under way, opened when needed
//! ```
//!
//! Where commands are [metered](Server::metered) there is one connection, `data`, while somebody needs it (`sleeper.rs`).
//!
//! Each of the first three is a [`Line`], kept up by itself. Why three: a server takes either kind of tracking on one
//! connection, not both; and a reader of pushes must not wait behind large entries.
//!
//! # Who is there
//! The data connection asks the server for its run id, its role and its replication id before anybody may use it: a
//! replica is refused, and the rest is the [`Era`]. From then on every step that writes names the replication id, and the
//! server compares (`scripts/era.lua`); `check` and each ping bring it along. Whoever hears of another one, or of a
//! replica, has all three connections made anew: there is one way to learn an era, at the start of a connection. The link
//! counts only while it leads to the server that the data connection leads to.
//!
//! # What is refused
//! Every answer is looked at (`answers.rs`): one of another form than its question asks for, or about another entry, ends
//! the connection, since somewhere answers have lost their places. The step fails with [`Failure::Garbled`].
//!
//! # In a cluster
//! A shard is one primary there, too. All keys of `begin`, `store`, `renew` and `release` share a slot; `look`, `check`,
//! `mint` and the removals take markers of any slot, and there have to be split into one command for each.

mod said;
mod clock;
mod answers;
mod shared;
mod greet;
mod data;
mod waiters;
mod waits;
mod published;
mod canaries;
mod link;
mod ping;
mod sleeper;
mod replicas;
mod lacks;
mod settings;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    error::{Error, catalogue},
    runtime::{BoxFuture, SharedRuntime},
    tier::{
        Answer, Begin, Begun, Capabilities, Checked, EntryId, EntryName, Era, Failure, Lack, Looked,
        MarkerId, Minted, Nonce, Overwrite, Shard, Spending, Store, Stored, Telling, Watcher,
    },
};

use self::{
    answers::Unexpected, data::DataAttendant, greet::unsuitable, link::Link, replicas::Idle, said::Identity,
    shared::Shared, sleeper::Sleeper, waiters::Waiters, waits::WaitsAttendant,
};
use parking_lot::Mutex;

use super::{Cause, Line, RefusalReason, Server, State, connection, scripts::Scripts};

pub use settings::ShardSettings;

/// A [`Shard`] at a Redis or a Valkey.
///
/// A step is sent when its future is first polled.
pub struct RedisShard {
    data: Arc<Line>,
    waits: Arc<Line>,
    /// Opened once somebody watches.
    markers: OnceLock<(Arc<Line>, Arc<Link>)>,
    /// Instead of a link, where commands are paid for.
    sleeper: Option<Arc<Sleeper>>,
    idle: Idle,
    waiters: Waiters,
    shared: Arc<Shared>,
    scripts: Arc<Scripts>,
    /// Numbers questions, so that their answers can be told from those of others.
    echoes: AtomicU64,
    server: Server,
    settings: ShardSettings,
    runtime: SharedRuntime,
    /// Why this node has left it. Guards a few words, for a few instructions.
    left: Mutex<Option<Lack>>,
}

impl RedisShard {
    /// A shard at this server, which it begins to connect to.
    #[must_use]
    pub fn open(server: Server, settings: ShardSettings, runtime: SharedRuntime) -> Self {
        let is_metered = server.spending().is_some();
        let mut settings = settings;
        if is_metered {
            settings.telling = Some(Telling::Nothing);
        }
        let telling = settings.ways().first().copied().unwrap_or(Telling::Nothing);
        let (shared, scripts) = (Arc::new(Shared::new(telling, is_metered)), Arc::new(Scripts::new()));
        let (waiters, sleeper) = (Waiters::default(), is_metered.then(Arc::default));
        let line =
            |attendant| Arc::new(Line::open(server.clone(), settings.line, Arc::clone(&runtime), attendant));
        let data = DataAttendant::new(&shared, &scripts, &runtime, &settings, sleeper.as_ref());
        let data = line(Arc::new(data));
        let waits = match is_metered {
            true => {
                shared.set_wakes(false);
                Arc::clone(&data)
            }
            false => line(Arc::new(WaitsAttendant::new(&shared, &scripts, &waiters, &settings))),
        };
        Self {
            data,
            waits,
            sleeper,
            markers: OnceLock::new(),
            idle: Idle::default(),
            waiters,
            shared,
            scripts,
            echoes: AtomicU64::new(0),
            server,
            settings,
            runtime,
            left: Mutex::default(),
        }
    }

    /// Ends every connection for good, and says from then on that this is why.
    pub fn leave(&self, why: Lack) {
        *self.left.lock() = Some(why);
        self.end();
    }

    fn end(&self) {
        self.data.close();
        self.waits.close();
        if let Some((line, _)) = self.markers.get() {
            line.close();
        }
        self.idle.clear();
    }

    /// Who the server is, or why nobody is there.
    fn identity(&self) -> Result<Identity, Failure> {
        match self.data.state() {
            State::Up { .. } => {}
            State::Closed => return Err(self.failed(connection::Failure::Closed, None)),
            State::Idle => return Err(self.failed(connection::Failure::Down(None), None)),
            State::Connecting(cause) => return Err(self.failed(connection::Failure::Down(cause), None)),
        }
        self.shared.identity().ok_or_else(|| self.failed(connection::Failure::Down(None), None))
    }

    fn echo(&self) -> u64 {
        self.echoes.fetch_add(1, Ordering::Relaxed)
    }

    /// The failure, as the tier tells failures apart. Where the server is not the one that was `meant`, all connections
    /// are made anew, unless they have been since.
    fn failed(&self, failure: connection::Failure, meant: Option<&Identity>) -> Failure {
        if let connection::Failure::Refused(refusal) = &failure
            && (refusal.reason == RefusalReason::ReadOnly || refusal.code() == OTHER_ERA)
        {
            self.start_over(meant);
            return Failure::OtherEra;
        }
        if let connection::Failure::Refused(refusal) = &failure
            && refusal.reason == RefusalReason::NotPermitted
        {
            self.shared.set_denied(&refusal.to_string(), self.runtime.now());
        }
        if let (connection::Failure::Spent, Some(sleeper)) = (&failure, &self.sleeper) {
            sleeper.is_gone();
        }
        failure.of_tier(self.server.address())
    }

    /// The failure where an answer on `line` is none.
    fn garbled(&self, line: &Line, unexpected: Unexpected) -> Failure {
        line.restart(&Cause::Unasked);
        self.unexpected(unexpected)
    }

    fn unexpected(&self, unexpected: Unexpected) -> Failure {
        let detail = format!("the answer is not {}", unexpected.0);
        Failure::Garbled(Error::new(&catalogue::TIER_GARBLED, detail).with("redis", self.server.address()))
    }

    /// Has all connections made anew, so that each finds out who is there. Not if that has happened since somebody took
    /// the server for `meant`.
    fn start_over(&self, meant: Option<&Identity>) {
        if meant.is_some() && self.shared.identity().as_ref() != meant {
            return;
        }
        for line in [&self.data, &self.waits].into_iter().chain(self.markers.get().map(|(line, _)| line)) {
            line.restart(&unsuitable("it is of another era, or a replica, since it was last asked"));
        }
        self.idle.clear();
    }
}

/// Whether the last attempt to connect has shown that nobody is there.
fn is_gone(state: &State) -> bool {
    matches!(state, State::Connecting(Some(Cause::Unreachable(_) | Cause::NoAddress)))
}

/// What a script says to whoever takes the server for one of another era.
const OTHER_ERA: &str = "OTHERERA";

impl Shard for RedisShard {
    fn capabilities(&self) -> Capabilities {
        self.shared.capabilities(self.runtime.now())
    }

    fn lacks(&self) -> Vec<Lack> {
        self.what_it_lacks()
    }

    fn spending(&self) -> Option<Spending> {
        self.server.spending()
    }

    fn rouse(&self) -> Option<Answer<'_, ()>> {
        self.rousing()
    }

    /// Where the day has no commands left there is none, whatever is connected.
    fn era(&self) -> Option<Era> {
        self.shared.era().filter(|_| !self.is_spent())
    }

    fn is_gone(&self) -> bool {
        is_gone(&self.data.state())
    }

    /// Before the server has ever been reached: the wall clock of this node.
    fn server_millis(&self) -> u64 {
        self.shared.millis(self.runtime.now()).unwrap_or_else(|| self.runtime.unix_millis())
    }

    fn look(&self, entry: &EntryName, markers: &[MarkerId]) -> Answer<'_, Looked> {
        self.roused(self.look_up(entry, markers))
    }

    fn check(&self, markers: &[MarkerId]) -> Answer<'_, Checked> {
        self.roused(self.check_markers(markers))
    }

    fn mint(&self, era: Era, markers: &[(MarkerId, Nonce)], keep: Duration) -> Answer<'_, Minted> {
        self.roused(self.mint_markers(era, markers, keep))
    }

    fn begin(&self, load: Begin) -> Answer<'_, Begun> {
        self.roused(Box::pin(self.begin_load(load)))
    }

    fn renew(&self, entry: EntryId, attempt: Nonce, lease: Duration) -> Answer<'_, bool> {
        self.roused(Box::pin(self.renew_lease(entry, attempt, lease)))
    }

    fn store(&self, store: Store) -> Answer<'_, Stored> {
        self.roused(Box::pin(self.store_entry(store)))
    }

    fn overwrite(&self, overwrite: Overwrite) -> Answer<'_, bool> {
        self.roused(Box::pin(self.overwrite_entry(overwrite)))
    }

    fn release(&self, entry: EntryId, attempt: Nonce, alone: Option<Duration>) -> Answer<'_, ()> {
        self.roused(Box::pin(self.release_lease(entry, attempt, alone)))
    }

    fn invalidate(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        self.roused(self.remove(markers.iter().map(|marker| marker.name()).collect()))
    }

    fn invalidate_entries(&self, entries: &[EntryName]) -> Answer<'_, ()> {
        let beside = |entry: &EntryName| [entry.id().lease_name(), entry.id().bucket_marker().name()];
        let names = entries.iter().flat_map(|entry| entry.names().chain(beside(entry)));
        self.roused(self.remove(names.collect()))
    }

    fn replicate(&self, replicas: u32, within: Duration) -> Answer<'_, u32> {
        self.roused(Box::pin(self.wait_for_replicas(replicas, within)))
    }

    fn touch(&self, markers: &[MarkerId]) -> Answer<'_, ()> {
        self.use_markers(markers)
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(self.ping_link())
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        match &self.sleeper {
            Some(sleeper) => sleeper.watch(watcher, self.era()),
            None => self.open_link(watcher),
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.end();
        Box::pin(async {})
    }
}

impl Drop for RedisShard {
    /// Who drops a shard does not listen any more.
    fn drop(&mut self) {
        if let Some((line, link)) = self.markers.get() {
            link.fall_silent();
            line.close();
        }
    }
}

impl fmt::Debug for RedisShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisShard")
            .field("data", &self.data)
            .field("waits", &self.waits)
            .field("markers", &self.markers.get().map(|(line, _)| line))
            .finish_non_exhaustive()
    }
}
