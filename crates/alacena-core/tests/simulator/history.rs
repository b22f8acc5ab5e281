//! What happened, and what must not have.

use std::{fmt, sync::Arc, time::Duration};

use alacena_core::{
    engine::{LOCAL_MAX, Level},
    outcome::{NotStored, Origin, StaleReason},
    runtime::{Moment, Runtime},
    tier::HORIZON,
};
use alacena_testkit::simulation::SimRuntime;
use parking_lot::Mutex;

use crate::database::{KeyNumber, Version};

/// A read that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) node: usize,
    pub(crate) key: KeyNumber,
    pub(crate) is_strict: bool,
    pub(crate) began: Moment,
    /// Since when nothing has been wrong with its node alone.
    pub(crate) well_since: Moment,
    pub(crate) version: Version,
    pub(crate) label: Label,
    pub(crate) origin: Origin,
    pub(crate) has_joined: bool,
    pub(crate) stale: Option<StaleReason>,
    pub(crate) not_stored: Option<NotStored>,
}

/// What the answer says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// It holds.
    Fresh,
    /// It was loaded while the second tier was away, and another node may have changed it since.
    Local,
    /// It is past its time, or cannot be proved.
    Stale,
}

/// A change that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) node: usize,
    /// Which life of the node: it is another one after each kill.
    pub(crate) life: u32,
    pub(crate) key: KeyNumber,
    pub(crate) version: Version,
    /// Whether the tag of the key was invalidated, which strict reads depend on strictly.
    pub(crate) is_by_tag: bool,
    pub(crate) committed: Moment,
    pub(crate) acknowledged: Moment,
    pub(crate) level: Level,
    /// Since when every shard is known to have been told.
    pub(crate) applied: Option<Moment>,
    /// When a server began another era after it was acknowledged, the one that there is.
    pub(crate) outlived_era: Option<Moment>,
    /// The outage of the one server that there is within which it was acknowledged.
    pub(crate) within: Option<Outage>,
}

/// The server could not be reached by anybody, for so long that everybody has noticed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) began: Moment,
    pub(crate) ended: Moment,
}

/// What one run has done, in order.
#[derive(Clone)]
pub(crate) struct History(Arc<Inner>);

struct Inner {
    runtime: SimRuntime,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    reads: Vec<(Read, usize)>,
    writes: Vec<(Write, usize)>,
    lines: Vec<String>,
    /// What somebody did not get that everybody must.
    complaint: Option<String>,
}

impl History {
    pub(crate) fn new(runtime: SimRuntime) -> Self {
        Self(Arc::new(Inner { runtime, told: Mutex::default() }))
    }

    /// Tells of something that happened now.
    pub(crate) fn tell(&self, what: impl fmt::Display) {
        let line = format!("{} {what}", at(self.0.runtime.now()));
        self.0.runtime.note(&line);
        self.0.told.lock().lines.push(line);
    }

    pub(crate) fn read(&self, read: Read) {
        self.tell(read);
        let mut told = self.0.told.lock();
        let line = told.lines.len() - 1;
        told.reads.push((read, line));
    }

    pub(crate) fn write(&self, write: Write) {
        self.tell(write);
        let mut told = self.0.told.lock();
        let line = told.lines.len() - 1;
        told.writes.push((write, line));
    }

    /// Somebody did not get what everybody must.
    pub(crate) fn complain(&self, what: impl fmt::Display) {
        self.tell(format_args!("{what}!"));
        let end = self.end(120);
        self.0.told.lock().complaint.get_or_insert(end);
    }

    /// By now this node owes nothing to any shard.
    pub(crate) fn drained(&self, node: usize, life: u32) {
        let now = self.0.runtime.now();
        let mut told = self.0.told.lock();
        for (write, _) in &mut told.writes {
            // What was only in memory has ended with the life that it was of.
            let is_owed = write.level == Level::Deferred || write.life == life;
            if write.node == node && write.applied.is_none() && is_owed {
                write.applied = Some(now);
            }
        }
    }

    /// The one server that there is has begun another era.
    pub(crate) fn another_era(&self) {
        let now = self.0.runtime.now();
        for (write, _) in &mut self.0.told.lock().writes {
            write.outlived_era.get_or_insert(now);
        }
    }

