//! What the model knows at one moment: servers, nodes, readers, writers, and what has been promised to whom.

use std::collections::VecDeque;

use alacena_core::{
    flight::protocol::{Attempt, Flight},
    journal::Backlog,
    marker::{
        doubt::{self, Doubts},
        protocol::Mark,
    },
    runtime::Moment,
    tier::{Era, Fill, Heartbeat, MarkerId, Nonce, Outage},
};

use super::{envelope::Envelope, primary::Primary};

/// The most tags that the entry has.
pub(crate) const TAGS: usize = 2;
/// The most that it depends on: its tags, and behind them its bucket.
pub(crate) const DEPS: usize = TAGS + 1;

/// The cells of the deps, in their order, by their places in the node.
pub(crate) type Token = [u8; DEPS];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The truth.
    pub(crate) source: u8,
    pub(crate) tick: u8,
    /// Counts ticks and returns of links, so that it shows whether a load began before an outage ended.
    pub(crate) stamp: u8,
    pub(crate) servers: Vec<Primary>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) writers: Vec<Writer>,
    pub(crate) promised: Promised,
    pub(crate) left: Left,
    /// The last nonce that was drawn.
    pub(crate) drawn: u64,
    /// Set by an answer that breaks a promise.
    pub(crate) broken: Option<Invariant>,
}

/// The invariants of the specification that an answer can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Invariant {
    /// A strict read that begins after an invalidation was applied is not answered with anything from before.
    StrictAfterApplied,
    /// Nor is a bounded one once everything that is told has been heard, or the horizon is over.
    BoundedAfterHorizon,
    /// Nor is a bounded one on the node that has invalidated.
    OwnNode,
    /// Nor is a bounded one anywhere once the barrier was acknowledged.
    AfterBarrier,
    /// What was deferred is not answered by a node that knows that it may be owed something.
    Deferred,
}

/// Something on its way to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Pong,
    Changed(MarkerId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// All cells that anything of this node still holds.
    pub(crate) cells: Vec<Cell>,
    /// The live cell of each dep: the copies of markers, and those that the node alone decides about.
    pub(crate) shared: [Option<u8>; DEPS],
    pub(crate) own: [Option<u8>; DEPS],
    pub(crate) memory: Option<Copy>,
    pub(crate) flight: Flight,
    pub(crate) attempts: u64,
    pub(crate) loading: Option<Loading>,
    pub(crate) links: Vec<Link>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    pub(crate) is_shared: bool,
    /// What it is the copy of, once that was read.
    pub(crate) nonce: Option<Nonce>,
    pub(crate) state: doubt::State,
}

impl Cell {
    pub(crate) fn is_alive(&self) -> bool {
        self.state.mark == Mark::Alive
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state.mark, Mark::Invalidated | Mark::PushedOut)
    }
}

/// The load under way that others may join. What it depends on is for its reader to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Loading {
    pub(crate) attempt: Attempt,
    pub(crate) began: Moment,
}

/// The entry in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Copy {
    pub(crate) value: u8,
    /// When the source was asked for it.
    pub(crate) stamp: u8,
    pub(crate) token: Token,
}

/// One shard, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// Whether anything comes through.
    pub(crate) is_up: bool,
    /// The era of the server, as far as the node knows; `None`: it is away.
    pub(crate) view: Option<Era>,
    pub(crate) wire: VecDeque<Told>,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) beat: Option<Beat>,
    pub(crate) proved_until: Moment,
    pub(crate) outage: Outage,
    pub(crate) backlog: Option<Backlog>,
    /// What has been deferred and not been applied: the version that it announces.
    pub(crate) owes: Option<u8>,
    /// What the batch that is under way announces.
    pub(crate) sends: Option<u8>,
    /// When it was cut, if it is.
    pub(crate) cut_at: Option<Moment>,
    pub(crate) warned: Option<Warned>,
}

/// What was deferred elsewhere while a link was cut. It counts once the link is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Warned {
    pub(crate) version: u8,
    pub(crate) acknowledged: Moment,
    pub(crate) until: Option<Moment>,
}

