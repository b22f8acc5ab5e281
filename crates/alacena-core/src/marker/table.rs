//! A table of cells: bounded, sharded.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasher,
    sync::Arc,
};

use super::{
    cell::Cell,
    protocol::{self, Cells, Ending, LockedCell, Mark},
    shared::Directory,
    token::Token,
};
use crate::{
    dep::Dep,
    sync::{
        Mutex, RandomState,
        atomic::{AtomicU64, Ordering},
    },
};

/// Shards of a table: enough that loads on different tags rarely meet.
pub(super) const SHARDS: usize = 16;

/// The cells of this process, or those that are copies of markers on a second tier.
pub(super) struct Table {
    hasher: RandomState,
    /// Each guards its part of the table; held for one look-up, never across an await.
    pub(super) shards: Box<[Mutex<Shard>]>,
    /// Where the cells are found by the names of their markers; `None`: they have none.
    pub(super) directory: Option<Directory>,
}

pub(super) struct Shard {
    slots: HashMap<Dep, Slot, RandomState>,
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

impl Table {
    /// A table of at most about `capacity` cells for what data, and not configuration, makes.
    pub(super) fn new(capacity: usize, directory: Option<Directory>) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(1);
        let shard = || Shard { slots: HashMap::default(), queue: VecDeque::new(), held: 0, capacity };
        let shards = (0..SHARDS).map(|_| Mutex::new(shard())).collect();
        Self { hasher: RandomState::default(), shards, directory }
    }

    /// What each dep holds now.
    pub(super) fn capture<'d>(
        &self,
        kills: &AtomicU64,
        soft: impl IntoIterator<Item = &'d Dep>,
        hard: impl IntoIterator<Item = &'d Dep>,
    ) -> Token {
        let mut open = Open { table: self, kills };
        let mut cells = protocol::capture(&mut open, soft);
        let hard_from = cells.len();
        cells.extend(protocol::capture(&mut open, hard));
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

    /// Ends the cell of `dep`. Whether there was one.
    pub(super) fn invalidate(&self, kills: &AtomicU64, dep: &Dep) -> bool {
        let mut shard = self.shard(dep).lock();
        let mut place = Place { kills, shard: &mut shard, directory: self.directory.as_ref(), dep };
        let ending = protocol::invalidate(&mut place);
        let any = ending.is_some();
        // Under the lock to its last step, see `Ending`.
        if let Some(ending) = ending {
            ending.finish(&mut place);
        }
        any
    }

    /// Ends this very cell, if it has not ended.
    pub(super) fn invalidate_cell(&self, kills: &AtomicU64, cell: &Arc<Cell>) {
        let mut shard = self.shard(&cell.dep).lock();
        if shard.slots.get(&cell.dep).is_some_and(|slot| Arc::ptr_eq(&slot.cell, cell)) {
            let mut place =
                Place { kills, shard: &mut shard, directory: self.directory.as_ref(), dep: &cell.dep };
            if let Some(ending) = protocol::invalidate(&mut place) {
                ending.finish(&mut place);
            }
        }
    }

    /// Ends every cell.
    pub(super) fn invalidate_all(&self, kills: &AtomicU64) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            if shard.slots.is_empty() {
                continue;
            }
            let deps: Vec<Dep> = shard.slots.keys().cloned().collect();
            for dep in &deps {
                let mut place = Place { kills, shard: &mut shard, directory: self.directory.as_ref(), dep };
                if let Some(ending) = protocol::invalidate(&mut place) {
                    ending.finish(&mut place);
                }
            }
        }
    }

    /// Cells held.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().slots.len()).sum()
    }

    fn shard(&self, dep: &Dep) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(dep);
        &self.shards[usize::try_from(hash % SHARDS as u64).expect("less than the number of shards")]
    }
}

/// The table as a load sees it: one dep at a time is locked.
struct Open<'a> {
    table: &'a Table,
    kills: &'a AtomicU64,
}

impl Cells for Open<'_> {
    type Dep = Dep;
    type Cell = Arc<Cell>;

    fn open(&mut self, dep: &Dep) -> Arc<Cell> {
        let Self { table, kills } = self;
        let mut shard = table.shard(dep).lock();
        if let Some(Slot { cell, .. }) = shard.slots.get(dep) {
            cell.touch();
            return Arc::clone(cell);
        }
        let cell = match &table.directory {
            None => Arc::new(Cell::own(dep.clone())),
            Some(directory) => directory.enter(dep),
        };
        if !dep.kind().is_structural() {
            // Before it stands in the queue: a table full of used cells must not push out the one that is asked for.
            shard.make_room(kills, table.directory.as_ref());
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
    directory: Option<&'a Directory>,
    dep: &'a Dep,
}

impl LockedCell for Place<'_> {
    type Cell = Arc<Cell>;

    fn take(&mut self) -> Option<Arc<Cell>> {
        let Slot { cell, .. } = self.shard.slots.remove(self.dep)?;
        if !self.dep.kind().is_structural() {
            self.shard.held -= 1;
        }
        if let Some(directory) = self.directory {
            directory.leave(&cell);
        }
        Some(cell)
    }

    fn end(&mut self, cell: &Arc<Cell>, mark: Mark) {
        cell.change(|state| state.ended(mark));
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
    fn make_room(&mut self, kills: &AtomicU64, directory: Option<&Directory>) {
        while self.held >= self.capacity {
            let Some(cell) = self.queue.pop_front() else { return };
            if cell.has_ended() {
                continue;
            }
            if cell.take_used() {
                self.queue.push_back(cell);
                continue;
            }
            let mut place = Place { kills, shard: self, directory, dep: &cell.dep };
            if let Some(cell) = place.take() {
                Ending::Taken(cell, Mark::PushedOut).finish(&mut place);
            }
        }
        // One tag that is invalidated and loaded over and over leaves dead cells behind.
        if self.queue.len() > 2 * self.capacity {
            self.queue.retain(|cell| !cell.has_ended());
        }
    }
}

#[cfg(test)]
mod tests;
