//! What no answer can show any more, forgotten: states that differ in nothing else are one.
//!
//! Each reduction says why it loses nothing. They stand on three things. A promise is broken by an answer, and only by an
//! answer that is older than its reader's floor. How old a value is decides nothing else. And nobody asks of a nonce, of a
//! lease or of a count of doubts more than whether it is the same as another.

use alacena_core::{
    marker::{doubt::Doubts, protocol::Mark},
    runtime::Moment,
    tier::{HORIZON, Nonce},
};

use super::{
    envelope::Envelope,
    model::{HOME, Protocol, note},
    mutation::Mutation,
    reader::NO_FLOOR,
    state::{Cell, DEPS, Left, Promised, Reader, State, Step, TAGS, Token, WriterStep},
};

/// The value of what can never be an answer: newer than all.
const NEVER_AN_ANSWER: u8 = u8::MAX;

impl Protocol {
    /// Puts what all states that are alike have in common in the place of this one.
    pub(crate) fn reduce(&self, state: &mut State) {
        if state.broken.is_some() {
            return;
        }
        self.refuse_stores(state);
        for at in 0..state.readers.len() {
            self.forget_of_a_reader(&mut state.readers[at], at);
        }
        for node in 0..self.config.nodes {
            if !self.is_read(state, node) {
                self.leave(state, node);
            }
        }
        self.forget_promises(state);
        (0..self.config.nodes).for_each(|node| self.forget_cells(state, node));
        self.forget_what_is_gone(state);
        if self.is_over(state) {
            *state = self.over();
            return;
        }
        (0..self.config.nodes).for_each(|node| self.rename_attempts(state, node));
        self.order_readers(state);
        (0..self.config.nodes).for_each(|node| self.renumber_cells(state, node));
        self.rename(state);
    }

    /// Whether anybody reads on this node, or will.
    pub(crate) fn is_read(&self, state: &State, node: usize) -> bool {
        let mut readers = self.config.readers.iter().zip(&state.readers);
        readers.any(|(reads, reader)| reads.node == node && (reader.left > 0 || reader.is_active()))
    }

    /// Whether anything of this node matters: somebody reads there, or it has something to say.
    pub(crate) fn is_here(&self, state: &State, node: usize) -> bool {
        let mut writers = self.config.writers.iter().zip(&state.writers);
        let writes =
            writers.any(|(at, writer)| *at == node && (writer.left > 0 || writer.step != WriterStep::Idle));
        let owes = state.nodes[node].links.iter().any(|link| link.owes.is_some() || link.sends.is_some());
        writes || owes || self.is_read(state, node)
    }

    /// On a node where nobody reads, what it holds and what it is told answer nobody.
    fn leave(&self, state: &mut State, node: usize) {
        let is_here = self.is_here(state, node);
        let fresh = self.new_node();
        let mut links = std::mem::replace(&mut state.nodes[node], fresh).links;
        for (shard, link) in links.iter_mut().enumerate() {
            link.wire.clear();
            link.heartbeat.lost();
            (link.beat, link.proved_until, link.warned) = (None, Moment::ORIGIN, None);
            state.servers[shard].round[node].clear();
        }
        if is_here {
            state.nodes[node].links = links;
        }
    }

    /// No answer to come can break a promise: nobody asks whom anything was promised, or everything that anybody holds is
    /// the newest, and nobody changes it any more.
    fn is_over(&self, state: &State) -> bool {
        let may_break = |reader: &Reader| reader.left > 0 || reader.is_active() && reader.floor.0 > 0;
        let changes = state.writers.iter().any(|writer| writer.left > 0);
        !state.readers.iter().any(may_break) || !changes && self.oldest(state) >= state.source
    }

