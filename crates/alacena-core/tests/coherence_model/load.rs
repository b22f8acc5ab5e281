//! What a load does that has found nothing: markers, the lease, the source, and home again.

use alacena_core::{
    flight::protocol::Ground,
    tier::{Begin, Fill, Nonce, Store, Stored},
};
use alacena_testkit::tier::{Name, Refusal, Started};

use super::{
    envelope::Envelope,
    model::{ENTRY, HOME, Protocol, Reads, SOME_TIME, note},
    mutation::Mutation,
    state::{Copy, Part, Promised, State, Step, Trip},
};

impl Protocol {
    /// Sees to it that there is a marker of everything, before the source is asked.
    pub(crate) fn ground(&self, state: &mut State, at: usize) {
        let node = self.reads(at).node;
        if self.is(Mutation::CaptureAfterLoad) {
            state.readers[at].step = Step::Begin;
            return;
        }
        if self.is_broken(state, node, &state.readers[at].token) {
            self.stand_on(state, at, true);
        }
        let asks_for_all = self.asks_for_all(state, at);
        let mut trip = self.trip(state, at, |cell| asks_for_all || !cell.is_alive());
        trip.parts = self.parts(&trip, Part::Mint);
        if trip.parts.is_empty() {
            state.readers[at].agreed = true;
            return self.grounded(state, at, &trip);
        }
        state.readers[at].step = Step::Mint(trip);
    }

    pub(crate) fn minted(&self, state: &mut State, at: usize, trip: &Trip) {
        let node = self.reads(at).node;
        if trip.is_refused {
            // Without a marker nobody could ever invalidate it: it is loaded, and not kept.
            return self.fetch(state, at);
        }
        if trip.failed {
            return self.do_without(state, at);
        }
        state.readers[at].agreed = self.take_in(state, at, trip);
        if self.is_broken(state, node, &state.readers[at].token) {
            return self.ground(state, at);
        }
        self.grounded(state, at, trip);
    }

    fn grounded(&self, state: &mut State, at: usize, trip: &Trip) {
        let was_read = self
            .cells_of(state, self.reads(at).node, &state.readers[at].token)
            .all(|cell| cell.nonce.is_some());
        let known = self.known(state, at, trip);
        let reader = &mut state.readers[at];
        (reader.was_read, reader.known) = (was_read, known);
        if self.config.entries {
            reader.step = Step::Begin;
        } else {
            self.fetch(state, at);
        }
    }

    /// Whether somebody else holds the lease, and has not stored anything yet.
    pub(crate) fn has_to_wait(&self, state: &State, at: usize) -> bool {
        let link = &state.nodes[self.reads(at).node].links[HOME];
        let primary = &state.servers[HOME];
        let is_news = |entry: Envelope| Some(entry.fill) != state.readers[at].seen;
        let holds = |lease: Nonce| lease.era == primary.era || self.is(Mutation::LeaseWithoutEra);
        let waits = primary.kept.lease.is_some_and(holds) && !primary.kept.entry.is_some_and(is_news);
        waits && link.is_up && link.view == Some(primary.era)
    }

    /// Whoever waits no longer loads for itself, and stores nothing for others.
    pub(crate) fn give_up(&self, state: &mut State, at: usize) {
        if self.is(Mutation::WaiterStores) {
            state.readers[at].lease = Some(Nonce { era: self.server_era(state, HOME), random: 0 });
        }
        self.fetch(state, at);
    }

    pub(crate) fn ask_for_the_lease(&self, state: &mut State, at: usize) {
        let Reads { node, forced, .. } = self.reads(at);
        let link = &state.nodes[node].links[HOME];
        let (true, Some(era)) = (link.is_up, link.view) else { return self.do_without(state, at) };
        let attempt = match self.config.mutation {
            Mutation::NodeIsTheAttempt => Nonce { era, random: 1_000 + node as u64 },
            _ => self.draw(state, era),
        };
        let begin = Begin { entry: ENTRY.into(), attempt, seen: state.readers[at].seen, lease: SOME_TIME };
        match self.serve(state, HOME, |server| server.begin(&begin, 0)) {
            Ok(Started::Lead) => {
                state.readers[at].lease = Some(attempt);
                self.settle(state, at);
            }
            Ok(Started::Hit(bytes)) => {
                let eras: Vec<_> = state.nodes[node].links.iter().map(|link| link.view).collect();
                let (agreed, stored) = (state.readers[at].agreed, Envelope::decode(&bytes));
                state.readers[at].step = Step::Begin;
                if forced || !self.found(state, at, &stored, &eras, agreed) {
                    state.readers[at].seen = Some(stored.fill);
                }
            }
            Ok(Started::Wait(_) | Started::Alone) => unreachable!("it has been looked at"),
            Err(Refusal::OutOfMemory) => self.fetch(state, at),
            Err(Refusal::OtherEra) => self.do_without(state, at),
        }
    }

