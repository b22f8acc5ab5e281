//! What a node knows: its cells, and how far it may trust them.

use alacena_core::{
    flight::protocol::Flight,
    marker::{
        doubt::{self, Doubts, Says},
        protocol::Mark,
    },
    runtime::Moment,
    tier::{Era, MarkerId, Nonce},
};

use super::{
    model::Protocol,
    mutation::Mutation,
    state::{Cell, Node, State, Step, Trip},
};

impl Protocol {
    pub(crate) fn new_node(&self) -> Node {
        Node {
            cells: Vec::new(),
            shared: vec![None; self.deps()],
            own: vec![None; self.deps()],
            memory: None,
            flight: Flight::default(),
            attempts: 0,
            loading: None,
            links: (0..self.config.shards).map(|_| self.new_link()).collect(),
        }
    }

    /// The live cell of a dep, made if there is none.
    pub(crate) fn open(&self, state: &mut State, node: usize, dep: usize, is_shared: bool) -> usize {
        let there = &mut state.nodes[node];
        let Node { cells, shared, own, .. } = there;
        let (table, born) = match is_shared {
            true => (shared, doubt::State::UNPROVED),
            false => (own, doubt::State::ALIVE),
        };
        *table[dep].get_or_insert_with(|| {
            cells.push(Cell { is_shared, nonce: None, state: born });
            cells.len() - 1
        })
    }

    /// Takes in what the marker of a cell held, on a shard of this era. Whether the cell is the copy of just that.
    pub(crate) fn learn(
        &self,
        state: &mut State,
        node: usize,
        cell: usize,
        asked: Doubts,
        held: Option<Nonce>,
        era: Option<Era>,
    ) -> bool {
        let is_current = |held: &Nonce| Some(held.era) == era || self.is(Mutation::NoEra);
        let held = held.filter(is_current);
        let cell = &mut state.nodes[node].cells[cell];
        let says = Says::of(cell.nonce, held);
        let asked = match self.config.mutation {
            Mutation::OldAnswerAccepted => cell.state.doubts,
            Mutation::NoPlaceholder if cell.nonce.is_none() => cell.state.doubts,
            _ => asked,
        };
        let is_first = cell.nonce.is_none();
        cell.nonce = cell.nonce.or(held);
        match says {
            Says::Same if is_first => cell.state = cell.state.answered_first(asked),
            Says::Same => cell.state = cell.state.answered(asked, true),
            Says::Other => cell.state = cell.state.answered(asked, false),
            Says::Nothing => {}
        }
        says == Says::Same
    }

    /// This marker, or all of this shard, may have changed.
    pub(crate) fn doubt(&self, state: &mut State, node: usize, shard: usize, marker: Option<MarkerId>) {
        for dep in 0..self.deps() {
            let is_meant = marker.is_none_or(|marker| marker == self.marker(dep));
            if let Some(cell) =
                state.nodes[node].shared[dep].filter(|_| is_meant && self.shard_of(dep) == shard)
            {
                let state = &mut state.nodes[node].cells[cell].state;
                *state = state.doubted();
            }
        }
    }

    /// Ends both cells of a dep, at once.
    pub(crate) fn end(&self, state: &mut State, node: usize, dep: usize) {
        let Node { cells, shared, own, .. } = &mut state.nodes[node];
        for cell in [shared[dep].take(), own[dep].take()].into_iter().flatten() {
            cells[cell].state = cells[cell].state.ended(Mark::Invalidated);
        }
    }

    /// Ends the cells that the node alone decides about.
    pub(crate) fn end_own(&self, state: &mut State, node: usize) {
        let Node { cells, own, .. } = &mut state.nodes[node];
        for cell in own.iter_mut().filter_map(Option::take) {
            cells[cell].state = cells[cell].state.ended(Mark::Invalidated);
        }
    }

    /// Whether a shard that is needed is away, or must not be read.
    pub(crate) fn is_away(&self, state: &State, node: usize) -> bool {
        state.nodes[node].links.iter().any(|link| {
            let is_open = link.backlog.as_ref().is_none_or(|backlog| backlog.is_open());
            link.view.is_none() || !is_open && !self.is(Mutation::GateOpen)
        })
    }

