//! The cells of this process: a bounded, sharded table.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::BuildHasher,
    sync::Arc,
};

use super::{
    cell::Cell,
    protocol::{self, Cells, Ending, Kills, LockedCell, Mark},
    token::Token,
};
use crate::{
    dep::Dep,
    sync::{
        Mutex, RandomState,
        atomic::{AtomicU64, Ordering},
    },
};

/// Shards of the table: enough that loads on different tags rarely meet.
pub(super) const SHARDS: usize = 16;

/// The cells of this process.
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
    hasher: RandomState,
    /// Each guards its part of the table; held for one look-up, never across an await.
    pub(super) shards: Box<[Mutex<Shard>]>,
    /// How many cells have ended. Raised under the lock of the cell's shard, read without one.
    kills: AtomicU64,
}

pub(super) struct Shard {
    slots: HashMap<Dep, Slot>,
    /// The cells that data, and not configuration, makes: they take turns to leave. Cells that were invalidated stand
    /// here too until they are swept out.
    pub(super) queue: VecDeque<Arc<Cell>>,
    /// Those of them that are in the table.
    held: usize,
    capacity: usize,
}

/// The place of a live cell.
struct Slot {
    cell: Arc<Cell>,
    /// The last list of cells that ended with this one, for the next load that captures the same ones.
    list: Token,
}

impl Markers {
    /// A table of at most about `capacity` cells for tags and keys. The structural ones (classes, prefixes), which
    /// the configuration bounds, are not counted and never leave on their own.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(1);
        let shard = || Mutex::new(Shard { slots: HashMap::new(), queue: VecDeque::new(), held: 0, capacity });
        Self {
            hasher: RandomState::default(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            kills: AtomicU64::new(0),
        }
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
        let mut table = Table(self);
        let mut cells = protocol::capture(&mut table, soft);
        let hard_from = cells.len();
        cells.extend(protocol::capture(&mut table, hard));
        self.list(&cells, hard_from)
    }

    /// The list of these cells, shared with the last load that captured the same ones. Which list it is changes
    /// nothing: what it says, its cells say.
    fn list(&self, cells: &[Arc<Cell>], hard_from: usize) -> Token {
        let Some(last) = cells.last() else { return Token::default() };
        let mut shard = self.shard(&last.dep).lock();
        match shard.slots.get_mut(&last.dep).filter(|slot| Arc::ptr_eq(&slot.cell, last)) {
            Some(slot) if slot.list.is_of(cells, hard_from) => slot.list.clone(),
            Some(slot) => {
                slot.list = Token::new(cells, hard_from);
                slot.list.clone()
            }
            // It has ended since it was captured: nobody will ever capture it again.
            None => Token::new(cells, hard_from),
        }
    }

    /// Whether nothing that `token` depends on has been invalidated since it was captured. Nearly always one comparison:
    /// see [`protocol::Known`].
    #[must_use]
    pub fn stand_by(&self, token: &Token) -> bool {
        // Acquire pairs with the release of the one who counts: who reads a count sees every cell ended that it counts.
        token.stands(Kills(self.kills.load(Ordering::Acquire)))
    }

    /// Invalidates everything that depends on `dep`, whatever the number of entries. When it returns, no entry that
    /// was loading or loaded before is current any more. Whether anything could have depended on it.
    pub fn invalidate(&self, dep: &Dep) -> bool {
        let mut shard = self.shard(dep).lock();
        let mut place = Place { kills: &self.kills, shard: &mut shard, dep };
        let ending = protocol::invalidate(&mut place);
        let any = ending.is_some();
        // Under the lock to its last step, see `Ending`.
        if let Some(ending) = ending {
            ending.finish(&mut place);
        }
        any
    }

    /// Cells held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().slots.len()).sum()
    }

    /// Whether no cell is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, dep: &Dep) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(dep);
        &self.shards[usize::try_from(hash % SHARDS as u64).expect("less than the number of shards")]
    }
}

/// The table as a load sees it: one dep at a time is locked.
struct Table<'a>(&'a Markers);

impl Cells for Table<'_> {
    type Dep = Dep;
    type Cell = Arc<Cell>;

    fn open(&mut self, dep: &Dep) -> Arc<Cell> {
        let mut shard = self.0.shard(dep).lock();
        if let Some(Slot { cell, .. }) = shard.slots.get(dep) {
            cell.touch();
            return Arc::clone(cell);
        }
        let cell = Arc::new(Cell::new(dep.clone()));
        if !dep.kind().is_structural() {
            // Before it stands in the queue: a table full of used cells must not push out the one that is asked for.
            shard.make_room(&self.0.kills);
            shard.held += 1;
            shard.queue.push_back(Arc::clone(&cell));
        }
        shard.slots.insert(dep.clone(), Slot { cell: Arc::clone(&cell), list: Token::default() });
        cell
    }
}

/// The place of a dep's cell in its shard, which is locked.
struct Place<'a> {
    kills: &'a AtomicU64,
    shard: &'a mut Shard,
    dep: &'a Dep,
}

impl LockedCell for Place<'_> {
    type Cell = Arc<Cell>;

    fn take(&mut self) -> Option<Arc<Cell>> {
        let Slot { cell, .. } = self.shard.slots.remove(self.dep)?;
        if !self.dep.kind().is_structural() {
            self.shard.held -= 1;
        }
        Some(cell)
    }

    fn end(&mut self, cell: &Arc<Cell>, mark: Mark) {
        cell.end(mark);
    }

    fn count_kill(&mut self) {
        // Release pairs with the acquire of whoever reads the count.
        self.kills.fetch_add(1, Ordering::Release);
    }
}

impl Shard {
    /// Makes room for one more. Second chance: the oldest cell that nobody has used since its last turn leaves, and
    /// dies.
    ///
    /// A read that is answered without a look at the marks uses no cell. But whenever the hand has passed, a cell has
    /// left and was counted, so that the next read of every entry looks, and uses its cells again: a cell is marked
    /// used if anything was answered by it since the hand last passed, as if every read had looked.
    fn make_room(&mut self, kills: &AtomicU64) {
        while self.held >= self.capacity {
            let Some(cell) = self.queue.pop_front() else { return };
            if cell.mark() != Mark::Alive {
                continue;
            }
            if cell.take_used() {
                self.queue.push_back(cell);
                continue;
            }
            let mut place = Place { kills, shard: self, dep: &cell.dep };
            if let Some(cell) = place.take() {
                Ending::Taken(cell, Mark::PushedOut).finish(&mut place);
            }
        }
        // One tag that is invalidated and loaded over and over leaves dead cells behind.
        if self.queue.len() > 2 * self.capacity {
            self.queue.retain(|cell| cell.mark() == Mark::Alive);
        }
    }
}

impl fmt::Debug for Markers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Markers({} cells)", self.len())
    }
}

#[cfg(test)]
mod tests;