    /// Asks about what was told of meanwhile, so that whoever joins meets copies that are proved.
    fn settle(&self, state: &mut State, at: usize) {
        let mut trip = self.trip(state, at, |cell| !cell.is_alive() && !cell.has_ended());
        trip.parts = self.parts(&trip, Part::Check);
        if self.config.settles && !trip.parts.is_empty() {
            state.readers[at].step = Step::Settle(trip);
        } else {
            self.fetch(state, at);
        }
    }

    pub(crate) fn settled(&self, state: &mut State, at: usize, trip: &Trip) {
        if !trip.failed {
            self.take_in(state, at, trip);
        }
        self.fetch(state, at);
    }

    /// Asks the source, at once. A load may ask it later; but what it brings home then is as old or newer, and nothing but
    /// the promises looks at how old a value is: whatever breaks one with a late answer breaks it with this one. Only when
    /// the source was asked counts as well, and [there](Protocol::ask_later) the latest is the worst.
    pub(crate) fn fetch(&self, state: &mut State, at: usize) {
        state.readers[at].step = Step::Land(state.source, state.stamp);
    }

    /// Time has passed. Whoever has asked the source for what it still says may have asked it only now.
    pub(crate) fn ask_later(&self, state: &mut State) {
        let (source, now) = (state.source, state.stamp);
        for reader in &mut state.readers {
            if let Step::Land(value, stamp) = &mut reader.step
                && *value == source
            {
                *stamp = now;
            }
        }
    }

    pub(crate) fn land(&self, state: &mut State, at: usize, value: u8, stamp: u8) {
        let Reads { node, strict, .. } = self.reads(at);
        if self.is(Mutation::CaptureAfterLoad) {
            self.capture_late(state, at);
        }
        let stamp = if self.is(Mutation::NewWhenItLands) { state.stamp } else { stamp };
        let reader = &state.readers[at];
        let (token, lease, floor) = (reader.token, reader.lease, reader.floor);
        let is_shared = self.cells_of(state, node, &token).all(|cell| cell.is_shared);
        let ground = Ground {
            is_shared,
            was_read: reader.was_read || self.is(Mutation::KeepsUnread),
            has_ended: self.is_broken(state, node, &token),
        };
        let is_withheld = strict && !is_shared;
        let attempt = reader.attempt.expect("it has not landed");
        let there = &mut state.nodes[node];
        if there.flight.may_keep(attempt) && ground.bears() && !is_withheld {
            there.memory = Some(Copy { value, stamp, token });
        }
        self.land_flight(state, at, value);
        match lease {
            Some(_) if !ground.has_ended => {
                Promised::check(value, floor, &mut state.broken);
                state.readers[at].step = Step::Store(value, stamp);
            }
            Some(lease) => {
                self.release(state, at, lease);
                self.answer(state, at, value, false);
            }
            None => self.answer(state, at, value, false),
        }
    }

    /// What the mutation captures, it captures when the value is there.
    fn capture_late(&self, state: &mut State, at: usize) {
        self.stand_on(state, at, true);
        let mut trip = self.trip(state, at, |_| true);
        trip.parts.extend((0..self.config.shards).map(Part::Mint));
        while !trip.parts.is_empty() {
            self.serve_part(state, at, &mut trip, 0);
        }
        if !trip.failed {
            self.take_in(state, at, &trip);
            self.grounded(state, at, &trip);
        }
    }

    fn release(&self, state: &mut State, at: usize, lease: Nonce) {
        if state.nodes[self.reads(at).node].links[HOME].is_up {
            let _ = self.serve(state, HOME, |server| server.release(ENTRY, lease, None, 0));
        }
    }

    pub(crate) fn store(&self, state: &mut State, at: usize, value: u8, stamp: u8) {
        let reader = &state.readers[at];
        let (lease, deps) = (reader.lease.expect("whoever stores has one"), reader.known);
        let has_all = deps[..self.config.tags.len()].iter().all(Option::is_some);
        if has_all && state.nodes[self.reads(at).node].links[HOME].is_up {
            let fill = Fill(self.draw(state, lease.era).random);
            let envelope = Envelope { fill, era: lease.era, value, stamp, deps }.encode();
            let store = Store { entry: ENTRY.into(), attempt: lease, envelope, keep: SOME_TIME };
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
        let does = match self.config.mutation {
            Mutation::StoreUnchecked => true,
            Mutation::WaiterStores => store.attempt.random == 0,
            Mutation::LeaseWithoutEra => state.servers[HOME].kept.lease == Some(store.attempt),
            _ => false,
        };
        if !does {
            return;
        }
        let mut envelope = Envelope::decode(&store.envelope);
        envelope.era = era;
        store.envelope = envelope.encode();
        store.attempt.era = era;
        let begin = Begin { entry: ENTRY.into(), attempt: store.attempt, seen: None, lease: SOME_TIME };
        self.serve(state, HOME, |server| {
            server.evict(Name::Entry(ENTRY.into()));
            server.evict(Name::Lease(ENTRY));
            server.begin(&begin, 0).unwrap();
            server.store(&store, 0).unwrap();
        });
    }
}
