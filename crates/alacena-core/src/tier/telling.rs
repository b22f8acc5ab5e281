//! How a shard tells of what changes on it.

/// How a shard tells of what changes on it: what a node knows of the markers that it holds copies of.
///
/// The order is that of what they are worth, the best first.
///
/// *`Published` proves as much as `Tracked`.* A server that is told to publish something writes it to whoever listens in
/// that very step, so before it answers any ping that comes later; and whoever invalidates publishes after it has removed.
/// What it does not tell is what nobody has published: markers that somebody removed by hand, or flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Telling {
    /// The server itself tells of every change of a marker.
    Tracked,
    /// Whoever invalidates says so over the server.
    Published,
    /// It does not. Copies are asked about again soon.
    Nothing,
}

impl Telling {
    /// Every one, the best first.
    pub const ALL: [Telling; 3] = [Telling::Tracked, Telling::Published, Telling::Nothing];

    /// The word used in the configuration, in logs and in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Telling::Tracked => "tracking",
            Telling::Published => "publish",
            Telling::Nothing => "none",
        }
    }

    /// Whether it tells of what others invalidate, so that its silence means something.
    #[must_use]
    pub const fn is_any(self) -> bool {
        !matches!(self, Telling::Nothing)
    }
}
