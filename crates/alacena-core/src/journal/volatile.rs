//! What is owed and in memory only.

use std::collections::BTreeSet;

use super::Removal;

/// Removals that no record holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Volatile {
    pub(super) waiting: BTreeSet<Removal>,
    pub(super) sent: BTreeSet<Removal>,
    /// When the oldest of it was asked for.
    pub(super) since: Option<u64>,
}

impl Volatile {
    /// Forgets what waits; when the oldest of it was asked for.
    pub(super) fn take_waiting(&mut self) -> Option<u64> {
        let any = !self.waiting.is_empty();
        self.waiting.clear();
        if self.sent.is_empty() { self.since.take() } else { self.since.filter(|_| any) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    pub(super) fn acknowledged(&mut self) {
        self.sent.clear();
        if self.waiting.is_empty() {
            self.since = None;
        }
    }

    pub(super) fn failed(&mut self) {
        self.waiting.append(&mut self.sent);
    }
}
