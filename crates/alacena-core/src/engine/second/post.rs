//! One shard, as this node sees it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::{Either, select};

use super::{
    super::{Engine, Inner},
    counted::{Counts, StepFigures},
};
use crate::{
    error::{Error, catalogue},
    guard::{State, Switch},
    journal::{Drain, DrainFigures},
    runtime::{Moment, SharedRuntime},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    tier::{
        Capabilities, Coherence, Era, Failure, HEARTBEAT_EVERY, HORIZON, Heartbeat, Lack, Outage, Push,
        Shard, Spending, Watcher,
    },
};

/// Once a second a node uses the markers that it relies on: of 500 markers in 25 MB under allkeys-lru 449 were gone in ten
/// seconds without, and none with.
const BEATS_PER_TOUCH: u32 = 5;
/// How often somebody who has something to tell looks whether there is a connection again.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// So many of them, at most.
const TOUCHED_MAX: usize = 4096;

/// One shard, as this node sees it.
pub(super) struct Post {
    pub(super) number: usize,
    pub(super) shard: Arc<dyn Shard>,
    pub(super) drain: Drain,
    pub(super) reads: Switch,
    pub(super) writes: Switch,
    pub(super) counts: Arc<Counts>,
    runtime: SharedRuntime,
    /// Whether it tells of changes: between a connection and its loss.
    is_watched: AtomicBool,
    /// Until when its silence means that nothing has changed, as nanoseconds of a [`Moment`].
    proved_until: AtomicU64,
    /// Held for a few instructions.
    outage: Mutex<Outage>,
}

/// What a shard of the second tier is like, now.
#[derive(Clone, Debug)]
pub struct PostFigures {
    /// The shard's name in the configuration.
    pub name: String,
    /// The era of its server, where there is a connection.
    pub era: Option<Era>,
    /// Whether what it tells of is being heard.
    pub is_watched: bool,
    /// For how much longer its silence means that nothing has changed.
    pub proved_for: Duration,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What reads out of it are worth.
    pub coherence: Coherence,
    /// What it does without, the most serious first.
    pub lacks: Vec<Lack>,
    /// What it has used of the commands of the day, where they are counted.
    pub spending: Option<Spending>,
    /// Connections for its tellings since this process began.
    pub connections: u64,
    /// Of these, those to a server of another era than the one before.
    pub era_changes: u64,
    /// Entries that were found there and could not be used, by why.
    pub unreadable_by_reason: Vec<(&'static str, u64)>,
    /// How long the oldest of the invalidations has been waiting that it could not be told of; zero where there is none.
    pub owed_for: Duration,
    /// What it has been asked since this process began.
    pub steps: Vec<StepFigures>,
    /// Whether reads are let through.
    pub reads: State,
    /// Whether writes are let through.
    pub writes: State,
    /// Invalidations that it could not be told of yet.
    pub drain: DrainFigures,
}

impl Post {
    pub(super) fn new(
        number: usize,
        shard: Arc<dyn Shard>,
        drain: Drain,
        [reads, writes]: [Switch; 2],
        counts: Arc<Counts>,
        runtime: SharedRuntime,
    ) -> Self {
        Self {
            number,
            shard,
            drain,
            reads,
            writes,
            counts,
            is_watched: AtomicBool::new(false),
            proved_until: AtomicU64::new(0),
            outage: Mutex::new(Outage::default()),
            runtime,
        }
    }

    /// Whether it may be read: there is a connection, it answers, and it has been told of everything that it is owed.
    pub(super) fn is_there(&self) -> bool {
        self.shard.era().is_some() && self.drain.is_open() && self.reads.is_on()
    }

    /// Whether an entry for which the source was asked at `asked_at`, on the shard's clock, is suspect: the shard was away
    /// meanwhile, and somebody may still have to tell it of an invalidation.
    pub(super) fn is_suspect(&self, asked_at: u64) -> bool {
        self.outage.lock().is_suspect(asked_at, self.runtime.now())
    }

