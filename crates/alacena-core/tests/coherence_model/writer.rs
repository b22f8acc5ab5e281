//! An invalidation, step by step: the source, this node, every shard, this node again.

use std::collections::BTreeSet;

use alacena_core::{
    journal::{Deferral, Removal},
    tier::{Begin, HORIZON, Nonce},
};
use alacena_testkit::tier::Name;

use super::{
    model::{Action, Changes, Config, ENTRY, HOME, Protocol, SOME_TIME},
    mutation::Mutation,
    state::{State, Writer, WriterStep},
};

impl Protocol {
    pub(crate) fn new_writer(&self) -> Writer {
        Writer { step: WriterStep::Idle, left: self.config.writes, version: 0 }
    }

    pub(crate) fn writer_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, writer) in state.writers.iter().enumerate() {
            match &writer.step {
                WriterStep::Idle if writer.left == 0 => {}
                WriterStep::Idle => actions.push(Action::Write(at)),
                WriterStep::Tells(shards) => {
                    actions.extend(shards.iter().map(|shard| Action::Tell(at, *shard)))
                }
                WriterStep::Barrier(until) if self.now(state) < *until => {}
                WriterStep::Told | WriterStep::Barrier(_) => actions.push(Action::Acknowledge(at)),
            }
        }
    }

    /// The source changes, and this node hears of it: between the two nothing can go wrong that cannot go wrong before.
    pub(crate) fn write(&self, state: &mut State, at: usize) {
        state.source += 1;
        let writer = &mut state.writers[at];
        writer.left -= 1;
        writer.version = state.source;
        let shards = match self.config.change {
            Changes::Key => vec![HOME],
            Changes::Tags => self.config.tags.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(),
        };
        let only = if let [shard] = shards[..] { Some(shard) } else { None };
        writer.step = WriterStep::Tells(shards);
        self.end_here(state, at);
        if let Some(shard) = only.filter(|_| self.is_one_step(state, at)) {
            self.tell(state, at, shard);
            self.acknowledge(state, at);
        }
    }

    /// Where nobody reads on its node, an invalidation of one shard is one step. The source could change earlier: whoever
    /// asks it meanwhile would be answered with something newer. It could be acknowledged later: whoever asks meanwhile
    /// would be promised less. So whatever breaks a promise in between breaks it with this one.
    fn is_one_step(&self, state: &State, at: usize) -> bool {
        let Config { barrier, journal, .. } = self.config;
        !barrier && !journal && !self.is_read(state, self.config.writers[at])
    }

    fn end_here(&self, state: &mut State, at: usize) {
        let node = self.config.writers[at];
        match self.config.change {
            Changes::Tags => (0..self.config.tags.len()).for_each(|dep| self.end(state, node, dep)),
            Changes::Key => {
                let there = &mut state.nodes[node];
                there.flight.revoke();
                (there.loading, there.memory) = (None, None);
            }
        }
    }

    pub(crate) fn tell(&self, state: &mut State, at: usize, shard: usize) {
        let node = self.config.writers[at];
        let WriterStep::Tells(shards) = &mut state.writers[at].step else { unreachable!("it tells") };
        shards.retain(|other| *other != shard);
        if shards.is_empty() {
            state.writers[at].step = WriterStep::Told;
        }
        let link = &state.nodes[node].links[shard];
        if !link.is_up || link.view.is_none() {
            return self.defer(state, at, shard);
        }
        match self.config.change {
            Changes::Key => self.tell_of_the_key(state),
            Changes::Tags => self.tell_of_tags(state, shard),
        }
    }

    fn tell_of_tags(&self, state: &mut State, shard: usize) {
        let is_meant = |dep: &usize| self.shard_of(*dep) == shard;
        let markers: Vec<_> =
            (0..self.config.tags.len()).filter(is_meant).map(|dep| self.marker(dep)).collect();
        let era = self.server_era(state, shard);
        state.drawn += 1;
        let clock = state.drawn;
        self.serve(state, shard, |server| match self.config.mutation {
            Mutation::TimestampMarker | Mutation::CounterFromZero => {
                for marker in &markers {
                    let held = server.markers(&[*marker], 0)[0].map_or(0, |held| held.random);
                    let random = if self.is(Mutation::CounterFromZero) { held + 1 } else { clock };
                    server.evict(Name::Marker(*marker));
                    server.mint(era, &[(*marker, Nonce { era, random })], 1, 0).unwrap();
                }
            }
            _ => server.invalidate(&markers).unwrap(),
        });
    }

    pub(crate) fn tell_of_the_key(&self, state: &mut State) {
        let keeps_lease = self.is(Mutation::InvalidateKeepsLease);
        self.serve(state, HOME, |server| {
            let lease = server.kept().find(|(name, _)| *name == Name::Lease(ENTRY));
            let holder = lease.and_then(|(_, item)| Nonce::from_bytes(&item.bytes));
            server.invalidate_entries(&[ENTRY.into()]).unwrap();
            if let Some(attempt) = holder.filter(|_| keeps_lease) {
                let _ =
                    server.begin(&Begin { entry: ENTRY.into(), attempt, seen: None, lease: SOME_TIME }, 0);
            }
        });
    }

    /// What a shard is to remove.
    pub(crate) fn removals(&self, shard: usize) -> BTreeSet<Removal> {
        match self.config.change {
            Changes::Key => BTreeSet::from([Removal::Entry(ENTRY.into())]),
            Changes::Tags => (0..self.config.tags.len())
                .filter(|dep| self.shard_of(*dep) == shard)
                .map(|dep| Removal::Marker(self.marker(dep)))
                .collect(),
        }
    }

    /// The shard cannot be told: it is written down, durably, before anybody hears of it.
    fn defer(&self, state: &mut State, at: usize, shard: usize) {
        let removals = self.removals(shard);
        let version = state.writers[at].version;
        let link = &mut state.nodes[self.config.writers[at]].links[shard];
        let Some(backlog) = &mut link.backlog else { unreachable!("who can be cut off has a journal") };
        if let Deferral::Append(ticket, _) = backlog.defer(removals, 0) {
            backlog.appended(ticket, Some(u64::from(version)));
        }
        link.owes = link.owes.max(Some(version));
    }

    pub(crate) fn acknowledge(&self, state: &mut State, at: usize) {
        let node = self.config.writers[at];
        let version = state.writers[at].version;
        let owed = state.nodes[node].links.iter().filter_map(|link| link.owes.max(link.sends)).max();
        let is_deferred = owed.is_some_and(|owed| owed >= version);
        let is_first = state.writers[at].step == WriterStep::Told;
        if is_first && !self.is(Mutation::EndsOnce) {
            self.end_here(state, at);
        }
        let barrier = self.config.barrier && !is_deferred;
        let horizon = self.now(state) + HORIZON;
        state.writers[at].step = match is_first && barrier && !self.is(Mutation::BarrierWithoutWaiting) {
            true => WriterStep::Barrier(horizon),
            false => WriterStep::Idle,
        };
        let promised = &mut state.promised;
        promised.own[node] = promised.own[node].max(version);
        if is_deferred {
            return self.warn(state, version);
        }
        self.promise(state, version);
        if barrier && state.writers[at].step == WriterStep::Idle {
            state.promised.barrier = state.promised.barrier.max(version);
        }
        if state.writers[at].step == WriterStep::Idle {
            state.writers[at].version = 0;
        }
    }

    /// Everything that this version concerns has been told.
    pub(crate) fn promise(&self, state: &mut State, version: u8) {
        let tick = state.tick;
        let promised = &mut state.promised;
        if version > promised.applied {
            promised.applied = version;
            if self.config.heartbeats {
                promised.applied_at.push((version, tick));
            }
        }
    }
}
