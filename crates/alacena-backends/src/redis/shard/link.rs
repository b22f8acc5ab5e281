//! The link: the connection on which the server tells of every change of a marker.
//!
//! It counts as long as three things hold, and is made anew when one does not: it leads to the server that the data
//! connection leads to; that server is still of the era that it began with; and what is written on the data connection is
//! heard of here (the *canary*: one marker that nobody depends on, written at the start and every 30 s). A server answers
//! pings whether it tells of anything or not, and a proxy can take the telling away.

use std::{mem, pin::pin, sync::Arc, time::Duration};

use alacena_core::{
    runtime::{BoxFuture, Moment, SharedRuntime},
    tier::{Failure, HORIZON, MarkerId, Push, Watcher},
};
use futures_util::future::{Either, join, select};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    super::{
        Attend, Cause, Connection, Line, State, connection,
        resp::{Command, Frame},
        scripts::Scripts,
    },
    RedisShard, ShardSettings,
    answers::{self, Unexpected},
    greet::{cause, identify, unsuitable},
    said::Identity,
    shared::Shared,
    waits::{invalidated, is_without_tracking},
};

/// How often it is proved that the server tells.
const CANARY_EVERY: Duration = Duration::from_secs(30);
/// How long the canary lives in the server; longer than between two proofs, since to prolong it needs no memory.
const CANARY_KEEP: Duration = Duration::from_secs(600);

/// What attends the link.
pub(super) struct Link {
    shared: Arc<Shared>,
    data: Arc<Line>,
    waits: Arc<Line>,
    scripts: Arc<Scripts>,
    runtime: SharedRuntime,
    prepare_within: Duration,
    write_within: Duration,
    /// Its name, drawn at random, since that of another node proves nothing about ours; no marker has it.
    canary: String,
    told: Mutex<Told>,
}

/// Guarded by one lock, held while somebody is told: so that all is told in order.
struct Told {
    watcher: Arc<dyn Watcher>,
    /// Where the link leads, once that is known.
    identity: Option<Identity>,
    /// Whether the watcher knows of it.
    is_up: bool,
    /// Who waits for the canary.
    canary: Option<oneshot::Sender<()>>,
    /// When it was last heard.
    heard: Moment,
}

impl Link {
    async fn establish(&self, connection: &Connection) -> Result<(), Cause> {
        let (identity, _) = identify(connection, &[], self.prepare_within).await?;
        for line in [&self.data, &self.waits] {
            self.until_up(line).await;
        }
        if self.shared.identity().as_ref() != Some(&identity) {
            for line in [&self.data, &self.waits] {
                line.restart(&unsuitable(TWO_SERVERS));
            }
            return Err(unsuitable(TWO_SERVERS));
        }
        self.told.lock().identity = Some(identity);
        let track = Command::new("CLIENT TRACKING ON BCAST PREFIX").arg(MarkerId::prefix());
        match connection.call(&track, self.prepare_within).await {
            Ok(answer) if answer.is_ok() => {}
            Ok(_) => return Err(Cause::Unasked),
            Err(failure) => {
                if let connection::Failure::Refused(refusal) = &failure {
                    self.shared.set_tells(!is_without_tracking(&refusal.reason));
                }
                return Err(cause(failure));
            }
        }
        self.prove().await
    }

    /// Returns when the line is up, so that the link is the last to come; or after a while, since it may never be.
    async fn until_up(&self, line: &Line) {
        let mut changes = line.changes();
        let up = pin!(changes.wait_for(|state| matches!(state, State::Up { .. })));
        select(up, self.runtime.sleep(self.prepare_within)).await;
    }

    /// Writes the canary on the data connection, and returns once the link has told of it.
    ///
    /// # Errors
    /// It has not within [`HORIZON`], or could not be written.
    async fn prove(&self) -> Result<(), Cause> {
        let (hears, heard) = oneshot::channel();
        let id = {
            let mut told = self.told.lock();
            told.canary = Some(hears);
            told.identity.as_ref().map(|identity| identity.replication_id.clone()).unwrap_or_default()
        };
        let write = self.scripts.pulse.on([&self.canary]).arg(&*id).number(super::data::millis(CANARY_KEEP));
        self.data.call(&write, self.write_within).await.map_err(cause)?;
        match select(heard, self.runtime.sleep(HORIZON)).await {
            Either::Left((Ok(()), _)) => {
                self.shared.set_tells(true);
                Ok(())
            }
            _ => {
                self.shared.set_tells(false);
                Err(unsuitable(SILENT))
            }
        }
    }

    /// Tells its watcher nothing any more, not even that it is lost.
    pub(super) fn fall_silent(&self) {
        self.told.lock().is_up = false;
    }

    /// Whether it is time to prove it again.
    fn is_due(&self) -> bool {
        self.runtime.now() - self.told.lock().heard >= CANARY_EVERY
    }

    fn identity(&self) -> Option<Identity> {
        self.told.lock().identity.clone()
    }
}

const TWO_SERVERS: &str = "its connections lead to different servers: put the address of one of them into the URL, not that of a balancer";
const SILENT: &str =
    "it does not tell of what changes (CLIENT TRACKING): something stands in between that takes it away";

