//! Names that are given in the order in which they are met, so that states are one that differ in names alone.

use alacena_core::{
    flight::protocol::{Attempt, End, Flight},
    runtime::Moment,
    tier::{Fill, Nonce},
};

use super::{
    envelope::Envelope,
    model::Protocol,
    mutation::Mutation,
    primary::Kept,
    state::{Reader, State, Step},
};

/// What the mutations call by a name of their own begins here; 0 names what nobody has any more.
const OWN: u64 = 1_000;

/// The names of one kind, in the order in which they were met.
#[derive(Default)]
struct Names(Vec<u64>);

impl Names {
    fn rename(&mut self, name: &mut u64) {
        if *name == 0 || *name >= OWN {
            return;
        }
        let met = self.0.iter().position(|other| other == name);
        let at = met.unwrap_or_else(|| {
            self.0.push(*name);
            self.0.len() - 1
        });
        *name = at as u64 + 1;
    }
}

/// No two kinds are ever compared.
#[derive(Default)]
struct AllNames {
    nonces: Names,
    leases: Names,
    fills: Names,
}

impl AllNames {
    fn of_nonces<'a>(&mut self, nonces: impl IntoIterator<Item = &'a mut Option<Nonce>>) {
        nonces.into_iter().flatten().for_each(|nonce| self.nonces.rename(&mut nonce.random));
    }

    fn of_lease(&mut self, lease: &mut Option<Nonce>) {
        lease.iter_mut().for_each(|lease| self.leases.rename(&mut lease.random));
    }

    fn of_entry(&mut self, entry: &mut Option<Envelope>) {
        if let Some(entry) = entry {
            self.fills.rename(&mut entry.fill.0);
            self.of_nonces(&mut entry.deps);
        }
    }

    fn of_kept(&mut self, kept: &mut Kept) {
        self.of_nonces(&mut kept.markers);
        self.of_entry(&mut kept.entry);
        self.of_lease(&mut kept.lease);
    }

    fn of_reader(&mut self, reader: &mut Reader) {
        self.of_nonces(&mut reader.known);
        self.of_lease(&mut reader.lease);
        if let Some(Fill(fill)) = &mut reader.seen {
            self.fills.rename(fill);
        }
        if let Some(trip) = reader.trip_mut() {
            self.of_nonces(trip.nonces.iter_mut().chain([&mut trip.bucket]));
            self.of_entry(&mut trip.entry);
        }
    }
}

impl Protocol {
    /// Whether what stands in a marker is compared in other ways than by being the same.
    pub(crate) fn compares_numbers(&self) -> bool {
        self.is(Mutation::TimestampMarker) || self.is(Mutation::CounterFromZero)
    }

    /// A nonce, a lease and a fill are drawn once and compared with others of their kind: which they are says nothing.
    pub(crate) fn rename(&self, state: &mut State) {
        if self.compares_numbers() {
            return;
        }
        let mut names = AllNames::default();
        for primary in &mut state.servers {
            names.of_kept(&mut primary.kept);
            primary.behind.iter_mut().for_each(|kept| names.of_kept(kept));
        }
        for cell in state.nodes.iter_mut().flat_map(|node| &mut node.cells) {
            names.of_nonces([&mut cell.nonce]);
        }
        state.readers.iter_mut().for_each(|reader| names.of_reader(reader));
        let AllNames { nonces, leases, fills } = names;
        state.drawn =
            [nonces, leases, fills].map(|names| names.0.len()).into_iter().max().unwrap_or(0) as u64;
    }

    /// Of the loads under way on a node their order matters, which of them may still be kept, and whether the last one may
    /// be joined. The same is brought about here by as few as there are.
    pub(crate) fn rename_attempts(&self, state: &mut State, node: usize) {
        let mut under_way: Vec<Attempt> =
            self.readers_of(node).filter_map(|at| state.readers[at].attempt).collect();
        under_way.sort_unstable();
        let there = &mut state.nodes[node];
        let renamed = |attempt: Attempt| {
            let place = under_way.iter().position(|other| *other == attempt).expect("it is under way");
            Attempt(place as u64 + 1)
        };
        let mut flight = Flight::default();
        let lead = |flight: &mut Flight, number: usize| {
            let _ = flight.ask(Moment::ORIGIN, false, Attempt(number as u64));
        };
        let may_keep = under_way.partition_point(|attempt| !there.flight.may_keep(*attempt));
        (1..=may_keep).for_each(|number| lead(&mut flight, number));
        flight.revoke();
        (may_keep + 1..=under_way.len()).for_each(|number| lead(&mut flight, number));
        // Whoever leads one that nobody may join any more leads nobody.
        there.loading = there.loading.filter(|loading| there.flight.leads(loading.attempt));
        if there.loading.is_none() {
            // One that has given up leaves nothing to join.
            lead(&mut flight, under_way.len() + 1);
            flight.finish(Attempt(under_way.len() as u64 + 1), End::NotAsked, Moment::ORIGIN, 0);
        }
        (there.flight, there.attempts) = (flight, under_way.len() as u64 + 1);
        there.loading.iter_mut().for_each(|loading| loading.attempt = renamed(loading.attempt));
        for at in self.readers_of(node) {
            let reader = &mut state.readers[at];
            reader.attempt = reader.attempt.map(renamed);
            if let Step::Join(attempt, _) = &mut reader.step {
                *attempt = renamed(*attempt);
            }
        }
    }

    /// Which of two readers that ask alike is where the other could be says nothing.
    pub(crate) fn order_readers(&self, state: &mut State) {
        let reads = self.config.readers;
        for (at, one) in reads.iter().enumerate() {
            let is_alike = |other: &usize| {
                let other = &reads[*other];
                (one.node, one.strict, one.forced) == (other.node, other.strict, other.forced)
            };
            // A group is put in order when its first one is met.
            if (0..at).any(|other| is_alike(&other)) {
                continue;
            }
            let group: Vec<usize> = (at..reads.len()).filter(is_alike).collect();
            for (number, place) in group.iter().enumerate() {
                let rest = group[number..].iter();
                let least = *rest.min_by_key(|other| order(&state.readers[**other])).expect("there is one");
                state.readers.swap(*place, least);
            }
        }
    }
}

/// Says of a reader where it is, without a name: no two loads of a node have the same number.
fn order(reader: &Reader) -> (u8, u8, u64, u8, u8, bool) {
    let (step, attempt, value) = match &reader.step {
        Step::Idle => (0, 0, 0),
        Step::Turn => (1, 0, 0),
        Step::Join(attempt, knows) => (2, attempt.0, u8::from(*knows)),
        Step::Look(_) => (3, 0, 0),
        Step::Mint(_) => (4, 0, 0),
        Step::Begin => (5, 0, 0),
        Step::Settle(_) => (6, 0, 0),
        Step::Land(value, _) => (7, 0, *value),
        Step::Store(value, _) => (8, 0, *value),
    };
    let attempt = reader.attempt.map_or(attempt, |attempt| attempt.0);
    (reader.left, step, attempt, value, reader.floor.0, reader.has_waited)
}
