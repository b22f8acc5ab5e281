//! A run: some nodes with their clients, and everything that happens to them, out of one seed.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    class::{EraPolicy, Policy, WithoutL2},
    engine::{Mode, Wish},
    outcome::Outcome,
    runtime::Runtime,
};
use alacena_testkit::{
    Chance,
    simulation::{Machine, SimRuntime},
    tier::{FakeTier, Faults},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    database::{Database, KeyNumber, Slowness},
    faults::{self, Happens},
    history::{Counts, History},
    node::{Disk, Node, Reach, Site},
};

/// What comes of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) trace_hash: u64,
    pub(crate) counts: Counts,
    pub(crate) loads: u64,
    /// The most loads of one entry at a time, on all nodes.
    pub(crate) loads_at_once: usize,
    pub(crate) polls: u64,
}

/// Everything that there is in a run.
pub(crate) struct World {
    pub(crate) runtime: SimRuntime,
    pub(crate) site: Site,
    pub(crate) weather: Faults,
    /// The nodes that live; `None` between a kill and the next begin.
    nodes: Mutex<Vec<Option<Node>>>,
    disks: Vec<Arc<Disk>>,
    clients: usize,
    keys: usize,
    /// How many of the things that clients do there are for each change: where there are few, what is wrong stays so for
    /// long.
    changes_one_in: usize,
    /// The longest that a client waits between two of them.
    leisure: Duration,
    happens: Happens,
    /// Whether clients and faults are to go on.
    goes_on: watch::Sender<bool>,
}

/// How long clients ask and faults happen.
const PLAY: Duration = Duration::from_secs(6);
/// How long everything has to become well again: breakers wait, drains pause, leases run out.
const RECOVERY: Duration = Duration::from_secs(12);

/// Runs a seed to its end.
pub(crate) fn run(seed: u64, happens: Happens) -> Result<Report, String> {
    let runtime = SimRuntime::new(seed);
    let world = Arc::new(World::new(seed, &runtime, happens));
    let played = world.clone();
    let said = |why: String| format!("seed {seed}: {why}");
    let ended = runtime.run_until(async move { played.play().await });
    let history = &world.site.history;
    ended.map_err(|stuck| said(format!("{stuck}\n{}", history.end(60))))?;
    match history.violation() {
        Some(violation) => Err(said(violation)),
        None => Ok(Report {
            trace_hash: runtime.trace_hash(),
            counts: history.counts(),
            loads: world.site.database.reads(),
            loads_at_once: world.site.database.at_once(),
            polls: runtime.polls(),
        }),
    }
}

impl World {
    fn new(seed: u64, runtime: &SimRuntime, happens: Happens) -> Self {
        let mut chance = Chance::new(seed);
        let micros = |most: u64, chance: &mut Chance| Duration::from_micros(chance.number() % most);
        let weather = Faults {
            latency: micros(300, &mut chance),
            jitter: micros(1_500, &mut chance),
            answer_jitter: Duration::from_millis(*chance.pick(&[0, 0, 20])),
            link_latency: micros(5_000, &mut chance),
            ..Faults::default()
        };
        let tiers = (0..*chance.pick(&[1, 1, 1, 2])).map(|_| {
            let longest = *chance.pick(&[1_000, 1_000, 1_000, 300_000]);
            let round = micros(longest, &mut chance);
            FakeTier::with_replica(Arc::new(runtime.clone())).with_round(round)
        });
        let tiers = tiers.collect();
        let slowness = Slowness {
            usual: Duration::from_millis(*chance.pick(&[5, 30, 150])),
            hangs_one_in: *chance.pick(&[20, 100]),
            hang: Duration::from_secs(2),
        };
        let policy = Policy {
            ttl: Duration::from_millis(*chance.pick(&[1_500, 5_000, 60_000])),
            stale_while_revalidate: Duration::from_millis(*chance.pick(&[0, 1_000])),
            era: *chance.pick(&[EraPolicy::Revalidate, EraPolicy::Revalidate, EraPolicy::Strict]),
            without_l2: *chance.pick(&[WithoutL2::Local, WithoutL2::Bypass]),
            l1_ttl: *chance.pick(&[None, Some(Duration::from_millis(300)), Some(Duration::from_secs(60))]),
            ..Policy::default()
        };
        let history = History::new(runtime.clone());
        let nodes = *chance.pick(&[2, 3]);
        Self {
            runtime: runtime.clone(),
            site: Site {
                tiers,
                database: Database::default(),
                slowness,
                puts: seed % 4 == 3,
                policy,
                history,
            },
            weather,
            nodes: Mutex::new(vec![None; nodes]),
            disks: (0..nodes).map(|_| Arc::default()).collect(),
            clients: *chance.pick(&[2, 4]),
            keys: *chance.pick(&[1, 2, 4]),
            changes_one_in: *chance.pick(&[6, 20, 60]),
            leisure: Duration::from_millis(*chance.pick(&[80, 80, 500])),
            happens,
            goes_on: watch::Sender::new(true),
        }
    }

    async fn play(self: Arc<Self>) {
        self.site.history.tell(format_args!("{:?}, {:?}", self.site.policy, self.weather));
        for number in 0..self.count() {
            self.begin(number, 1);
        }
        let watching = self.clone();
        self.runtime.spawn(Box::pin(async move { watching.watch_what_is_owed().await }));
        faults::begin(&self, self.happens);
        self.runtime.sleep(PLAY).await;
        self.goes_on.send_replace(false);
        faults::end(&self);
        self.site.database.calm_down();
        self.site.history.tell("everything is well again");
        self.runtime.sleep(RECOVERY).await;
        self.is_well().await;
    }

