//! The steps that are asked for, drawn by chance.

use std::time::Duration;

use super::{ENTRIES, EntryId, EntryName, Fill, Happening, MARKERS, MarkerId, NODES, name};
use crate::Chance;

/// A step of one of the nodes, or something that happens. Numbers instead of nonces: the era is each server's own.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Look { node: usize, entry: EntryName, markers: Vec<MarkerId> },
    Check { node: usize, markers: Vec<MarkerId> },
    Mint { node: usize, markers: Vec<(MarkerId, u64)>, keep: Duration, of_era: bool },
    Begin { node: usize, entry: EntryName, attempt: u64, seen: Option<Fill>, lease: Duration, of_era: bool },
    Renew { node: usize, entry: EntryId, attempt: u64, lease: Duration },
    Store { node: usize, entry: EntryName, attempt: u64, fill: Fill, keep: Duration },
    Overwrite { node: usize, entry: EntryName, over: Option<Fill>, fill: Fill, keep: Duration, of_era: bool },
    Release { node: usize, entry: EntryId, attempt: u64, alone: Option<Duration> },
    Invalidate { node: usize, markers: Vec<MarkerId> },
    InvalidateEntries { node: usize, entries: Vec<EntryName> },
    Touch { node: usize, markers: Vec<MarkerId> },
    Happens(Happening),
    Passes(Duration),
}

/// What lives for so long is there until the next time that time passes, and not afterwards; a marker lives up to twice
/// as long.
const BRIEF: Duration = Duration::from_millis(1_000);
const LONG: Duration = Duration::from_secs(60);
const PASSES: Duration = Duration::from_millis(2_400);

/// Steps, one after the other.
pub(super) struct Drawn {
    chance: Chance,
    /// The attempts of late, with what they are to load.
    attempts: Vec<(EntryId, u64)>,
    /// The fills of late.
    fills: Vec<Fill>,
    full: bool,
}

impl Drawn {
    pub(super) fn new(chance: Chance) -> Self {
        Self { chance, attempts: Vec::new(), fills: Vec::new(), full: false }
    }

    pub(super) fn next(&mut self) -> Asked {
        let node = self.chance.below(NODES);
        match self.chance.below(100) {
            0..12 => Asked::Look { node, entry: self.name(), markers: self.markers() },
            12..20 => Asked::Check { node, markers: self.markers() },
            20..36 => self.mint(node),
            36..54 => self.begin(node),
            54..60 => {
                let (entry, attempt) = self.attempt();
                Asked::Renew { node, entry, attempt, lease: self.span() }
            }
            60..70 => self.store(node),
            70..74 => self.overwrite(node),
            74..79 => {
                let (entry, attempt) = self.attempt();
                let alone = self.chance.one_in(2).then(|| self.span());
                Asked::Release { node, entry, attempt, alone }
            }
            79..86 => Asked::Invalidate { node, markers: self.markers() },
            86..91 => {
                let entries = (0..=self.chance.below(2)).map(|_| self.name()).collect();
                Asked::InvalidateEntries { node, entries }
            }
            91..93 => Asked::Touch { node, markers: self.markers() },
            93..99 => Asked::Happens(self.happening()),
            _ => Asked::Passes(PASSES),
        }
    }

    fn mint(&mut self, node: usize) -> Asked {
        let mut markers: Vec<_> = self.markers().into_iter().map(|of| (of, self.chance.number())).collect();
        markers.dedup_by_key(|(marker, _)| *marker);
        Asked::Mint { node, markers, keep: self.span(), of_era: !self.chance.one_in(12) }
    }

    fn begin(&mut self, node: usize) -> Asked {
        let (entry, attempt) = (self.name(), self.chance.number());
        self.attempts.push((entry.id(), attempt));
        let seen = self.fills.last().copied().filter(|_| self.chance.one_in(2));
        let of_era = !self.chance.one_in(12);
        Asked::Begin { node, entry, attempt, seen, lease: self.span(), of_era }
    }

    fn store(&mut self, node: usize) -> Asked {
        let ((entry, attempt), fill) = (self.attempt(), Fill(self.chance.number()));
        self.fills.push(fill);
        Asked::Store { node, entry: name(entry), attempt, fill, keep: self.span() }
    }

    fn overwrite(&mut self, node: usize) -> Asked {
        let (entry, fill) = (self.name(), Fill(self.chance.number()));
        let over = self.fills.last().copied().filter(|_| !self.chance.one_in(4));
        self.fills.push(fill);
        Asked::Overwrite { node, entry, over, fill, keep: self.span(), of_era: !self.chance.one_in(12) }
    }

    fn happening(&mut self) -> Happening {
        match self.chance.below(6) {
            0..3 => {
                let entry = self.name();
                let names = [self.chance.pick(&MARKERS).name(), entry.name(), entry.id().lease_name()];
                Happening::Evicted(self.chance.pick(&names).clone())
            }
            3 => Happening::Flushed,
            _ => {
                self.full = !self.full;
                Happening::Full(self.full)
            }
        }
    }

    /// An attempt of late, mostly of the latest ones.
    fn attempt(&mut self) -> (EntryId, u64) {
        let recent = self.attempts.len().min(4);
        match recent {
            0 => (self.entry(), 0),
            _ => self.attempts[self.attempts.len() - 1 - self.chance.below(recent)],
        }
    }

    /// One to three different markers.
    fn markers(&mut self) -> Vec<MarkerId> {
        let (first, many) = (self.chance.below(MARKERS.len()), 1 + self.chance.below(3));
        MARKERS.iter().cycle().skip(first).take(many).copied().collect()
    }

    fn name(&mut self) -> EntryName {
        name(self.entry())
    }

    fn entry(&mut self) -> EntryId {
        *self.chance.pick(&ENTRIES)
    }

    fn span(&mut self) -> Duration {
        if self.chance.one_in(4) { BRIEF } else { LONG }
    }
}
