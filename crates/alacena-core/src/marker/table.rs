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
use crate::dep::{Dep, DepKind};

/// Shards of the table: enough that loads on different tags rarely meet.
const SHARDS: usize = 16;

/// The state of one dep.
struct Cell {
    generation: AtomicU64,
    /// Set when the cell is used, cleared when the hand of the clock passes over it.
    used: AtomicBool,
    dep: Dep,
}

impl Cell {
    fn generation(&self) -> Generation {
        // Acquire pairs with the release of whoever ends the cell: who learned that an invalidation has returned sees
        // it here.
        Generation(self.generation.load(Ordering::Acquire))
    }

    fn end(&self, with: Generation) {
        self.generation.store(with.0, Ordering::Release);
    }

    /// Keeps the cell from being the next to leave. Written only where that changes something: the line is shared by
    /// everyone who reads the generation.
    fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

/// What one dep held when a load began.
#[derive(Clone)]
struct Mark {
    cell: Arc<Cell>,
    captured: Generation,
}

impl Mark {
    fn is_current(&self) -> bool {
        self.cell.touch();
        protocol::is_current(self.captured, self.cell.generation())
    }
}

/// Whether what an entry depends on still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// All of it.
    Current,
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
#[derive(Clone, Default)]
pub struct Token {
    marks: Arc<[Mark]>,
    /// Marks from this one on are hard: once one is broken, the entry must not be seen again.
    hard_from: usize,
}

impl Token {
    /// Whether nothing that it depends on has been invalidated since.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.marks.iter().all(Mark::is_current)
    }

    /// Whether what it depends on still stands.
    #[must_use]
    pub fn validity(&self) -> Validity {
        let Some(first) = self.marks.iter().position(|mark| !mark.is_current()) else {
            return Validity::Current;
        };
        let for_good = |mark: &Mark| mark.cell.dep.kind() == DepKind::Key;
        let hard = self.marks[first.max(self.hard_from)..].iter().any(|mark| !mark.is_current());
        let named = self.marks[first..].iter().any(|mark| for_good(mark) && !mark.is_current());
        if hard || named { Validity::BrokenForGood } else { Validity::Broken }
    }

    /// The first dep that no longer stands, and why.
    #[must_use]
    pub fn broken_by(&self) -> Option<Break<'_>> {
        let mark = self.marks.iter().find(|mark| !mark.is_current())?;
        Some(match mark.cell.generation() {
            Generation::PUSHED_OUT => Break::PushedOut(&mark.cell.dep),
            _ => Break::Invalidated(&mark.cell.dep),
        })
    }

    /// Every dep, and whether it still stands.
    pub fn deps(&self) -> impl Iterator<Item = (&Dep, bool)> {
        self.marks.iter().map(|mark| (&mark.cell.dep, mark.is_current()))
    }

    /// Bytes of memory that it takes beside the cells.
    #[must_use]
    pub fn weight(&self) -> usize {
        2 * size_of::<usize>() + size_of_val(&*self.marks)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.deps()).finish()
    }
}

/// The cells of this process.
///
/// ```
/// use alacena_core::{dep::Dep, marker::{Break, Markers}};
///
/// let markers = Markers::new(1024);
/// let company = Dep::tag("shop", "company:42")?;
/// let token = markers.capture([&company]);
/// assert!(token.is_current());
/// markers.invalidate(&company);
/// assert_eq!(token.broken_by(), Some(Break::Invalidated(&company)));
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
    /// The cells that data, and not configuration, makes: they take turns to leave. Cells that were invalidated stand
    /// here too until they are swept out.
    queue: VecDeque<Arc<Cell>>,
    /// Those of them that are in the table.
    held: usize,
    capacity: usize,
}

impl Markers {
    /// A table of at most about `capacity` cells for tags and keys. The structural ones (classes, prefixes), which
    /// the configuration bounds, are not counted and never leave on their own.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(1);
        let shard = || Mutex::new(Shard { cells: HashMap::new(), queue: VecDeque::new(), held: 0, capacity });
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            last_generation: AtomicU64::new(0),
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
        let mut marks = protocol::capture(&mut Steps(self), soft);
        let hard_from = marks.len();
        marks.extend(protocol::capture(&mut Steps(self), hard));
        let marks = marks.into_iter().map(|(cell, captured)| Mark { cell, captured }).collect();
        Token { marks, hard_from }
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

