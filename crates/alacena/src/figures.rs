//! What Alacena can say about itself: counts since the start, and whether it is well.

use std::{collections::BTreeMap, time::Duration};

use alacena_core::{
    engine::{PostFigures, Rules},
    figures::{self as counters, Count},
    guard::{Guard, GuardFigures, State},
    tier::Coherence,
};

use crate::{
    declared_reads::Read,
    handle::Alacena,
    own::OwnClass,
    warming::{WarmingCounters, WarmingTrigger},
};

/// Counts since the start, and sizes now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Figures {
    /// One row a declared read, in order of declaration.
    pub reads: Vec<ReadFigures>,
    /// One row a class of the application's own, in order of name.
    pub classes: Vec<ReadFigures>,
    /// Entries in memory, those that no read can answer from any more included.
    pub entries: u64,
    /// Bytes of memory that entries take.
    pub bytes: u64,
    /// Bytes of memory that entries may take.
    pub bytes_max: u64,
    /// Entries that gave way to others.
    pub evictions: u64,
    /// Invalidations applied.
    pub invalidations: u64,
    /// Declared writes sent.
    pub writes: u64,
    /// Marker cells held.
    pub markers: u64,
    /// Loads under way.
    pub loads_running: u64,
    /// One row a source, in order of name, those included that classes of the application's own ask.
    pub sources: Vec<SourceFigures>,
    /// One row a shard of the tier that nodes share; none where there is no such tier.
    pub shards: Vec<PostFigures>,
    /// What the second tier keeps on local disk, where that is what it is.
    pub disk: Option<DiskFigures>,
    /// What warmings have come to.
    pub warming: WarmingFigures,
    /// Time since the start.
    pub uptime: Duration,
}

/// What the second tier is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierKind {
    /// A Redis or Valkey that nodes share.
    Redis,
    /// Local disk, of this node alone.
    Embedded,
}

impl TierKind {
    /// The word used in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TierKind::Redis => "redis",
            TierKind::Embedded => "embedded",
        }
    }
}

/// What the second tier keeps on local disk, as it was within a second.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DiskFigures {
    /// The name of its shard.
    pub shard: &'static str,
    /// Entries, those included that have run out and were not met yet.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Bytes that they may take: less than is configured once the disk was full.
    pub bytes_max: u64,
    /// Entries that gave way to others.
    pub evictions: u64,
    /// Markers.
    pub markers: u64,
}

/// Counts of warmings.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WarmingFigures {
    /// Warmings begun, by what they were begun for.
    pub runs_by_trigger: Vec<(&'static str, u64)>,
    /// Questions done with, by what became of them.
    pub questions_by_result: Vec<(&'static str, u64)>,
}

/// Counts of one declared read, or of one class of the application's own.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReadFigures {
    /// Its name; empty for a class of the application's own.
    pub read: String,
    /// Its class.
    pub class: String,
    /// Its source; empty for a class that no guard stands before.
    pub source: String,
    /// Answers out of the cache, stale ones that are being refreshed included.
    pub hits: u64,
    /// Of these, those that the tier gave that nodes share.
    pub l2_hits: u64,
    /// Of these, those that were given as local, while that was away.
    pub local_hits: u64,
    /// Answers that needed the source, by the reason.
    pub misses_by_reason: Vec<(&'static str, u64)>,
    /// Answers past their time, by the reason.
    pub stale_by_reason: Vec<(&'static str, u64)>,
    /// Callers who waited for a load that another one led.
    pub collapsed: u64,
    /// Callers who got an error.
    pub errors: u64,
    /// Loads that were started.
    pub loads: u64,
    /// Loads that failed.
    pub load_errors: u64,
    /// Time spent loading, in nanoseconds.
    pub load_nanos: u64,
    /// Refreshes that brought another value.
    pub changed: u64,
    /// Refreshes that brought the same value.
    pub unchanged: u64,
    /// Loaded values that were not kept, by the reason.
    pub not_stored_by_reason: Vec<(&'static str, u64)>,
}

/// Counts and state of one source.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceFigures {
    /// Its name.
    pub source: String,
    /// Its circuit breaker.
    pub breaker: BreakerFigures,
    /// Calls under way.
    pub running: u64,
    /// Calls that wait for a place.
    pub queued: u64,
    /// Calls refused because too many waited.
    pub shed: u64,
}

/// State of one circuit breaker.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BreakerFigures {
    /// `CLOSED`, `OPEN` or `HALF_OPEN`.
    pub state: &'static str,
    /// Failures within its window.
    pub failures: u64,
    /// When a call failed last, in milliseconds since 1970.
    pub last_failure_at: Option<u64>,
    /// Share of calls within its window that succeeded; `None` without calls.
    pub success_rate: Option<f64>,
    /// Times that it has opened.
    pub opened: u64,
}

/// Whether Alacena is well.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// In one word.
    pub status: Status,
    /// What is configured and not there now.
    pub missing: Vec<String>,
    /// Whether intents and history survive the process.
    pub durable: bool,
    /// What the second tier is made of; `None`: there is none.
    pub tier: Option<TierKind>,
    /// The shards of the second tier, and what each does without; none where there is no such tier.
    pub shards: Vec<PostFigures>,
}

