//! A read, step by step: memory, the second tier, the lease, the source, and home again.

use std::time::Duration;

use alacena_core::{
    flight::protocol::{Attempt, End, Ground, Role},
    runtime::Moment,
    tier::{Begin, Copied, Era, Fill, HORIZON, Nonce, Standing, Store, Stored},
};
use alacena_testkit::tier::{Name, Refusal, Started};
use bytes::Bytes;

use super::{
    envelope::Envelope,
    model::{Action, ENTRY, HOME, Protocol, Reads, note},
    mutation::Mutation,
    state::{Copy, Invariant, Part, Reader, State, Step, Trip},
};

impl Protocol {
    pub(crate) fn new_reader(&self, left: u8) -> Reader {
        Reader {
            step: Step::Idle,
            left,
            floor: (0, Invariant::OwnNode),
            own_floor: 0,
            attempt: Attempt(0),
            token: Vec::new(),
            known: Vec::new(),
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
                Step::Idle if reader.left == 0 || self.would_join(state, at) => {}
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
        let step = std::mem::replace(&mut state.readers[at].step, Step::Idle);
        match step {
            Step::Idle => self.begin(state, at),
            Step::Look(mut trip) => match part {
                Some(part) => {
                    self.serve_part(state, at, &mut trip, part);
                    state.readers[at].step = Step::Look(trip);
                }
                None => self.looked(state, at, &trip),
            },
            Step::Mint(mut trip) => match part {
                Some(part) => {
                    self.serve_part(state, at, &mut trip, part);
                    state.readers[at].step = Step::Mint(trip);
                }
                None => self.minted(state, at, &trip),
            },
            Step::Begin => self.ask_for_the_lease(state, at),
            Step::Settle(mut trip) => match part {
                Some(part) => {
                    self.serve_part(state, at, &mut trip, part);
                    state.readers[at].step = Step::Settle(trip);
                }
                None => {
                    if !trip.failed {
                        self.take_in(state, at, &trip);
                    }
                    state.readers[at].step = Step::Fetch;
                }
            },
            Step::Fetch => state.readers[at].step = Step::Land(state.source),
            Step::Land(value) => self.land(state, at, value),
            Step::Store(value, tick) => self.store(state, at, value, tick),
        }
    }

    /// Whoever waits no longer loads for itself, and stores nothing for others.
    pub(crate) fn give_up(&self, state: &mut State, at: usize) {
        if self.is(Mutation::WaiterStores) {
            state.readers[at].lease = Some(Nonce { era: self.server_era(state, HOME), random: 0 });
        }
        state.readers[at].step = Step::Fetch;
    }

    fn reads(&self, at: usize) -> Reads {
        self.config.readers[at]
    }

    pub(crate) fn server_era(&self, state: &State, shard: usize) -> Era {
        state.servers[shard].server.era()
    }

    /// Whether somebody else's load answers it, or memory does not: then it is not a load of its own.
    fn would_join(&self, state: &State, at: usize) -> bool {
        let Reads { node, strict, forced, .. } = self.reads(at);
        let there = &state.nodes[node];
        let Some((_, token)) = &there.loading else { return false };
        let answered = there.memory.as_ref().is_some_and(|copy| self.may_answer(state, node, copy, strict));
        !forced && !answered && token.iter().all(|cell| there.cells[*cell].is_alive())
    }

    fn may_answer(&self, state: &State, node: usize, copy: &Copy, is_strict: bool) -> bool {
        let there = &state.nodes[node];
        let is_shared = copy.token.iter().all(|cell| there.cells[*cell].is_shared);
        let are_alive = copy.token.iter().all(|cell| there.cells[*cell].is_alive());
        let is_away = self.is_away(state, node);
        let copied = Copied {
            is_shared,
            is_strict,
            is_away: is_away || self.is(Mutation::KeepsLocal),
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
        let mut floors = vec![(0, Invariant::OwnNode)];
        let now = self.now(state);
        let warned = links.iter().filter_map(|link| link.warned).filter(|(_, until)| now < *until);
        floors.extend(warned.map(|(version, _)| (version, Invariant::Deferred)));
        if strict {
            floors.push((promised.applied, Invariant::StrictAfterApplied));
        } else {
            floors.push((promised.barrier, Invariant::AfterBarrier));
            // A connection that is older than a failover looks at what that has brought back until it is noticed.
            if is_informed {
                floors.push((promised.own[node], Invariant::OwnNode));
            }
            if self.config.heartbeats {
                let at = |tick: u8| Moment::ORIGIN + self.config.tick * u32::from(tick);
                let over = promised.applied_at.iter().filter(|(_, tick)| at(*tick) + HORIZON < now);
                floors.extend(over.map(|(version, _)| (*version, Invariant::BoundedAfterHorizon)));
            } else if is_informed && links.iter().all(|link| link.is_up && link.wire.is_empty()) {
                floors.push((promised.applied, Invariant::BoundedAfterHorizon));
            }
        }
        floors.into_iter().max().expect("there is one")
    }

    fn begin(&self, state: &mut State, at: usize) {
        let Reads { node, strict, forced, .. } = self.reads(at);
        let floor = self.floor(state, at);
        let reader = &mut state.readers[at];
        reader.left -= 1;
        (reader.floor, reader.own_floor) = (floor, state.promised.own[node]);
        let held = state.nodes[node].memory.clone();
        if let Some(copy) = held.clone().filter(|copy| !forced && self.may_answer(state, node, copy, strict))
        {
            // While the tier is there nothing may be answered that is of this node alone.
            let is_shared = copy.token.iter().all(|cell| state.nodes[node].cells[*cell].is_shared);
            let is_local = !is_shared && self.is_away(state, node);
            note(&self.seen.memory);
            return self.answer(state, at, copy.value, is_local);
        }
        let there = &mut state.nodes[node];
        there.attempts += 1;
        let role = there.flight.ask(Moment::ORIGIN, false, Attempt(there.attempts));
        let Role::Lead(attempt) = role else { unreachable!("nobody joins, and nothing fails") };
        state.readers[at].attempt = attempt;
        state.readers[at].held = held;
        self.stand_on(state, at, !self.is_away(state, node));
        if self.is_away(state, node) {
            state.readers[at].step = Step::Fetch;
            return;
        }
        let asks_for_all = strict || !self.is_proved(state, node);
        let mut trip = self.trip(state, at, |cell| asks_for_all || !cell.is_alive());
        for shard in 0..self.config.shards {
            let has_markers = trip.asked.iter().any(|(dep, _)| self.shard_of(*dep) == shard);
            if shard == HOME && self.config.entries {
                let marker = if strict { Part::Check(shard) } else { Part::Markers(shard) };
                let entry = Part::Entry(shard);
                let is_late = self.is(Mutation::BucketAfterEntry);
                let both =
                    if (has_markers || strict) && !is_late { vec![marker, entry] } else { vec![entry] };
                trip.parts.extend(both);
            } else if has_markers {
                trip.parts.push(Part::Check(shard));
            }
        }
        state.readers[at].step = Step::Look(trip);
    }

    /// What the load depends on from here on: the live cell of each dep.
    fn stand_on(&self, state: &mut State, at: usize, shared: bool) {
        let node = self.reads(at).node;
        let token: Vec<usize> = (0..self.deps()).map(|dep| self.open(state, node, dep, shared)).collect();
        let reader = &mut state.readers[at];
        (reader.token, reader.was_read) = (token.clone(), false);
        let there = &mut state.nodes[node];
        if there.flight.leads(reader.attempt) {
            there.loading = Some((reader.attempt, token));
        }
    }

    fn trip(&self, state: &State, at: usize, asks: impl Fn(&super::state::Cell) -> bool) -> Trip {
        let there = &state.nodes[self.reads(at).node];
        let token = &state.readers[at].token;
        let cells = token.iter().map(|cell| &there.cells[*cell]).enumerate();
        let bucket = token.last().filter(|_| self.config.bucket);
        Trip {
            asked: cells.filter(|(_, cell)| asks(cell)).map(|(dep, cell)| (dep, cell.state.doubts)).collect(),
            parts: Vec::new(),
            nonces: vec![None; self.deps()],
            eras: there.links.iter().map(|link| link.view).collect(),
            bucket: None,
            bucket_doubts: bucket.map(|cell| there.cells[*cell].state.doubts).unwrap_or_default(),
            entry: None,
            failed: false,
            is_refused: false,
        }
    }

    /// A server does its part.
    fn serve_part(&self, state: &mut State, at: usize, trip: &mut Trip, part: usize) {
        let part = trip.parts.remove(part);
        let (Part::Markers(shard) | Part::Check(shard) | Part::Entry(shard) | Part::Mint(shard)) = part;
        let link = &state.nodes[self.reads(at).node].links[shard];
        let (true, Some(view)) = (link.is_up, link.view) else {
            trip.failed = true;
            trip.parts.clear();
            return;
        };
        let deps: Vec<usize> =
            trip.asked.iter().map(|(dep, _)| *dep).filter(|dep| self.shard_of(*dep) == shard).collect();
        let markers: Vec<_> = deps.iter().map(|dep| self.marker(*dep)).collect();
        let nonces: Vec<Option<Nonce>> = match part {
            Part::Entry(_) => {
                (trip.bucket, trip.entry) = self.serve(state, shard, |server| server.entry(&ENTRY.into(), 0));
                if self.is(Mutation::BucketAfterEntry) {
                    trip.parts.push(Part::Markers(shard));
                }
                return;
            }
            Part::Markers(_) if self.is(Mutation::BucketAfterEntry) => {
                let fresh = [(ENTRY.bucket_marker(), self.draw(state, view))];
                let minted = self.serve(state, shard, |server| server.mint(view, &fresh, 1, 0));
                trip.bucket = minted.ok().map(|minted| minted[0]);
                self.serve(state, shard, |server| server.markers(&markers, 0))
            }
            Part::Markers(_) => self.serve(state, shard, |server| server.markers(&markers, 0)),
            Part::Check(_) => {
                let checked = self.serve(state, shard, |server| server.check(&markers, 0)).unwrap();
                if !self.is(Mutation::PromotedUnchecked) {
                    trip.eras[shard] = Some(checked.era);
                }
                checked.markers
            }
            Part::Mint(_) => {
                let era = if self.is(Mutation::NoEra) { self.server_era(state, shard) } else { view };
                let fresh: Vec<_> = markers.iter().map(|marker| (*marker, self.fresh(state, era))).collect();
                match self.serve(state, shard, |server| server.mint(era, &fresh, 1, 0)) {
                    Ok(minted) => minted.into_iter().map(Some).collect(),
                    Err(refusal) => {
                        trip.failed = true;
                        trip.is_refused = refusal == Refusal::OutOfMemory;
                        trip.parts.clear();
                        return;
                    }
                }
            }
        };
        deps.into_iter().zip(nonces).for_each(|(dep, nonce)| trip.nonces[dep] = nonce);
    }

    /// What a marker is to hold that is missing.
    fn fresh(&self, state: &mut State, era: Era) -> Nonce {
        match self.config.mutation {
            Mutation::CounterFromZero => Nonce { era, random: 0 },
            _ => self.draw(state, era),
        }
    }

    /// Takes in what markers held. Whether the copies are of just that.
    fn take_in(&self, state: &mut State, at: usize, trip: &Trip) -> bool {
        let node = self.reads(at).node;
        let token = state.readers[at].token.clone();
        let mut agreed = true;
        for (dep, doubts) in &trip.asked {
            let era = trip.eras[self.shard_of(*dep)];
            agreed &= self.learn(state, node, token[*dep], *doubts, trip.nonces[*dep], era);
        }
        agreed
    }

    /// The second tier has answered.
    fn looked(&self, state: &mut State, at: usize, trip: &Trip) {
        let Reads { node, strict, forced, .. } = self.reads(at);
        if trip.failed {
            return self.do_without(state, at);
        }
        let mut agreed = self.take_in(state, at, trip);
        if self.config.bucket && self.config.entries {
            let bucket = *state.readers[at].token.last().expect("the bucket's");
            agreed &= self.learn(state, node, bucket, trip.bucket_doubts, trip.bucket, trip.eras[HOME]);
        }
        let there = &state.nodes[node];
        let known: Vec<_> = (0..self.config.tags.len())
            .map(|dep| match trip.asked.iter().any(|(asked, _)| *asked == dep) {
                true => trip.nonces[dep],
                false => there.cells[state.readers[at].token[dep]].nonce,
            })
            .collect();
        let stands = |copy: &Copy| {
            let mut cells = copy.token.iter().map(|cell| &there.cells[*cell]);
            cells.all(|cell| cell.is_shared && cell.is_alive())
        };
        let held = state.readers[at].held.clone().filter(|_| !(strict && self.config.entries));
        if let Some(copy) = held.filter(|copy| !forced && stands(copy)) {
            note(&self.seen.proved);
            state.nodes[node].flight.finish(state.readers[at].attempt, End::Loaded, Moment::ORIGIN, 0);
            return self.answer(state, at, copy.value, false);
        }
        state.readers[at].known = known;
        if let Some(bytes) = &trip.entry
            && self.found(state, at, bytes, &trip.eras, agreed)
        {
            return;
        }
        self.ground(state, at);
    }

    /// Answers with what was stored, if that stands.
    fn found(&self, state: &mut State, at: usize, bytes: &Bytes, eras: &[Option<Era>], agreed: bool) -> bool {
        let Reads { node, forced, .. } = self.reads(at);
        let envelope = Envelope::decode(bytes);
        let standing = self.judge(state, at, &envelope, eras);
        let loaded_at = self.server_millis(envelope.tick);
        let suspect = state.nodes[node].links[HOME].outage.is_suspect(loaded_at, self.now(state));
        let is_suspect = standing == Standing::Perhaps || suspect && !self.is(Mutation::NoGrace);
        if is_suspect {
            note(&self.seen.suspect);
        }
        if standing == Standing::Gone || is_suspect || forced {
            state.readers[at].seen = Some(envelope.fill);
            return false;
        }
        note(&self.seen.second);
        let reader = &state.readers[at];
        let (attempt, token) = (reader.attempt, reader.token.clone());
        let there = &mut state.nodes[node];
        let has_ended = token.iter().any(|cell| there.cells[*cell].has_ended());
        if agreed && !has_ended && there.flight.may_keep(attempt) {
            there.memory = Some(Copy { value: envelope.value, token });
        }
        self.land_flight(state, at);
        self.answer(state, at, envelope.value, false);
        true
    }

    fn judge(&self, state: &State, at: usize, envelope: &Envelope, eras: &[Option<Era>]) -> Standing {
        let known = &state.readers[at].known;
        let stored = envelope.deps.iter();
        let deps = stored.zip(known).enumerate().map(|(dep, (stored, held))| {
            let shard = self.shard_of(dep);
            let Some(era) = eras[shard] else { return Standing::Gone };
            match self.config.mutation {
                // Valid as long as nothing says that it was invalidated since.
                Mutation::TimestampMarker => match held {
                    Some(held) if held.random >= stored.random => Standing::Gone,
                    _ => Standing::Certain,
                },
                Mutation::CounterFromZero if held.map_or(0, |held| held.random) == stored.random => {
                    Standing::Certain
                }
                Mutation::NoEra if *held == Some(*stored) => Standing::Certain,
                Mutation::EraOfTheEntryAlone if *held == Some(*stored) => Standing::Certain,
                _ => Standing::of_dep(Some(*stored), *held, era),
            }
        });
        let own = match eras[HOME] {
            _ if self.is(Mutation::NoEra) || self.is(Mutation::EntryWithoutEra) => Standing::Certain,
            Some(era) => Standing::of_entry(envelope.era, era),
            None => Standing::Gone,
        };
        deps.min().unwrap_or(Standing::Certain).min(own)
    }

    /// Sees to it that there is a marker of everything, before the source is asked.
    fn ground(&self, state: &mut State, at: usize) {
        let node = self.reads(at).node;
        if self.is(Mutation::CaptureAfterLoad) {
            state.readers[at].step = Step::Begin;
            return;
        }
        let has_ended = |state: &State| {
            state.readers[at].token.iter().any(|cell| state.nodes[node].cells[*cell].has_ended())
        };
        if has_ended(state) {
            self.stand_on(state, at, true);
        }
        let mut trip = self.trip(state, at, |cell| !cell.is_alive());
        let wanted = |shard: &usize| trip.asked.iter().any(|(dep, _)| self.shard_of(*dep) == *shard);
        trip.parts = (0..self.config.shards).filter(wanted).map(Part::Mint).collect();
        if trip.parts.is_empty() {
            state.readers[at].agreed = true;
            return self.grounded(state, at, &trip);
        }
        state.readers[at].step = Step::Mint(trip);
    }

    fn minted(&self, state: &mut State, at: usize, trip: &Trip) {
        let node = self.reads(at).node;
        if trip.is_refused {
            // Without a marker nobody could ever invalidate it: it is loaded, and not kept.
            state.readers[at].step = Step::Fetch;
            return;
        }
        if trip.failed {
            return self.do_without(state, at);
        }
        state.readers[at].agreed = self.take_in(state, at, trip);
        self.grounded(state, at, trip);
        let has_ended = state.readers[at].token.iter().any(|cell| state.nodes[node].cells[*cell].has_ended());
        if has_ended {
            self.ground(state, at);
        }
    }

    fn grounded(&self, state: &mut State, at: usize, trip: &Trip) {
        let cells = &state.nodes[self.reads(at).node].cells;
        let reader = &mut state.readers[at];
        reader.was_read = reader.token.iter().all(|cell| cells[*cell].nonce.is_some());
        let known = |dep: usize| match trip.asked.iter().any(|(asked, _)| *asked == dep) {
            true => trip.nonces[dep],
            false => cells[reader.token[dep]].nonce,
        };
        reader.known = (0..self.config.tags.len()).map(known).collect();
        reader.step = if self.config.entries { Step::Begin } else { Step::Fetch };
    }

    /// Goes on without the second tier.
    fn do_without(&self, state: &mut State, at: usize) {
        self.stand_on(state, at, false);
        state.readers[at].lease = None;
        state.readers[at].step = Step::Fetch;
    }

    /// Whether somebody else holds the lease, and has not stored anything yet.
    fn has_to_wait(&self, state: &State, at: usize) -> bool {
        let link = &state.nodes[self.reads(at).node].links[HOME];
        let server = &state.servers[HOME].server;
        let (mut waits, seen) = (false, state.readers[at].seen);
        for (name, item) in server.kept() {
            match name {
                Name::Entry(_) if Some(Envelope::decode(&item.bytes).fill) != seen => return false,
                Name::Lease(_) => {
                    let holder = Nonce::from_bytes(&item.bytes).expect("the lease of an attempt");
                    waits |= holder.era == server.era() || self.is(Mutation::LeaseWithoutEra);
                }
                _ => {}
            }
        }
        waits && link.is_up && link.view == Some(server.era())
    }

    fn ask_for_the_lease(&self, state: &mut State, at: usize) {
        let Reads { node, forced, .. } = self.reads(at);
        let link = &state.nodes[node].links[HOME];
        let (true, Some(era)) = (link.is_up, link.view) else { return self.do_without(state, at) };
        let attempt = match self.config.mutation {
            Mutation::NodeIsTheAttempt => Nonce { era, random: 1_000 + node as u64 },
            _ => self.draw(state, era),
        };
        let begin = Begin {
            entry: ENTRY.into(),
            attempt,
            seen: state.readers[at].seen,
            lease: Duration::from_millis(1),
        };
        match self.serve(state, HOME, |server| server.begin(&begin, 0)) {
            Ok(Started::Lead) => {
                state.readers[at].lease = Some(attempt);
                let mut trip = self.trip(state, at, |cell| !cell.is_alive());
                let doubted = |shard: &usize| trip.asked.iter().any(|(dep, _)| self.shard_of(*dep) == *shard);
                trip.parts = (0..self.config.shards).filter(doubted).map(Part::Check).collect();
                let settles = self.config.settles && !trip.parts.is_empty();
                state.readers[at].step = if settles { Step::Settle(trip) } else { Step::Fetch };
            }
            Ok(Started::Hit(bytes)) => {
                let eras: Vec<_> = state.nodes[node].links.iter().map(|link| link.view).collect();
                let agreed = state.readers[at].agreed;
                state.readers[at].step = Step::Begin;
                if forced || !self.found(state, at, &bytes, &eras, agreed) {
                    state.readers[at].seen = Some(Envelope::decode(&bytes).fill);
                }
            }
            Ok(Started::Wait(_) | Started::Alone) => unreachable!("it has been looked at"),
            Err(Refusal::OutOfMemory) => state.readers[at].step = Step::Fetch,
            Err(Refusal::OtherEra) => self.do_without(state, at),
        }
    }

    fn land(&self, state: &mut State, at: usize, value: u8) {
        let Reads { node, strict, .. } = self.reads(at);
        if self.is(Mutation::CaptureAfterLoad) {
            self.capture_late(state, at);
        }
        let reader = &state.readers[at];
        let (attempt, token) = (reader.attempt, reader.token.clone());
        let there = &mut state.nodes[node];
        let is_shared = token.iter().all(|cell| there.cells[*cell].is_shared);
        let ground = Ground {
            is_shared,
            was_read: reader.was_read || self.is(Mutation::KeepsUnread),
            has_ended: token.iter().any(|cell| there.cells[*cell].has_ended()),
        };
        let is_withheld = strict && !is_shared;
        if there.flight.may_keep(attempt) && ground.bears() && !is_withheld {
            there.memory = Some(Copy { value, token });
        }
        self.land_flight(state, at);
        if let Some(lease) = state.readers[at].lease {
            if ground.has_ended {
                self.release(state, at, lease);
            } else {
                let reader = &mut state.readers[at];
                state.promised.check(value, reader.floor, &mut state.broken);
                reader.step = Step::Store(value, state.tick);
                return;
            }
        }
        self.answer(state, at, value, false);
    }

    /// What the mutation captures, it captures when the value is there.
    fn capture_late(&self, state: &mut State, at: usize) {
        let node = self.reads(at).node;
        self.stand_on(state, at, true);
        let mut trip = self.trip(state, at, |_| true);
        trip.parts = (0..self.config.shards).map(Part::Mint).collect();
        while !trip.parts.is_empty() {
            self.serve_part(state, at, &mut trip, 0);
        }
        if !trip.failed {
            self.take_in(state, at, &trip);
            self.grounded(state, at, &trip);
        }
        debug_assert!(state.nodes[node].cells.len() >= self.deps());
    }

    fn land_flight(&self, state: &mut State, at: usize) {
        let attempt = state.readers[at].attempt;
        let there = &mut state.nodes[self.reads(at).node];
        if there.flight.leads(attempt) {
            there.loading = None;
        }
        there.flight.finish(attempt, End::Loaded, Moment::ORIGIN, 0);
    }

    fn release(&self, state: &mut State, at: usize, lease: Nonce) {
        if state.nodes[self.reads(at).node].links[HOME].is_up {
            let _ = self.serve(state, HOME, |server| server.release(ENTRY, lease, None, 0));
        }
    }

    fn store(&self, state: &mut State, at: usize, value: u8, tick: u8) {
        let lease = state.readers[at].lease.expect("whoever stores has one");
        let deps: Option<Vec<Nonce>> = state.readers[at].known.iter().copied().collect();
        if let Some(deps) = deps.filter(|_| state.nodes[self.reads(at).node].links[HOME].is_up) {
            let fill = Fill(self.draw(state, lease.era).random);
            let envelope = Envelope { fill, era: lease.era, value, tick, deps }.encode();
            let store =
                Store { entry: ENTRY.into(), attempt: lease, envelope, keep: Duration::from_millis(1) };
            let stored = self.serve(state, HOME, |server| server.store(&store, 0));
            if stored == Ok(Stored::LeaseLost) {
                note(&self.seen.refused);
                self.store_by_force(state, store);
            }
        }
        self.done(state, at);
    }

    /// What a store does that looks at less than it should.
    fn store_by_force(&self, state: &mut State, mut store: Store) {
        let era = self.server_era(state, HOME);
        let holds = state.servers[HOME].server.kept().any(|(name, item)| {
            name == Name::Lease(ENTRY) && item.bytes == store.attempt.to_bytes().as_slice()
        });
        let does = match self.config.mutation {
            Mutation::StoreUnchecked => true,
            Mutation::WaiterStores => store.attempt.random == 0,
            Mutation::LeaseWithoutEra => holds,
            _ => false,
        };
        if !does {
            return;
        }
        let mut envelope = Envelope::decode(&store.envelope);
        envelope.era = era;
        store.envelope = envelope.encode();
        store.attempt.era = era;
        let begin = Begin {
            entry: ENTRY.into(),
            attempt: store.attempt,
            seen: None,
            lease: Duration::from_millis(1),
        };
        self.serve(state, HOME, |server| {
            server.evict(Name::Entry(ENTRY.into()));
            server.evict(Name::Lease(ENTRY));
            server.begin(&begin, 0).unwrap();
            server.store(&store, 0).unwrap();
        });
    }

    fn answer(&self, state: &mut State, at: usize, value: u8, is_local: bool) {
        let reader = &state.readers[at];
        let floor = if is_local { (reader.own_floor, Invariant::OwnNode) } else { reader.floor };
        state.promised.check(value, floor, &mut state.broken);
        self.done(state, at);
    }

    fn done(&self, state: &mut State, at: usize) {
        let left = state.readers[at].left;
        state.readers[at] = self.new_reader(left);
    }

    pub(crate) fn server_millis(&self, tick: u8) -> u64 {
        u64::try_from((self.config.tick * u32::from(tick)).as_millis()).expect("a few")
    }
}

impl super::state::Promised {
    fn check(&self, value: u8, (floor, invariant): (u8, Invariant), broken: &mut Option<Invariant>) {
        if value < floor {
            *broken = Some(invariant);
        }
    }
}