    fn open(&mut self, dep: &Dep) -> (Arc<Cell>, Generation) {
        let mut shard = self.0.shard(dep).lock();
        if let Some(cell) = shard.cells.get(dep) {
            cell.touch();
            return (Arc::clone(cell), cell.generation());
        }
        let generation = Generation(self.0.last_generation.fetch_add(1, Ordering::Relaxed) + 1);
        let cell = Arc::new(Cell {
            generation: AtomicU64::new(generation.0),
            used: AtomicBool::new(false),
            dep: dep.clone(),
        });
        if !dep.kind().is_structural() {
            // Before it stands in the queue: a table full of used cells must not push out the one that is asked for.
            shard.make_room();
            shard.held += 1;
            shard.queue.push_back(Arc::clone(&cell));
        }
        shard.cells.insert(dep.clone(), Arc::clone(&cell));
        (cell, generation)
    }

    fn kill(&mut self, dep: &Dep) -> bool {
        let mut shard = self.0.shard(dep).lock();
        let Some(cell) = shard.cells.remove(dep) else { return false };
        if !dep.kind().is_structural() {
            shard.held -= 1;
        }
        // Still under the lock: out of the table and dead are one step for everyone who looks in the table.
        cell.end(Generation::INVALIDATED);
        true
    }
}

impl Shard {
    /// Makes room for one more. Second chance: the oldest cell that nobody has used since its last turn leaves, and
    /// dies.
    fn make_room(&mut self) {
        while self.held >= self.capacity {
            let Some(cell) = self.queue.pop_front() else { return };
            if !cell.generation().is_alive() {
                continue;
            }
            if cell.used.swap(false, Ordering::Relaxed) {
                self.queue.push_back(cell);
                continue;
            }
            self.cells.remove(&cell.dep);
            self.held -= 1;
            cell.end(Generation::PUSHED_OUT);
        }
        // One tag that is invalidated and loaded over and over leaves dead cells behind.
        if self.queue.len() > 2 * self.capacity {
            self.queue.retain(|cell| cell.generation().is_alive());
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
        assert_eq!(token.broken_by(), Some(Break::Invalidated(&b)));
        assert!(!markers.invalidate(&b), "there is nothing left to kill");
    }

    #[test]
    fn a_hard_dep_breaks_a_token_for_good_whatever_else_is_broken() {
        let markers = Markers::new(64);
        let (soft, hard, key) = (tag("soft"), tag("hard"), Dep::key("n", "k"));
        let token = || markers.capture_with_hard([&soft], [&hard]);
        let (first, second, named) = (token(), token(), markers.capture([&key, &soft]));
        assert_eq!(first.validity(), Validity::Current);
        markers.invalidate(&soft);
        assert_eq!((first.validity(), named.validity()), (Validity::Broken, Validity::Broken));
        markers.invalidate(&hard);
        assert_eq!(second.validity(), Validity::BrokenForGood);
        markers.invalidate(&key);
        assert_eq!(named.validity(), Validity::BrokenForGood, "who names a key says that its entry is wrong");
    }

    #[test]
    fn a_cell_that_is_pushed_out_takes_its_entries_with_it_and_says_so() {
        let markers = Markers::new(SHARDS);
        let first = markers.capture([&tag("first")]);
        let class = markers.capture([&Dep::class("n", "c")]);
        for number in 0..1000 {
            let _ = markers.capture([&tag(&number.to_string())]);
        }
        assert_eq!(first.broken_by(), Some(Break::PushedOut(&tag("first"))), "fail closed");
        assert!(class.is_current(), "structural cells stay");
        assert!(markers.len() <= SHARDS + 1);
    }

    #[test]
    fn what_is_captured_is_alive_however_full_the_table_is() {
        let markers = Markers::new(SHARDS * 4);
        let hot: Vec<Dep> = (0..SHARDS * 4).map(|number| tag(&format!("hot{number}"))).collect();
        for number in 0..1000 {
            let _ = markers.capture(&hot);
            let token = markers.capture([&tag(&number.to_string())]);
            assert!(token.is_current(), "capture {number} was dead at birth");
        }
    }

    #[test]
    fn a_cell_that_validates_answers_outlives_those_that_nobody_looks_at() {
        let markers = Markers::new(SHARDS * 8);
        let hot = markers.capture([&tag("hot")]);
        for number in 0..1000 {
            assert!(hot.is_current(), "pushed out after {number} others");
            let _ = markers.capture([&tag(&number.to_string())]);
        }
    }

    #[test]
    fn invalidating_one_tag_over_and_over_pushes_nobody_out() {
        let markers = Markers::new(SHARDS * 8);
        let others: Vec<Dep> = (0..16).map(|number| tag(&number.to_string())).collect();
        let bystanders = markers.capture(&others);
        for _ in 0..10_000 {
            let token = markers.capture([&tag("t")]);
            assert!(markers.invalidate(&tag("t")) && !token.is_current());
        }
        assert!(bystanders.is_current());
        assert_eq!(markers.len(), others.len());
        assert!(markers.shards.iter().all(|shard| shard.lock().queue.len() <= 17));
    }
}
