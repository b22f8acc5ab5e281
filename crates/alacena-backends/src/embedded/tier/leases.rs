//! Who loads what, in memory alone: a lease is worth nothing once the process that holds it is gone.

use std::{collections::HashMap, time::Duration};

use alacena_core::tier::{EntryId, Nonce};
use tokio::sync::oneshot;

/// Most leases at once; who comes on top loads without one.
const LEASES_MAX: usize = 65_536;

/// Who loads what, and who waits for them.
#[derive(Default)]
pub(super) struct Leases {
    held: HashMap<EntryId, Lease>,
    waiting: HashMap<EntryId, Vec<oneshot::Sender<()>>>,
}

#[derive(Clone, Copy)]
struct Lease {
    by: Holder,
    /// On the clock of the tier, in milliseconds.
    ends: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Attempt(Nonce),
    /// Everybody loads by themselves.
    Nobody,
}

/// Whether a lease can be had.
pub(super) enum Claimed {
    /// It is held now.
    Taken,
    /// Somebody holds it, for so long; completes when that has changed.
    Held(Duration, oneshot::Receiver<()>),
    /// Nobody waits for anybody.
    Alone,
    /// There are too many.
    Full,
}

impl Leases {
    pub(super) fn claim(&mut self, entry: EntryId, attempt: Nonce, span: Duration, now: u64) -> Claimed {
        match self.held.get(&entry).filter(|lease| lease.ends > now) {
            Some(Lease { by: Holder::Nobody, .. }) => return Claimed::Alone,
            Some(Lease { ends, .. }) => {
                let left = Duration::from_millis(ends - now);
                let (wake, woken) = oneshot::channel();
                let waiting = self.waiting.entry(entry).or_default();
                waiting.retain(|waiting| !waiting.is_closed());
                waiting.push(wake);
                return Claimed::Held(left, woken);
            }
            None => {}
        }
        if self.held.len() >= LEASES_MAX {
            self.sweep(now);
        }
        if self.held.len() >= LEASES_MAX {
            return Claimed::Full;
        }
        self.held.insert(entry, Lease { by: Holder::Attempt(attempt), ends: now + millis(span) });
        Claimed::Taken
    }

    pub(super) fn is_held(&self, entry: EntryId, attempt: Nonce, now: u64) -> bool {
        self.held.get(&entry).is_some_and(|lease| lease.ends > now && lease.by == Holder::Attempt(attempt))
    }

    /// Holds it for so much longer, if it is held.
    pub(super) fn renew(&mut self, entry: EntryId, attempt: Nonce, span: Duration, now: u64) -> bool {
        let is_held = self.is_held(entry, attempt, now);
        if is_held {
            self.held.insert(entry, Lease { by: Holder::Attempt(attempt), ends: now + millis(span) });
        }
        is_held
    }

    /// Nobody holds it any more. Whether somebody did.
    pub(super) fn end(&mut self, entry: EntryId) -> bool {
        self.held.remove(&entry).is_some()
    }

    /// Nobody holds it any more, and nobody is waited for.
    pub(super) fn leave_alone(&mut self, entry: EntryId, span: Duration, now: u64) {
        self.held.insert(entry, Lease { by: Holder::Nobody, ends: now + millis(span) });
    }

    /// Wakes who waits for this entry.
    pub(super) fn wake(&mut self, entry: EntryId) {
        for waiting in self.waiting.remove(&entry).into_iter().flatten() {
            // An error means that it does not wait any more.
            let _ = waiting.send(());
        }
    }

    /// Ends all of them, and wakes everybody.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what has run out, and who has stopped waiting.
    pub(super) fn sweep(&mut self, now: u64) {
        self.held.retain(|_, lease| lease.ends > now);
        self.waiting.retain(|_, waiting| {
            waiting.retain(|waiting| !waiting.is_closed());
            !waiting.is_empty()
        });
    }

    /// The entries that somebody loads, or everybody alone.
    pub(super) fn entries(&self) -> impl Iterator<Item = EntryId> {
        self.held.keys().copied()
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 4)
}
