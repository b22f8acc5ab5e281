//! Two shards beside each other: the same random steps asked of both, and every answer compared.
//!
//! So a fake is held against the real thing. Compared are, step by step: the answers, or why there are none; what each node
//! is told of markers; who of those that wait is woken; and in the end everything that is kept. Eras and clocks are not:
//! they are each server's own.
//!
//! A step that is a wait for time to pass takes as long as it says, so that a real server can be one of the two.

mod asked;
mod side;

use alacena_core::{
    key::KeySpace,
    tier::{EntryId, EntryName, Fill, MarkerId},
};

use super::suite::{Happening, Stage};
use crate::Chance;
use asked::{Asked, Drawn};
use side::Side;

/// Markers, entries and nodes that take part: few, so that they meet often.
const MARKERS: [MarkerId; 4] =
    [MarkerId::Dep(0xd1ff), MarkerId::Dep(0xd2ff << 64), MarkerId::Bucket(0x111), MarkerId::Bucket(0x222)];
const ENTRIES: [EntryId; 3] = [EntryId(0x111 << 116), EntryId(0x111 << 116 | 1), EntryId(0x222 << 116)];
const NODES: usize = 2;

/// What an entry is called: one of them is of a class with readable names.
fn name(entry: EntryId) -> EntryName {
    if entry == ENTRIES[1] { called(entry) } else { entry.into() }
}

fn called(entry: EntryId) -> EntryName {
    let space = KeySpace::new("compared", "c", &["c"]).expect("it is short");
    entry.called(&space.key(None, [format!("{:x}", entry.0)]).expect("it is short"))
}

/// Asks both for the same random steps, so many of them, and compares. Both are empty before.
///
/// # Panics
/// Where they differ, with the seed and the steps so far.
pub async fn compare(seed: u64, steps: usize, one: &dyn Stage, other: &dyn Stage) {
    let (mut one, mut other) = (Side::of(one).await, Side::of(other).await);
    let mut drawn = Drawn::new(Chance::new(seed));
    let mut trace = Vec::new();
    for _ in 0..steps {
        let asked = drawn.next();
        let (left, right) = (one.ask(&asked).await, other.ask(&asked).await);
        trace.push(format!("{asked:?} -> {left}"));
        assert!(
            left == right,
            "seed {seed}, step {}: one says\n  {left}\nand the other\n  {right}\nafter\n{}",
            trace.len(),
            trace.join("\n")
        );
    }
    let (left, right) = (one.kept().await, other.kept().await);
    assert!(
        left == right,
        "seed {seed}: one keeps {left:?}, the other {right:?}, after\n{}",
        trace.join("\n")
    );
}
