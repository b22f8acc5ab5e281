//! An entry as bytes.
//!
//! ```text
//!   byte   0       3         4      12      28            36      37
//!          | magic | version | fill | entry | fingerprint | flags | content          | check   a plain one
//!                                                                 | key id 8 | nonce 24 | content, sealed | tag 16
//!          '------------ head: in the clear, checked ------------'
//!
//!   content: era 8 | loaded at 8 | fresh, revalidate, stand in 3 × 4 | statistics 32
//!            | soft deps 1 | hard deps 1 | length of the key 2 | deps, each 24 | key | version 8, where it has one
//!            | asked before 4, where it was | value
//! ```
//!
//! Numbers have their highest byte first; spans are those of the entries in memory (whole microseconds up to two minutes,
//! then one part in 67 million, rounded down). The check is the XXH3 hash of all that comes before it; who seals has the
//! tag instead, which nobody without the key can make. So an entry costs [`RECORD_BYTES`] beside its key and its value,
//! 24 more a dep, 8 for a version, 4 where it holds what was asked for earlier, and 40 where it is sealed.
//!
//! **What is looked at.** Whoever opens a record says which entry it is to be and which form it is to have, and gets just
//! that or an [`Unreadable`](crate::envelope::Unreadable): a server, a proxy or a client that hands out the answer to another question makes a miss,
//! never a wrong answer. A record of another version is a miss, too; those of every version that was ever released are
//! read. The **fill** stands where no version will move it, so that a script on the server can compare it.
//!
//! **Compressed and sealed.** What is compressed and then sealed tells by its length how much its parts are alike: where
//! somebody can put text of their own beside a secret and look at the lengths, they can guess it letter by letter. So
//! what is sealed is compressed only where its class says so by name.

mod open;
mod statistics;
mod wire;

pub use statistics::Statistics;

use std::{borrow::Cow, time::Duration};

use bytes::{BufMut, Bytes};
use xxhash_rust::xxh3::xxh3_64;

use super::{EntryId, Era, Fill, MarkerId, Nonce};
use crate::{
    dep::DEPS_MAX,
    envelope::{
        SealKeys,
        compress::{LENGTH_MAX, compress, is_likely},
    },
    freshness::Lifetime,
    runtime::Moment,
};
use wire::{ABSENT, COMPRESSED, DEP_BYTES, EARLIER, FIXED_BYTES, HEAD_BYTES, Head, SEALED, VERSIONED};

/// The first byte begins no text in UTF-8; the third tells records from other envelopes.
const MAGIC: [u8; 3] = [0xA1, b'l', b'r'];
/// The version that is written.
const VERSION: u8 = 1;
/// Bytes of the check at the end of a plain record.
const CHECK_BYTES: usize = 8;
/// Bytes of a nonce of the cipher.
const NONCE_BYTES: usize = 24;

/// Bytes that a plain record takes beside its deps, its key and its value.
pub const RECORD_BYTES: usize = HEAD_BYTES + FIXED_BYTES + CHECK_BYTES;
/// Most bytes of a key that a record carries; the rest of a longer one is cut off.
pub const KEY_TEXT_BYTES_MAX: usize = 1024;
/// Most bytes of a value, before it is compressed.
pub const VALUE_BYTES_MAX: usize = LENGTH_MAX;

/// An entry as the second tier holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which fill of its entry it is.
    pub fill: Fill,
    /// Whose value it is.
    pub entry: EntryId,
    /// What its value means: the declaration that it was loaded by, and the form of its bytes.
    pub fingerprint: [u8; 8],
    /// The era of the shard that it was stored on.
    pub era: Era,
    /// When its load ended, on the clock of its shard: milliseconds since 1970.
    pub loaded_at: u64,
    /// For how long before its load began the oldest of what it holds had been asked for: what the load had to learn first,
    /// or what it has taken the place of without a load. Mostly zero.
    pub asked_before: Duration,
    /// For how long it is fresh from then on.
    pub fresh: Duration,
    /// For how long after that it is answered while it is refreshed.
    pub revalidate: Duration,
    /// For how long after `fresh` it stands in for a source that fails.
    pub stand_in: Duration,
    /// What it knows of its past.
    pub statistics: Statistics,
    /// What it depends on; once that is invalidated it may still stand in for a source that fails.
    pub soft: Vec<StoredDep>,
    /// What it depends on so strictly that nobody may see it once that is invalidated. At most [`DEPS_MAX`] with `soft`.
    pub hard: Vec<StoredDep>,
    /// Its key as people write it, for people: [`key_text`](Record::key_text).
    pub key: Bytes,
    /// The version of its value at the source, where it has one.
    pub version: Option<u64>,
    /// The value as its [codec](super::Codec) has made it; `None`: the source knows that there is no such thing.
    pub value: Option<Bytes>,
}

/// What an entry depends on, and what the marker held when its load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredDep {
    /// The first half of the marker's id: enough to find it among the deps of one question.
    marker: u64,
    /// What it held.
    pub nonce: Nonce,
}

impl StoredDep {
    /// The marker of this id, which held `nonce`.
    #[must_use]
    pub fn new(marker: MarkerId, nonce: Nonce) -> Self {
        Self { marker: half(marker), nonce }
    }

    /// Whether it is about the marker of this id.
    #[must_use]
    pub fn is_of(&self, marker: MarkerId) -> bool {
        self.marker == half(marker)
    }
}

fn half(marker: MarkerId) -> u64 {
    match marker {
        MarkerId::Dep(id) => u64::try_from(id >> 64).expect("half of the bits are left"),
        MarkerId::Bucket(bucket) => bucket.into(),
    }
}

