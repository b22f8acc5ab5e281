//! One process with an engine: it begins, lives, is killed, and begins again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_core::{
    class::{Policy, ReadMode},
    dep::Dep,
    engine::{
        Change, Engine, EngineSettings, Level, Mode, Put, Question, Rules, SharedForm, Spread, Tier, Wish,
    },
    error::Error,
    guard::BreakerSettings,
    journal::{Journal, Record, RecordId, ShardName, VolatileJournal},
    key::{Key, KeySpace},
    outcome::{Origin, Outcome},
    runtime::{BoxFuture, Moment, Runtime},
    tier::{HashKey, Shard},
};
use alacena_testkit::{
    simulation::SimRuntime,
    tier::{FakeShard, FakeTier},
};

use crate::{
    database::{Database, Entry, KeyNumber, Slowness, Source, Version, VersionCodec, version_of, versioned},
    history::{History, Label, Read, Write},
};

/// What all nodes of a run have in common.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) tiers: Vec<FakeTier>,
    pub(crate) database: Database,
    pub(crate) slowness: Slowness,
    /// Whether what has changed is put in the place of what was there, too.
    pub(crate) puts: bool,
    pub(crate) policy: Policy,
    pub(crate) history: History,
}

/// One process. Its clones are the same.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) life: u32,
    pub(crate) shards: Vec<FakeShard>,
    pub(crate) engine: Engine,
    /// In nanoseconds of a moment: since when nothing has been wrong with it.
    well_since: Arc<AtomicU64>,
    runtime: SimRuntime,
    source: Source,
    site: Site,
    bounded: Arc<Rules>,
    strict: Arc<Rules>,
}

/// What a change invalidates.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    /// The tag of the key.
    Tag,
    /// The key.
    Key,
    /// Both, in one.
    TagAndKey,
    /// Everything of its namespace.
    Namespace,
    /// The key, by the value that it has now; where that is not taken, by invalidating it.
    Put,
}

const NAMESPACE: &str = "shop";

impl Node {
    pub(crate) fn begin(
        number: usize,
        life: u32,
        site: &Site,
        disk: &Arc<Disk>,
        runtime: &SimRuntime,
    ) -> Self {
        let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
        let engine = Engine::new(EngineSettings::default(), shared);
        let shards: Vec<_> = site.tiers.iter().map(FakeTier::shard).collect();
        let named = shards.iter().enumerate().map(|(number, shard)| {
            let shard: Arc<dyn Shard> = Arc::new(shard.clone());
            (ShardName::new(&format!("shard-{number}")), shard)
        });
        engine.share(Tier {
            shards: named.collect(),
            names: HashKey::derive(b"of the simulation"),
            seal: None,
            journal: Arc::new(DiskOf { disk: disk.clone(), runtime: runtime.clone() }),
            breaker: BreakerSettings::default(),
            lease: Duration::from_secs(3),
            step_within: Duration::from_millis(50),
            good_replicas_min: 0,
            is_only_node: false,
        });
        let rules = |class, read_mode| {
            let space = KeySpace::new(NAMESPACE, class, &[class]).expect("it is a good name");
            let policy = Policy { read_mode, ..site.policy.clone() };
            let form =
                SharedForm { codec: Arc::new(VersionCodec), fingerprint: *b"jobs, v1", compressed: false };
            Arc::new(Rules { shared: Some(form), ..Rules::new(space, policy) })
        };
        let (bounded, strict) = (rules("jobs", ReadMode::Bounded), rules("grants", ReadMode::Strict));
        let Site { database, slowness, .. } = site;
        let says_versions = site.puts;
        let source = Source {
            database: database.clone(),
            runtime: runtime.clone(),
            slowness: *slowness,
            says_versions,
        };
        let (runtime, site) = (runtime.clone(), site.clone());
        let well_since = Arc::new(AtomicU64::new(runtime.now().nanos()));
        Self { number, life, shards, engine, well_since, runtime, source, site, bounded, strict }
    }

