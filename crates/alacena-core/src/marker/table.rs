//! The cells of this process: a bounded, sharded table.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use super::protocol::{self, Cells, Generation};
use crate::dep::Dep;

/// Shards of the table: enough that loads on different tags rarely meet.
const SHARDS: usize = 16;

/// The state of one dep.
struct Cell {
    generation: AtomicU64,
    /// Set when the cell is used, cleared when it is passed over by the hand of the clock.
    used: AtomicBool,
    dep: Dep,
}

/// What one dep held when a load began.
#[derive(Clone)]
pub struct Mark {
    cell: Arc<Cell>,
    captured: Generation,
}

impl Mark {
    /// Whether the dep has not been invalidated since.
    #[must_use]
    pub fn is_current(&self) -> bool {
        // Acquire pairs with the release of the kill. Whoever learned that the invalidation has returned sees it here.
        protocol::is_current(self.captured, Generation(self.cell.generation.load(Ordering::Acquire)))
    }

    /// The dep.
    #[must_use]
    pub fn dep(&self) -> &Dep {
        &self.cell.dep
    }
}

/// Everything that an entry depends on, as it stood when its load began. Cheap to clone.
#[derive(Clone)]
pub struct Token(Arc<[Mark]>);

impl Token {
    /// Whether nothing that it depends on has been invalidated since.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.0.iter().all(Mark::is_current)
    }

    /// The first dep that has been invalidated since.
    #[must_use]
    pub fn broken_by(&self) -> Option<&Dep> {
        self.0.iter().find(|mark| !mark.is_current()).map(Mark::dep)
    }

    /// Bytes of memory that it takes beside the cells.
    #[must_use]
    pub fn weight(&self) -> usize {
        2 * size_of::<usize>() + size_of_val(&*self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|mark| (mark.dep(), mark.is_current()))).finish()
    }
}

/// The cells of this process.
///
/// ```
/// use alacena_core::{dep::Dep, marker::Markers};
///
/// let markers = Markers::new(1024);
/// let company = Dep::tag("shop", "company:42")?;
/// let token = markers.capture([&company]);
/// assert!(token.is_current());
/// markers.invalidate(&company);
/// assert_eq!(token.broken_by(), Some(&company));
/// assert!(markers.capture([&company]).is_current());
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
pub struct Markers {
    hasher: RandomState,
    /// Each guards its part of the table; held for one look-up, never across an await.
    shards: Box<[Mutex<Shard>]>,
    last_generation: AtomicU64,
}

struct Shard {
    cells: HashMap<Dep, Arc<Cell>>,
    /// The cells that data, and not configuration, makes: they take turns to leave. A dep whose cell was taken is
    /// skipped when its turn comes.
    queue: VecDeque<Arc<Cell>>,
    capacity: usize,
}

impl Markers {
    /// A table of at most about `capacity` cells for tags and keys. The structural ones (classes, prefixes), which
    /// the configuration bounds, are not counted and never leave on their own.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(1);
        let shard = || Mutex::new(Shard { cells: HashMap::new(), queue: VecDeque::new(), capacity });
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            last_generation: AtomicU64::new(0),
        }
    }

    /// What each dep holds now. To be called before the source is asked.
    #[must_use]
    pub fn capture<'d>(&self, deps: impl IntoIterator<Item = &'d Dep>) -> Token {
        let marks = protocol::capture(&mut Steps(self), deps);
        Token(marks.into_iter().map(|(cell, captured)| Mark { cell, captured }).collect())
    }

    /// Invalidates everything that depends on `dep`, whatever the number of entries. When it returns, no entry that
    /// was loading or loaded before is current any more. Whether anything could have depended on it.
    pub fn invalidate(&self, dep: &Dep) -> bool {
        protocol::invalidate(&mut Steps(self), dep)
    }

    /// Cells held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().cells.len()).sum()
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

/// The table as the protocol sees it.
struct Steps<'a>(&'a Markers);

