//! The steps of the marker protocol, free of locks and atomics.

/// What a cell says of its dep. It ends once, and never comes back: the next load of the dep finds no cell and makes
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// Nothing that was captured from this cell has been invalidated.
    Alive,
    /// Something may have been: only those who share the marker know. See [`doubt`](super::doubt).
    InDoubt,
    /// The dep was invalidated.
    Invalidated,
    /// The cell had to leave the table for want of space, so that nobody knows any more.
    PushedOut,
}

/// How many cells have ended. It only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kills(pub u64);

impl Kills {
    /// What no reader has ever read: nothing is known to be current under it.
    pub const NEVER: Kills = Kills(u64::MAX);
}

/// Where cells live: a table with locks in the engine, a map of plain numbers under the model checker.
///
/// # Atomicity
/// One atomic step, which waits while the dep is [locked](LockedCell).
pub trait Cells {
    /// What names a cell.
    type Dep: ?Sized;
    /// A handle to a cell; it outlives the cell's place in the table.
    type Cell: Clone;

    /// The live cell of `dep`, made if there is none.
    fn open(&mut self, dep: &Self::Dep) -> Self::Cell;
}

/// The place of one dep's cell, locked: nobody else opens, takes or ends the cell of this dep. Readers of cells that
/// they hold lock nothing.
///
/// # Atomicity
/// Each method is one atomic step. Between two of them readers may do anything.
pub trait LockedCell {
    /// A handle to a cell.
    type Cell: Clone;

    /// Takes the cell out of the table, if there is one.
    fn take(&mut self) -> Option<Self::Cell>;

    /// Makes a cell hold `mark`, for ever.
    fn end(&mut self, cell: &Self::Cell, mark: Mark);

    /// Counts a cell that has ended.
    fn count_kill(&mut self);
}

/// Begins a load: what each dep holds before the source is asked. What is captured is the cell itself; whether it still
/// stands is for the cell to say.
pub fn capture<'d, C: Cells>(cells: &mut C, deps: impl IntoIterator<Item = &'d C::Dep>) -> Vec<C::Cell>
where
    C::Dep: 'd,
{
    deps.into_iter().map(|dep| cells.open(dep)).collect()
}

/// The end of a cell, step by step, the dep locked from before the first to behind the last.
///
/// *Locked until all is done.* Were the lock given back before the cell is dead and counted, a second invalidation of
/// the same dep would find nothing, be acknowledged at once, and leave what it announced to be served:
///
/// ```text
///   writer A             writer B                reader
///   take the cell
///                        change the source
///                        nothing to take: done
///                                                the cell lives, or the count is the old one:
///                                                the old value, as fresh
///   end the cell, count it
/// ```
///
/// *Ended, then counted.* A reader trusts a token that was found current under the count that it reads ([`Known`]).
/// Counted first, this is what happens:
///
/// ```text
///   writer               reader A                reader B
///   count: 8
///                        reads 8
///                        all marks are alive
///                        known current under 8
///   end the cell, done
///                                                reads 8: known current: the old value, as fresh
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending<C> {
    /// The cell is out of the table and still says that it is alive.
    Taken(C, Mark),
    /// The cell has ended and has not been counted.
    Ended,
}

impl<C: Clone> Ending<C> {
    /// The next step; `None` once nothing is left.
    pub fn step<L: LockedCell<Cell = C>>(self, place: &mut L) -> Option<Self> {
        match self {
            Ending::Taken(cell, mark) => {
                place.end(&cell, mark);
                Some(Ending::Ended)
            }
            Ending::Ended => {
                place.count_kill();
                None
            }
        }
    }

    /// All the steps that are left.
    pub fn finish<L: LockedCell<Cell = C>>(self, place: &mut L) {
        let mut left = Some(self);
        while let Some(ending) = left {
            left = ending.step(place);
        }
    }
}

/// Begins to invalidate everything that depends on a dep; `None` where nothing can depend on it.
pub fn invalidate<L: LockedCell>(place: &mut L) -> Option<Ending<L::Cell>> {
    place.take().map(|cell| Ending::Taken(cell, Mark::Invalidated))
}

/// Under which count a token was last found current.
///
/// A reader
/// 1. reads the count, and is done if the token is known current under it;
/// 2. looks at every mark, and is done, the other way, if one has ended;
/// 3. notes the count that it read *in the first step*.
///
/// An invalidation that was acknowledged before this reader began had ended its cell and then counted it, so the count
/// that the reader reads is at least that one. Whoever noted it had read it, and therefore looked at the marks after
/// the cell had ended, and would have seen it. Were the count read again in step 3, a cell could have ended between
/// the look and that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Known(pub Kills);

impl Known {
    /// Whether a token of which this is known is current for a reader who has read `now`.
    #[must_use]
    pub fn is_current(self, now: Kills) -> bool {
        self.0 == now
    }
}
