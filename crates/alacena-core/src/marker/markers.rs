//! What everything in this process depends on.

use std::{fmt, sync::OnceLock};

use super::{
    protocol::Kills,
    shared::{Directory, Shared},
    table::Table,
    token::Token,
};
use crate::{
    dep::Dep,
    runtime::{COARSE_LAG_NANOS, Moment},
    sync::atomic::{AtomicU64, Ordering},
    tier::HashKey,
};

/// The cells of this process, and those that are copies of markers which it shares with others.
///
/// ```
/// use alacena_core::{dep::Dep, marker::{Break, Markers}};
///
/// let markers = Markers::new(1024);
/// let company = Dep::tag("shop", "company:42")?;
/// let token = markers.capture([&company]);
/// assert!(markers.stand_by(&token));
/// markers.invalidate(&company);
/// assert_eq!(token.broken_by(), Some(Break::Invalidated(&company)));
/// assert!(markers.stand_by(&markers.capture([&company])));
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
pub struct Markers {
    /// How many cells have ended, or been put in doubt. Raised under the lock of the cell's shard or by the one who
    /// reads what is pushed, read without a lock.
    kills: AtomicU64,
    /// Until when what is told of shared markers is known to have been heard, as nanoseconds of a [`Moment`].
    proved_until: AtomicU64,
    capacity: usize,
    pub(super) own: Table,
    shared: OnceLock<Shared>,
}

impl Markers {
    /// A table of at most about `capacity` cells for tags and keys, and as many again for shared ones. The structural
    /// ones (classes, prefixes), which the configuration bounds, are not counted and never leave on their own.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            kills: AtomicU64::new(0),
            // Nobody else decides about anything.
            proved_until: AtomicU64::new(Moment::NEVER.nanos()),
            capacity,
            own: Table::new(capacity, None),
            shared: OnceLock::new(),
        }
    }

    /// From now on there are shared markers, named by `names`. Nothing is known of what is told of them.
    pub(crate) fn share(&self, names: HashKey) {
        self.proved_until.store(0, Ordering::Release);
        self.shared.get_or_init(|| Shared::new(Table::new(self.capacity, Some(Directory::new(names)))));
    }

    /// What each dep holds now. To be called before the source is asked.
    #[must_use]
    pub fn capture<'d>(&self, deps: impl IntoIterator<Item = &'d Dep>) -> Token {
        self.capture_with_hard(deps, [])
    }

    /// What each dep holds now; once one of `hard` is broken, the entry must not be seen again.
    #[must_use]
    pub fn capture_with_hard<'d>(
        &self,
        soft: impl IntoIterator<Item = &'d Dep>,
        hard: impl IntoIterator<Item = &'d Dep>,
    ) -> Token {
        self.own.capture(&self.kills, soft, hard)
    }

    /// The copies of the shared markers of these deps; one that has not been read yet is in doubt. `None` where nothing
    /// is shared.
    pub(crate) fn capture_shared<'d>(
        &self,
        soft: impl IntoIterator<Item = &'d Dep>,
        hard: impl IntoIterator<Item = &'d Dep>,
    ) -> Option<Token> {
        Some(self.shared.get()?.table.capture(&self.kills, soft, hard))
    }

    /// Whether nothing that `token` depends on has been invalidated since it was captured, for a reader at `now`. Nearly
    /// always two comparisons: see [`Known`](super::protocol::Known) and [`Heartbeat`](crate::tier::Heartbeat).
    ///
    /// While what is told of shared markers may not have been heard, this says "no" of every token.
    #[must_use]
    #[inline]
    pub fn stand_by_at(&self, token: &Token, now: Moment) -> bool {
        self.is_proved(now) && self.stand_by(token)
    }

    /// Whether everything that is told of shared markers has been heard, for a reader at `now`. Always where nothing is
    /// shared.
    #[must_use]
    #[inline]
    pub fn is_proved(&self, now: Moment) -> bool {
        // Acquire pairs with the release of the one who proves it: everything that was heard before is seen, too.
        now.nanos() < self.proved_until.load(Ordering::Acquire)
    }

    /// Whether nothing that `token` depends on has ended or is in doubt. Nearly always one comparison.
    #[must_use]
    #[inline]
    pub fn stand_by(&self, token: &Token) -> bool {
        // Acquire pairs with the release of the one who counts: who reads a count sees every cell ended that it counts.
        token.stands(Kills(self.kills.load(Ordering::Acquire)))
    }

    /// Says until when everything that is told of shared markers is known to have been heard.
    pub(crate) fn prove(&self, until: Moment) {
        // Whoever hits reads a clock that lags.
        let until = until.nanos().saturating_sub(COARSE_LAG_NANOS);
        self.proved_until.store(until, Ordering::Release);
    }

    /// Invalidates everything that depends on `dep`, whatever the number of entries. When it returns, no entry that
    /// was loading or loaded before is current any more, in this process. Whether anything could have depended on it.
    pub fn invalidate(&self, dep: &Dep) -> bool {
        let own = self.own.invalidate(&self.kills, dep);
        let shared = self.shared.get().is_some_and(|shared| shared.table.invalidate(&self.kills, dep));
        own || shared
    }

    /// Ends every cell that this process alone decides about.
    pub(crate) fn end_own(&self) {
        self.own.invalidate_all(&self.kills);
    }

    /// The shared ones, with what changes them.
    pub(crate) fn shared(&self) -> Option<(&Shared, &AtomicU64)> {
        Some((self.shared.get()?, &self.kills))
    }

    /// Cells held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.own.len() + self.shared.get().map_or(0, |shared| shared.table.len())
    }

    /// Whether no cell is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Markers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Markers({} cells)", self.len())
    }
}
