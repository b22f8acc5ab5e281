//! Whether an entry in memory may be answered where nodes share markers.

/// What is known of an entry in memory that is fresh by its time.
///
/// A copy of what others share is answered while what it depends on is known to stand. What was loaded while the tier was
/// away depends on this node alone, and is answered while the tier *is* away: from the moment at which it is back, other
/// nodes invalidate without this one being told of what such an entry depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Whether it depends on markers that other nodes can remove.
    pub is_shared: bool,
    /// Whether the reader wants every marker looked up.
    pub is_strict: bool,
    /// Whether a shard that the reader needs is away.
    pub is_away: bool,
    /// Whether the tier is to be asked for it again, for it has been answered long enough.
    pub is_due: bool,
    /// Whether none of its cells has ended or is in doubt, and silence means that nothing has changed.
    pub stands: bool,
}

impl Copied {
    /// Whether it may be answered as fresh without asking anybody.
    #[must_use]
    pub const fn may_be_answered(self) -> bool {
        let Self { is_shared, is_strict, is_away, is_due, stands } = self;
        if is_shared { !is_strict && !is_due && stands } else { !is_strict && is_away }
    }
}