/// What whoever opens a record expects it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The entry that was asked for.
    pub entry: EntryId,
    /// What its value is to mean.
    pub fingerprint: [u8; 8],
}

/// How a record is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'k> {
    /// The keys.
    pub keys: &'k SealKeys,
    /// Drawn at random, each time anew.
    pub nonce: [u8; NONCE_BYTES],
}

impl Record {
    /// When the oldest of what it holds was asked for, on the clock of its shard: it knows of everything that had happened
    /// there before.
    #[must_use]
    pub fn asked_at(&self) -> u64 {
        let ago = self.statistics.load_took.saturating_add(self.asked_before);
        self.loaded_at.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
    }

    /// The record as bytes, its value compressed with LZ4 where `compressed` and worth it, and sealed where `seal` says
    /// how; `None` where it is beyond the limits of one: more than [`DEPS_MAX`] deps, [`VALUE_BYTES_MAX`] of value.
    ///
    /// ```
    /// use alacena_core::tier::{EntryId, Era, Fill, record::{Expected, Record, Statistics}};
    /// use alacena_core::envelope::Unreadable;
    /// use std::time::Duration;
    ///
    /// let record = Record {
    ///     fill: Fill(1), entry: EntryId(7), fingerprint: *b"kpis, v1", era: Era(3),
    ///     loaded_at: 1_795_132_800_000, asked_before: Duration::ZERO,
    ///     fresh: Duration::from_secs(300), revalidate: Duration::ZERO, stand_in: Duration::from_secs(3600), statistics: Statistics::first(9, Duration::from_millis(80)),
    ///     soft: vec![], hard: vec![], key: "kpis:42".into(), version: None, value: Some("{}".into()),
    /// };
    /// let bytes = record.encode(false, None).expect("it is small");
    ///
    /// let expected = Expected { entry: EntryId(7), fingerprint: *b"kpis, v1" };
    /// assert_eq!(Record::decode(&bytes, &expected, None), Ok(record));
    /// let another = Expected { entry: EntryId(8), ..expected };
    /// assert_eq!(Record::decode(&bytes, &another, None), Err(Unreadable::OtherSubject));
    /// ```
    #[must_use]
    pub fn encode(&self, compressed: bool, seal: Option<Seal<'_>>) -> Option<Bytes> {
        let value = self.value.as_deref().unwrap_or_default();
        if self.soft.len() + self.hard.len() > DEPS_MAX || value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let squeezed = compressed.then(|| compress(value)).flatten();
        let squeezed = squeezed.filter(|squeezed| is_likely(value.len(), squeezed.len()));
        let flags = [
            (ABSENT, self.value.is_none()),
            (COMPRESSED, squeezed.is_some()),
            (SEALED, seal.is_some()),
            (VERSIONED, self.version.is_some()),
            (EARLIER, self.is_of_earlier()),
        ];
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).sum();
        let head = Head { fill: self.fill, entry: self.entry, fingerprint: self.fingerprint, flags };

        let text = cut(&self.key);
        let deps = (self.soft.len() + self.hard.len()) * DEP_BYTES;
        let value = squeezed.as_deref().map_or((None, value), |squeezed| (Some(value.len()), squeezed));
        let length = RECORD_BYTES + deps + text.len() + 16 + value.1.len();
        let write_content = |to: &mut Vec<u8>| {
            self.write_content(text, to);
            if let Some(length) = value.0 {
                to.put_u32(u32::try_from(length).expect("a value is no longer than its limit"));
            }
            to.put_slice(value.1);
        };
        let mut record = Vec::with_capacity(length);
        head.write(&mut record);
        match seal {
            None => {
                write_content(&mut record);
                record.put_u64(xxh3_64(&record));
            }
            Some(Seal { keys, nonce }) => {
                record.put_slice(&keys.current().to_bytes());
                record.put_slice(&nonce);
                let mut content = Vec::with_capacity(length);
                write_content(&mut content);
                let sealed = keys.seal_beside(&record, &content, nonce);
                record.put_slice(&sealed);
            }
        }
        Some(record.into())
    }

    /// Its key as people write it, as far as it is carried.
    #[must_use]
    pub fn key_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.key)
    }

    /// Until when it is what, on the clock of this process, which reads `now` while that of its shard reads
    /// `server_millis`. What was loaded before the clock of this machine began counts from there.
    #[must_use]
    pub fn lifetime(&self, now: Moment, server_millis: u64) -> Lifetime {
        let age = Duration::from_millis(server_millis.saturating_sub(self.loaded_at));
        // What is left of the span, or how long ago it was over.
        let end = |span: Duration| match span.checked_sub(age) {
            Some(left) => now + left,
            None => Moment::ORIGIN + (now - (Moment::ORIGIN + (age - span))),
        };
        Lifetime {
            loaded_at: end(Duration::ZERO),
            fresh_until: end(self.fresh),
            revalidate_until: end(self.fresh.saturating_add(self.revalidate)),
            stand_in_until: end(self.fresh.saturating_add(self.stand_in)),
        }
    }
}

/// As much of a key as a record carries, without half a letter at its end.
fn cut(key: &[u8]) -> &[u8] {
    let Some(next) = key.get(KEY_TEXT_BYTES_MAX) else { return key };
    let is_inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let mut end = KEY_TEXT_BYTES_MAX;
    if is_inside(*next) {
        end -= key[..end].iter().rev().take(3).position(|byte| !is_inside(*byte)).map_or(0, |at| at + 1);
    }
    &key[..end]
}

#[cfg(test)]
mod tests;
