//! What a load asks of the second tier, and what it makes of the answer.

use alacena_core::tier::{Era, Nonce, Standing};
use alacena_testkit::tier::Refusal;

use super::{
    envelope::Envelope,
    model::{ENTRY, HOME, Protocol, Reads, note},
    mutation::Mutation,
    state::{Cell, Copy, DEPS, Part, State, Step, TAGS, Trip},
};

impl Protocol {
    /// What the load depends on from here on: the live cell of each dep.
    pub(crate) fn stand_on(&self, state: &mut State, at: usize, shared: bool) {
        let node = self.reads(at).node;
        let mut token = [0; DEPS];
        for (dep, cell) in token.iter_mut().enumerate().take(self.deps()) {
            *cell = self.open(state, node, dep, shared);
        }
        let reader = &mut state.readers[at];
        (reader.token, reader.was_read) = (token, false);
    }

    /// Whether copies that stand here are asked about all the same.
    pub(crate) fn asks_for_all(&self, state: &State, at: usize) -> bool {
        let Reads { node, strict, .. } = self.reads(at);
        strict || !self.is_proved(state, node)
    }

    pub(crate) fn look(&self, state: &mut State, at: usize) {
        let strict = self.reads(at).strict;
        let asks_for_all = self.asks_for_all(state, at);
        let mut trip = self.trip(state, at, |cell| asks_for_all || !cell.is_alive());
        for shard in 0..self.config.shards {
            let has_markers = self.asks(&trip, shard);
            if shard == HOME && self.config.entries {
                let marker = if strict { Part::Check(shard) } else { Part::Markers(shard) };
                let is_late = self.is(Mutation::BucketAfterEntry);
                if (has_markers || strict) && !is_late {
                    trip.parts.push(marker);
                }
                trip.parts.push(Part::Entry(shard));
            } else if has_markers {
                trip.parts.push(Part::Check(shard));
            }
        }
        state.readers[at].step = Step::Look(trip);
    }

    pub(crate) fn trip(&self, state: &State, at: usize, asks: impl Fn(&Cell) -> bool) -> Box<Trip> {
        let there = &state.nodes[self.reads(at).node];
        let token = &state.readers[at].token;
        let cell = |dep: usize| &there.cells[usize::from(token[dep])];
        let is_asked = |dep: usize| dep < self.deps() && asks(cell(dep));
        let has_bucket = self.config.bucket && self.config.entries;
        Box::new(Trip {
            asked: std::array::from_fn(|dep| is_asked(dep).then(|| cell(dep).state.doubts)),
            parts: Vec::new(),
            nonces: [None; DEPS],
            eras: there.links.iter().map(|link| link.view).collect(),
            bucket: None,
            bucket_doubts: if has_bucket { cell(self.bucket()).state.doubts } else { Default::default() },
            entry: None,
            failed: false,
            is_refused: false,
        })
    }

    pub(crate) fn bucket(&self) -> usize {
        self.config.tags.len()
    }

    /// The deps that are asked about at this shard.
    pub(crate) fn asked_at(&self, trip: &Trip, shard: usize) -> impl Iterator<Item = usize> {
        let asked = trip.asked;
        (0..self.deps()).filter(move |dep| asked[*dep].is_some() && self.shard_of(*dep) == shard)
    }

    pub(crate) fn asks(&self, trip: &Trip, shard: usize) -> bool {
        self.asked_at(trip, shard).next().is_some()
    }

    /// What is asked of every shard that has one of the markers.
    pub(crate) fn parts(&self, trip: &Trip, part: fn(usize) -> Part) -> Vec<Part> {
        (0..self.config.shards).filter(|shard| self.asks(trip, *shard)).map(part).collect()
    }

