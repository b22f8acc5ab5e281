//! A read, step by step: memory, a load that it joins or leads, and the answer. What a load does is in `question` and
//! `load`.

use alacena_core::{
    flight::protocol::{Attempt, End, Role},
    runtime::Moment,
    tier::{Copied, Era, HORIZON},
};

use super::{
    model::{Action, Protocol, Reads, note},
    mutation::Mutation,
    state::{Copy, Invariant, Loading, Part, Promised, Reader, State, Step, Warned},
};

/// What nobody is promised anything beyond.
pub(crate) const NO_FLOOR: (u8, Invariant) = (0, Invariant::StrictAfterApplied);

impl Protocol {
    pub(crate) fn new_reader(&self, left: u8) -> Reader {
        Reader {
            step: Step::Idle,
            left,
            floor: NO_FLOOR,
            came: Moment::ORIGIN,
            has_waited: false,
            attempt: None,
            token: Default::default(),
            known: Default::default(),
            was_read: false,
            agreed: false,
            seen: None,
            lease: None,
            held: None,
        }
    }

    pub(crate) fn reader_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, reader) in state.readers.iter().enumerate() {
            match &reader.step {
                Step::Idle if reader.left == 0 => {}
                // Whoever leads says how it ended.
                Step::Join(..) => {}
                Step::Look(trip) | Step::Mint(trip) | Step::Settle(trip) if !trip.parts.is_empty() => {
                    let is_next = |part: &usize| self.is_next(&trip.parts, *part);
                    let parts = (0..trip.parts.len()).filter(is_next);
                    actions.extend(parts.map(|part| Action::Read(at, Some(part))));
                }
                Step::Begin if self.has_to_wait(state, at) => actions.push(Action::GiveUp(at)),
                _ => actions.push(Action::Read(at, None)),
            }
        }
    }

    /// Each connection keeps its order: markers before the entry, the entry before the era.
    fn is_next(&self, parts: &[Part], part: usize) -> bool {
        match parts[part] {
            Part::Entry(shard) => !parts.contains(&Part::Markers(shard)),
            Part::Check(shard) => !parts.contains(&Part::Entry(shard)) || self.is(Mutation::EraBeforeEntry),
            Part::Markers(_) | Part::Mint(_) => true,
        }
    }

    pub(crate) fn read(&self, state: &mut State, at: usize, part: Option<usize>) {
        let mut step = std::mem::replace(&mut state.readers[at].step, Step::Idle);
        match &mut step {
            Step::Look(trip) | Step::Mint(trip) | Step::Settle(trip) if part.is_some() => {
                self.serve_part(state, at, trip, part.expect("it is one"));
                state.readers[at].step = step;
            }
            Step::Idle => self.begin(state, at),
            Step::Join(..) => unreachable!("it waits"),
            Step::Turn => self.turn(state, at),
            Step::Look(trip) => self.looked(state, at, trip),
            Step::Mint(trip) => self.minted(state, at, trip),
            Step::Begin => self.ask_for_the_lease(state, at),
            Step::Settle(trip) => self.settled(state, at, trip),
            Step::Land(value, stamp) => self.land(state, at, *value, *stamp),
            Step::Store(value, stamp) => self.store(state, at, *value, *stamp),
        }
    }

    pub(crate) fn reads(&self, at: usize) -> Reads {
        self.config.readers[at]
    }

    pub(crate) fn server_era(&self, state: &State, shard: usize) -> Era {
        state.servers[shard].era
    }

    fn begin(&self, state: &mut State, at: usize) {
        let (floor, now) = (self.floor(state, at), self.now(state));
        let reader = &mut state.readers[at];
        reader.left -= 1;
        (reader.floor, reader.came) = (floor, now);
        self.turn(state, at);
    }

    /// Answers from memory, joins the load that is under way, or leads one.
    fn turn(&self, state: &mut State, at: usize) {
        let Reads { node, forced, .. } = self.reads(at);
        let held = state.nodes[node].memory.filter(|_| !forced);
        if let Some(copy) = held.filter(|copy| self.may_answer(state, at, copy)) {
            // While the tier is there nothing may be answered that is of this node alone.
            let is_local = !self.is_shared(state, node, &copy) && self.is_away(state, node);
            note(&self.seen.memory);
            return self.answer(state, at, copy.value, is_local);
        }
        let joinable = state.nodes[node].loading.filter(|loading| self.may_join(state, at, loading));
        let there = &mut state.nodes[node];
        there.attempts += 1;
        let next = Attempt(there.attempts);
        match there.flight.ask(Moment::ORIGIN, joinable.is_some(), next) {
            Role::Lead(attempt) => {
                let reader = &mut state.readers[at];
                (reader.attempt, reader.held) = (Some(attempt), held);
                self.lead(state, at);
            }
            Role::Join(attempt) => {
                note(&self.seen.joined);
                let loading = joinable.expect("it may be joined");
                let knows = self.knows_enough(state, at, &loading);
                let leader = self.leader(state, node, &loading);
                let token = state.readers[leader].token;
                let is_shared = self.cells_of(state, node, &token).all(|cell| cell.is_shared);
                let reader = &mut state.readers[at];
                reader.step = Step::Join(attempt, knows);
                // What was told while the tier was away this load may know nothing of, for as long as the horizon.
                if !is_shared && reader.floor.1 == Invariant::BoundedAfterHorizon {
                    reader.floor = NO_FLOOR;
                }
            }
            Role::Rest(_) | Role::Alone => unreachable!("nothing fails, and everything is kept"),
        }
    }

    fn lead(&self, state: &mut State, at: usize) {
        let node = self.reads(at).node;
        let (attempt, began) = (state.readers[at].attempt.expect("it leads"), self.now(state));
        state.nodes[node].loading = Some(Loading { attempt, began });
        let is_away = self.is_away(state, node);
        self.stand_on(state, at, !is_away);
        if is_away { self.fetch(state, at) } else { self.look(state, at) }
    }

    fn leader(&self, state: &State, node: usize, loading: &Loading) -> usize {
        let leads = |other: &usize| state.readers[*other].attempt == Some(loading.attempt);
        self.readers_of(node).find(leads).expect("somebody leads it")
    }

    /// Whether a load that is under way may answer this reader: nothing that it depends on is in doubt, or has ended. Who
    /// reads otherwise is of another class, and so of another flight, or insists on one of its own.
    fn may_join(&self, state: &State, at: usize, loading: &Loading) -> bool {
        let Reads { node, strict, forced, .. } = self.reads(at);
        let leader = self.leader(state, node, loading);
        let token = state.readers[leader].token;
        let is_current = self.cells_of(state, node, &token).all(|cell| cell.is_alive());
        let is_alike = strict == self.reads(leader).strict;
        !forced && is_alike && (is_current || self.is(Mutation::JoinsWhatIsOutdated))
    }

    /// Whether what it brings home will know of everything that this reader must know of. What is joined after a wait has
    /// begun since the reader came.
    fn knows_enough(&self, state: &State, at: usize, loading: &Loading) -> bool {
        let reader = &state.readers[at];
        let is_recent = reader.came <= loading.began + HORIZON;
        reader.has_waited || !self.reads(at).strict && is_recent || self.is(Mutation::JoinsWhatIsOlder)
    }

    fn is_shared(&self, state: &State, node: usize, copy: &Copy) -> bool {
        self.cells_of(state, node, &copy.token).all(|cell| cell.is_shared)
    }

    fn may_answer(&self, state: &State, at: usize, copy: &Copy) -> bool {
        let Reads { node, strict, .. } = self.reads(at);
        let are_alive = self.cells_of(state, node, &copy.token).all(|cell| cell.is_alive());
        let copied = Copied {
            is_shared: self.is_shared(state, node, copy),
            is_strict: strict,
            is_away: self.is_away(state, node) || self.is(Mutation::KeepsLocal),
            is_due: false,
            stands: are_alive && self.is_proved(state, node),
        };
        are_alive && copied.may_be_answered()
    }

    /// What an answer must be at least that is given to whoever asks now.
    fn floor(&self, state: &State, at: usize) -> (u8, Invariant) {
        let Reads { node, strict, .. } = self.reads(at);
        let links = &state.nodes[node].links;
        let knows_the_server =
            |(shard, _): (usize, _)| links[shard].view == Some(self.server_era(state, shard));
        let is_informed = links.iter().enumerate().all(knows_the_server);
        let promised = &state.promised;
        let mut floor = NO_FLOOR;
        let mut raise = |version: u8, by: Invariant| {
            if version > floor.0 {
                floor = (version, by);
            }
        };
        let now = self.now(state);
        for Warned { version, acknowledged, until } in links.iter().filter_map(|link| link.warned) {
            // What is joined may be as old as the horizon.
            let is_due = strict || acknowledged + HORIZON < now;
            if is_due && until.is_some_and(|until| now < until) {
                raise(version, Invariant::Deferred);
            }
        }
        if strict {
            raise(promised.applied, Invariant::StrictAfterApplied);
        } else {
            raise(promised.barrier, Invariant::AfterBarrier);
            // A connection that is older than a failover looks at what that has brought back until it is noticed.
            if is_informed {
                raise(promised.own[node], Invariant::OwnNode);
            }
            if self.config.heartbeats {
                let at = |tick: u8| Moment::ORIGIN + self.config.tick * u32::from(tick);
                let over = promised.applied_at.iter().filter(|(_, tick)| at(*tick) + HORIZON < now);
                over.for_each(|(version, _)| raise(*version, Invariant::BoundedAfterHorizon));
            } else if is_informed && links.iter().all(|link| link.is_up && link.wire.is_empty()) {
                raise(promised.applied, Invariant::BoundedAfterHorizon);
            }
        }
        floor
    }

    /// A failover overtakes who reads. A bounded read asks over the connection that there is, and judges what is answered
    /// by the era that this had: until it is noticed, which takes a heartbeat, it is promised nothing.
    pub(crate) fn overtake(&self, state: &mut State) {
        for (reader, reads) in state.readers.iter_mut().zip(self.config.readers) {
            if !reads.strict {
                reader.floor = NO_FLOOR;
            }
        }
    }

    /// Time has passed. Who is answered after the grace is promised nothing by it any more.
    pub(crate) fn end_grace(&self, state: &mut State) {
        let now = self.now(state);
        for at in 0..state.readers.len() {
            let links = &state.nodes[self.reads(at).node].links;
            let mut warned = links.iter().filter_map(|link| link.warned?.until);
            if state.readers[at].floor.1 == Invariant::Deferred && !warned.any(|until| now < until) {
                state.readers[at].floor = NO_FLOOR;
            }
        }
    }

    /// A load ends: with this for all who wait for it and need not know of more.
    pub(crate) fn land_flight(&self, state: &mut State, at: usize, value: u8) {
        let node = self.reads(at).node;
        let attempt = state.readers[at].attempt.take().expect("it has not landed");
        let there = &mut state.nodes[node];
        if there.flight.leads(attempt) {
            there.loading = None;
        }
        there.flight.finish(attempt, End::Loaded, Moment::ORIGIN, 0);
        for other in 0..state.readers.len() {
            match state.readers[other].step {
                Step::Join(joined, knows) if joined == attempt && self.reads(other).node == node => {
                    if knows {
                        self.answer(state, other, value, false);
                    } else {
                        state.readers[other].has_waited = true;
                        state.readers[other].step = Step::Turn;
                    }
                }
                _ => {}
            }
        }
    }

    pub(crate) fn answer(&self, state: &mut State, at: usize, value: u8, is_local: bool) {
        let own = state.promised.own[self.reads(at).node];
        let floor = if is_local { (own, Invariant::OwnNode) } else { state.readers[at].floor };
        Promised::check(value, floor, &mut state.broken);
        self.done(state, at);
    }

    pub(crate) fn done(&self, state: &mut State, at: usize) {
        let left = state.readers[at].left;
        state.readers[at] = self.new_reader(left);
    }
}

impl Promised {
    pub(crate) fn check(value: u8, (floor, invariant): (u8, Invariant), broken: &mut Option<Invariant>) {
        if value < floor {
            *broken = Some(invariant);
        }
    }
}