impl Attend for Link {
    fn prepare<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.establish(connection))
    }

    /// What comes before the watcher has heard of the link is of no interest to it: it trusts nothing from before that.
    fn pushed(&self, push: Frame) {
        let Some(keys) = invalidated(&push) else { return };
        let mut told = self.told.lock();
        let Some(names) = keys else {
            return told.push(Push::Everything);
        };
        for name in names {
            let Some(name) = name.bytes() else {
                told.push(Push::Everything);
                continue;
            };
            if let Some(marker) = MarkerId::from_name(name) {
                told.push(Push::Marker(marker));
            } else if name == self.canary.as_bytes() {
                told.hear(self.runtime.now());
            }
        }
    }

    fn changed(&self, state: &State) {
        let mut told = self.told.lock();
        match state {
            State::Up { .. } => {
                told.is_up = true;
                if let Some(identity) = &told.identity {
                    told.watcher.connected(identity.era);
                }
            }
            _ => {
                if mem::take(&mut told.is_up) {
                    told.watcher.lost();
                }
                told.identity = None;
            }
        }
    }
}

impl Told {
    fn push(&self, push: Push) {
        if self.is_up {
            self.watcher.pushed(push);
        }
    }

    fn hear(&mut self, now: Moment) {
        self.heard = now;
        if let Some(canary) = self.canary.take() {
            // An error: nobody waits for it any more.
            let _ = canary.send(());
        }
    }
}

impl RedisShard {
    pub(super) fn open_link(&self, watcher: Arc<dyn Watcher>) {
        if self.data.state() == State::Closed {
            return;
        }
        self.markers.get_or_init(|| {
            let settings: &ShardSettings = &self.settings;
            let link = Arc::new(Link {
                shared: Arc::clone(&self.shared),
                data: Arc::clone(&self.data),
                waits: Arc::clone(&self.waits),
                scripts: Arc::clone(&self.scripts),
                runtime: Arc::clone(&self.runtime),
                prepare_within: settings.prepare_within,
                write_within: settings.step_within,
                canary: format!("{}c:{:016x}", MarkerId::prefix(), self.runtime.random()),
                told: Mutex::new(Told {
                    watcher,
                    identity: None,
                    is_up: false,
                    canary: None,
                    heard: Moment::ORIGIN,
                }),
            });
            let attendant: Arc<dyn Attend> = Arc::clone(&link) as _;
            let line = Line::open(self.server.clone(), settings.line, Arc::clone(&self.runtime), attendant);
            (line, link)
        });
    }

    /// Asks the server for its time and its era: two commands that are served in their order, after all that was sent
    /// before. So it is a ping that brings something along.
    pub(super) async fn ping_link(&self) -> Result<(), Failure> {
        let Some((line, link)) = self.markers.get() else {
            return Err(self.failed(connection::Failure::Down(None), None));
        };
        let ping = self.ping_once(line, link);
        if !link.is_due() {
            return ping.await;
        }
        let (answer, proved) = join(ping, link.prove()).await;
        answer?;
        match proved {
            Err(cause @ Cause::Unsuitable(_)) => {
                line.restart(&cause);
                Err(self.failed(connection::Failure::Down(Some(cause)), None))
            }
            // It could not be written: that proves nothing, and is tried again with the next ping.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn ping_once(&self, line: &Line, link: &Link) -> Result<(), Failure> {
        let meant = link.identity();
        let both = [Command::new("INFO replication"), Command::new("TIME")];
        let is_known = meant.as_ref().is_some_and(Identity::is_known);
        let commands = if is_known { &both[..] } else { &both[1..] };
        let asked = self.runtime.now();
        let replies = line.pipeline(commands, self.settings.ping_within).await;
        let replies = replies.map_err(|failure| self.failed(failure, None))?;
        let answered = self.runtime.now();
        let garbled = |unexpected| self.garbled(line, unexpected);
        let mut replies = replies.into_iter().rev();
        let time = replies.next().ok_or_else(|| garbled(Unexpected("a time")))?;
        match time {
            Ok(time) => self.shared.hear_time(answers::time(&time).map_err(garbled)?, asked, answered),
            // Who may not ask for the time hears at least that it is refused, which is as good a ping.
            Err(refusal) if refusal.reason == super::RefusalReason::NotPermitted => {}
            Err(refusal) => return Err(self.failed(connection::Failure::Refused(refusal), None)),
        }
        if let Some(info) = replies.next() {
            let info = info.map_err(|refusal| self.failed(connection::Failure::Refused(refusal), None))?;
            let said = answers::replication(&info).map_err(garbled)?;
            if !said.is_primary || meant.as_ref().is_some_and(|meant| meant.with(&said) != *meant) {
                self.start_over(None);
                return Err(Failure::OtherEra);
            }
        }
        // The data connection has been made anew since, and leads elsewhere.
        if self.shared.identity() != meant {
            line.restart(&unsuitable(TWO_SERVERS));
            return Err(Failure::OtherEra);
        }
        Ok(())
    }
}