    /// Waits for a connection, as long as an outage that has just begun may still be none; brings it about where none is
    /// kept up.
    ///
    /// # Errors
    /// There is none, and to wait for it any longer helps nobody.
    pub(super) async fn connected(&self) -> Result<(), Failure> {
        let asked = self.runtime.now();
        let is_metered = self.shard.capabilities().is_metered;
        loop {
            // What the day has no commands left for waits for the next one; whatever else has failed is tried again.
            if let Some(rousing) = self.shard.rouse()
                && let Err(spent @ Failure::Overloaded(_)) = rousing.await
            {
                return Err(spent);
            }
            if self.shard.era().is_some() {
                return Ok(());
            }
            // Of a shard that sleeps nothing has been heard for longer than an outage lasts, and that means nothing.
            let heard = if is_metered { asked } else { self.counts.heard() };
            let left = Outage::tries_until(asked, heard) - self.runtime.now();
            if left.is_zero() || self.shard.is_gone() {
                return Err(Failure::Unavailable(Error::new(&catalogue::BREAKER_OPEN, "the shard is away")));
            }
            self.runtime.sleep(LOOK_AGAIN.min(left)).await;
        }
    }

    /// Has the shard do what had better be done late than written down, within so long; not while nothing is answered
    /// there.
    ///
    /// # Errors
    /// It was not done, or nobody knows whether it was.
    pub(super) async fn insist<T>(
        &self,
        within: Duration,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let in_time = async {
            match select(std::pin::pin!(step), self.runtime.sleep(within)).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => {
                    let detail = format!("nothing was answered within {within:?}");
                    Err(Failure::TimedOut(Error::new(&catalogue::TIER_TIMEOUT, detail)))
                }
            }
        };
        self.writes.call_late(in_time).await
    }

    /// Whether it tells of what changes; else all that is kept of it has to be asked about again soon.
    pub(super) fn tells(&self) -> bool {
        self.shard.capabilities().telling.is_any()
    }

    /// Brings a connection about, where none is kept up while nobody needs it.
    pub(super) async fn rouse(&self) {
        if let Some(rousing) = self.shard.rouse() {
            // What has come of it whatever follows finds out. All wait for one connection, which takes longer than a step.
            let _ = self.reads.call_unhurried(rousing).await;
        }
    }

    /// Until when its silence means something: nothing, within the grace after an outage.
    pub(super) fn proved_until(&self) -> Moment {
        if self.outage.lock().is_grace(self.runtime.now()) {
            return Moment::ORIGIN;
        }
        Moment::from_nanos(self.proved_until.load(Ordering::Acquire))
    }

    fn coherence(&self, lacks: &[Lack]) -> Coherence {
        let Capabilities { era, telling, is_metered, is_heard, .. } = self.shard.capabilities();
        // Nobody has needed it yet: that is no lack.
        let sleeps = is_metered && self.shard.era().is_none() && !lacks.iter().any(|lack| lack.is_serious);
        match era && telling.is_any() && is_heard {
            _ if !sleeps && !self.is_there() => Coherence::Local,
            true => Coherence::Bounded,
            false => Coherence::Eventual,
        }
    }

    pub(super) fn figures(&self) -> PostFigures {
        let drain = self.drain.figures();
        let owed_since = drain.oldest_at.unwrap_or(u64::MAX);
        let lacks = self.shard.lacks();
        PostFigures {
            name: self.drain.shard_name().to_owned(),
            era: self.shard.era(),
            is_watched: self.is_watched.load(Ordering::Acquire),
            proved_for: self.proved_until() - self.runtime.now(),
            capabilities: self.shard.capabilities(),
            coherence: self.coherence(&lacks),
            lacks,
            spending: self.shard.spending(),
            connections: self.counts.connections.get(),
            era_changes: self.counts.era_changes.get(),
            unreadable_by_reason: self.counts.unreadable_by_reason(),
            owed_for: Duration::from_millis(self.runtime.unix_millis().saturating_sub(owed_since)),
            steps: self.counts.figures(),
            reads: self.reads.state(),
            writes: self.writes.state(),
            drain,
        }
    }