    /// The class of a kind of reads, and the key as it is read there.
    fn ask_for(&self, key: KeyNumber, is_strict: bool) -> (&Arc<Rules>, Key) {
        let rules = if is_strict { &self.strict } else { &self.bounded };
        (rules, rules.space.key(None, [key.to_string()]).expect("it is a good key"))
    }

    /// Two keys have each tag.
    fn tag(key: KeyNumber) -> Dep {
        Dep::tag(NAMESPACE, &format!("company:{}", key / 2)).expect("it is a good tag")
    }

    fn question(&self, key: KeyNumber, is_strict: bool) -> Question {
        let (rules, id) = self.ask_for(key, is_strict);
        let tag = [Self::tag(key)];
        // Nobody may see what is read strictly once its tag is invalidated.
        let (soft, hard): (&[Dep], &[Dep]) = if is_strict { (&[], &tag) } else { (&tag, &[]) };
        let question = Question::new(rules, id, soft).and_then(|question| question.with_hard_tags(hard));
        question.expect("it has few tags")
    }

    /// Reads a key, and tells what it got.
    pub(crate) async fn read(&self, key: KeyNumber, is_strict: bool, mode: Mode) -> Result<Outcome, Error> {
        let question = self.question(key, is_strict).with_mode(mode);
        let (source, began) = (self.source.clone(), self.runtime.now());
        let load = move |_| async move {
            let loaded = source.load(vec![(key, is_strict)]).await?;
            Ok(loaded.into_iter().next().expect("one was asked for"))
        };
        let outcome = self.engine.get_or_fetch(&question, load).await?;
        self.tell(key, is_strict, began, &outcome);
        Ok(outcome)
    }

    /// Reads keys in one go, and tells what it got.
    pub(crate) async fn read_many(&self, keys: &[KeyNumber], is_strict: bool) -> Result<(), Error> {
        let questions = keys.iter().map(|key| self.question(*key, is_strict)).collect();
        let entries: Vec<Entry> = keys.iter().map(|key| (*key, is_strict)).collect();
        let (source, began) = (self.source.clone(), self.runtime.now());
        let load = move |wanted: Vec<usize>, _| {
            source.clone().load(wanted.into_iter().map(|at| entries[at]).collect())
        };
        let outcomes = self.engine.get_many_or_fetch(questions, load).await?;
        for (key, outcome) in keys.iter().zip(outcomes) {
            self.tell(*key, is_strict, began, &outcome?);
        }
        Ok(())
    }

    fn tell(&self, key: KeyNumber, is_strict: bool, began: Moment, outcome: &Outcome) {
        let (origin, stale, not_stored) = (outcome.origin(), outcome.stale(), outcome.not_stored());
        let label = match (stale, origin) {
            (Some(_), _) | (None, Origin::Stale) => Label::Stale,
            (None, Origin::Local) => Label::Local,
            (None, _) => Label::Fresh,
        };
        let (node, version, has_joined) = (self.number, version_of(outcome.value()), outcome.collapsed());
        let read = Read {
            node,
            key,
            is_strict,
            began,
            well_since: Moment::from_nanos(self.well_since.load(Ordering::Relaxed)),
            version,
            label,
            origin,
            has_joined,
            stale,
            not_stored,
        };
        self.site.history.read(read);
    }

