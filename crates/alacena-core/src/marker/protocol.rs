//! The three steps of the marker protocol, free of locks and atomics.

/// The number that a cell holds. Never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Generation {
    /// What the cell of an invalidated dep holds, for ever.
    pub const INVALIDATED: Generation = Generation(0);
    /// What a cell holds, for ever, that had to leave the table for want of space.
    pub const PUSHED_OUT: Generation = Generation(u64::MAX);

    /// Whether a cell that holds this is alive.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self != Self::INVALIDATED && self != Self::PUSHED_OUT
    }
}

/// Where cells live: a table with locks in the engine, a map of plain numbers under the model checker.
///
/// # Atomicity
/// Each method is one atomic step. Between two of them anything may happen.
pub trait Cells {
    /// What names a cell.
    type Dep: ?Sized;
    /// A handle to a cell; it outlives the cell's place in the table.
    type Cell: Clone;

    /// The live cell of `dep`, made if there is none, and what it holds.
    fn open(&mut self, dep: &Self::Dep) -> (Self::Cell, Generation);

    /// Takes the cell of `dep`, if there is one, out of the table and makes it hold [`Generation::INVALIDATED`].
    ///
    /// One step, not two. Were the cell out of the table and not yet dead, a second invalidation of the same dep would
    /// find nothing, be acknowledged at once, and leave what it announced to be served from a cell that still lives:
    ///
    /// ```text
    ///   writer A             writer B                reader
    ///   take the cell
    ///                        change the source
    ///                        nothing to take: done
    ///                                                the cell lives: the old value, as fresh
    ///   kill the cell
    /// ```
    fn kill(&mut self, dep: &Self::Dep) -> bool;
}

/// Begins a load: what each dep holds before the source is asked.
pub fn capture<'d, C: Cells>(
    cells: &mut C,
    deps: impl IntoIterator<Item = &'d C::Dep>,
) -> Vec<(C::Cell, Generation)>
where
    C::Dep: 'd,
{
    deps.into_iter().map(|dep| cells.open(dep)).collect()
}

/// Whether what was captured still stands.
#[must_use]
pub fn is_current(captured: Generation, now: Generation) -> bool {
    captured.is_alive() && captured == now
}

/// Invalidates everything that depends on `dep`. Whether anything can have depended on it.
pub fn invalidate<C: Cells>(cells: &mut C, dep: &C::Dep) -> bool {
    cells.kill(dep)
}