    fn went_away(&self) {
        let now = self.runtime.now();
        self.is_watched.store(false, Ordering::Release);
        let proved_until = Moment::from_nanos(self.proved_until.swap(0, Ordering::AcqRel));
        // Since it was last heard of, which may be a while before anybody noticed.
        let heard_at = Moment::ORIGIN + (proved_until - (Moment::ORIGIN + HORIZON));
        let began = if proved_until > Moment::ORIGIN { heard_at.min(now) } else { now };
        self.outage.lock().begin(began);
    }

    fn came_back(&self) {
        let now = self.runtime.now();
        self.outage.lock().end(now, self.shard.server_millis());
        self.is_watched.store(true, Ordering::Release);
        if self.shard.capabilities().is_metered {
            // No ping is spent on it: what is kept of it is asked about again soon all the same.
            self.proved_until.store(Moment::NEVER.nanos(), Ordering::Release);
        }
        self.reads.probe_now();
        self.writes.probe_now();
        self.drain.connected();
    }
}

/// Hears what a shard tells, for as long as the engine lives.
struct Ear {
    engine: Weak<Inner>,
    number: usize,
}

impl Watcher for Ear {
    fn connected(&self, _era: Era) {
        self.hear(|engine, post| {
            // Everything that was read before may have changed unheard.
            if post.tells() {
                engine.doubt(post)
            } else {
                engine.forget_copies(post)
            }
            post.came_back();
            engine.prove();
        });
    }

    fn lost(&self) {
        self.hear(|engine, post| {
            post.went_away();
            engine.prove();
            engine.doubt(post);
        });
    }

    fn pushed(&self, push: Push) {
        self.hear(|engine, post| match push {
            Push::Everything => engine.doubt(post),
            Push::Marker(marker) => {
                let (shared, kills) = engine.0.markers.shared().expect("a second tier shares markers");
                shared.doubt(kills, marker);
            }
        });
    }
}

impl Ear {
    fn hear(&self, act: impl FnOnce(&Engine, &Post)) {
        let Some(engine) = self.engine.upgrade().map(Engine) else { return };
        if let Some(second) = engine.0.second.get() {
            act(&engine, &second.posts[self.number]);
        }
        // Whoever holds the last of an engine ends it, and its shards with it: not while one of them is telling, which is
        // done under its locks.
        let runtime = Arc::clone(&engine.0.runtime);
        if let Some(last) = Arc::into_inner(engine.0) {
            runtime.spawn(Box::pin(async move { drop(last) }));
        }
    }
}

impl Engine {
    /// Puts every copy of a marker of this shard in doubt.
    fn doubt(&self, post: &Post) {
        let second = self.0.second.get().expect("it has posts");
        let (shared, kills) = self.0.markers.shared().expect("a second tier shares markers");
        shared.doubt_all(kills, |marker| second.post_of(marker).number == post.number);
    }

    /// Ends every copy of a marker of this shard. It does not tell any more: copies that were made while it did are to be
    /// answered for longer than may be from here on, however often what they depend on is found to stand.
    fn forget_copies(&self, post: &Post) {
        let second = self.0.second.get().expect("it has posts");
        let (shared, kills) = self.0.markers.shared().expect("a second tier shares markers");
        shared.forget_all(kills, |marker| second.post_of(marker).number == post.number);
    }

    /// Ends what was loaded while a shard was away.
    fn end_local(&self) {
        self.0.markers.end_own();
    }

    /// Says until when the silence of all shards means something: that of the shortest.
    fn prove(&self) {
        let second = self.0.second.get().expect("it has posts");
        let until = second.posts.iter().map(|post| post.proved_until()).min();
        self.0.markers.prove(until.unwrap_or(Moment::NEVER));
    }

