//! What a second tier does without, for those who run it.

use std::{fmt, time::Duration};

use super::HORIZON;

/// How long a copy in memory is answered before it is asked about again, where the shard does not tell of what changes. No
/// longer than others may be: so whoever waits until no node answers with anything from before waits for these, too.
pub const UNTOLD_MAX: Duration = HORIZON;

/// Something that a shard does without.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lack {
    /// What is missing, or is as it should not be. Never a secret.
    pub what: String,
    /// What it costs, as long as it is so.
    pub costs: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Whether something that is promised is not kept meanwhile; else it is good to know, and no more.
    pub is_serious: bool,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, costs, remedy, .. } = self;
        write!(f, "{what}: {costs}. {remedy}")
    }
}

/// What reads out of a second tier are worth, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coherence {
    /// What another node has invalidated is answered by none after [`HORIZON`](super::HORIZON).
    Bounded,
    /// The same, as long as the server is not rolled back: of that nobody would hear. Or nobody is told of what
    /// changes, so that it holds by the time alone for which copies are answered, [`UNTOLD_MAX`], and nothing proves it.
    Eventual,
    /// The tier is away: this node knows of what it has invalidated itself, and says of its answers that they are local.
    Local,
}

impl Coherence {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Coherence::Bounded => "bounded",
            Coherence::Eventual => "eventual",
            Coherence::Local => "local",
        }
    }
}