    /// Whether silence means that nothing has changed.
    pub(crate) fn is_proved(&self, state: &State, node: usize) -> bool {
        let links = &state.nodes[node].links;
        match self.config.heartbeats {
            true => {
                links.iter().map(|link| link.proved_until).min().is_some_and(|until| self.now(state) < until)
            }
            false => links.iter().all(|link| link.view.is_some()),
        }
    }

    /// Forgets what makes no difference any more, so that states that are alike are the same.
    pub(crate) fn forget(&self, state: &mut State) {
        for node in 0..self.config.nodes {
            self.forget_cells(state, node);
        }
    }

    fn forget_cells(&self, state: &mut State, node: usize) {
        let has_ended = |state: &State, cell: usize| state.nodes[node].cells[cell].has_ended();
        for dep in 0..self.deps() {
            if state.nodes[node].shared[dep].is_some_and(|cell| has_ended(state, cell)) {
                state.nodes[node].shared[dep] = None;
            }
        }
        let is_broken = |state: &State, token: &[usize]| token.iter().any(|cell| has_ended(state, *cell));
        // What has ended stays so: it is never an answer again.
        if state.nodes[node].memory.as_ref().is_some_and(|copy| is_broken(state, &copy.token)) {
            state.nodes[node].memory = None;
        }
        let mine: Vec<usize> =
            (0..state.readers.len()).filter(|at| self.config.readers[*at].node == node).collect();
        for at in &mine {
            if state.readers[*at].held.as_ref().is_some_and(|copy| is_broken(state, &copy.token)) {
                state.readers[*at].held = None;
            }
        }
        if state.nodes[node].loading.as_ref().is_some_and(|(_, token)| is_broken(state, token)) {
            state.nodes[node].loading = None;
        }

        let mut places = vec![None; state.nodes[node].cells.len()];
        let mut order = Vec::new();
        let mut asked_about = vec![false; places.len()];
        let mut place = |cell: &mut usize| {
            *cell = *places[*cell].get_or_insert_with(|| {
                order.push(*cell);
                order.len() - 1
            });
        };
        for at in &mine {
            let reader = &state.readers[*at];
            if let Step::Look(trip) | Step::Mint(trip) | Step::Settle(trip) = &reader.step {
                asked(trip, &reader.token).for_each(|cell| asked_about[cell] = true);
            }
        }
        let there = &mut state.nodes[node];
        there.shared.iter_mut().chain(&mut there.own).flatten().for_each(&mut place);
        there.memory.iter_mut().flat_map(|copy| &mut copy.token).for_each(&mut place);
        there.loading.iter_mut().flat_map(|(_, token)| token).for_each(&mut place);
        for at in &mine {
            let reader = &mut state.readers[*at];
            reader.token.iter_mut().for_each(&mut place);
            reader.held.iter_mut().flat_map(|copy| &mut copy.token).for_each(&mut place);
        }
        let there = &mut state.nodes[node];
        let cell = |old: &usize| {
            let mut cell = there.cells[*old];
            // How often it was in doubt matters only to an answer that is under way.
            if !asked_about[*old] || cell.has_ended() {
                cell.state.doubts = Doubts(0);
            }
            if cell.has_ended() {
                cell.nonce = None;
            }
            cell
        };
        there.cells = order.iter().map(cell).collect();
    }

    /// The process dies and another one begins: nothing is left but what was written down.
    pub(crate) fn clear(&self, state: &mut State, node: usize) {
        let links = state.nodes[node].links.clone();
        let attempts = state.nodes[node].attempts;
        state.nodes[node] = Node { links, attempts, ..self.new_node() };
        for at in 0..state.readers.len() {
            if self.config.readers[at].node == node {
                let left = state.readers[at].left;
                state.readers[at] = self.new_reader(left);
            }
        }
        for link in &mut state.nodes[node].links {
            link.proved_until = Moment::ORIGIN;
        }
    }
}

fn asked<'a>(trip: &'a Trip, token: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    trip.asked.iter().map(|(dep, _)| token[*dep]).chain(token.last().copied())
}