    /// Begins to listen to every shard, and to ask it for signs of life.
    pub(super) fn man_posts(&self) {
        let Some(second) = self.0.second.get() else { return };
        for post in &second.posts {
            let ear = Ear { engine: Arc::downgrade(&self.0), number: post.number };
            post.shard.watch(Arc::new(ear));
            post.drain.start();
            let (engine, post) = (Arc::downgrade(&self.0), Arc::clone(post));
            self.0.runtime.spawn(Box::pin(async move { beat(engine, &post).await }));
        }
    }
}

impl Engine {
    /// Ends what runs for the shards' sake, and the connections to them.
    pub(in crate::engine) async fn leave_posts(&self) {
        for post in self.0.second.get().map_or(&[] as &[_], |second| &second.posts) {
            post.drain.close().await;
            post.shard.close().await;
        }
    }
}

impl Engine {
    /// Uses the markers that this node relies on, where the shard would else evict them: it is never asked about them.
    async fn touch(&self, post: &Post) {
        let Capabilities { evicts, is_metered, .. } = post.shard.capabilities();
        if !evicts || is_metered || !post.is_there() {
            return;
        }
        let second = self.0.second.get().expect("it has posts");
        let (shared, _) = self.0.markers.shared().expect("a second tier shares markers");
        let markers = shared.in_use(TOUCHED_MAX, |marker| second.post_of(marker).number == post.number);
        if !markers.is_empty() {
            // The next second comes.
            let _ = post.reads.call(post.shard.touch(&markers)).await;
        }
    }
}

/// Asks a shard for signs of life until the engine is gone.
async fn beat(engine: Weak<Inner>, post: &Post) {
    let mut heartbeat = Heartbeat::default();
    let mut era = None;
    // Whether its silence has been proved without a break.
    let mut goes_on = false;
    let mut beats = 0_u32;
    loop {
        let Some(runtime) = engine.upgrade().filter(|engine| !engine.running.is_closed()) else { return };
        let runtime = Arc::clone(&runtime.runtime);
        let next = runtime.sleep(HEARTBEAT_EVERY);
        let is_watched = post.is_watched.load(Ordering::Acquire);
        let now_era = post.shard.era();
        // Another connection, or another server: what was proved is of the one before.
        if !is_watched || era != now_era {
            heartbeat.lost();
            goes_on = false;
            if let (Some(_), Some(engine)) = (era, engine.upgrade()) {
                Engine(engine).doubt(post);
            }
            era = now_era;
        }
        // Not when it is only tried out whether it is there.
        if post.is_there()
            && post.reads.state() == State::Closed
            && let Some(engine) = engine.upgrade()
        {
            let engine = Engine(engine);
            // What was loaded while it was away: from here on other nodes can invalidate it unheard.
            engine.end_local();
            // The grace may be over, which nothing else tells of where no ping is sent.
            engine.prove();
        }
        if let (true, Some(era)) = (is_watched && !post.shard.capabilities().is_metered, era) {
            heartbeat.ping(runtime.now());
            let asked = futures_util::future::join(post.shard.ping(), post.shard.check(&[]));
            match asked.await {
                // Lost meanwhile: the answer is of a connection that is no more.
                _ if !post.is_watched.load(Ordering::Acquire) => {
                    heartbeat.lost();
                    goes_on = false;
                }
                (Ok(()), Ok(checked)) if checked.era == era => {
                    if let (Some(until), Some(engine)) = (heartbeat.pong(), engine.upgrade()) {
                        let engine = Engine(engine);
                        if !goes_on {
                            // Whatever has kept the pings from being answered may have swallowed news as well.
                            engine.doubt(post);
                            goes_on = true;
                        }
                        post.proved_until.fetch_max(until.nanos(), Ordering::AcqRel);
                        engine.prove();
                    }
                }
                _ => {
                    heartbeat.lost();
                    goes_on = false;
                }
            }
        }
        beats = (beats + 1) % BEATS_PER_TOUCH;
        if let (0, Some(engine)) = (beats, engine.upgrade()) {
            Engine(engine).touch(post).await;
        }
        next.await;
    }
}

/// The first of the two that comes to pass.
pub(super) async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    match select(std::pin::pin!(one), std::pin::pin!(other)).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}
