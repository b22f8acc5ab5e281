//! What can be wrong between a node and a server.

use std::time::Duration;

use alacena_core::runtime::SharedRuntime;

/// What is wrong between one node and the server. Nothing, unless it is said here.
///
/// ```
/// use alacena_testkit::tier::{Faults, Flow};
///
/// let blackhole = Faults { requests: Flow::Held, answers: Flow::Held, ..Faults::default() };
/// let answers_lost = Faults { answers: Flow::Held, ..Faults::default() };
/// # assert_ne!(blackhole, answers_lost);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// All connections are reset, and refused.
    pub refused: bool,
    /// Only the connection that tells of changes is.
    pub link_refused: bool,
    /// What becomes of everything on its way to the server.
    pub requests: Flow,
    /// What becomes of everything on its way back.
    pub answers: Flow,
    /// What becomes of everything on the connection that tells of changes, in both directions.
    pub link: Flow,
    /// The server forbids everything.
    pub denied: bool,
    /// How long everything is under way, in each direction.
    pub latency: Duration,
    /// Up to how much longer, by chance. What is on one connection stays in order.
    pub jitter: Duration,
    /// Up to how much longer still, by chance, answers to steps are under way: what the server tells can overtake them.
    pub answer_jitter: Duration,
    /// How much longer what the server tells is under way.
    pub link_latency: Duration,
}

/// Whether bytes get through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// They do.
    #[default]
    Open,
    /// They do not, and are sent again and again: they arrive once this ends, all of them, in order. So a step can be
    /// taken long after whoever asked for it has given up.
    Held,
}

/// What becomes of connections when another server takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// They are reset.
    Break,
    /// They stay, and say nothing of it.
    Stay,
}

/// How writes get to the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// In the same moment.
    AtOnce,
    /// So much later.
    After(Duration),
    /// Not at all; the replica counts as lost.
    Cut,
}

/// One of the connections of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Data,
    Waits,
    Link,
}

impl Wire {
    pub(super) const ALL: [Wire; 3] = [Wire::Data, Wire::Waits, Wire::Link];
}

/// In which direction something is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    Back,
}

/// What lies between a node and the server at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weather {
    pub(super) faults: Faults,
    /// The server stands still; its connections do not notice.
    pub(super) paused: bool,
}

impl Weather {
    pub(super) fn refuses(&self, wire: Wire) -> bool {
        self.faults.refused || wire == Wire::Link && self.faults.link_refused
    }

    pub(super) fn holds(&self, wire: Wire, way: Way) -> bool {
        let flow = match way {
            Way::ToServer => self.faults.requests,
            Way::Back => self.faults.answers,
        };
        let stands_still = self.paused && way == Way::ToServer;
        stands_still || flow == Flow::Held || wire == Wire::Link && self.faults.link == Flow::Held
    }

    pub(super) fn delay(&self, wire: Wire, way: Way, runtime: &SharedRuntime) -> Duration {
        let Faults { latency, jitter, answer_jitter, link_latency, .. } = self.faults;
        let by_chance = |most: Duration| match u64::try_from(most.as_nanos()) {
            Ok(most @ 1..) => Duration::from_nanos(runtime.random() % most),
            _ => Duration::ZERO,
        };
        let more = match (wire, way) {
            (_, Way::ToServer) => Duration::ZERO,
            (Wire::Link, Way::Back) => link_latency,
            (Wire::Data | Wire::Waits, Way::Back) => by_chance(answer_jitter),
        };
        latency + by_chance(jitter) + more
    }
}
