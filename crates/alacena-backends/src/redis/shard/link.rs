//! The link: the connection on which a node hears of every marker that changes.
//!
//! It counts as long as three things hold, and is made anew when one does not: it leads to the server that the data
//! connection leads to; that server is still of the era that it began with; and what is done on the data connection is
//! heard of here (the *canary*: a marker that nobody depends on, at the start and every 30 s). A server answers pings
//! whether it tells of anything or not, and a proxy can take the telling away.
//!
//! # Ways of telling
//! The best of the ways that the configuration allows and the canary proves: the server tracks (`CLIENT TRACKING … BCAST`);
//! else nodes publish what they remove, on one channel; else nobody tells, and the link proves only that the server is there
//! and of its era. A way that has failed is tried again beside the one that works, every 5 s, so that nothing has to be
//! started again once a right is given or a proxy is gone.

use std::{
    mem,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    runtime::{BoxFuture, Moment, SharedRuntime},
    tier::{HORIZON, MarkerId, Push, Telling, Watcher},
};
use futures_util::future::{Either, select};
use parking_lot::Mutex;

use super::{
    super::{
        Attend, Cause, Connection, Line, Refusal, RefusalReason, State, connection,
        resp::{Command, Frame},
        scripts::Scripts,
    },
    RedisShard, ShardSettings,
    canaries::Canaries,
    greet::{cause, identify, unsuitable},
    published::{self, CHANNEL},
    said::Identity,
    shared::Shared,
    waits::{invalidated, is_without_tracking},
};

/// How often it is proved that the server tells.
const CANARY_EVERY: Duration = Duration::from_secs(30);
/// How often a better way of telling is tried than the one that works.
const BETTER_EVERY: Duration = Duration::from_secs(5);
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
    /// How long another connection takes at most that is made as soon as this one: its pause may have just begun.
    others_within: Duration,
    write_within: Duration,
    /// The ways in which the server may tell, the best first.
    ways: &'static [Telling],
    /// Its name, drawn at random, since that of another node proves nothing about ours; no marker has it.
    canary: String,
    told: Mutex<Told>,
    /// Whether nobody listens any more. Not under the lock: who hears the last of an engine drops it, and with it the shard,
    /// while being told.
    is_silent: AtomicBool,
}

/// Guarded by one lock, held while somebody is told: so that all is told in order.
struct Told {
    watcher: Arc<dyn Watcher>,
    /// Where the link leads, once that is known.
    identity: Option<Identity>,
    /// Whether the watcher knows of it.
    is_up: bool,
    /// Whether the server tracks for this connection: it refuses to be told so twice.
    is_tracked: bool,
    /// Who waits for the canary.
    canaries: Canaries,
    /// When it was last looked for.
    looked: Moment,
}

