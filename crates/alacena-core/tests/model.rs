//! The protocol of one process under a model checker: markers (`marker::protocol`) and flights (`flight::protocol`),
//! the shipped functions, in every order in which their atomic steps can happen.
//!
//! Callers ask one key that depends on two deps. A writer changes the source and then invalidates by either dep or by
//! the key. The promise (INV-1 on one node, INV-4): a caller is never answered with a value older than what the last
//! invalidation that was acknowledged before it asked had announced.
//!
//! A checker that finds nothing proves nothing about itself. So each way to get the protocol wrong stands here as a
//! mutation, and the checker must find every one.

use alacena_core::{
    flight::protocol::{Attempt, End, Flight, Role},
    marker::protocol::{self, Cells, Ending, Kills, Known, LockedCell, Mark},
    runtime::Moment,
};
use stateright::{Checker, Model, Property};

/// The ways to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    /// The token is captured when the value has arrived.
    CaptureAfterLoad,
    /// A cell that was killed still validates what was captured from it.
    DeadCellAccepted,
    /// A load stores whether or not its attempt still holds the key.
    StoreWithoutAttemptCheck,
    /// The invalidation of a key removes the entry and leaves the attempts alone.
    KeyLeavesAttempts,
    /// A caller joins a load that began before an invalidation.
    JoinWhatIsOutdated,
    /// An invalidation takes the cell out of the table, gives the lock back, and ends the cell a step later.
    UnlocksBeforeEnding,
    /// It ends the cell, gives the lock back, and counts it a step later.
    UnlocksBeforeCounting,
    /// It counts the cell, and ends it a step later.
    CountsBeforeEnding,
    /// A cell that has to leave the table is not counted.
    PushesOutUncounted,
    /// A reader that has looked at the marks notes the count as it is then, not as it was before.
    NotesALaterCount,
}

struct Protocol {
    mutation: Mutation,
    callers: usize,
    /// Questions that each caller asks, one after the other.
    rounds: u8,
    /// Whether the last caller asks for the source each time.
    forced: bool,
    writers: usize,
    /// Writes of each of them.
    writes: u8,
    /// How often a cell has to leave the table.
    push_outs: u8,
}

