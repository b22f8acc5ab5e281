//! Bounds: who gives way to others, and what has run out.
//!
//! A hand goes round through all entries in the order of their ids, which are hashes: whom it meets gives way, unless it
//! was asked for or stored since the hand came by last ([`Used`]). That is about as good as removing what was asked for
//! longest ago, and takes neither memory for each entry nor a write for a read. Markers have a hand of their own.

use alacena_core::tier::{EntryId, MarkerId};

use super::{
    kept::{Changed, Seen},
    tables::{MarkerKey, Place, bits_of_entry, bits_of_marker, marker_of},
    used::Used,
};

/// How many the hand looks at before one gives way in any case.
const LOOKS_MAX: u32 = 64;
/// Rows of either kind that one sweep looks at: all of a million within a quarter of an hour.
const SWEPT_MAX: usize = 1_024;

/// What there is, and how much of it there may be.
pub(super) struct Room {
    pub(super) bytes: u64,
    pub(super) bytes_max: u64,
    pub(super) markers_max: u64,
    /// Entries that gave way to others, since the file was opened.
    pub(super) evicted: u64,
    /// Markers that did.
    pub(super) pushed_out: u64,
    entries_hand: Place,
    markers_hand: MarkerKey,
    swept_entries: Option<Place>,
    swept_markers: Option<MarkerKey>,
    /// Whether the sweep of either has come to the end since it was [begun](Room::begin_sweep): the entries, the markers.
    has_come_round: [bool; 2],
}

impl Room {
    pub(super) fn new(bytes_max: u64, markers_max: u64) -> Self {
        Self {
            bytes: 0,
            bytes_max,
            markers_max,
            evicted: 0,
            pushed_out: 0,
            entries_hand: Place::read((0, "")),
            markers_hand: (0, 0),
            swept_entries: None,
            swept_markers: None,
            has_come_round: [false; 2],
        }
    }

    pub(super) fn grow(&mut self, by: i64) {
        self.bytes = self.bytes.saturating_add_signed(by);
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// The entry that gives way next; `None` where there is none.
    pub(super) fn next_entry(
        &mut self,
        kept: &Changed<'_>,
        used: &Used,
        now: u64,
    ) -> Result<Option<Place>, redb::Error> {
        let (mut found, mut looks) = (None, 0);
        for from in [self.entries_hand.clone(), Place::read((0, ""))] {
            kept.entries_from(&from, |(id, text), (ends, _)| {
                looks += 1;
                let stays = ends > now && used.take(bits_of_entry(EntryId(id))) && looks < LOOKS_MAX;
                if !stays {
                    found = Some(Place::read((id, text)));
                }
                stays
            })?;
            if let Some(found) = &found {
                // It is about to go, and who comes after it is next.
                self.entries_hand = found.clone();
                break;
            }
        }
        Ok(found)
    }

    /// The marker that gives way next; `None` where there is none.
    pub(super) fn next_marker(
        &mut self,
        kept: &Changed<'_>,
        used: &Used,
        now: u64,
    ) -> Result<Option<MarkerId>, redb::Error> {
        let (mut found, mut looks) = (None, 0);
        for from in [self.markers_hand, (0, 0)] {
            kept.markers_from(from, |key, ends| {
                looks += 1;
                let stays = ends > now && used.take(bits_of_marker(key)) && looks < LOOKS_MAX;
                if !stays {
                    found = Some(key);
                }
                stays
            })?;
            if let Some((kind, number)) = found {
                self.markers_hand = (kind, number.wrapping_add(1));
                break;
            }
        }
        Ok(found.map(marker_of))
    }

    /// What has run out, of the next so many.
    pub(super) fn expired(
        &mut self,
        kept: &Seen,
        now: u64,
    ) -> Result<(Vec<MarkerId>, Vec<Place>), redb::Error> {
        let (mut markers, mut entries) = (Vec::new(), Vec::new());
        let (mut seen, mut next) = (0, None);
        kept.markers_from(self.swept_markers.unwrap_or((0, 0)), |key, ends| {
            seen += 1;
            if seen > SWEPT_MAX {
                next = Some(key);
                return false;
            }
            if ends <= now {
                markers.push(marker_of(key));
            }
            true
        })?;
        self.has_come_round[1] |= next.is_none();
        self.swept_markers = next;
        let (mut seen, mut next) = (0, None);
        let from = self.swept_entries.take().unwrap_or_else(|| Place::read((0, "")));
        kept.entries_from(&from, |key, (ends, _)| {
            seen += 1;
            if seen > SWEPT_MAX {
                next = Some(Place::read(key));
                return false;
            }
            if ends <= now {
                entries.push(Place::read(key));
            }
            true
        })?;
        self.has_come_round[0] |= next.is_none();
        self.swept_entries = next;
        Ok((markers, entries))
    }

    /// From here on it is seen whether all of either kind has been looked at.
    pub(super) fn begin_sweep(&mut self) {
        (self.swept_entries, self.swept_markers, self.has_come_round) = (None, None, [false; 2]);
    }

    /// Whether all of both kinds have been looked at since the sweep was begun. They are of different lengths: one may have
    /// begun again meanwhile.
    pub(super) fn is_swept(&self) -> bool {
        self.has_come_round == [true; 2]
    }
}
