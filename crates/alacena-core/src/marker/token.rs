//! Everything that an entry depends on, as it stood when its load began.

use std::{fmt, sync::Arc};

use triomphe::ThinArc;

use super::{
    cell::Cell,
    doubt::State,
    protocol::{Kills, Known, Mark},
};
use crate::{
    dep::{Dep, DepKind},
    sync::atomic::{AtomicU64, Ordering},
};

/// Whether what an entry depends on still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// All of it.
    Current,
    /// Nothing has ended that is known of, but something is in doubt.
    InDoubt,
    /// Not all of it; the entry may stand in for a source that fails.
    Broken,
    /// Not all of it, and the entry must not be seen again.
    BrokenForGood,
}

/// What a token broke by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break<'t> {
    /// This dep was invalidated.
    Invalidated(&'t Dep),
    /// The cell of this dep had to leave, so that nobody knows any more.
    PushedOut(&'t Dep),
}

/// Everything that an entry depends on, as it stood when its load began. Cheap to clone; the default depends on nothing.
///
/// A list of cells, which entries that depend on the same cells share: what is known of it is known of all of them. Like
/// the cells it belongs to the table of markers, which is bounded by number, and no entry is charged for it.
#[derive(Clone, Default)]
pub struct Token(Option<ThinArc<Shared, Arc<Cell>>>);

/// What the entries of one list share beside the cells.
struct Shared {
    /// The count of kills under which the list was last found current.
    known: AtomicU64,
    /// Cells from this one on are hard: once one has ended, the entry must not be seen again.
    hard_from: u32,
}

impl Token {
    pub(super) fn new(cells: &[Arc<Cell>], hard_from: usize) -> Self {
        let shared = Shared {
            known: AtomicU64::new(Kills::NEVER.0),
            hard_from: u32::try_from(hard_from).expect("an entry has few deps"),
        };
        Self(Some(ThinArc::from_header_and_iter(shared, cells.iter().map(Arc::clone))))
    }

    /// Of something that had ended before this node heard of it.
    pub(crate) fn ended(dep: Dep) -> Self {
        let cell = Cell::own(dep);
        cell.change(|state| State { mark: Mark::Invalidated, ..state });
        Self::new(&[Arc::new(cell)], 1)
    }

    /// Whether it is a list of the very same cells.
    pub(super) fn is_of(&self, cells: &[Arc<Cell>], hard_from: usize) -> bool {
        self.hard_from() == hard_from
            && self.cells().len() == cells.len()
            && self.cells().iter().zip(cells).all(|(mine, other)| Arc::ptr_eq(mine, other))
    }

    pub(super) fn cells(&self) -> &[Arc<Cell>] {
        self.0.as_ref().map_or(&[], |list| &list.slice)
    }

    fn hard_from(&self) -> usize {
        self.0.as_ref().map_or(0, |list| list.header.header.hard_from as usize)
    }

    /// Whether nothing that it depends on has been invalidated since, for a reader who has read `now`: one comparison
    /// where that is known, a look at every mark where it is not.
    #[inline]
    pub(super) fn stands(&self, now: Kills) -> bool {
        let Some(list) = &self.0 else { return true };
        let known = &list.header.header.known;
        // Relaxed: what this says about the marks follows from the count that the reader has read, see `Known`.
        Known(Kills(known.load(Ordering::Relaxed))).is_current(now) || self.is_found_current(known, now)
    }

    /// Out of the way of those that need not look.
    #[inline(never)]
    fn is_found_current(&self, known: &AtomicU64, now: Kills) -> bool {
        let stands = self.is_current();
        if stands {
            known.store(now.0, Ordering::Relaxed);
        }
        stands
    }

    /// Whether nothing that it depends on has been invalidated since. Looks at every mark.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.cells().iter().all(|cell| cell.is_current())
    }

    /// Whether something that it depends on has ended. What is in doubt has not.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.cells().iter().any(|cell| cell.has_ended())
    }

    /// Whether it is known of every marker that it depends on what that held.
    #[must_use]
    pub fn is_read(&self) -> bool {
        let is_read =
            |cell: &Arc<Cell>| cell.marker.as_ref().is_none_or(|marker| marker.nonce.get().is_some());
        self.cells().iter().all(is_read)
    }

    /// Whether it depends on markers that other nodes can remove.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.cells().first().is_some_and(|cell| cell.marker.is_some())
    }

    /// Whether what it depends on still stands. Looks at every mark.
    #[must_use]
    pub fn validity(&self) -> Validity {
        let cells = self.cells();
        let Some(first) = cells.iter().position(|cell| !cell.is_current()) else {
            return Validity::Current;
        };
        let ended = |(at, cell): (usize, &Arc<Cell>)| {
            let for_good = at >= self.hard_from() || cell.dep.kind() == DepKind::Key;
            cell.has_ended().then_some(for_good)
        };
        match cells.iter().enumerate().skip(first).filter_map(ended).max() {
            None => Validity::InDoubt,
            Some(false) => Validity::Broken,
            Some(true) => Validity::BrokenForGood,
        }
    }

    /// The first dep that no longer stands, and why.
    #[must_use]
    pub fn broken_by(&self) -> Option<Break<'_>> {
        self.cells().iter().find_map(|cell| match cell.mark() {
            Mark::Alive | Mark::InDoubt => None,
            Mark::Invalidated => Some(Break::Invalidated(&cell.dep)),
            Mark::PushedOut => Some(Break::PushedOut(&cell.dep)),
        })
    }

    /// Every dep, and whether it still stands.
    pub fn deps(&self) -> impl Iterator<Item = (&Dep, bool)> {
        self.cells().iter().map(|cell| (&cell.dep, cell.is_current()))
    }

    /// Whether both are the very same list.
    #[cfg(test)]
    pub(super) fn is(&self, other: &Token) -> bool {
        self.0.as_ref().map(ThinArc::ptr) == other.0.as_ref().map(ThinArc::ptr)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.deps()).finish()
    }
}