    /// Changes a key in the database, and then invalidates what it was.
    pub(crate) async fn change(&self, key: KeyNumber, reach: Reach, wish: Wish) -> Level {
        let version = self.site.database.commit(key);
        let (node, committed) = (self.number, self.runtime.now());
        self.site.history.tell(format_args!("node {node} commits key {key} version {version}, {reach:?}"));
        let (tag, namespace) = (Self::tag(key), Dep::namespace(NAMESPACE));
        let ids = [true, false].map(|is_strict| self.ask_for(key, is_strict));
        let keys = ids.each_ref().map(|(_, id)| Change::Key(id));
        let changes = match reach {
            Reach::Tag => vec![Change::Dep(&tag)],
            Reach::Key | Reach::Put => keys.to_vec(),
            Reach::TagAndKey => [&[Change::Dep(&tag)], keys.as_slice()].concat(),
            Reach::Namespace => vec![Change::Dep(&namespace)],
        };
        let entries: Vec<_> = match reach {
            Reach::Key | Reach::TagAndKey | Reach::Put => {
                ids.iter().filter_map(|(_, id)| self.engine.shared_entry(id)).collect()
            }
            Reach::Tag | Reach::Namespace => Vec::new(),
        };
        let spread =
            Spread { changes: &changes, entries: &entries, who: "the simulation", targets: &[], wish };
        let level = match reach {
            Reach::Put if self.put(key, version).await => Level::Applied,
            _ => self.engine.spread(spread).await.level,
        };
        let acknowledged = self.runtime.now();
        let applied = level.is_applied().then_some(acknowledged);
        let life = self.life;
        let is_by_tag = matches!(reach, Reach::Tag | Reach::TagAndKey);
        let write = Write {
            node,
            life,
            key,
            version,
            is_by_tag,
            committed,
            acknowledged,
            level,
            applied,
            outlived_era: None,
            within: None,
        };
        self.site.history.write(write);
        level
    }

    /// Puts a version in the place of what is held, of either class. Whether both were taken.
    async fn put(&self, key: KeyNumber, version: Version) -> bool {
        let mut are_taken = true;
        for is_strict in [true, false] {
            let (rules, id) = self.ask_for(key, is_strict);
            // Whoever has a value at hand knows nothing of tags.
            let question = Question::new(rules, id, []).expect("it has no tags");
            let put = self.engine.put_if_newer(&question, versioned(version)).await;
            self.site
                .history
                .tell(format_args!("node {} puts key {key} version {version}: {put:?}", self.number));
            are_taken &= put == Put::Replaced;
        }
        are_taken
    }

    /// From now on it is well, or not: it stands still, or something is wrong between it and a server.
    pub(crate) fn set_well(&self, well: bool) {
        let since = if well { self.runtime.now() } else { Moment::NEVER };
        self.well_since.store(since.nanos(), Ordering::Relaxed);
    }

    /// Whether every shard has been told of everything that this node owes.
    pub(crate) fn owes_nothing(&self) -> bool {
        let posts = self.engine.second_tier();
        posts.iter().all(|post| post.drain.is_open && post.drain.records == 0 && post.drain.volatile == 0)
    }
}

/// What a node has written down: it is there when the node begins again.
#[derive(Default)]
pub(crate) struct Disk(VolatileJournal);

/// A disk takes its time.
struct DiskOf {
    disk: Arc<Disk>,
    runtime: SimRuntime,
}

impl DiskOf {
    fn turn(&self) -> BoxFuture<'static, ()> {
        self.runtime.sleep(Duration::from_micros(self.runtime.random() % 3_000))
    }
}

impl Journal for DiskOf {
    fn is_durable(&self) -> bool {
        true
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<RecordId, Error>> {
        Box::pin(async move {
            self.turn().await;
            let appended = self.disk.0.append(record).await;
            self.turn().await;
            appended
        })
    }

    fn remaining(&self, shard: &ShardName) -> BoxFuture<'_, Result<Vec<(RecordId, Record)>, Error>> {
        let shard = shard.clone();
        Box::pin(async move {
            self.turn().await;
            self.disk.0.remaining(&shard).await
        })
    }

    fn remove(&self, shard: &ShardName, records: Vec<RecordId>) -> BoxFuture<'_, Result<(), Error>> {
        let shard = shard.clone();
        Box::pin(async move {
            self.turn().await;
            self.disk.0.remove(&shard, records).await
        })
    }
}