/// The ping that is under way, and the question for the era beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Beat {
    pub(crate) sent: Moment,
    pub(crate) is_served: bool,
    pub(crate) has_come_back: bool,
    pub(crate) checked: Option<Era>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reader {
    pub(crate) step: Step,
    pub(crate) left: u8,
    /// What an answer must be at least, and by which invariant.
    pub(crate) floor: (u8, Invariant),
    pub(crate) came: Moment,
    /// Whether it has waited for a load that had begun before it came.
    pub(crate) has_waited: bool,
    /// Its load, until that has landed.
    pub(crate) attempt: Option<Attempt>,
    pub(crate) token: Token,
    /// What the markers of the tags hold, as the load has learned it.
    pub(crate) known: [Option<Nonce>; TAGS],
    pub(crate) was_read: bool,
    pub(crate) agreed: bool,
    pub(crate) seen: Option<Fill>,
    pub(crate) lease: Option<Nonce>,
    /// What was in memory when it began.
    pub(crate) held: Option<Copy>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Idle,
    /// Waits for somebody else's load, which knows of all that it must know of, or does not.
    Join(Attempt, bool),
    /// Looks once more, after a load that did not.
    Turn,
    /// Asks for the entry and for markers.
    Look(Box<Trip>),
    /// Sees to it that there are markers.
    Mint(Box<Trip>),
    /// Asks for the lease.
    Begin,
    /// Asks about what was told of meanwhile, with the lease in hand.
    Settle(Box<Trip>),
    /// The source, asked at this stamp, has answered this.
    Land(u8, u8),
    /// This is to be stored, for which the source was asked at this stamp.
    Store(u8, u8),
}

/// One round trip, to every shard at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Trip {
    /// The deps that are asked about, with the doubts of their cells when the question was sent.
    pub(crate) asked: [Option<Doubts>; DEPS],
    /// What has still to be served.
    pub(crate) parts: Vec<Part>,
    pub(crate) nonces: [Option<Nonce>; DEPS],
    /// The era of each shard, as it is judged.
    pub(crate) eras: Vec<Option<Era>>,
    pub(crate) bucket: Option<Nonce>,
    pub(crate) bucket_doubts: Doubts,
    pub(crate) entry: Option<Envelope>,
    pub(crate) failed: bool,
    /// There was no memory for a marker.
    pub(crate) is_refused: bool,
}

/// What one server is asked in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Markers.
    Markers(usize),
    /// Markers, and the era.
    Check(usize),
    /// The bucket's marker and the entry.
    Entry(usize),
    Mint(usize),
}

impl Reader {
    pub(crate) fn trip(&self) -> Option<&Trip> {
        match &self.step {
            Step::Look(trip) | Step::Mint(trip) | Step::Settle(trip) => Some(trip),
            _ => None,
        }
    }

    pub(crate) fn trip_mut(&mut self) -> Option<&mut Trip> {
        match &mut self.step {
            Step::Look(trip) | Step::Mint(trip) | Step::Settle(trip) => Some(trip),
            _ => None,
        }
    }

    /// Whether it is asking for something.
    pub(crate) fn is_active(&self) -> bool {
        self.step != Step::Idle
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    pub(crate) step: WriterStep,
    pub(crate) left: u8,
    pub(crate) version: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WriterStep {
    Idle,
    /// The source has changed, and on this node everything has ended; these shards have still to be told.
    Tells(Vec<usize>),
    /// They have been.
    Told,
    /// Sleeps until then.
    Barrier(Moment),
}

/// What has been acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Promised {
    /// The newest version that was announced to every shard that it concerns.
    pub(crate) applied: u8,
    /// When each was, where there is a clock.
    pub(crate) applied_at: Vec<(u8, u8)>,
    pub(crate) barrier: u8,
    /// What each node has announced itself, however far that went.
    pub(crate) own: Vec<u8>,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) evictions: u8,
    pub(crate) lease_ends: u8,
    pub(crate) failovers: u8,
    pub(crate) restarts: u8,
    pub(crate) fills: u8,
    pub(crate) cuts: u8,
    pub(crate) crashes: u8,
    pub(crate) pings: u8,
    pub(crate) ticks: u8,
}