    /// The oldest value that anybody holds who could answer with it, or pass it on.
    fn oldest(&self, state: &State) -> u8 {
        let kept = state.servers.iter().flat_map(|primary| [Some(primary.kept), primary.behind]).flatten();
        let stored = kept.filter_map(|kept| kept.entry).map(|entry| entry.value);
        let copies = state.nodes.iter().filter_map(|node| node.memory).map(|copy| copy.value);
        let of_readers = state.readers.iter().flat_map(|reader| {
            let value = match reader.step {
                Step::Land(value, _) | Step::Store(value, _) => Some(value),
                _ => None,
            };
            let read = reader.trip().and_then(|trip| trip.entry).map(|entry| entry.value);
            [value, read, reader.held.map(|copy| copy.value)].into_iter().flatten()
        });
        stored.chain(copies).chain(of_readers).min().unwrap_or(state.source)
    }

    /// The end: nothing happens there.
    fn over(&self) -> State {
        State {
            source: 0,
            tick: 0,
            stamp: 0,
            servers: Vec::new(),
            nodes: Vec::new(),
            readers: Vec::new(),
            writers: Vec::new(),
            promised: Promised::default(),
            left: Left::default(),
            drawn: 0,
            broken: None,
        }
    }

    /// Whether this lease is held by nobody, and will not be: no two are the same, and a server that had it once has it
    /// again only if a replica does. So its store will be refused whenever it comes.
    fn is_lost(&self, state: &State, lease: Nonce) -> bool {
        let stores_all_the_same = [
            Mutation::StoreUnchecked,
            Mutation::LeaseWithoutEra,
            Mutation::WaiterStores,
            Mutation::NodeIsTheAttempt,
        ];
        let primary = &state.servers[HOME];
        let is_held = primary.kept.lease == Some(lease) && primary.era == lease.era;
        !is_held && primary.behind.is_none() && !stores_all_the_same.contains(&self.config.mutation)
    }

    /// A store that will be refused changes nothing, and need not be waited for.
    fn refuse_stores(&self, state: &mut State) {
        for at in 0..state.readers.len() {
            let is_lost = state.readers[at].lease.is_some_and(|lease| self.is_lost(state, lease));
            match state.readers[at].step {
                _ if !is_lost => {}
                Step::Store(..) => {
                    note(&self.seen.refused);
                    self.done(state, at);
                }
                Step::Land(..) => state.readers[at].lease = None,
                _ => {}
            }
        }
    }

    /// What the steps that are left to a reader do not look at.
    fn forget_of_a_reader(&self, reader: &mut Reader, at: usize) {
        let is_copied = !self.reads(at).strict || !self.config.entries;
        match &mut reader.step {
            Step::Look(trip) => {
                if trip.failed {
                    (trip.asked, trip.nonces, trip.entry, trip.bucket) = Default::default();
                }
                reader.held = reader.held.filter(|_| is_copied);
            }
            Step::Land(..) if reader.lease.is_none() => reader.known = Default::default(),
            Step::Store(..) => {
                reader.token = Default::default();
                (reader.floor, reader.was_read) = (NO_FLOOR, false);
            }
            _ => {}
        }
        if !matches!(reader.step, Step::Look(_)) {
            reader.held = None;
        }
        if matches!(reader.step, Step::Settle(_) | Step::Land(..) | Step::Store(..)) {
            (reader.seen, reader.agreed) = (None, false);
        }
        // Whoever leads takes no other turn.
        if reader.attempt.is_some() || matches!(reader.step, Step::Store(..)) {
            (reader.came, reader.has_waited) = (Moment::ORIGIN, false);
        }
        if reader.floor.0 == 0 {
            reader.floor = NO_FLOOR;
        }
    }