impl Cells for Steps<'_> {
    type Dep = Dep;
    type Cell = Arc<Cell>;

    fn open(&mut self, dep: &Dep) -> Arc<Cell> {
        let mut shard = self.0.shard(dep).lock();
        if let Some(cell) = shard.cells.get(dep) {
            cell.used.store(true, Ordering::Relaxed);
            return Arc::clone(cell);
        }
        let generation = self.0.last_generation.fetch_add(1, Ordering::Relaxed) + 1;
        let cell = Arc::new(Cell {
            generation: AtomicU64::new(generation),
            used: AtomicBool::new(false),
            dep: dep.clone(),
        });
        shard.cells.insert(dep.clone(), Arc::clone(&cell));
        if !dep.kind().is_structural() {
            shard.queue.push_back(Arc::clone(&cell));
            shard.make_room();
        }
        cell
    }

    fn take(&mut self, dep: &Dep) -> Option<Arc<Cell>> {
        self.0.shard(dep).lock().cells.remove(dep)
    }

    fn kill(&mut self, cell: &Arc<Cell>) {
        cell.generation.store(Generation::DEAD.0, Ordering::Release);
    }

    fn generation(&self, cell: &Arc<Cell>) -> Generation {
        Generation(cell.generation.load(Ordering::Acquire))
    }
}

impl Shard {
    /// Second chance: the oldest cell that nobody has used since its last turn leaves, and dies.
    fn make_room(&mut self) {
        while self.queue.len() > self.capacity {
            let Some(cell) = self.queue.pop_front() else { return };
            let alive = cell.generation.load(Ordering::Acquire) != Generation::DEAD.0;
            if alive && cell.used.swap(false, Ordering::Relaxed) {
                self.queue.push_back(cell);
                continue;
            }
            // A cell that was taken has already left the map, and its dep may have another one by now.
            if self.cells.get(&cell.dep).is_some_and(|held| Arc::ptr_eq(held, &cell)) {
                self.cells.remove(&cell.dep);
            }
            cell.generation.store(Generation::DEAD.0, Ordering::Release);
        }
    }
}

impl fmt::Debug for Markers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Markers({} cells)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Dep {
        Dep::tag("n", text).unwrap()
    }

    #[test]
    fn a_token_breaks_by_any_of_its_deps_and_names_it() {
        let markers = Markers::new(64);
        let (class, a, b) = (Dep::class("n", "c"), tag("a"), tag("b"));
        let token = markers.capture([&class, &a, &b]);
        markers.invalidate(&tag("c"));
        assert!(token.is_current());
        markers.invalidate(&b);
        assert_eq!(token.broken_by(), Some(&b));
        assert!(!markers.invalidate(&b), "there is nothing left to kill");
    }

    #[test]
    fn a_cell_that_is_pushed_out_takes_its_entries_with_it() {
        let markers = Markers::new(SHARDS);
        let first = markers.capture([&tag("first")]);
        let class = markers.capture([&Dep::class("n", "c")]);
        for number in 0..1000 {
            let _ = markers.capture([&tag(&number.to_string())]);
        }
        assert!(!first.is_current(), "fail closed");
        assert!(class.is_current(), "structural cells stay");
        assert!(markers.len() <= SHARDS + 1);
    }

    #[test]
    fn cells_in_use_outlive_those_that_are_not() {
        let markers = Markers::new(SHARDS * 8);
        let hot = markers.capture([&tag("hot")]);
        for number in 0..1000 {
            let _ = markers.capture([&tag(&number.to_string())]);
            let _ = markers.capture([&tag("hot")]);
        }
        assert!(hot.is_current());
    }

    #[test]
    fn invalidating_over_and_over_does_not_fill_the_queue() {
        let markers = Markers::new(SHARDS);
        for _ in 0..1000 {
            let token = markers.capture([&tag("t")]);
            markers.invalidate(&tag("t"));
            assert!(!token.is_current());
        }
        assert!(markers.is_empty());
        assert!(markers.shards.iter().all(|shard| shard.lock().queue.len() <= 1));
    }
}