/// Whether the server tells in a way; if not, why.
pub(super) type Tells = Result<(), Arc<str>>;
/// What comes of a pipeline.
type Replies = Result<Vec<Result<Frame, Refusal>>, connection::Failure>;

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
        {
            let mut told = self.told.lock();
            (told.identity, told.is_tracked, told.looked) = (Some(identity), false, self.runtime.now());
        }
        // What is better than what worked last is tried beside it later: nobody waits for that here.
        let known = self.shared.telling();
        for way in self.ways.iter().copied().filter(|way| *way >= known) {
            let commands = self.begins(way);
            let replies = connection.pipeline(&commands, self.prepare_within).await;
            match self.has_begun(way, replies)? {
                Ok(()) => match self.prove(way).await? {
                    Ok(()) => {
                        self.shared.set_telling(way);
                        return Ok(());
                    }
                    Err(why) => self.shared.falls(way, &why),
                },
                Err(why) => self.shared.falls(way, &why),
            }
        }
        unreachable!("the last of the ways always works")
    }

    /// Tries the ways that are better than the one that works, beside it. The first that works is relied on from then on.
    pub(super) async fn improve(self: Arc<Self>, line: Arc<Line>) {
        let now = self.shared.telling();
        for way in self.ways.iter().copied().filter(|way| *way < now) {
            let commands = self.begins(way);
            let replies = line.pipeline(&commands, self.prepare_within).await;
            let proved = match self.has_begun(way, replies) {
                Ok(Ok(())) => self.prove(way).await,
                begun => begun,
            };
            match proved {
                Ok(Ok(())) => return self.rise(way),
                Ok(Err(why)) => self.shared.falls(way, &why),
                // The connection is lost, or the canary could not be sent: that says nothing of the way.
                Err(_) => return,
            }
        }
        if let Ok(Err(why)) = self.prove(now).await {
            self.fall(&line, now, &why);
        }
    }

    /// Gives up a way of telling that works no more.
    pub(super) fn fall(&self, line: &Line, way: Telling, why: &Arc<str>) {
        self.shared.falls(way, why);
        let next = self.ways.iter().copied().find(|next| *next > way);
        self.shared.set_telling(next.unwrap_or(Telling::Nothing));
        line.restart(&unsuitable(FALLEN));
    }

    /// Relies on a way of telling that has just proved to work. First everything that was read before is doubted, as at
    /// the start of a connection, while copies are still made as if nobody told of anything.
    fn rise(&self, way: Telling) {
        let told = self.told.lock();
        if let Some(identity) = told.identity.as_ref().filter(|_| told.is_up) {
            told.watcher.connected(identity.era);
            self.shared.set_telling(way);
            if way == Telling::Tracked && !self.shared.is_tracking_waits() {
                self.waits
                    .restart(&unsuitable("the server can tell of what loads wait for, too, from now on"));
            }
        }
    }

    /// How the server is told to tell in this way, if there is anything to be said.
    fn begins(&self, way: Telling) -> Vec<Command> {
        match way {
            Telling::Tracked if self.told.lock().is_tracked => Vec::new(),
            Telling::Tracked => {
                vec![Command::new("CLIENT TRACKING ON BCAST PREFIX").arg(MarkerId::prefix())]
            }
            Telling::Published => {
                vec![Command::new("SUBSCRIBE").arg(CHANNEL), Command::new("ECHO").arg(CHANNEL)]
            }
            Telling::Nothing => Vec::new(),
        }
    }

    /// Whether the server will tell in this way, by its replies.
    fn has_begun(&self, way: Telling, replies: Replies) -> Result<Tells, Cause> {
        let replies = replies.map_err(cause)?;
        let Some(first) = replies.first() else { return Ok(Ok(())) };
        match (way, first) {
            (Telling::Tracked, Ok(answer)) if answer.is_ok() => self.told.lock().is_tracked = true,
            // What confirms a subscription is a push itself.
            (Telling::Published, Ok(Frame::Push(_))) => {}
            (Telling::Published, Ok(Frame::Null)) => return Ok(Err(SILENT.into())),
            (_, Ok(_)) => return Err(Cause::Unasked),
            (_, Err(refusal)) if is_without_tracking(&refusal.reason) => {
                return Ok(Err(refusal.to_string().into()));
            }
            (_, Err(refusal)) => return Err(Cause::Refused(refusal.clone())),
        }
        match replies.get(1) {
            None => Ok(Ok(())),
            Some(Ok(said)) if said.bytes().is_some_and(|said| said == CHANNEL) => Ok(Ok(())),
            Some(_) => Err(Cause::Unasked),
        }
    }

    /// Returns when the line is up, so that the link is the last to come; or after a while, since it may never be.
    async fn until_up(&self, line: &Line) {
        let mut changes = line.changes();
        let up = pin!(changes.wait_for(|state| matches!(state, State::Up { .. })));
        select(up, self.runtime.sleep(self.others_within)).await;
    }

    /// Sends the canary on the data connection, and returns once the link has told of it in this way, or it should have.
    ///
    /// # Errors
    /// It could not be sent: that proves nothing.
    pub(super) async fn prove(&self, way: Telling) -> Result<Tells, Cause> {
        let (heard, id) = {
            let mut told = self.told.lock();
            let id = told.identity.as_ref().map(|identity| identity.replication_id.clone());
            (told.canaries.listen(way), id.unwrap_or_default())
        };
        let send = match way {
            Telling::Tracked => {
                let write = self.scripts.pulse.on([&self.canary]);
                write.arg(&*id).number(super::data::millis(CANARY_KEEP))
            }
            Telling::Published => published::news([&self.canary]),
            Telling::Nothing => return Ok(Ok(())),
        };
        match self.data.call(&send, self.write_within).await {
            Ok(_) => {}
            Err(connection::Failure::Refused(refusal)) if refusal.reason == RefusalReason::NotPermitted => {
                return Ok(Err(refusal.to_string().into()));
            }
            Err(failure) => return Err(cause(failure)),
        }
        Ok(match select(heard, self.runtime.sleep(HORIZON)).await {
            Either::Left((Ok(()), _)) => Ok(()),
            _ => Err(SILENT.into()),
        })
    }

    /// Tells its watcher nothing any more, not even that it is lost.
    pub(super) fn fall_silent(&self) {
        self.is_silent.store(true, Ordering::Release);
    }

    /// Whether the best way of telling is the one that works.
    pub(super) fn is_best(&self) -> bool {
        self.ways.first() == Some(&self.shared.telling())
    }

    /// Whether it is time to prove again that the server tells, which whoever asks then does.
    pub(super) fn takes_a_look(&self) -> bool {
        let every = if self.is_best() { CANARY_EVERY } else { BETTER_EVERY };
        let (mut told, now) = (self.told.lock(), self.runtime.now());
        let is_due = now - told.looked >= every;
        if is_due {
            told.looked = now;
        }
        is_due
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.told.lock().identity.clone()
    }
}

