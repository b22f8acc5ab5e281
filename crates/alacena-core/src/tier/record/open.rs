//! From bytes to a record, or a reason why not.

use bytes::{Buf, Bytes};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    CHECK_BYTES, EntryId, Expected, Fill, NONCE_BYTES, Record, VALUE_BYTES_MAX,
    wire::{ABSENT, COMPRESSED, HEAD_BYTES, Head, SEALED},
};
use crate::envelope::{
    KeyId, SealKeys, Unreadable,
    compress::{decompress, is_likely},
};

impl Record {
    /// The record of these bytes, if it is what was `expected` and whole. `keys` are what records are sealed with; with
    /// keys, one that is not sealed is refused like any that was made up. A plain value is a slice of `bytes`, not a copy.
    ///
    /// # Errors
    /// [`Unreadable`] says why not. Whatever the reason, it is a miss.
    pub fn decode(bytes: &Bytes, expected: &Expected, keys: Option<&SealKeys>) -> Result<Self, Unreadable> {
        let head = Head::read(bytes)?;
        if head.entry != expected.entry {
            return Err(Unreadable::OtherSubject);
        }
        if head.fingerprint != expected.fingerprint {
            return Err(Unreadable::OtherForm);
        }
        Self::open(&head, bytes, keys)
    }

    /// The record of these bytes, whatever it is: for people who look on, never for answers.
    ///
    /// # Errors
    /// As [`decode`](Record::decode), which asks for more.
    pub fn shown(bytes: &Bytes, keys: Option<&SealKeys>) -> Result<Self, Unreadable> {
        Self::open(&Head::read(bytes)?, bytes, keys)
    }

    /// Which fill these bytes are, looked at as a script on a server does: bytes 4 to 12, whatever the rest is. `None`
    /// where they end before.
    #[must_use]
    pub fn fill_of(bytes: &[u8]) -> Option<Fill> {
        Some(Fill(u64::from_be_bytes(*bytes.get(4..)?.first_chunk()?)))
    }

    /// Which entry these bytes say that they are of, unsealed and unchecked: for whoever only wants to know that an answer
    /// is not that to another question. `None` where they are of no version that is known here.
    #[must_use]
    pub fn entry_of(bytes: &[u8]) -> Option<EntryId> {
        Some(Head::read(bytes).ok()?.entry)
    }

    fn open(head: &Head, bytes: &Bytes, keys: Option<&SealKeys>) -> Result<Self, Unreadable> {
        let mut content = match (head.has(SEALED), keys) {
            (false, None) => checked(bytes)?,
            (false, Some(_)) => return Err(Unreadable::NotSealed),
            (true, keys) => unsealed(bytes, keys)?,
        };
        let record = Self::read_content(head, &mut content).ok_or(Unreadable::Damaged)?;
        let value = value(head, content).ok_or(Unreadable::Damaged)?;
        Ok(Self { value, ..record })
    }
}

/// The content of a plain record.
fn checked(bytes: &Bytes) -> Result<Bytes, Unreadable> {
    let (all, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(Unreadable::Damaged)?;
    if all.len() < HEAD_BYTES || xxh3_64(all) != u64::from_be_bytes(*check) {
        return Err(Unreadable::Damaged);
    }
    Ok(bytes.slice(HEAD_BYTES..all.len()))
}

/// The content of a sealed one.
fn unsealed(bytes: &Bytes, keys: Option<&SealKeys>) -> Result<Bytes, Unreadable> {
    let rest = &bytes[HEAD_BYTES..];
    let (key, rest) = rest.split_first_chunk().ok_or(Unreadable::Damaged)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Unreadable::Damaged)?;
    let key = KeyId::from_bytes(*key);
    let clear = &bytes[..bytes.len() - sealed.len()];
    let keys = keys.ok_or(Unreadable::OtherKey(key))?;
    keys.open_beside(key, clear, sealed, *nonce).map(Bytes::from)
}

/// The value that is left at the end; `None` where it is not what the head says.
fn value(head: &Head, mut rest: Bytes) -> Option<Option<Bytes>> {
    if head.has(ABSENT) {
        return (rest.is_empty() && !head.has(COMPRESSED)).then_some(None);
    }
    if head.has(COMPRESSED) {
        let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        let is_likely = is_likely(length, rest.len());
        return is_likely.then(|| decompress(&rest, length).ok()).flatten().map(Bytes::from).map(Some);
    }
    (rest.len() <= VALUE_BYTES_MAX).then_some(Some(rest))
}