    /// What nobody will ask for who has not asked yet was promised to nobody.
    fn forget_promises(&self, state: &mut State) {
        let asks = |reader: &Reader| reader.left > 0 || matches!(reader.step, Step::Join(..) | Step::Turn);
        if !state.readers.iter().any(asks) {
            let own = vec![0; self.config.nodes];
            let applied = if self.config.heartbeats { state.promised.applied } else { 0 };
            state.promised = Promised { own, applied, ..Promised::default() };
        }
        let now = self.now(state);
        for (_, tick) in &mut state.promised.applied_at {
            // Over is over.
            if Moment::ORIGIN + self.config.tick * u32::from(*tick) + HORIZON < now {
                *tick = 0;
            }
        }
        for link in state.nodes.iter_mut().flat_map(|node| &mut node.links) {
            if link.proved_until <= now {
                link.proved_until = Moment::ORIGIN;
            }
            link.warned = link.warned.filter(|warned| warned.until.is_none_or(|until| now < until));
        }
    }

    /// An entry goes for good with a nonce that neither a server nor a copy has any more, and that nobody has been
    /// answered with who has still to judge: none is drawn twice. Then nobody is ever answered with its value, and what
    /// the nonce was is all the same.
    fn forget_what_is_gone(&self, state: &mut State) {
        if self.compares_numbers() || self.config.tags.is_empty() {
            return;
        }
        let held = self.held_nonces(state);
        let is_gone = |deps: &[Option<Nonce>; TAGS]| deps.iter().flatten().any(|dep| !held.contains(dep));
        let forget = |entry: &mut Option<Envelope>| {
            if let Some(entry) = entry.as_mut().filter(|entry| is_gone(&entry.deps)) {
                (entry.value, entry.stamp) = (NEVER_AN_ANSWER, 0);
                entry.deps.iter_mut().for_each(forget_nonce);
            }
        };
        for primary in &mut state.servers {
            forget(&mut primary.kept.entry);
            primary.behind.iter_mut().for_each(|kept| forget(&mut kept.entry));
        }
        for reader in &mut state.readers {
            reader.trip_mut().into_iter().for_each(|trip| forget(&mut trip.entry));
            if let Step::Land(..) | Step::Store(..) = reader.step
                && is_gone(&reader.known)
            {
                reader.known.iter_mut().for_each(forget_nonce);
                if let Step::Store(value, stamp) = &mut reader.step {
                    (*value, *stamp) = (NEVER_AN_ANSWER, 0);
                }
            }
        }
    }

    fn held_nonces(&self, state: &State) -> Vec<Nonce> {
        let mut held = Vec::new();
        for primary in &state.servers {
            held.extend(primary.kept.markers.iter().flatten());
            held.extend(primary.behind.iter().flat_map(|kept| kept.markers).flatten());
        }
        held.extend(state.nodes.iter().flat_map(|node| &node.cells).filter_map(|cell| cell.nonce));
        for reader in &state.readers {
            held.extend(reader.trip().into_iter().flat_map(|trip| trip.nonces).flatten());
            // Who has the lease judges nothing any more.
            if matches!(reader.step, Step::Begin) {
                held.extend(reader.known.iter().flatten());
            }
        }
        held
    }

    /// What has ended stays so, and of how often a cell was in doubt an answer wants to know only whether it has been in
    /// doubt since it was asked for.
    fn forget_cells(&self, state: &mut State, node: usize) {
        let deps = self.deps();
        for dep in 0..deps {
            let there = &mut state.nodes[node];
            let has_ended = |cell: &u8| there.cells[usize::from(*cell)].has_ended();
            there.shared[dep] = there.shared[dep].filter(|cell| !has_ended(cell));
        }
        let stands = |state: &State, token: &Token| !self.is_broken(state, node, token);
        state.nodes[node].memory = state.nodes[node].memory.filter(|copy| stands(state, &copy.token));
        for at in self.readers_of(node) {
            let held = state.readers[at].held.filter(|copy| stands(state, &copy.token));
            state.readers[at].held = held;
            self.forget_a_broken_token(state, node, at);
        }
        self.renumber_doubts(state, node);
        self.renumber_cells(state, node);
    }

    pub(crate) fn readers_of(&self, node: usize) -> impl Iterator<Item = usize> {
        let readers = self.config.readers;
        (0..readers.len()).filter(move |at| readers[*at].node == node)
    }

