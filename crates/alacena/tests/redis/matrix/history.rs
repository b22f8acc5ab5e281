//! What was done and answered, in which order, and whether that keeps the promises.

use std::time::{Duration, Instant};

use alacena::outcome::Origin;
use parking_lot::Mutex;

/// How late a bounded read may learn what another node has invalidated.
pub(crate) const HORIZON: Duration = Duration::from_millis(900);

/// A read that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) node: usize,
    pub(crate) key: usize,
    pub(crate) is_strict: bool,
    pub(crate) began: Instant,
    pub(crate) version: u64,
    pub(crate) origin: Origin,
}

/// A change that was invalidated.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) node: usize,
    pub(crate) key: usize,
    pub(crate) version: u64,
    pub(crate) acknowledged: Instant,
    /// Whether every node knows, and not this one alone.
    pub(crate) is_applied: bool,
}

/// Everything that happened to a few keys.
#[derive(Default)]
pub(crate) struct History {
    reads: Mutex<Vec<Read>>,
    changes: Mutex<Vec<Change>>,
}

impl History {
    pub(crate) fn has_read(&self, read: Read) {
        self.reads.lock().push(read);
    }

    pub(crate) fn has_changed(&self, change: Change) {
        self.changes.lock().push(change);
    }

    /// Reads that were answered, as fresh, with what they must not know any more; and how many there were.
    pub(crate) fn judge(&self) -> (Vec<String>, usize) {
        let (reads, changes) = (self.reads.lock(), self.changes.lock());
        let broken = reads.iter().filter_map(|read| {
            let broken = changes.iter().find(|change| is_broken(read, change))?;
            let late = read.began - broken.acknowledged;
            Some(format!("{read:?} began {late:?} after {broken:?}"))
        });
        (broken.collect(), reads.len())
    }
}

/// Whether this read shows a state from before this change, though it was promised not to.
fn is_broken(read: &Read, change: &Change) -> bool {
    if read.key != change.key || read.version >= change.version {
        return false;
    }
    let is_here = read.node == change.node;
    let horizon = match read.origin {
        // It is labelled: whoever asks is told that it may be old.
        Origin::Stale => return false,
        Origin::Local if !is_here => return false,
        _ if is_here => Duration::ZERO,
        _ if !change.is_applied => return false,
        _ if read.is_strict => Duration::ZERO,
        _ => HORIZON,
    };
    read.began >= change.acknowledged + horizon
}

#[test]
fn what_breaks_a_promise_is_found_and_nothing_else_is() {
    let at = Instant::now();
    let after = |millis| at + Duration::from_millis(millis);
    let read = |node, is_strict, began, version, origin| Read {
        node,
        key: 1,
        is_strict,
        began: after(began),
        version,
        origin,
    };
    let change = |is_applied| Change { node: 0, key: 1, version: 2, acknowledged: after(100), is_applied };
    for (read, change, broken) in [
        (read(0, false, 100, 1, Origin::L1), change(true), true),
        (read(0, false, 100, 1, Origin::Local), change(false), true),
        (read(0, false, 99, 1, Origin::L1), change(true), false),
        (read(0, false, 100, 2, Origin::L1), change(true), false),
        (read(1, true, 100, 1, Origin::L2), change(true), true),
        (read(1, true, 100, 1, Origin::Stale), change(true), false),
        (read(1, true, 100, 1, Origin::L2), change(false), false),
        (read(1, false, 999, 1, Origin::L1), change(true), false),
        (read(1, false, 1_000, 1, Origin::L1), change(true), true),
        (read(1, false, 1_000, 1, Origin::Source), change(true), true),
        (read(1, false, 1_000, 1, Origin::Local), change(true), false),
    ] {
        assert_eq!(is_broken(&read, &change), broken, "{read:?} {change:?}");
    }
}
