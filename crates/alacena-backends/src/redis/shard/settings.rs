//! What a shard may take.

use std::time::Duration;

use alacena_core::tier::Telling;

use super::super::LineSettings;

/// How long the steps of a shard may take, and how much it bears.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ShardSettings {
    /// How long a step may take that is none of the others here; 50 ms by default.
    pub step_within: Duration,
    /// How long a removal may take, which is tried twice; 250 ms by default.
    pub remove_within: Duration,
    /// How long a ping may take; 1 s by default.
    pub ping_within: Duration,
    /// How long finding out about a new connection may take; 1 s by default.
    pub prepare_within: Duration,
    /// How the server is to tell of changes: in this way or, where that does not prove to work, not at all. None, the
    /// default: in the best way that proves to work. Where commands are metered it does not. What this node removes it
    /// publishes in any case: how others hear of it, it does not know.
    pub telling: Option<Telling>,
    /// Loads that may wait for somebody else's at once; the next one is refused. 65,536 by default.
    pub waiters_max: usize,
    /// How each connection is made and kept up.
    pub line: LineSettings,
}

impl ShardSettings {
    /// The ways in which the server may tell of changes, the best first; the last one always works.
    pub(super) const fn ways(&self) -> &'static [Telling] {
        match self.telling {
            None => &Telling::ALL,
            Some(Telling::Tracked) => &[Telling::Tracked, Telling::Nothing],
            Some(Telling::Published) => &[Telling::Published, Telling::Nothing],
            Some(Telling::Nothing) => &[Telling::Nothing],
        }
    }
}

impl Default for ShardSettings {
    fn default() -> Self {
        Self {
            step_within: Duration::from_millis(50),
            remove_within: Duration::from_millis(250),
            ping_within: Duration::from_secs(1),
            prepare_within: Duration::from_secs(1),
            telling: None,
            waiters_max: 65_536,
            line: LineSettings::default(),
        }
    }
}