    /// One cell that has ended is as good as any, once nobody is asked about the others.
    fn forget_a_broken_token(&self, state: &mut State, node: usize, at: usize) {
        let asks_no_more = match state.readers[at].step {
            Step::Land(..) => true,
            Step::Begin => !self.config.settles,
            _ => false,
        };
        if !asks_no_more {
            return;
        }
        let token = state.readers[at].token;
        let cells = &state.nodes[node].cells;
        if let Some(ended) = token[..self.deps()].iter().find(|cell| cells[usize::from(**cell)].has_ended()) {
            state.readers[at].token = [*ended; DEPS];
            let attempt = state.readers[at].attempt;
            // Nor does anybody join it any more.
            if !self.is(Mutation::JoinsWhatIsOutdated) {
                let there = &mut state.nodes[node];
                there.loading = there.loading.filter(|loading| Some(loading.attempt) != attempt);
            }
        }
    }

    fn renumber_doubts(&self, state: &mut State, node: usize) {
        let deps = self.deps();
        let State { nodes, readers, .. } = state;
        let cells = &mut nodes[node].cells;
        let mut needs_nonce = vec![false; cells.len()];
        for at in self.readers_of(node) {
            let reader = &mut readers[at];
            let token = reader.token;
            let is_judged = matches!(reader.step, Step::Look(_) | Step::Mint(_));
            let Some(trip) = reader.trip_mut() else { continue };
            for (dep, cell) in token.iter().enumerate().take(deps) {
                let cell = usize::from(*cell);
                needs_nonce[cell] |= is_judged;
                let is_same = |asked: Doubts| Doubts(u32::from(is_doubted_since(&cells[cell], asked)));
                trip.asked[dep] = trip.asked[dep].map(is_same);
                if dep == self.bucket() {
                    trip.bucket_doubts = is_same(trip.bucket_doubts);
                }
            }
        }
        for (cell, needs_nonce) in cells.iter_mut().zip(needs_nonce) {
            cell.state.doubts = Doubts(1);
            if cell.has_ended() {
                cell.state.mark = Mark::Invalidated;
                cell.state.doubts = Doubts(0);
                cell.nonce = cell.nonce.filter(|_| needs_nonce);
            }
        }
    }

    /// In the order in which they are met, and without those that nobody holds.
    fn renumber_cells(&self, state: &mut State, node: usize) {
        let deps = self.deps();
        let mine: Vec<usize> = self.readers_of(node).collect();
        let State { nodes, readers, .. } = state;
        let there = &mut nodes[node];
        let mut places = vec![None; there.cells.len()];
        let mut order = Vec::new();
        let mut place = |cell: &mut u8| {
            *cell = *places[usize::from(*cell)].get_or_insert_with(|| {
                order.push(*cell);
                u8::try_from(order.len() - 1).expect("there are few")
            });
        };
        there.shared.iter_mut().chain(&mut there.own).flatten().for_each(&mut place);
        there.memory.iter_mut().flat_map(|copy| &mut copy.token[..deps]).for_each(&mut place);
        for reader in mine {
            let reader = &mut readers[reader];
            if reader.attempt.is_some() {
                reader.token[..deps].iter_mut().for_each(&mut place);
            }
            reader.held.iter_mut().flat_map(|copy| &mut copy.token[..deps]).for_each(&mut place);
        }
        there.cells = order.iter().map(|cell| there.cells[usize::from(*cell)]).collect();
    }
}

/// 1 where a cell has not been in doubt anew since it was asked about, 0 where it has.
fn is_doubted_since(cell: &Cell, asked: Doubts) -> bool {
    !cell.has_ended() && cell.state.doubts == asked
}

fn forget_nonce(nonce: &mut Option<Nonce>) {
    if let Some(nonce) = nonce {
        nonce.random = 0;
    }
}