impl Health {
    /// What reads out of the tier that nodes share are worth, all of its shards considered; `None` where there is none.
    #[must_use]
    pub fn coherence(&self) -> Option<Coherence> {
        self.shards.iter().map(|shard| shard.coherence).max()
    }
}

/// Health in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Everything is there.
    Healthy,
    /// Something is missing; answers still come.
    Degraded,
    /// Nothing can be answered.
    Down,
}

impl Status {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Down => "down",
        }
    }
}

impl Alacena {
    /// Counts since the start, and sizes now.
    ///
    /// ```
    /// # use alacena::{Alacena, Class, class::Policy};
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let alacena = Alacena::builder().build();
    /// let kpis: Class<u64> = alacena.class("kpis", Policy::default())?;
    /// for _ in 0..3 {
    ///     kpis.get_or_fetch(["42"], &[], || async { Ok(Some(7)) }).await?;
    /// }
    /// let figures = alacena.figures();
    /// assert_eq!((figures.classes[0].hits, figures.classes[0].loads, figures.entries), (2, 1, 1));
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn figures(&self) -> Figures {
        let engine = self.inner.engine.figures();
        let prepared = self.prepared();
        Figures {
            reads: prepared.reads.iter().map(|read| ReadFigures::of_read(&read.read, &read.rules)).collect(),
            classes: self.inner.own.list().iter().map(|class| ReadFigures::of_class(class)).collect(),
            entries: engine.entries,
            bytes: engine.bytes,
            bytes_max: engine.bytes_max,
            evictions: engine.evictions,
            invalidations: engine.invalidations,
            writes: self.inner.writes_sent.get(),
            markers: engine.markers,
            loads_running: engine.loads_running,
            sources: self.guards().iter().map(|guard| SourceFigures::of(guard.figures())).collect(),
            shards: self.inner.engine.second_tier(),
            disk: self.disk_figures(),
            warming: WarmingFigures::of(self.inner.warming.0.counters()),
            uptime: self.runtime().now() - self.inner.started,
        }
    }

    /// Whether it is well. A source whose breaker is not closed is missing, and so is whatever the tier that nodes share
    /// does without; answers come all the same.
    #[must_use]
    pub fn health(&self) -> Health {
        let guards = self.guards().into_iter().map(|guard| guard.figures());
        let off = guards.filter(|guard| guard.breaker.state != State::Closed);
        let mut missing: Vec<String> = off.map(|guard| format!("source {}", guard.source)).collect();
        let shards = self.inner.engine.second_tier();
        let tier = self.tier_kind();
        missing.extend(shards.iter().flat_map(|shard| missing_of(shard, tier)));
        let status = if missing.is_empty() { Status::Healthy } else { Status::Degraded };
        Health { status, missing, durable: self.inner.store.ledger.is_durable(), tier, shards }
    }

