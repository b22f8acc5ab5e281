//! The server behind its connections: it serves in rounds, as Redis does.
//!
//! In a round it takes the steps that have arrived, and answers each at once. What has changed it tells at the end of the
//! round, once each, to everybody who listens. So a PONG overtakes the news of what was changed before it in the same
//! round:
//!
//! ```text
//!   another node      the round        this node's link
//!   removes m    →    removes m
//!   ok           ←    PING         ←
//!                     PONG         →   is everything told? no.
//!                     end          →   m has changed
//! ```
//!
//! A connection is read once a round: who has been answered and asks again is served in the next one. Who waits for an
//! entry is told at once.

use std::{collections::BTreeSet, sync::Weak};

use alacena_core::tier::{EntryId, Push};
use tokio::sync::oneshot;

use super::{FakeTier, Replication, faults::Way, line::Line, node::Node};
use crate::tier::{Change, Server};

/// The server, and whom it knows.
pub(super) struct Served {
    pub(super) server: Server,
    /// How many eras there have been.
    pub(super) eras: u64,
    pub(super) replication: Replication,
    /// How many writes have arrived at the replica, and how many are to arrive there at some known time.
    pub(super) replicated: u64,
    pub(super) scheduled: u64,
    pub(super) nodes: Vec<Weak<Node>>,
    /// Who is told of every marker that changes.
    pub(super) listeners: Vec<(Line, Weak<Node>)>,
    /// Who waits for an entry.
    pub(super) waiters: Vec<Waiter>,
    round: Option<Round>,
}

pub(super) struct Waiter {
    pub(super) entry: EntryId,
    pub(super) line: Line,
    pub(super) wake: oneshot::Sender<()>,
}

#[derive(Default)]
struct Round {
    changes: BTreeSet<Change>,
    /// Whose pings it has answered.
    pinged: Vec<Line>,
}

impl Served {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            eras: 1,
            replication: Replication::AtOnce,
            replicated: 0,
            scheduled: 0,
            nodes: Vec::new(),
            listeners: Vec::new(),
            waiters: Vec::new(),
            round: None,
        }
    }

    /// The writes that the replica will have once it has all that there are now.
    pub(super) fn written(&self) -> u64 {
        self.replicated + self.server.behind() as u64
    }

    /// A ping has arrived on this connection.
    pub(super) fn is_pinged(&mut self, line: &Line) {
        let Some(round) = &mut self.round else { return };
        if round.pinged.iter().any(|pinged| pinged.is(line)) {
            self.end_round();
        } else {
            round.pinged.push(line.clone());
        }
    }

    /// What was under way to the replica has arrived or never will.
    pub(super) fn start_anew(&mut self) {
        self.replicated = self.replicated.max(self.scheduled);
        self.scheduled = self.replicated;
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, lost: &Line) {
        self.listeners.retain(|(line, _)| !line.is(lost));
        self.waiters.retain(|waiter| !waiter.line.is(lost));
    }

    /// Wakes those whom the changes of the last step concern, and keeps what is to be told at the end of the round.
    /// Whether there is one now.
    fn note_changes(&mut self) -> bool {
        for change in self.server.take_changes() {
            let concerns = |waiter: &Waiter| match change {
                Change::Everything => true,
                Change::Entry(entry) => waiter.entry == entry,
                Change::Marker(_) => false,
            };
            for Waiter { line, wake, .. } in self.waiters.extract_if(.., |waiter| concerns(waiter)) {
                // Whoever gave up waiting does not mind.
                line.send(Way::Back, move || wake.send(()).unwrap_or_default());
            }
            self.round.get_or_insert_default().changes.insert(change);
        }
        self.round.is_some()
    }

    fn end_round(&mut self) {
        let Some(Round { changes, .. }) = self.round.take() else { return };
        for change in changes {
            let push = match change {
                Change::Everything => Push::Everything,
                Change::Marker(marker) => Push::Marker(marker),
                Change::Entry(_) => continue,
            };
            for (line, node) in &self.listeners {
                let node = node.clone();
                line.send(Way::Back, move || {
                    if let Some(watcher) = node.upgrade().and_then(|node| node.watcher()) {
                        watcher.pushed(push);
                    }
                });
            }
        }
    }
}

impl FakeTier {
    /// Does something at the server, as a part of the round that is under way.
    pub(super) fn at_server<R>(&self, act: impl FnOnce(&mut Served, u64) -> R) -> R {
        let mut served = self.0.served.lock();
        let was_in_round = served.round.is_some();
        let done = act(&mut served, self.server_millis());
        self.replicate_as_said(&mut served);
        if served.note_changes() && !was_in_round {
            let tier = self.clone();
            self.0.runtime.spawn(Box::pin(async move {
                if !tier.0.round.is_zero() {
                    tier.0.runtime.sleep(tier.0.round).await;
                }
                tier.0.served.lock().end_round();
            }));
        }
        done
    }

    fn replicate_as_said(&self, served: &mut Served) {
        match served.replication {
            Replication::AtOnce => self.arrive(served, served.written()),
            Replication::Cut => {}
            Replication::After(lag) if served.scheduled < served.written() => {
                let until = served.written();
                served.scheduled = until;
                let tier = self.clone();
                self.0.runtime.spawn(Box::pin(async move {
                    tier.0.runtime.sleep(lag).await;
                    let mut served = tier.0.served.lock();
                    if served.replication != Replication::Cut {
                        tier.arrive(&mut served, until);
                    }
                }));
            }
            Replication::After(_) => {}
        }
    }

    /// Every write up to this one has arrived at the replica.
    fn arrive(&self, served: &mut Served, until: u64) {
        let Some(writes) = until.checked_sub(served.replicated) else { return };
        served.server.replicate(usize::try_from(writes).expect("what is under way is in memory"));
        served.replicated = until;
        self.0.replicated.send_replace(until);
    }
}
