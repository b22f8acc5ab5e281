//! What the file holds.
//!
//! ```text
//!   meta      name          → number         format, era, start, millis, inode, birth: see `trust`
//!   mark      "mark"        → 32 bytes       what the names are hashed and the entries sealed with
//!   markers   kind, hash    → era, random, ends
//!   index     entry         → ends, bytes that it takes: small, so that all of it can be gone through
//!   entries   entry         → envelope
//! ```
//!
//! Names are keyed hashes and envelopes are sealed by the engine where a key is configured, so that nothing here has to be
//! sealed once more. Ends are milliseconds since 1970 on the clock of the tier.

use alacena_core::tier::{EntryId, EntryName, Era, MarkerId, Nonce};
use redb::TableDefinition;

/// The format that is written. A file of another one is begun anew.
pub(super) const FORMAT: u64 = 1;

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
pub(super) const MARK: TableDefinition<'_, &str, [u8; 32]> = TableDefinition::new("mark");
pub(super) const MARKERS: TableDefinition<'_, MarkerKey, MarkerRow> = TableDefinition::new("markers");
pub(super) const INDEX: TableDefinition<'_, EntryKey, IndexRow> = TableDefinition::new("index");
pub(super) const ENTRIES: TableDefinition<'_, EntryKey, &[u8]> = TableDefinition::new("entries");

/// Which kind of marker, and its hash or the number of its bucket.
pub(super) type MarkerKey = (u8, u128);
/// Era and random part of its nonce, and when it ends.
pub(super) type MarkerRow = (u64, u64, u64);
/// The id of an entry, and what its name says of its key: nothing, nearly always.
pub(super) type EntryKey = (u128, &'static str);
/// When an entry ends, and how many bytes it takes in the file.
pub(super) type IndexRow = (u64, u32);

const DEP: u8 = 0;
const BUCKET: u8 = 1;

/// Bytes of a page of the file.
const PAGE_BYTES: u64 = 4_096;
/// What an entry takes beside its envelope: its keys, its row of the index, and where in a page they are.
const ROW_BYTES: u64 = 96;

/// Where an entry lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: EntryId,
    text: String,
}

impl Place {
    pub(super) fn read((id, text): (u128, &str)) -> Self {
        Self { id: EntryId(id), text: text.to_owned() }
    }

    pub(super) fn key(&self) -> (u128, &str) {
        (self.id.0, &self.text)
    }

    /// The name of the entry.
    pub(super) fn name(&self) -> String {
        let hashed = self.id.name();
        if self.text.is_empty() { hashed } else { format!("{hashed}:{}", self.text) }
    }

    /// The same entry without what its name says.
    pub(super) fn without_text(&self) -> Self {
        Self { id: self.id, text: String::new() }
    }
}

impl From<&EntryName> for Place {
    fn from(entry: &EntryName) -> Self {
        let id = entry.id();
        if *entry == entry.without_key() {
            return Self { id, text: String::new() };
        }
        let (name, hashed) = (entry.name(), id.name());
        Self { id, text: name.get(hashed.len() + 1..).unwrap_or_default().to_owned() }
    }
}

pub(super) fn key_of(marker: MarkerId) -> MarkerKey {
    match marker {
        MarkerId::Dep(hash) => (DEP, hash),
        MarkerId::Bucket(bucket) => (BUCKET, bucket.into()),
    }
}

pub(super) fn marker_of((kind, number): MarkerKey) -> MarkerId {
    match kind {
        BUCKET => MarkerId::Bucket(u16::try_from(number).expect("only buckets are written as one")),
        _ => MarkerId::Dep(number),
    }
}

pub(super) fn nonce_of((era, random, _): MarkerRow) -> Nonce {
    Nonce { era: Era(era), random }
}

/// Bits by which entries and markers are told apart where a few collisions do no harm.
pub(super) fn bits_of_entry(EntryId(hash): EntryId) -> u64 {
    low(hash)
}

pub(super) fn bits_of_marker((kind, number): MarkerKey) -> u64 {
    low(number ^ number >> 64).wrapping_add(u64::from(kind) << 32)
}

fn low(number: u128) -> u64 {
    u64::try_from(number & u128::from(u64::MAX)).expect("half of the bits are left")
}

/// How many bytes an envelope takes in the file: what fits into a page shares it with others, and a quarter of the page is
/// empty on average; what does not has pages of its own, twice as many as the next smaller one.
pub(super) fn bytes_taken(envelope: usize) -> u32 {
    let bytes = envelope as u64 + ROW_BYTES;
    let taken =
        if bytes > PAGE_BYTES / 2 { bytes.next_power_of_two().max(PAGE_BYTES) } else { bytes + bytes / 3 };
    u32::try_from(taken).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_under_its_key() {
        for marker in
            [MarkerId::Dep(0), MarkerId::Dep(u128::MAX), MarkerId::Bucket(0), MarkerId::Bucket(4_095)]
        {
            assert_eq!(marker_of(key_of(marker)), marker);
        }
    }

    #[test]
    fn an_entry_takes_more_than_it_is() {
        for envelope in [0, 1, 2_000, 2_001, 4_000, 100_000, 32 << 20] {
            let taken = u64::from(bytes_taken(envelope));
            assert!(
                taken > envelope as u64 && taken <= 2 * envelope as u64 + 2 * PAGE_BYTES,
                "{envelope}: {taken}"
            );
        }
    }
}