    /// What stands before each source, in order of the sources' names.
    fn guards(&self) -> Vec<Guard> {
        let declared = self.prepared_full();
        let declared = declared.sources.iter().map(|(name, open)| (name.clone(), open.guard.clone()));
        let guards: BTreeMap<String, Guard> = self.inner.own.guards().into_iter().chain(declared).collect();
        guards.into_values().collect()
    }
}

/// What a shard does without, in a sentence each.
fn missing_of(shard: &PostFigures, tier: Option<TierKind>) -> Vec<String> {
    let name = &shard.name;
    let serious = shard.lacks.iter().filter(|lack| lack.is_serious);
    let mut missing: Vec<String> = serious.map(|lack| format!("{name}: {lack}")).collect();
    if missing.is_empty() && shard.coherence == Coherence::Local {
        missing.push(format!("{name}: not there yet, or not again; this node answers by itself meanwhile"));
    }
    let owed = shard.drain.records.max(shard.drain.volatile);
    if owed > 0 {
        let meanwhile = match tier {
            Some(TierKind::Embedded) => "nothing is read there before they are",
            _ => "other nodes may answer without them",
        };
        missing.push(format!("{name}: {owed} invalidations are still to be told; {meanwhile}"));
    }
    missing
}

impl Figures {
    /// The rows of declared reads, and after them those of classes of the application's own.
    pub fn rows(&self) -> impl Iterator<Item = &ReadFigures> {
        self.reads.iter().chain(&self.classes)
    }
}

impl ReadFigures {
    fn of_read(read: &Read, rules: &Rules) -> Self {
        let (read, source) = (read.name.clone(), read.source.clone());
        Self { read, source, ..Self::of(rules) }
    }

    fn of_class(class: &OwnClass) -> Self {
        let source = class.source().unwrap_or_default().to_owned();
        Self { source, ..Self::of(&class.rules) }
    }

    fn of(rules: &Rules) -> Self {
        let counters = &rules.counters;
        let named = |names: &[&'static str], counts: &[u64]| {
            names.iter().zip(counts).map(|(name, count)| (*name, *count)).collect()
        };
        Self {
            read: String::new(),
            class: rules.space.class().to_owned(),
            source: String::new(),
            hits: counters.get(Count::Hits),
            l2_hits: counters.get(Count::L2Hits),
            local_hits: counters.get(Count::LocalHits),
            misses_by_reason: named(&counters::MISS_REASONS, &counters.misses()),
            stale_by_reason: named(&counters::STALE_REASONS, &counters.stale_answers()),
            collapsed: counters.get(Count::Collapsed),
            errors: counters.get(Count::Errors),
            loads: counters.get(Count::Loads),
            load_errors: counters.get(Count::LoadErrors),
            load_nanos: counters.get(Count::LoadNanos),
            changed: counters.get(Count::Changed),
            unchanged: counters.get(Count::Unchanged),
            not_stored_by_reason: named(&counters::NOT_STORED_REASONS, &counters.values_not_stored()),
        }
    }
}

impl WarmingFigures {
    fn of(counters: &WarmingCounters) -> Self {
        let runs = WarmingTrigger::ALL.iter().zip(&counters.runs);
        let questions = [
            ("loaded", &counters.loaded),
            ("fresh", &counters.fresh),
            ("skipped", &counters.skipped),
            ("failed", &counters.failed),
        ];
        Self {
            runs_by_trigger: runs.map(|(trigger, count)| (trigger.as_str(), count.get())).collect(),
            questions_by_result: questions.map(|(result, count)| (result, count.get())).to_vec(),
        }
    }
}

impl SourceFigures {
    fn of(figures: GuardFigures) -> Self {
        Self {
            source: figures.source,
            breaker: BreakerFigures {
                state: figures.breaker.state.as_str(),
                failures: figures.breaker.failures,
                last_failure_at: figures.breaker.last_failure_at,
                success_rate: figures.breaker.success_rate,
                opened: figures.breaker.opened,
            },
            running: figures.running,
            queued: figures.queued,
            shed: figures.shed,
        }
    }
}