    pub(crate) fn count(&self) -> usize {
        self.disks.len()
    }

    pub(crate) fn has_one_server(&self) -> bool {
        self.site.tiers.len() == 1
    }

    pub(crate) fn goes_on(&self) -> bool {
        *self.goes_on.borrow()
    }

    /// Some time passes, up to so much.
    pub(crate) async fn pause(&self, runtime: &SimRuntime, most: Duration) {
        let span = Duration::from_nanos(runtime.random() % most.as_nanos() as u64);
        runtime.sleep(span).await;
    }

    pub(crate) fn node(&self, number: usize) -> Option<Node> {
        self.nodes.lock()[number].clone()
    }

    pub(crate) fn machine(number: usize) -> Machine {
        Machine(u32::try_from(number + 1).expect("there are few"))
    }

    /// A node begins its life, with its clients.
    pub(crate) fn begin(self: &Arc<Self>, number: usize, life: u32) {
        let runtime = self.runtime.on(Self::machine(number));
        self.site.history.tell(format_args!("node {number} begins, life {life}"));
        let node = Node::begin(number, life, &self.site, &self.disks[number], &runtime);
        for shard in &node.shards {
            shard.set_faults(self.weather);
        }
        self.nodes.lock()[number] = Some(node.clone());
        for _ in 0..self.clients {
            let (world, node, runtime) = (self.clone(), node.clone(), runtime.clone());
            let client = runtime.clone();
            runtime.spawn(Box::pin(async move { world.be_client(&node, &client).await }));
        }
    }

    /// A node ends, between two steps of whatever it was doing. Which life it was.
    pub(crate) fn kill(&self, number: usize) -> Option<u32> {
        let node = self.nodes.lock()[number].take()?;
        self.site.history.tell(format_args!("node {number} is killed"));
        for shard in &node.shards {
            shard.vanish();
        }
        self.runtime.kill(Self::machine(number));
        Some(node.life)
    }

    async fn be_client(&self, node: &Node, runtime: &SimRuntime) {
        if self.happens == Happens::Nothing {
            // Until the node has read its journal it goes on alone.
            runtime.sleep(Duration::from_millis(500)).await;
        }
        while self.goes_on() {
            self.pause(runtime, self.leisure).await;
            let mut chance = Chance::new(runtime.random());
            let key = chance.below(self.keys);
            if self.happens == Happens::Nothing {
                self.read(node, key, chance.one_in(2), Mode::Normal).await;
            } else if chance.one_in(self.changes_one_in) {
                let reach =
                    *chance.pick(&[Reach::Tag, Reach::Tag, Reach::Key, Reach::TagAndKey, Reach::Namespace]);
                let reach = if self.site.puts && chance.one_in(2) { Reach::Put } else { reach };
                let replicated = Wish::Replicated(1, Duration::from_millis(100));
                let wish =
                    *chance.pick(&[Wish::Applied, Wish::Applied, Wish::Applied, replicated, Wish::Barrier]);
                node.change(key, reach, wish).await;
            } else {
                let mode = if chance.one_in(30) { Mode::Refresh } else { Mode::Normal };
                let is_strict = chance.one_in(2);
                if chance.one_in(6) {
                    self.read_all(node, is_strict).await;
                } else {
                    self.read(node, key, is_strict, mode).await;
                }
            }
        }
    }

    async fn read_all(&self, node: &Node, is_strict: bool) {
        let keys: Vec<_> = (0..self.keys).collect();
        if let Err(error) = node.read_many(&keys, is_strict).await {
            let number = node.number;
            self.site.history.complain(format_args!("node {number} does not answer a batch: {error}"));
        }
    }

    /// Reads a key: whatever happens, there is an answer.
    async fn read(&self, node: &Node, key: KeyNumber, is_strict: bool, mode: Mode) -> Option<Outcome> {
        let answered = node.read(key, is_strict, mode).await;
        let complain = |error| {
            let number = node.number;
            self.site.history.complain(format_args!("node {number} does not answer key {key} : {error}"));
        };
        answered.map_err(complain).ok()
    }

    /// Notes when a node has told the shards of all that it owed.
    async fn watch_what_is_owed(&self) {
        loop {
            for number in 0..self.count() {
                if let Some(node) = self.node(number).filter(Node::owes_nothing) {
                    self.site.history.drained(number, node.life);
                }
            }
            self.runtime.sleep(Duration::from_millis(10)).await;
        }
    }

    /// After everything every node answers, freshly, and out of the cache.
    async fn is_well(&self) {
        for number in 0..self.count() {
            let Some(node) = self.node(number) else {
                self.site.history.complain(format_args!("node {number} has not begun again"));
                return;
            };
            if !node.owes_nothing() {
                self.site.history.complain(format_args!("node {number} still owes an invalidation"));
            }
            for (key, is_strict) in (0..self.keys).flat_map(|key| [(key, true), (key, false)]) {
                if !self.becomes_a_hit(&node, key, is_strict).await {
                    let text = format_args!("node {number} does not keep key {key} , strict: {is_strict}");
                    self.site.history.complain(text);
                }
            }
        }
    }

    /// Whether a key is answered freshly and without its source after a few reads: what is past its time, or of another
    /// era, may be answered once more before it is loaded.
    async fn becomes_a_hit(&self, node: &Node, key: KeyNumber, is_strict: bool) -> bool {
        for _ in 0..5 {
            let outcome = self.read(node, key, is_strict, Mode::Normal).await;
            if outcome.is_some_and(|outcome| outcome.is_hit() && outcome.stale().is_none()) {
                return true;
            }
            self.runtime.sleep(self.site.slowness.usual * 2).await;
        }
        false
    }
}