    /// The one server that there is was out of reach until now.
    pub(crate) fn was_out(&self, began: Moment) {
        let outage = Outage { began, ended: self.0.runtime.now() };
        for (write, _) in &mut self.0.told.lock().writes {
            if write.acknowledged > began {
                write.within = Some(outage);
            }
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let told = self.0.told.lock();
        let labelled = |label| told.reads.iter().filter(|(read, _)| read.label == label).count();
        let deferred = told.writes.iter().filter(|(write, _)| !write.level.is_applied()).count();
        Counts {
            fresh: labelled(Label::Fresh),
            local: labelled(Label::Local),
            stale: labelled(Label::Stale),
            writes: told.writes.len(),
            deferred,
        }
    }

    /// What must not have happened, if anything; with everything that led to it.
    pub(crate) fn violation(&self) -> Option<String> {
        let told = self.0.told.lock();
        if let Some(complaint) = &told.complaint {
            let last = complaint.lines().last().unwrap_or_default();
            return Some(format!("{last}\n\n{complaint}"));
        }
        for (read, line) in &told.reads {
            for (write, _) in told.writes.iter().filter(|(write, _)| write.concerns(read)) {
                if let Some(invariant) = broken(read, write) {
                    let trace = told.trace(write.key, *line);
                    return Some(format!("{invariant}\n  {write}\n  then {read}\n\n{trace}"));
                }
            }
        }
        None
    }

    /// The last lines of all.
    pub(crate) fn end(&self, lines: usize) -> String {
        let told = self.0.told.lock();
        told.lines[told.lines.len().saturating_sub(lines)..].join("\n")
    }
}

impl Told {
    /// What happened up to a line, of one key and of everything that is not about keys.
    fn trace(&self, key: KeyNumber, line: usize) -> String {
        let about = |other: &str| other.contains(" key ") && !other.contains(&format!(" key {key} "));
        let lines: Vec<_> =
            self.lines[..=line].iter().filter(|line| !about(line)).map(String::as_str).collect();
        lines[lines.len().saturating_sub(120)..].join("\n")
    }
}

impl Write {
    /// Whether the read began after it was acknowledged, and was answered with something from before.
    fn concerns(&self, read: &Read) -> bool {
        self.key == read.key && read.version < self.version && self.acknowledged < read.began
    }
}

/// Which promise is broken if this read was answered with something older than this write.
fn broken(read: &Read, write: &Write) -> Option<&'static str> {
    let since = |moment: Moment, slack: Duration| moment + slack < read.began;
    let horizon = if read.is_strict { Duration::ZERO } else { HORIZON };
    let is_applied = |slack| write.applied.is_some_and(|applied| since(applied, slack));
    match read.label {
        Label::Stale if read.is_strict && write.is_by_tag && is_applied(Duration::ZERO) => {
            Some("INV-15: somebody is shown what depends strictly on what had been invalidated")
        }
        Label::Stale => None,
        Label::Local if read.is_strict => Some("INV-1: a strict read is answered with what is only local"),
        Label::Local => {
            let is_too_old = since(write.committed, LOCAL_MAX + LOAD_MAX);
            (is_too_old && write.applied.is_some()).then_some("INV-2: a local answer is older than it may be")
        }
        Label::Fresh if write.node == read.node && !write.level.is_applied() => {
            let is_durable = write.level == Level::Deferred;
            is_durable
                .then_some("INV-7a: the node that owes an invalidation answers with what it has invalidated")
        }
        Label::Fresh if write.node == read.node => {
            Some("INV-2: the node that has invalidated it answers with it")
        }
        Label::Fresh if write.level == Level::Barrier => {
            Some("INV-3: after a barrier a node answers with what was there before")
        }
        Label::Fresh if read.is_strict && is_applied(Duration::ZERO) => {
            Some("INV-1: a strict read is answered with what had been invalidated")
        }
        Label::Fresh if write.outlived_era.is_some_and(|began| since(began, horizon)) => {
            Some("INV-7b: after a restart somebody is answered with what had been invalidated before it")
        }
        Label::Fresh if write.within.is_some_and(|outage| outage.makes_suspect(read)) => {
            Some("INV-7b: after an outage somebody is answered with what was invalidated during it")
        }
        Label::Fresh if is_applied(HORIZON) => {
            Some("INV-2: a read is answered with what had been invalidated longer than H ago")
        }
        Label::Fresh => None,
    }
}

impl Outage {
    /// Whether whoever owed something then may still be coming back when this read begins, and its node knows that.
    fn makes_suspect(&self, read: &Read) -> bool {
        let is_noticed = self.ended - self.began > NOTICED_AFTER && read.well_since <= self.began;
        is_noticed && self.ended < read.began && read.began < self.ended + GRACE
    }
}

/// A heartbeat, and as long as a ping may take.
const NOTICED_AFTER: Duration = Duration::from_millis(1_300);
/// G: for so long after an outage what is from before its end is suspect.
const GRACE: Duration = Duration::from_secs(5);

/// The longest that a load takes.
pub(crate) const LOAD_MAX: Duration = Duration::from_secs(10);

/// What a run has seen, so that one which saw nothing is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) fresh: usize,
    pub(crate) local: usize,
    pub(crate) stale: usize,
    pub(crate) writes: usize,
    pub(crate) deferred: usize,
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Read {
            node, key, is_strict, began, version, label, origin, has_joined, stale, not_stored, ..
        } = self;
        let mode = if *is_strict { "strict" } else { "bounded" };
        let joined = has_joined.then_some("joined");
        let said = [joined, stale.map(StaleReason::as_str), not_stored.map(NotStored::as_str)];
        let said: Vec<_> = [Some(origin.as_str())].into_iter().chain(said).flatten().collect();
        write!(f, "node {node} {mode} read of key {key} begun at {}: ", at(*began))?;
        write!(f, "version {version}, {label:?} ({})", said.join(", "))
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Write { node, key, version, committed, level, acknowledged, .. } = self;
        write!(f, "node {node} has changed key {key} to version {version}, committed at {}", at(*committed))?;
        write!(f, ", {} at {}", level.as_str(), at(*acknowledged))
    }
}

pub(crate) fn at(moment: Moment) -> String {
    format!("{:.6}", (moment - Moment::ORIGIN).as_secs_f64())
}
