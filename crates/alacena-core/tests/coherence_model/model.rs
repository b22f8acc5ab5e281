//! The model: what can happen next, and what it does.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alacena_core::{
    runtime::Moment,
    tier::{EntryId, Era, MarkerId, Nonce},
};
use alacena_testkit::tier::{Change, Name, Server};
use stateright::{Model, Property};

use super::{
    link::Event,
    mutation::Mutation,
    primary::{Kept, Primary, marker_at},
    state::{DEPS, Invariant, Left, Promised, State, Told},
};

/// The entry of the one key. Its bucket is the first.
pub(crate) const ENTRY: EntryId = EntryId(0);
/// Where the entry lies.
pub(crate) const HOME: usize = 0;
/// For how long leases and entries are kept: nothing ends by itself here.
pub(crate) const SOME_TIME: Duration = Duration::from_millis(1);

/// Who takes part, and what may happen to them.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) mutation: Mutation,
    pub(crate) nodes: usize,
    pub(crate) shards: usize,
    /// On which shard the marker of each tag of the entry lies.
    pub(crate) tags: &'static [usize],
    /// Whether the entry depends on its bucket.
    pub(crate) bucket: bool,
    /// Whether values are shared, and not their markers alone.
    pub(crate) entries: bool,
    pub(crate) readers: &'static [Reads],
    /// On which node each writer is.
    pub(crate) writers: &'static [usize],
    pub(crate) writes: u8,
    pub(crate) change: Changes,
    /// Whether the load asks about what was told of in between, with the lease in hand.
    pub(crate) settles: bool,
    /// Whether servers tell at the end of a round, and links are asked for signs of life.
    pub(crate) heartbeats: bool,
    pub(crate) barrier: bool,
    pub(crate) journal: bool,
    /// Whether a cut is one of the network, and every node is cut off.
    pub(crate) cut_for_all: bool,
    pub(crate) tick: Duration,
    pub(crate) left: Left,
}

/// A reader: where it is, how it asks, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reads {
    pub(crate) node: usize,
    pub(crate) strict: bool,
    /// Asks for the source, whatever is stored.
    pub(crate) forced: bool,
    pub(crate) times: u8,
}

pub(crate) const fn strict(node: usize, times: u8) -> Reads {
    Reads { node, strict: true, forced: false, times }
}

pub(crate) const fn bounded(node: usize, times: u8) -> Reads {
    Reads { node, strict: false, forced: false, times }
}

pub(crate) const fn forced(node: usize, times: u8) -> Reads {
    Reads { node, strict: false, forced: true, times }
}

/// What a writer invalidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// All of the tags, in one call.
    Tags,
    Key,
}

pub(crate) struct Protocol {
    pub(crate) config: Config,
    pub(crate) seen: Seen,
}

/// What has come about: a model in which nothing does would keep every promise.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) memory: AtomicBool,
    pub(crate) proved: AtomicBool,
    pub(crate) second: AtomicBool,
    pub(crate) refused: AtomicBool,
    pub(crate) suspect: AtomicBool,
    pub(crate) joined: AtomicBool,
}

pub(crate) fn note(seen: &AtomicBool) {
    seen.store(true, Ordering::Relaxed);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A reader takes its next step, or this part of its question is served.
    Read(usize, Option<usize>),
    /// A reader does not wait any longer for the lease.
    GiveUp(usize),
    Write(usize),
    /// This shard serves what a writer asks of it.
    Tell(usize, usize),
    Acknowledge(usize),
    Link(usize, usize, Event),
    Evict(usize, MarkerId),
    EndLease,
    Lag(usize),
    Promote(usize),
    Restart(usize),
    /// From here on there is, or is not, memory for anything new.
    Fill(usize, bool),
    EndRound(usize),
    Tick,
}