    /// A server does its part.
    pub(crate) fn serve_part(&self, state: &mut State, at: usize, trip: &mut Trip, part: usize) {
        let part = trip.parts.remove(part);
        let (Part::Markers(shard) | Part::Check(shard) | Part::Entry(shard) | Part::Mint(shard)) = part;
        let link = &state.nodes[self.reads(at).node].links[shard];
        let (true, Some(view)) = (link.is_up, link.view) else { return fail(trip) };
        let deps: Vec<usize> = self.asked_at(trip, shard).collect();
        let markers: Vec<_> = deps.iter().map(|dep| self.marker(*dep)).collect();
        let nonces: Vec<Option<Nonce>> = match part {
            Part::Entry(_) => {
                let (bucket, entry) = self.serve(state, shard, |server| server.entry(&ENTRY.into(), 0));
                trip.entry = entry.map(|bytes| Envelope::decode(&bytes));
                trip.bucket = bucket.filter(|_| self.config.bucket);
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
                        trip.is_refused = refusal == Refusal::OutOfMemory;
                        return fail(trip);
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
    pub(crate) fn take_in(&self, state: &mut State, at: usize, trip: &Trip) -> bool {
        let node = self.reads(at).node;
        let token = state.readers[at].token;
        let mut agreed = true;
        for (dep, cell) in token.into_iter().enumerate().take(self.deps()) {
            if let Some(doubts) = trip.asked[dep] {
                let era = trip.eras[self.shard_of(dep)];
                agreed &= self.learn(state, node, cell, doubts, trip.nonces[dep], era);
            }
        }
        agreed
    }

    /// What the markers of the tags hold: what was answered, else what the copies are of.
    pub(crate) fn known(&self, state: &State, at: usize, trip: &Trip) -> [Option<Nonce>; TAGS] {
        let cells = &state.nodes[self.reads(at).node].cells;
        let token = &state.readers[at].token;
        std::array::from_fn(|dep| match trip.asked[dep] {
            _ if dep >= self.config.tags.len() => None,
            Some(_) => trip.nonces[dep],
            None => cells[usize::from(token[dep])].nonce,
        })
    }

    /// The second tier has answered.
    pub(crate) fn looked(&self, state: &mut State, at: usize, trip: &Trip) {
        let Reads { node, strict, .. } = self.reads(at);
        if trip.failed {
            return self.do_without(state, at);
        }
        let mut agreed = self.take_in(state, at, trip);
        if self.config.bucket && self.config.entries {
            let bucket = state.readers[at].token[self.bucket()];
            agreed &= self.learn(state, node, bucket, trip.bucket_doubts, trip.bucket, trip.eras[HOME]);
        }
        state.readers[at].known = self.known(state, at, trip);
        let stands = |copy: &Copy| {
            self.cells_of(state, node, &copy.token).all(|cell| cell.is_shared && cell.is_alive())
        };
        // What is read strictly is never copied where it can be shared.
        let held = state.readers[at].held.filter(|_| !(strict && self.config.entries));
        if let Some(copy) = held.filter(|copy| stands(copy) && !self.is_suspect(state, node, copy.stamp)) {
            note(&self.seen.proved);
            self.land_flight(state, at, copy.value);
            return self.answer(state, at, copy.value, false);
        }
        match trip.entry {
            Some(stored) if self.found(state, at, &stored, &trip.eras, agreed) => {}
            _ => self.ground(state, at),
        }
    }

    /// Whether a shard was away after this, and somebody may still have to tell it of something.
    fn is_suspect(&self, state: &State, node: usize, stamp: u8) -> bool {
        let now = self.now(state);
        let links = &state.nodes[node].links;
        !self.is(Mutation::NoGrace) && links.iter().any(|link| link.outage.is_suspect(stamp.into(), now))
    }

    /// Answers with what was stored, if that stands.
    pub(crate) fn found(
        &self,
        state: &mut State,
        at: usize,
        stored: &Envelope,
        eras: &[Option<Era>],
        agreed: bool,
    ) -> bool {
        let Reads { node, forced, .. } = self.reads(at);
        let standing = self.judge(state, at, stored, eras);
        let suspect = state.nodes[node].links[HOME].outage.is_suspect(stored.stamp.into(), self.now(state));
        let is_suspect = standing == Standing::Perhaps || suspect && !self.is(Mutation::NoGrace);
        if is_suspect {
            note(&self.seen.suspect);
        }
        if standing == Standing::Gone || is_suspect || forced {
            state.readers[at].seen = Some(stored.fill);
            return false;
        }
        note(&self.seen.second);
        let token = state.readers[at].token;
        let attempt = state.readers[at].attempt.expect("it has not landed");
        let has_ended = self.is_broken(state, node, &token);
        let there = &mut state.nodes[node];
        if (agreed || self.is(Mutation::KeepsWhatDisagrees)) && !has_ended && there.flight.may_keep(attempt) {
            there.memory = Some(Copy { value: stored.value, stamp: stored.stamp, token });
        }
        self.land_flight(state, at, stored.value);
        self.answer(state, at, stored.value, false);
        true
    }

    fn judge(&self, state: &State, at: usize, envelope: &Envelope, eras: &[Option<Era>]) -> Standing {
        let known = &state.readers[at].known;
        let judge = |dep: usize| {
            let (Some(stored), held) = (envelope.deps[dep], known[dep]) else { return Standing::Gone };
            let Some(era) = eras[self.shard_of(dep)] else { return Standing::Gone };
            match self.config.mutation {
                // Valid as long as nothing says that it was invalidated since.
                Mutation::TimestampMarker => match held {
                    Some(held) if held.random >= stored.random => Standing::Gone,
                    _ => Standing::Certain,
                },
                Mutation::CounterFromZero if held.map_or(0, |held| held.random) == stored.random => {
                    Standing::Certain
                }
                Mutation::NoEra if held == Some(stored) => Standing::Certain,
                Mutation::EraOfTheEntryAlone if held == Some(stored) => Standing::Certain,
                _ => Standing::of_dep(Some(stored), held, era),
            }
        };
        let own = match eras[HOME] {
            _ if self.is(Mutation::NoEra) || self.is(Mutation::EntryWithoutEra) => Standing::Certain,
            Some(era) => Standing::of_entry(envelope.era, era),
            None => Standing::Gone,
        };
        (0..self.config.tags.len()).map(judge).min().unwrap_or(Standing::Certain).min(own)
    }

    /// Goes on without the second tier.
    pub(crate) fn do_without(&self, state: &mut State, at: usize) {
        self.stand_on(state, at, false);
        state.readers[at].lease = None;
        self.fetch(state, at);
    }
}

/// What is lost takes the whole answer with it.
fn fail(trip: &mut Trip) {
    trip.failed = true;
    trip.parts.clear();
}
