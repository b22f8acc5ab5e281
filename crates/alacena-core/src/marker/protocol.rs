//! The three steps of the marker protocol, free of locks and atomics.

/// The number that a cell holds. Never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Generation {
    /// What a killed cell holds, and no capture ever accepts.
    pub const DEAD: Generation = Generation(0);
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

    /// The live cell of `dep`; made, with a generation that was never used, if there is none.
    fn open(&mut self, dep: &Self::Dep) -> Self::Cell;
    /// Takes the cell of `dep` out of the table, so that the next `open` makes a new one.
    fn take(&mut self, dep: &Self::Dep) -> Option<Self::Cell>;
    /// Makes the cell hold [`Generation::DEAD`] for ever.
    fn kill(&mut self, cell: &Self::Cell);
    /// What the cell holds now.
    fn generation(&self, cell: &Self::Cell) -> Generation;
}

/// Begins a load: what each dep held before the source was asked.
pub fn capture<'d, C: Cells>(
    cells: &mut C,
    deps: impl IntoIterator<Item = &'d C::Dep>,
) -> Vec<(C::Cell, Generation)>
where
    C::Dep: 'd,
{
    deps.into_iter()
        .map(|dep| {
            let cell = cells.open(dep);
            let generation = cells.generation(&cell);
            (cell, generation)
        })
        .collect()
}

/// Whether what was captured still stands. A cell that was dead when it was captured never does.
pub fn is_current(captured: Generation, now: Generation) -> bool {
    captured != Generation::DEAD && captured == now
}

/// Invalidates everything that depends on `dep`; whether there was a cell to kill.
///
/// The cell leaves the table *before* it dies: in the other order a load between the two steps would capture the dead
/// cell, and its entry, though loaded after the invalidation, would never be served.
pub fn invalidate<C: Cells>(cells: &mut C, dep: &C::Dep) -> bool {
    match cells.take(dep) {
        Some(cell) => {
            cells.kill(&cell);
            true
        }
        None => false,
    }
}