pub(super) const TWO_SERVERS: &str = "its connections lead to different servers: put the address of one of them into the URL, not that of a balancer";
const SILENT: &str = "nothing arrives: something stands in between that takes it away";
pub(super) const FALLEN: &str = "it tells of changes no more: something stands in between that takes it away";

impl Attend for Link {
    fn prepare<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.establish(connection))
    }

    /// What comes before the watcher has heard of the link is of no interest to it: it trusts nothing from before that.
    fn pushed(&self, push: Frame) {
        if self.is_silent.load(Ordering::Acquire) {
            return;
        }
        let mut told = self.told.lock();
        if let Some(names) = published::names(&push) {
            return names.for_each(|name| told.tell(name, Telling::Published, &self.canary));
        }
        match invalidated(&push) {
            None => {}
            Some(None) => told.push(Push::Everything),
            Some(Some(names)) => names.iter().for_each(|name| match name.bytes() {
                Some(name) => told.tell(name, Telling::Tracked, &self.canary),
                None => told.push(Push::Everything),
            }),
        }
    }

    fn changed(&self, state: &State) {
        if self.is_silent.load(Ordering::Acquire) {
            return;
        }
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
    /// Something has become of this key, which is told in this way.
    fn tell(&mut self, name: &[u8], way: Telling, canary: &str) {
        if let Some(marker) = MarkerId::from_name(name) {
            self.push(Push::Marker(marker));
        } else if name == canary.as_bytes() {
            self.canaries.hear(way);
        }
    }

    fn push(&self, push: Push) {
        if self.is_up {
            self.watcher.pushed(push);
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
                others_within: settings.prepare_within + settings.line.pause_max,
                write_within: settings.step_within,
                ways: settings.ways(),
                canary: format!("{}c:{:016x}", MarkerId::prefix(), self.runtime.random()),
                told: Mutex::new(Told {
                    watcher,
                    identity: None,
                    is_up: false,
                    is_tracked: false,
                    canaries: Canaries::default(),
                    looked: Moment::ORIGIN,
                }),
                is_silent: AtomicBool::new(false),
            });
            let attendant: Arc<dyn Attend> = Arc::clone(&link) as _;
            let line = Line::open(self.server.clone(), settings.line, Arc::clone(&self.runtime), attendant);
            (Arc::new(line), link)
        });
    }
}
