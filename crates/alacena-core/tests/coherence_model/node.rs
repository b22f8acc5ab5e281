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
    state::{Cell, DEPS, Node, State, Token},
};

impl Protocol {
    pub(crate) fn new_node(&self) -> Node {
        Node {
            cells: Vec::new(),
            shared: [None; DEPS],
            own: [None; DEPS],
            memory: None,
            flight: Flight::default(),
            attempts: 0,
            loading: None,
            links: (0..self.config.shards).map(|_| self.new_link()).collect(),
        }
    }

    pub(crate) fn cells_of<'a>(
        &self,
        state: &'a State,
        node: usize,
        token: &Token,
    ) -> impl Iterator<Item = &'a Cell> {
        let cells = &state.nodes[node].cells;
        let token = *token;
        (0..self.deps()).map(move |dep| &cells[usize::from(token[dep])])
    }

    /// Whether something has ended that this depends on.
    pub(crate) fn is_broken(&self, state: &State, node: usize, token: &Token) -> bool {
        self.cells_of(state, node, token).any(Cell::has_ended)
    }

    /// The live cell of a dep, made if there is none.
    pub(crate) fn open(&self, state: &mut State, node: usize, dep: usize, is_shared: bool) -> u8 {
        let Node { cells, shared, own, .. } = &mut state.nodes[node];
        let (table, born) = match is_shared {
            true => (shared, doubt::State::UNPROVED),
            false => (own, doubt::State::ALIVE),
        };
        *table[dep].get_or_insert_with(|| {
            cells.push(Cell { is_shared, nonce: None, state: born });
            u8::try_from(cells.len() - 1).expect("there are few")
        })
    }

    /// Takes in what the marker of a cell held, on a shard of this era. Whether the cell is the copy of just that.
    pub(crate) fn learn(
        &self,
        state: &mut State,
        node: usize,
        cell: u8,
        asked: Doubts,
        held: Option<Nonce>,
        era: Option<Era>,
    ) -> bool {
        let is_current = |held: &Nonce| Some(held.era) == era || self.is(Mutation::NoEra);
        let held = held.filter(is_current);
        let cell = &mut state.nodes[node].cells[usize::from(cell)];
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
                let state = &mut state.nodes[node].cells[usize::from(cell)].state;
                *state = state.doubted();
            }
        }
    }

    /// Ends both cells of a dep, at once.
    pub(crate) fn end(&self, state: &mut State, node: usize, dep: usize) {
        let Node { cells, shared, own, .. } = &mut state.nodes[node];
        for cell in [shared[dep].take(), own[dep].take()].into_iter().flatten() {
            let state = &mut cells[usize::from(cell)].state;
            *state = state.ended(Mark::Invalidated);
        }
    }

    /// Ends the cells that the node alone decides about.
    pub(crate) fn end_own(&self, state: &mut State, node: usize) {
        let Node { cells, own, .. } = &mut state.nodes[node];
        for cell in own.iter_mut().filter_map(Option::take) {
            let state = &mut cells[usize::from(cell)].state;
            *state = state.ended(Mark::Invalidated);
        }
    }

    /// Whether a shard that is needed is away, or must not be read.
    pub(crate) fn is_away(&self, state: &State, node: usize) -> bool {
        state.nodes[node].links.iter().any(|link| {
            let is_open = link.backlog.as_ref().is_none_or(|backlog| backlog.is_open());
            link.view.is_none() || !is_open && !self.is(Mutation::GateOpen)
        })
    }

    /// Whether silence means that nothing has changed: not within the grace.
    pub(crate) fn is_proved(&self, state: &State, node: usize) -> bool {
        let now = self.now(state);
        let is_blind = self.is(Mutation::NoGrace) || self.is(Mutation::ProvedWithinTheGrace);
        state.nodes[node].links.iter().all(|link| {
            let is_heard = if self.config.heartbeats { now < link.proved_until } else { link.view.is_some() };
            is_heard && (is_blind || !link.outage.is_grace(now))
        })
    }

    /// The process dies and another one begins: nothing is left but what was written down.
    pub(crate) fn clear(&self, state: &mut State, node: usize) {
        let links = std::mem::take(&mut state.nodes[node].links);
        state.nodes[node] = Node { links, ..self.new_node() };
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
