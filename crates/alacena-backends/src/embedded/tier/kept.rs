//! Reads the file as it was at one moment, and changes it within one transaction.

use alacena_core::tier::{MarkerId, Nonce};
use bytes::Bytes;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, WriteTransaction};

use super::tables::{
    ENTRIES, EntryKey, INDEX, IndexRow, MARKERS, MarkerKey, MarkerRow, Place, bytes_taken, key_of, nonce_of,
};

/// The tables, to be read alone or to be changed, too.
pub(super) struct Kept<M, I, E> {
    markers: M,
    index: I,
    entries: E,
}

/// As it is seen by whoever reads.
pub(super) type Seen = Kept<
    ReadOnlyTable<MarkerKey, MarkerRow>,
    ReadOnlyTable<EntryKey, IndexRow>,
    ReadOnlyTable<EntryKey, &'static [u8]>,
>;
/// As it is being changed.
pub(super) type Changed<'t> =
    Kept<Table<'t, MarkerKey, MarkerRow>, Table<'t, EntryKey, IndexRow>, Table<'t, EntryKey, &'static [u8]>>;

impl Seen {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            markers: transaction.open_table(MARKERS)?,
            index: transaction.open_table(INDEX)?,
            entries: transaction.open_table(ENTRIES)?,
        })
    }
}

impl<M, I, E> Kept<M, I, E>
where
    M: ReadableTable<MarkerKey, MarkerRow>,
    I: ReadableTable<EntryKey, IndexRow>,
    E: ReadableTable<EntryKey, &'static [u8]>,
{
    /// What a marker holds.
    pub(super) fn marker(&self, marker: MarkerId, now: u64) -> Result<Option<Nonce>, redb::Error> {
        Ok(self.marker_row(marker)?.filter(|(.., ends)| *ends > now).map(nonce_of))
    }

    fn marker_row(&self, marker: MarkerId) -> Result<Option<MarkerRow>, redb::Error> {
        Ok(self.markers.get(key_of(marker))?.map(|row| row.value()))
    }

    /// The envelope of an entry.
    pub(super) fn entry(&self, at: &Place, now: u64) -> Result<Option<Bytes>, redb::Error> {
        match self.index.get(at.key())?.map(|row| row.value()) {
            Some((ends, _)) if ends > now => {
                Ok(self.entries.get(at.key())?.map(|envelope| Bytes::copy_from_slice(envelope.value())))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn markers(&self) -> Result<u64, redb::Error> {
        Ok(self.markers.len()?)
    }

    pub(super) fn entries(&self) -> Result<u64, redb::Error> {
        Ok(self.index.len()?)
    }

    /// The rows of markers from this one on, as long as `wants` says so. Expired ones are among them.
    pub(super) fn markers_from(
        &self,
        from: MarkerKey,
        mut wants: impl FnMut(MarkerKey, u64) -> bool,
    ) -> Result<(), redb::Error> {
        for row in self.markers.range(from..)? {
            let (key, row) = row?;
            if !wants(key.value(), row.value().2) {
                break;
            }
        }
        Ok(())
    }

    /// The same of entries: each with when it ends, and the bytes that it takes.
    pub(super) fn entries_from(
        &self,
        from: &Place,
        mut wants: impl FnMut((u128, &str), IndexRow) -> bool,
    ) -> Result<(), redb::Error> {
        for row in self.index.range(from.key()..)? {
            let (id, row) = row?;
            if !wants(id.value(), row.value()) {
                break;
            }
        }
        Ok(())
    }
}

impl<'t> Changed<'t> {
    /// The tables, made where they are not there.
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            markers: transaction.open_table(MARKERS)?,
            index: transaction.open_table(INDEX)?,
            entries: transaction.open_table(ENTRIES)?,
        })
    }

    pub(super) fn put_marker(
        &mut self,
        marker: MarkerId,
        nonce: Nonce,
        ends: u64,
    ) -> Result<(), redb::Error> {
        self.markers.insert(key_of(marker), (nonce.era.0, nonce.random, ends))?;
        Ok(())
    }

    /// When a marker ends, expired or not.
    pub(super) fn marker_ends(&self, marker: MarkerId) -> Result<Option<u64>, redb::Error> {
        Ok(self.marker_row(marker)?.map(|(.., ends)| ends))
    }

    /// Whether there was one, expired or not.
    pub(super) fn remove_marker(&mut self, marker: MarkerId) -> Result<bool, redb::Error> {
        Ok(self.markers.remove(key_of(marker))?.is_some())
    }

    /// By how many bytes the file has grown.
    pub(super) fn put_entry(&mut self, at: &Place, envelope: &[u8], ends: u64) -> Result<i64, redb::Error> {
        let bytes = bytes_taken(envelope.len());
        let before = self.index.insert(at.key(), (ends, bytes))?.map_or(0, |row| row.value().1);
        self.entries.insert(at.key(), envelope)?;
        Ok(i64::from(bytes) - i64::from(before))
    }

    /// The bytes that it took; `None` where there was none. Expired ones count as there.
    pub(super) fn remove_entry(&mut self, at: &Place) -> Result<Option<u32>, redb::Error> {
        let taken = self.index.remove(at.key())?.map(|row| row.value().1);
        if taken.is_some() {
            self.entries.remove(at.key())?;
        }
        Ok(taken)
    }
}