/// What a load captured: a cell of each of the two deps.
type Token = Vec<usize>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The truth.
    source: u8,
    /// What the last acknowledged invalidation announced.
    acknowledged: u8,
    cells: Table,
    /// Under which count each list of cells was last found current.
    known: Vec<(Token, Known)>,
    flight: Flight,
    /// What the load under way depends on, as far as it has been captured.
    loading: Option<Token>,
    /// Who is in the critical section of the key.
    locked_by: Option<usize>,
    last_attempt: u64,
    entry: Option<(u8, Token)>,
    /// What each attempt brought home, for those who joined it.
    landed: Vec<(Attempt, u8)>,
    callers: Vec<Caller>,
    writers: Vec<Writer>,
    /// A load of other keys needs room in the table.
    pusher: Pusher,
    hits: u8,
    /// Answers without a look at the marks.
    known_hits: u8,
    /// Set by an answer that breaks the promise.
    broken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Caller {
    step: Step,
    /// What had been acknowledged when it asked.
    floor: u8,
    rounds_left: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    Look,
    /// Holds an entry and has still to read the count.
    ReadCount {
        value: u8,
        token: Token,
    },
    /// Has read the count and has still to read under which the token is known.
    ReadKnown {
        value: u8,
        token: Token,
        count: Kills,
    },
    /// Has still to look at the marks from this one on.
    Check {
        value: u8,
        token: Token,
        count: Kills,
        next: usize,
    },
    Ask,
    /// In the critical section, capturing the deps from this one on.
    Capture {
        attempt: Attempt,
        token: Token,
    },
    Fetch {
        attempt: Attempt,
        token: Token,
    },
    /// Only under [`Mutation::CaptureAfterLoad`].
    LateCapture {
        attempt: Attempt,
        value: u8,
    },
    Land {
        attempt: Attempt,
        value: u8,
        token: Token,
    },
    Wait {
        attempt: Attempt,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Writer {
    step: WriterStep,
    /// What it wrote last.
    written: u8,
    writes_left: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum WriterStep {
    Idle,
    Written,
    /// The cell of this dep is being ended.
    Ends(usize, Ending<usize>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pusher {
    left: u8,
    ends: Option<(usize, Ending<usize>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Step(usize),
    Write(usize),
    InvalidateDep(usize, usize),
    InvalidateKey(usize),
    End(usize),
    PushOut(usize),
    EndPushOut,
}

/// The cells of the model: a map of two deps, their locks, a list of all the cells that ever were, and the count of
/// those that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Table {
    held: [Option<usize>; 2],
    locked: [bool; 2],
    cells: Vec<Mark>,
    kills: Kills,
    /// Only under [`Mutation::CountsBeforeEnding`].
    counted_early: Option<usize>,
}

impl Table {
    fn is_counted(&self, cell: usize) -> bool {
        self.counted_early == Some(cell)
    }
}

impl Cells for Table {
    type Dep = usize;
    type Cell = usize;

    fn open(&mut self, dep: &usize) -> usize {
        assert!(!self.locked[*dep], "whoever opens it has waited");
        *self.held[*dep].get_or_insert_with(|| {
            self.cells.push(Mark::Alive);
            self.cells.len() - 1
        })
    }
}

/// The place of one dep, locked.
struct Place<'a>(&'a mut Table, usize);

impl LockedCell for Place<'_> {
    type Cell = usize;

    fn take(&mut self) -> Option<usize> {
        self.0.held[self.1].take()
    }

    fn end(&mut self, cell: &usize, mark: Mark) {
        self.0.cells[*cell] = mark;
    }

    fn count_kill(&mut self) {
        self.0.kills.0 += 1;
    }
}

impl Protocol {
    fn is_current(&self, cells: &Table, cell: usize) -> bool {
        let now = cells.cells[cell];
        now == Mark::Alive || self.mutation == Mutation::DeadCellAccepted && now == Mark::Invalidated
    }

    fn all_current(&self, cells: &Table, token: &Token) -> bool {
        token.iter().all(|cell| self.is_current(cells, *cell))
    }

    /// One step of an ending, and what is left of it. The lock is given back with the last one, unless a mutation does
    /// it earlier.
    fn end(&self, table: &mut Table, dep: usize, ending: Ending<usize>) -> Option<Ending<usize>> {
        let left = match (self.mutation, ending) {
            (Mutation::CountsBeforeEnding, Ending::Taken(cell, mark)) if !table.is_counted(cell) => {
                table.kills.0 += 1;
                table.counted_early = Some(cell);
                Some(Ending::Taken(cell, mark))
            }
            (Mutation::CountsBeforeEnding, Ending::Taken(cell, mark)) => {
                table.cells[cell] = mark;
                table.counted_early = None;
                None
            }
            (Mutation::PushesOutUncounted, Ending::Taken(cell, Mark::PushedOut)) => {
                table.cells[cell] = Mark::PushedOut;
                None
            }
            (_, ending) => ending.step(&mut Place(table, dep)),
        };
        table.locked[dep] = match (self.mutation, left) {
            (_, None) => false,
            (Mutation::UnlocksBeforeEnding, _) => false,
            (Mutation::UnlocksBeforeCounting, Some(Ending::Ended)) => false,
            (_, Some(_)) => true,
        };
        left
    }

    fn step(&self, state: &mut State, at: usize) {
        let caller = state.callers[at].clone();
        let next = match caller.step {
            Step::Idle => {
                state.callers[at].floor = state.acknowledged;
                state.callers[at].rounds_left -= 1;
                Step::Look
            }
            Step::Look if self.forced && at == self.callers - 1 => Step::Ask,
            Step::Look => match &state.entry {
                Some((value, token)) => Step::ReadCount { value: *value, token: token.clone() },
                None => Step::Ask,
            },
            // One atomic access a step: between two of them anything may happen.
            Step::ReadCount { value, token } => Step::ReadKnown { value, token, count: state.cells.kills },
            Step::ReadKnown { value, token, count } if state.known(&token).is_current(count) => {
                state.known_hits = 1;
                state.answer(caller.floor, value)
            }
            Step::ReadKnown { value, token, count } => Step::Check { value, token, count, next: 0 },
            Step::Check { value, token, count, next } => match token.get(next) {
                None => {
                    state.hits = 1;
                    let later = self.mutation == Mutation::NotesALaterCount;
                    *state.known(&token) = Known(if later { state.cells.kills } else { count });
                    state.answer(caller.floor, value)
                }
                Some(cell) if self.is_current(&state.cells, *cell) => {
                    Step::Check { value, token, count, next: next + 1 }
                }
                Some(_) => Step::Ask,
            },
            Step::Ask => self.ask(state, at, caller.floor),
            Step::Capture { attempt, mut token } => {
                let captured = protocol::capture(&mut state.cells, [&token.len()]);
                token.extend(captured);
                state.loading = Some(token.clone());
                if token.len() < 2 {
                    Step::Capture { attempt, token }
                } else {
                    state.locked_by = None;
                    Step::Fetch { attempt, token }
                }
            }
            Step::Fetch { attempt, token } => {
                let value = state.source;
                if self.mutation == Mutation::CaptureAfterLoad {
                    Step::LateCapture { attempt, value }
                } else {
                    Step::Land { attempt, value, token }
                }
            }
            Step::LateCapture { attempt, value } => {
                let token = protocol::capture(&mut state.cells, [&0, &1]);
                Step::Land { attempt, value, token }
            }
            Step::Land { attempt, value, token } => {
                let unchecked = self.mutation == Mutation::StoreWithoutAttemptCheck;
                let may_keep = state.flight.may_keep(attempt) || unchecked;
                if may_keep && self.all_current(&state.cells, &token) {
                    state.entry = Some((value, token));
                }
                if state.flight.leads(attempt) {
                    state.loading = None;
                }
                state.flight.finish(attempt, End::Loaded, Moment::ORIGIN, 0);
                state.landed.push((attempt, value));
                state.answer(caller.floor, value)
            }
            Step::Wait { attempt } => {
                let (_, value) =
                    state.landed.iter().find(|(landed, _)| *landed == attempt).expect("it has landed");
                state.answer(caller.floor, *value)
            }
        };
        state.callers[at].step = next;
    }

    /// The critical section: the second look, then the flight. Capturing goes on in it.
    fn ask(&self, state: &mut State, at: usize, floor: u8) -> Step {
        let forced = self.forced && at == self.callers - 1;
        if let Some((value, token)) = state.entry.clone()
            && !forced
            && self.all_current(&state.cells, &token)
        {
            return state.answer(floor, value);
        }
        let current = state.loading.as_ref().is_some_and(|token| self.all_current(&state.cells, token));
        let joinable = !forced && (current || self.mutation == Mutation::JoinWhatIsOutdated);
        let next = Attempt(state.last_attempt + 1);
        match state.flight.ask(Moment::ORIGIN, joinable, next) {
            Role::Lead(attempt) => {
                state.last_attempt = attempt.0;
                state.locked_by = Some(at);
                Step::Capture { attempt, token: Vec::new() }
            }
            Role::Join(attempt) => Step::Wait { attempt },
            Role::Rest(_) | Role::Alone => unreachable!("nothing fails here"),
        }
    }
}

impl State {
    /// What is known of a list of cells. Loads that capture the same ones share it.
    fn known(&mut self, token: &Token) -> &mut Known {
        let place = self.known.iter().position(|(known, _)| known == token);
        let place = place.unwrap_or_else(|| {
            self.known.push((token.clone(), Known(Kills::NEVER)));
            self.known.len() - 1
        });
        &mut self.known[place].1
    }

    fn answer(&mut self, floor: u8, value: u8) -> Step {
        self.broken |= value < floor;
        Step::Idle
    }

    /// What the writer wrote has been announced to everyone.
    fn acknowledge(&mut self, at: usize) {
        self.acknowledged = self.acknowledged.max(self.writers[at].written);
        self.writers[at].step = WriterStep::Idle;
    }

    /// What the caller can do now, if anything.
    fn may_step(&self, at: usize) -> bool {
        let caller = &self.callers[at];
        match &caller.step {
            Step::Idle => caller.rounds_left > 0,
            Step::Ask | Step::Land { .. } => self.locked_by.is_none(),
            Step::Capture { token, .. } => !self.cells.locked[token.len()],
            Step::LateCapture { .. } => self.cells.locked == [false; 2],
            Step::Wait { attempt } => self.landed.iter().any(|(landed, _)| landed == attempt),
            _ => true,
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let caller = Caller { step: Step::Idle, floor: 0, rounds_left: self.rounds };
        vec![State {
            source: 0,
            acknowledged: 0,
            cells: Table::default(),
            known: Vec::new(),
            flight: Flight::default(),
            loading: None,
            locked_by: None,
            last_attempt: 0,
            entry: None,
            landed: Vec::new(),
            callers: vec![caller; self.callers],
            writers: vec![
                Writer { step: WriterStep::Idle, written: 0, writes_left: self.writes };
                self.writers
            ],
            pusher: Pusher { left: self.push_outs, ends: None },
            hits: 0,
            known_hits: 0,
            broken: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend((0..self.callers).filter(|at| state.may_step(*at)).map(Action::Step));
        for (at, writer) in state.writers.iter().enumerate() {
            match writer.step {
                WriterStep::Idle if writer.writes_left > 0 => actions.push(Action::Write(at)),
                WriterStep::Idle => {}
                WriterStep::Written => {
                    let free = (0..2).filter(|dep| !state.cells.locked[*dep]);
                    actions.extend(free.map(|dep| Action::InvalidateDep(at, dep)));
                    // It needs the critical section of the key.
                    if state.locked_by.is_none() {
                        actions.push(Action::InvalidateKey(at));
                    }
                }
                WriterStep::Ends(..) => actions.push(Action::End(at)),
            }
        }
        match &state.pusher {
            Pusher { ends: Some(_), .. } => actions.push(Action::EndPushOut),
            Pusher { left: 0, .. } => {}
            Pusher { .. } => {
                let can_leave = |dep: &usize| !state.cells.locked[*dep] && state.cells.held[*dep].is_some();
                actions.extend((0..2).filter(can_leave).map(Action::PushOut));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(at) => self.step(&mut state, at),
            Action::Write(at) => {
                state.source += 1;
                let writer = &mut state.writers[at];
                writer.written = state.source;
                writer.writes_left -= 1;
                writer.step = WriterStep::Written;
            }
            Action::InvalidateDep(at, dep) => match protocol::invalidate(&mut Place(&mut state.cells, dep)) {
                // Whoever finds nothing to end is done at once.
                None => state.acknowledge(at),
                Some(ending) => {
                    state.cells.locked[dep] = self.mutation != Mutation::UnlocksBeforeEnding;
                    state.writers[at].step = WriterStep::Ends(dep, ending);
                }
            },
            Action::End(at) => {
                if let WriterStep::Ends(dep, ending) = state.writers[at].step {
                    match self.end(&mut state.cells, dep, ending) {
                        Some(left) => state.writers[at].step = WriterStep::Ends(dep, left),
                        None => state.acknowledge(at),
                    }
                }
            }
            Action::PushOut(dep) => {
                let ending =
                    Place(&mut state.cells, dep).take().map(|cell| Ending::Taken(cell, Mark::PushedOut));
                state.cells.locked[dep] = true;
                state.pusher.left -= 1;
                state.pusher.ends = ending.map(|ending| (dep, ending));
            }
            Action::EndPushOut => {
                if let Some((dep, ending)) = state.pusher.ends {
                    state.pusher.ends = self.end(&mut state.cells, dep, ending).map(|left| (dep, left));
                }
            }
            Action::InvalidateKey(at) => {
                if self.mutation != Mutation::KeyLeavesAttempts {
                    state.flight.revoke();
                    state.loading = None;
                }
                state.entry = None;
                state.acknowledge(at);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing older than acknowledged is answered", |_, state: &State| !state.broken),
            Property::sometimes("the cache answers", |_, state: &State| state.hits > 0),
            Property::sometimes("the cache answers without a look at the marks", |_, state: &State| {
                state.known_hits > 0
            }),
            Property::sometimes("callers wait for one another", |_, state: &State| {
                state.callers.iter().any(|caller| matches!(caller.step, Step::Wait { .. }))
            }),
        ]
    }
}

struct Bounds {
    callers: usize,
    rounds: u8,
    forced: bool,
    writers: usize,
    writes: u8,
    push_outs: u8,
}

fn check(mutation: Mutation, bounds: &Bounds) -> (bool, usize) {
    let Bounds { callers, rounds, forced, writers, writes, push_outs } = *bounds;
    let model = Protocol { mutation, callers, rounds, forced, writers, writes, push_outs };
    let checker = model.checker().threads(2).spawn_bfs().join();
    let found = checker.discovery("nothing older than acknowledged is answered");
    if mutation == Mutation::None {
        // A model in which nobody ever hits or joins would keep every promise.
        assert!(checker.discovery("the cache answers").is_some());
        let often = callers * usize::from(rounds) > 3;
        assert!(!often || checker.discovery("the cache answers without a look at the marks").is_some());
        assert!(forced || checker.discovery("callers wait for one another").is_some());
    }
    (found.is_some(), checker.unique_state_count())
}

const TWO_CALLERS: Bounds =
    Bounds { callers: 2, rounds: 2, forced: false, writers: 1, writes: 2, push_outs: 0 };
const THREE_CALLERS: Bounds = Bounds { callers: 3, rounds: 1, ..TWO_CALLERS };
const THREE_ROUNDS: Bounds = Bounds { rounds: 3, writes: 1, ..TWO_CALLERS };
const TWO_WRITERS: Bounds = Bounds { writers: 2, writes: 1, ..TWO_CALLERS };
const FORCED: Bounds = Bounds { forced: true, ..TWO_CALLERS };
const PUSHED_OUT: Bounds = Bounds { writes: 1, push_outs: 1, ..TWO_CALLERS };

#[test]
fn the_protocol_keeps_its_promise_in_every_order() {
    for bounds in [TWO_CALLERS, THREE_CALLERS, THREE_ROUNDS, TWO_WRITERS, FORCED, PUSHED_OUT] {
        let (broken, states) = check(Mutation::None, &bounds);
        let Bounds { callers, rounds, forced, writers, writes, push_outs } = bounds;
        println!(
            "{callers} callers ({rounds} rounds each, forced: {forced}), {writers} writers ({writes} writes each), \
             {push_outs} pushed out: {states} states, exhausted"
        );
        assert!(!broken);
        assert!(states > 10_000, "a model this small explores nothing");
    }
}

#[test]
fn every_way_to_get_it_wrong_is_found() {
    for (mutation, bounds) in [
        (Mutation::CaptureAfterLoad, TWO_CALLERS),
        (Mutation::DeadCellAccepted, TWO_CALLERS),
        (Mutation::StoreWithoutAttemptCheck, TWO_CALLERS),
        (Mutation::KeyLeavesAttempts, TWO_CALLERS),
        (Mutation::JoinWhatIsOutdated, TWO_CALLERS),
        (Mutation::UnlocksBeforeEnding, TWO_WRITERS),
        (Mutation::UnlocksBeforeCounting, TWO_WRITERS),
        (Mutation::CountsBeforeEnding, TWO_CALLERS),
        (Mutation::NotesALaterCount, TWO_CALLERS),
        (Mutation::PushesOutUncounted, PUSHED_OUT),
    ] {
        assert!(check(mutation, &bounds).0, "the checker did not find {mutation:?}");
    }
}
