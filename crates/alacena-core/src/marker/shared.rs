//! Copies of the markers that nodes share: found by their names, doubted, and proved again.

use std::{collections::HashMap, sync::Arc};

use super::{
    cell::Cell,
    doubt::{Doubts, Says},
    protocol::Mark,
    table::Table,
    token::Token,
};
use crate::{
    dep::{Dep, DepKind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    tier::{HashKey, MarkerId, Nonce},
};

/// Shards of a directory.
const SHARDS: u128 = 16;

/// Copies of shared markers.
pub(crate) struct Shared {
    pub(super) table: Table,
}

/// Where the copy of a marker is found by its name. Each part is locked within the lock of a table's shard, never the
/// other way round.
pub(super) struct Directory {
    names: HashKey,
    parts: Box<[Mutex<Part>]>,
}

/// Some of the copies, by the names of their markers.
type Part = HashMap<MarkerId, Arc<Cell>>;

/// What is asked of a tier about one cell of a token.
#[derive(Clone)]
pub(crate) struct Asked {
    cell: Arc<Cell>,
    /// The marker to read.
    pub(crate) marker: MarkerId,
    /// Whether it was known what it holds.
    was_known: bool,
    /// How often it had been in doubt when it was asked.
    doubts: Doubts,
}

impl Shared {
    pub(super) fn new(table: Table) -> Self {
        Self { table }
    }

    /// This marker has changed in some way.
    pub(crate) fn doubt(&self, kills: &AtomicU64, marker: MarkerId) {
        let cell = self.directory().part(marker).lock().get(&marker).map(Arc::clone);
        if let Some(cell) = cell {
            doubt(kills, &cell);
        }
    }

    /// Any of these markers may have changed.
    pub(crate) fn doubt_all(&self, kills: &AtomicU64, of: impl Fn(MarkerId) -> bool) {
        for part in &self.directory().parts {
            // Under the lock: a cell that is entered later is asked about later.
            for cell in part.lock().iter().filter(|(marker, _)| of(**marker)).map(|(_, cell)| cell) {
                doubt(kills, cell);
            }
        }
    }

    /// Ends the copies of these markers, as if each had been found to hold something else.
    pub(crate) fn forget_all(&self, kills: &AtomicU64, of: impl Fn(MarkerId) -> bool) {
        for part in &self.directory().parts {
            // Not under the lock: it is taken within that of the table.
            let cells: Vec<_> = part
                .lock()
                .iter()
                .filter(|(marker, _)| of(**marker))
                .map(|(_, cell)| Arc::clone(cell))
                .collect();
            cells.iter().for_each(|cell| self.table.invalidate_cell(kills, cell));
        }
    }

    /// The markers of at most `most` copies that stand, those first that were looked at since this was last asked. Nobody
    /// asks a tier about them, and so a tier that evicts what is not used would evict them first.
    ///
    /// Buckets come last: an entry outlives its bucket's marker, and whoever looks for the entry uses the marker, too. One
    /// that nobody has looked at is left to be evicted: that counts as an end, after which every copy in memory looks at
    /// its cells again.
    pub(crate) fn in_use(&self, most: usize, of: impl Fn(MarkerId) -> bool) -> Vec<MarkerId> {
        let (mut wide, mut used, mut unused, mut buckets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for part in &self.directory().parts {
            for (marker, cell) in part.lock().iter().filter(|(marker, cell)| of(**marker) && cell.is_alive())
            {
                let list = match cell.dep.kind() {
                    DepKind::Bucket => match cell.take_used_marker() {
                        true => &mut buckets,
                        false => continue,
                    },
                    // What everything depends on is looked at least: it stands.
                    kind if kind.is_structural() => &mut wide,
                    _ if cell.take_used_marker() => &mut used,
                    _ => &mut unused,
                };
                if list.len() < most {
                    list.push(*marker);
                }
            }
        }
        [wide, used, unused, buckets].into_iter().flatten().take(most).collect()
    }

    /// Takes in what a tier answered: this cell's marker held `nonce`, or there was none. To be called with whatever the
    /// answer was, in any order, and however late. Whether the cell is the copy of just that: only then may a value that
    /// was valid by the answer be kept under the cell.
    ///
    /// ```text
    ///   read A                        tier                read B
    ///   asks for m, and the entry
    ///                                 m: n1, entry: old
    ///                                 m is removed, minted: n2
    ///                                                     asks: n2; its cell is the copy of n2, and alive
    ///   the answer arrives, late: old is valid by n1      (kept under the cell of n2: stale for ever)
    /// ```
    pub(crate) fn answer(&self, kills: &AtomicU64, asked: &Asked, nonce: Option<Nonce>) -> bool {
        let Asked { cell, was_known, doubts, .. } = asked;
        let marker = cell.marker.as_ref().expect("only copies of markers are asked about");
        let is_first = marker.nonce.get().is_none();
        let copied = match nonce {
            // One of those who read it first.
            Some(nonce) => Some(*marker.nonce.get_or_init(|| nonce)),
            None if *was_known => marker.nonce.get().copied(),
            // The same as below, also between the two steps of whoever reads it first.
            None => None,
        };
        let says = Says::of(copied, nonce);
        match says {
            Says::Same if is_first => drop(cell.change(|state| state.answered_first(*doubts))),
            Says::Same => drop(cell.change(|state| state.answered(*doubts, true))),
            // Through the table, which it leaves in the same step. Doubted meanwhile, it ends all the same: too much.
            Says::Other if cell.state().answered(*doubts, false).mark == Mark::Invalidated => {
                self.table.invalidate_cell(kills, cell);
            }
            Says::Other | Says::Nothing => {}
        }
        says == Says::Same
    }

    fn directory(&self) -> &Directory {
        self.table.directory.as_ref().expect("shared cells are copies of markers")
    }
}

/// Puts a cell in doubt: first the cell, then the count, so that whoever reads the count finds the cell in doubt (the
/// order of [`Ending`](super::protocol::Ending)).
fn doubt(kills: &AtomicU64, cell: &Cell) {
    let (before, after) = cell.change(|state| state.doubted());
    if before.mark == Mark::Alive && after.mark != Mark::Alive {
        kills.fetch_add(1, Ordering::Release);
    }
}

impl Directory {
    pub(super) fn new(names: HashKey) -> Self {
        Self { names, parts: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect() }
    }

    /// A new cell for the marker of `dep`: from here on it hears what is pushed.
    pub(super) fn enter(&self, dep: &Dep) -> Arc<Cell> {
        let marker = self.names.marker(dep);
        let cell = Arc::new(Cell::shared(dep.clone(), marker));
        self.part(marker).lock().insert(marker, Arc::clone(&cell));
        cell
    }

    /// The cell leaves its table.
    pub(super) fn leave(&self, cell: &Arc<Cell>) {
        if let Some(marker) = &cell.marker {
            self.part(marker.id).lock().remove(&marker.id);
        }
    }

    fn part(&self, marker: MarkerId) -> &Mutex<Part> {
        let number = match marker {
            MarkerId::Dep(hash) => hash % SHARDS,
            MarkerId::Bucket(bucket) => u128::from(bucket) % SHARDS,
        };
        &self.parts[usize::try_from(number).expect("less than the number of parts")]
    }
}

impl Token {
    /// Every cell that is in doubt, as it is to be asked about. Whoever gets this asks after this, not before.
    pub(crate) fn in_doubt(&self) -> Vec<Asked> {
        self.ask_about(|cell| cell.mark() == Mark::InDoubt)
    }

    /// Every shared cell, in the order of the deps.
    pub(crate) fn all_shared(&self) -> Vec<Asked> {
        self.ask_about(|_| true)
    }

    /// The cell of a bucket, if there is one.
    pub(crate) fn bucket(&self) -> Option<Asked> {
        self.cells().iter().find(|cell| cell.dep.kind() == DepKind::Bucket).and_then(Asked::about)
    }

    /// Every marker that a cell is the copy of, in the order of the deps, and what it held, if that has been read.
    pub(crate) fn copied(&self) -> impl Iterator<Item = (MarkerId, Option<Nonce>)> {
        let markers = self.cells().iter().filter_map(|cell| cell.marker.as_ref());
        markers.map(|marker| (marker.id, marker.nonce.get().copied()))
    }

    fn ask_about(&self, which: impl Fn(&Cell) -> bool) -> Vec<Asked> {
        self.cells().iter().filter(|cell| which(cell)).filter_map(Asked::about).collect()
    }
}

impl Asked {
    /// The question about this cell, if it is the copy of a marker.
    fn about(cell: &Arc<Cell>) -> Option<Self> {
        let marker = cell.marker.as_ref()?;
        let was_known = marker.nonce.get().is_some();
        Some(Self { cell: Arc::clone(cell), marker: marker.id, was_known, doubts: cell.doubts() })
    }

    /// The dep of its marker.
    pub(crate) fn dep(&self) -> &Dep {
        &self.cell.dep
    }

    /// Whether its cell is alive: what it is the copy of stands, as far as this node has heard.
    pub(crate) fn is_alive(&self) -> bool {
        self.cell.is_alive()
    }

    /// What its cell is the copy of, if that has been read.
    pub(crate) fn nonce(&self) -> Option<Nonce> {
        self.cell.marker.as_ref()?.nonce.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        marker::{Markers, Validity},
        runtime::{COARSE_LAG, Moment},
        tier::Era,
    };

    fn nonce(random: u64) -> Option<Nonce> {
        Some(Nonce { era: Era(1), random })
    }

    fn shared() -> Markers {
        let markers = Markers::new(64);
        markers.share(HashKey::derive(b"test"));
        markers
    }

    fn tag(markers: &Markers, text: &str) -> Token {
        markers.capture_shared([&Dep::tag("n", text).unwrap()], []).unwrap()
    }

    fn answer(markers: &Markers, asked: &[Asked], nonce: Option<Nonce>) -> bool {
        let (shared, kills) = markers.shared().unwrap();
        asked.iter().all(|asked| shared.answer(kills, asked, nonce))
    }

    fn push(markers: &Markers, asked: &[Asked]) {
        let (shared, kills) = markers.shared().unwrap();
        asked.iter().for_each(|asked| shared.doubt(kills, asked.marker));
    }

    #[test]
    fn who_asked_before_there_was_a_marker_ends_nothing_that_has_been_minted_since() {
        let markers = shared();
        let token = tag(&markers, "t");
        let (early, minting) = (token.in_doubt(), token.in_doubt());
        assert!(answer(&markers, &minting, nonce(1)));
        assert!(!answer(&markers, &early, None), "nothing may be kept by what it says");
        assert!(markers.stand_by(&token) && !token.is_broken());
        assert!(!answer(&markers, &token.all_shared(), None));
        assert!(token.is_broken(), "what is asked now counts");
    }

    #[test]
    fn a_copy_is_believed_once_it_was_read_until_it_is_doubted_and_again_once_it_was_read_again() {
        let markers = shared();
        let token = tag(&markers, "t");
        assert_eq!(token.validity(), Validity::InDoubt);
        assert!(!markers.stand_by(&token) && !token.is_broken());
        let asked = token.in_doubt();
        assert!(answer(&markers, &asked, nonce(1)) && markers.stand_by(&token));
        push(&markers, &asked);
        assert!(!markers.stand_by(&token), "known to stand, and doubted: looked at again");
        assert!(answer(&markers, &token.in_doubt(), nonce(1)) && markers.stand_by(&token));
        push(&markers, &asked);
        assert!(!answer(&markers, &token.in_doubt(), nonce(2)));
        assert_eq!(token.validity(), Validity::Broken);
        assert_eq!(tag(&markers, "t").validity(), Validity::InDoubt, "the next load has another cell");
    }

    #[test]
    fn an_answer_that_is_older_than_a_push_proves_nothing() {
        let markers = shared();
        let token = tag(&markers, "t");
        let early = token.in_doubt();
        push(&markers, &early);
        answer(&markers, &early, nonce(1));
        assert_eq!(token.validity(), Validity::InDoubt);
    }

    #[test]
    fn what_an_old_answer_says_is_not_kept_under_the_cell_of_a_newer_one() {
        let markers = shared();
        let token = tag(&markers, "t");
        let early = token.in_doubt();
        push(&markers, &early);
        assert!(answer(&markers, &token.in_doubt(), nonce(2)));
        assert!(!answer(&markers, &early, nonce(1)), "it says another thing");
        assert!(markers.stand_by(&token), "and changes nothing");
    }

    #[test]
    fn a_marker_that_is_missing_ends_a_copy_that_was_relied_on_and_no_other() {
        let markers = shared();
        let token = tag(&markers, "t");
        assert!(!answer(&markers, &token.in_doubt(), None));
        assert_eq!(token.validity(), Validity::InDoubt, "it is still to be minted");
        assert!(answer(&markers, &token.in_doubt(), nonce(1)));
        push(&markers, &token.all_shared());
        answer(&markers, &token.in_doubt(), None);
        assert_eq!(token.validity(), Validity::Broken);
    }

    #[test]
    fn what_this_node_invalidates_ends_at_once_and_is_not_doubted_back() {
        let markers = shared();
        let token = tag(&markers, "t");
        let asked = token.in_doubt();
        assert!(markers.invalidate(&Dep::tag("n", "t").unwrap()));
        answer(&markers, &asked, nonce(1));
        push(&markers, &asked);
        assert!(token.is_broken());
    }

    /// On a full server whatever is not used goes: 4,096 buckets must not leave the tags without a turn.
    #[test]
    fn of_many_markers_those_are_used_first_that_entries_hang_on() {
        let markers = shared();
        let prove = |deps: &[Dep]| {
            let token = markers.capture_shared(deps, []).unwrap();
            assert!(answer(&markers, &token.in_doubt(), nonce(1)));
            token.all_shared().iter().map(|asked| asked.marker).collect::<Vec<_>>()
        };
        let buckets: Vec<_> = (0..40).map(|number| Dep::bucket(number).clone()).collect();
        let [buckets, tag] = [prove(&buckets), prove(&[Dep::tag("n", "t").unwrap()])];
        let class = prove(&[Dep::class("n", "c")]);
        let in_use = |most| markers.shared().unwrap().0.in_use(most, |_| true);
        assert_eq!(in_use(2), [class[0], tag[0]]);
        prove(&[Dep::bucket(7).clone()]);
        assert_eq!(
            in_use(100),
            [class[0], tag[0], buckets[7]],
            "a bucket that nobody looks at is left alone"
        );
    }

    #[test]
    fn silence_proves_something_for_a_while_only() {
        let (markers, now) = (shared(), Moment::from_nanos(100));
        let token = tag(&markers, "t");
        answer(&markers, &token.in_doubt(), nonce(1));
        assert!(!markers.stand_by_at(&token, now), "nothing was heard yet");
        markers.prove(Moment::from_nanos(101) + COARSE_LAG);
        assert!(markers.stand_by_at(&token, now) && !markers.stand_by_at(&token, Moment::from_nanos(101)));
        let (shared, kills) = markers.shared().unwrap();
        shared.doubt_all(kills, |_| true);
        assert!(!markers.stand_by_at(&token, now));
    }
}