impl Protocol {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, seen: Seen::default() }
    }

    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.config.mutation == mutation
    }

    pub(crate) fn now(&self, state: &State) -> Moment {
        Moment::ORIGIN + self.config.tick * u32::from(state.tick)
    }

    /// The markers of the entry's deps: the tags', then the bucket's.
    pub(crate) fn deps(&self) -> usize {
        self.config.tags.len() + usize::from(self.config.bucket)
    }

    pub(crate) fn is_bucket(&self, dep: usize) -> bool {
        dep == self.config.tags.len()
    }

    pub(crate) fn marker(&self, dep: usize) -> MarkerId {
        marker_at(if self.is_bucket(dep) { DEPS - 1 } else { dep })
    }

    pub(crate) fn shard_of(&self, dep: usize) -> usize {
        if self.is_bucket(dep) { HOME } else { self.config.tags[dep] }
    }

    pub(crate) fn draw(&self, state: &mut State, era: Era) -> Nonce {
        state.drawn += 1;
        Nonce { era, random: state.drawn }
    }

    /// One step of a server; what it tells is on its way.
    pub(crate) fn serve<R>(&self, state: &mut State, shard: usize, step: impl FnOnce(&mut Server) -> R) -> R {
        let primary = &mut state.servers[shard];
        let (done, mut server) = primary.serve(step);
        for change in server.take_changes() {
            let Change::Marker(marker) = change else { continue };
            let told = Told::Changed(marker);
            for (number, node) in state.nodes.iter_mut().enumerate() {
                let link = &mut node.links[shard];
                // A connection to what the server was before a failover hears nothing.
                let is_heard = link.is_up && link.view == Some(primary.era);
                match self.config.heartbeats {
                    _ if !is_heard => {}
                    true if !primary.round[number].contains(&told) => primary.round[number].push(told),
                    true => {}
                    false => link.wire.push_back(told),
                }
            }
        }
        done
    }

    fn server_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = state.left;
        for (shard, primary) in state.servers.iter().enumerate() {
            let kept = &primary.kept;
            if left.evictions > 0 {
                let held = (0..DEPS).filter(|slot| kept.markers[*slot].is_some());
                actions.extend(held.map(|slot| Action::Evict(shard, marker_at(slot))));
            }
            if left.lease_ends > 0 && kept.lease.is_some() {
                actions.push(Action::EndLease);
            }
            if left.failovers > 0 {
                match primary.behind {
                    None => actions.push(Action::Lag(shard)),
                    Some(_) => actions.push(Action::Promote(shard)),
                }
            }
            if left.restarts > 0 {
                actions.push(Action::Restart(shard));
            }
            if left.fills > 0 {
                actions.push(Action::Fill(shard, !primary.is_full));
            }
            if primary.round.iter().any(|told| !told.is_empty()) {
                actions.push(Action::EndRound(shard));
            }
        }
        if left.ticks > 0 {
            actions.push(Action::Tick);
        }
    }

    fn happen(&self, state: &mut State, action: Action) {
        match action {
            Action::Evict(shard, marker) => {
                state.left.evictions -= 1;
                self.serve(state, shard, |server| server.evict(Name::Marker(marker)));
            }
            Action::EndLease => {
                state.left.lease_ends -= 1;
                self.serve(state, HOME, |server| server.evict(Name::Lease(ENTRY)));
            }
            Action::Lag(shard) => {
                let primary = &mut state.servers[shard];
                primary.behind = Some(primary.kept);
            }
            Action::Promote(shard) => {
                state.left.failovers -= 1;
                let primary = &mut state.servers[shard];
                primary.begin_anew(primary.behind.expect("it has stopped hearing"));
                self.overtake(state);
            }
            Action::Restart(shard) => {
                state.left.restarts -= 1;
                let primary = &mut state.servers[shard];
                primary.begin_anew(primary.kept);
                self.overtake(state);
            }
            Action::Fill(shard, full) => {
                state.left.fills -= 1;
                state.servers[shard].is_full = full;
            }
            Action::EndRound(shard) => {
                for (node, told) in state.nodes.iter_mut().zip(&mut state.servers[shard].round) {
                    node.links[shard].wire.extend(told.drain(..));
                }
            }
            Action::Tick => {
                state.left.ticks -= 1;
                state.tick += 1;
                state.stamp += 1;
                self.ask_later(state);
                self.end_grace(state);
            }
            _ => unreachable!("readers, writers and links look after themselves"),
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let config = &self.config;
        // An odd number of changes ends with memory for everything.
        let is_full = config.left.fills % 2 == 1;
        let primary = || Primary {
            era: Era(1),
            kept: Kept::default(),
            behind: None,
            is_full,
            round: vec![Vec::new(); config.nodes],
        };
        vec![State {
            source: 0,
            tick: 0,
            stamp: 0,
            servers: (0..config.shards).map(|_| primary()).collect(),
            nodes: vec![self.new_node(); config.nodes],
            readers: config.readers.iter().map(|reads| self.new_reader(reads.times)).collect(),
            writers: vec![self.new_writer(); config.writers.len()],
            promised: Promised { own: vec![0; config.nodes], ..Promised::default() },
            left: config.left,
            drawn: 0,
            broken: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() {
            return;
        }
        self.reader_actions(state, actions);
        self.writer_actions(state, actions);
        self.link_actions(state, actions);
        self.server_actions(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Read(at, part) => self.read(&mut state, at, part),
            Action::GiveUp(at) => self.give_up(&mut state, at),
            Action::Write(at) => self.write(&mut state, at),
            Action::Tell(at, shard) => self.tell(&mut state, at, shard),
            Action::Acknowledge(at) => self.acknowledge(&mut state, at),
            Action::Link(node, shard, event) => self.link(&mut state, node, shard, event),
            _ => self.happen(&mut state, action),
        }
        self.reduce(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn keeps(state: &State, invariant: Invariant) -> bool {
            state.broken != Some(invariant)
        }
        vec![
            Property::always("INV-1, INV-4, INV-5, INV-6, INV-9: strict reads", |_, state: &State| {
                keeps(state, Invariant::StrictAfterApplied)
            }),
            Property::always("INV-2: bounded reads", |_, state: &State| {
                keeps(state, Invariant::BoundedAfterHorizon)
            }),
            Property::always("INV-2: bounded reads of the same node", |_, state: &State| {
                keeps(state, Invariant::OwnNode)
            }),
            Property::always("INV-3: after the barrier", |_, state: &State| {
                keeps(state, Invariant::AfterBarrier)
            }),
            Property::always("INV-7a, INV-7b: what was deferred", |_, state: &State| {
                keeps(state, Invariant::Deferred)
            }),
        ]
    }
}
