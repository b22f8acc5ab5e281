//! Numbers and lists as they stand in a record: the highest byte first.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use super::{EntryId, Era, Fill, KEY_TEXT_BYTES_MAX, MAGIC, Nonce, Record, Statistics, StoredDep, VERSION};
use crate::{dep::DEPS_MAX, envelope::Unreadable, memory::Span};

/// Bytes in the clear before what can be sealed.
pub(super) const HEAD_BYTES: usize = 37;
/// Bytes of a dep.
pub(super) const DEP_BYTES: usize = 24;
/// Bytes of the content beside deps, key and value.
pub(super) const FIXED_BYTES: usize = 64;

/// There is no such thing.
pub(super) const ABSENT: u8 = 1;
/// The value is compressed, its length before it.
pub(super) const COMPRESSED: u8 = 1 << 1;
/// The content is sealed.
pub(super) const SEALED: u8 = 1 << 2;
/// The value has a version.
pub(super) const VERSIONED: u8 = 1 << 3;
/// It holds what was asked for before its load began.
pub(super) const EARLIER: u8 = 1 << 4;
/// All that is known of.
const FLAGS: u8 = ABSENT | COMPRESSED | SEALED | VERSIONED | EARLIER;

/// What stands before the content, for everybody to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) fill: Fill,
    pub(super) entry: EntryId,
    pub(super) fingerprint: [u8; 8],
    pub(super) flags: u8,
}

impl Head {
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.put_slice(&MAGIC);
        to.put_u8(VERSION);
        to.put_u64(self.fill.0);
        to.put_u128(self.entry.0);
        to.put_slice(&self.fingerprint);
        to.put_u8(self.flags);
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, Unreadable> {
        let mut rest = record.strip_prefix(&MAGIC).ok_or(Unreadable::NotAnEnvelope)?;
        let version = rest.try_get_u8().map_err(|_| Unreadable::NotAnEnvelope)?;
        if version != VERSION {
            return Err(Unreadable::OtherVersion(version));
        }
        let mut head = || {
            let (fill, entry) = (Fill(rest.try_get_u64()?), EntryId(rest.try_get_u128()?));
            let mut fingerprint = [0; 8];
            rest.try_copy_to_slice(&mut fingerprint)?;
            Ok(Self { fill, entry, fingerprint, flags: rest.try_get_u8()? })
        };
        let head = head().map_err(|_: bytes::TryGetError| Unreadable::NotAnEnvelope)?;
        if head.flags & !FLAGS == 0 { Ok(head) } else { Err(Unreadable::Damaged) }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl Record {
    /// Writes everything between head and value, with `text` as the key.
    pub(super) fn write_content(&self, text: &[u8], to: &mut Vec<u8>) {
        to.put_u64(self.era.0);
        to.put_u64(self.loaded_at);
        for span in [self.fresh, self.revalidate, self.stand_in] {
            put_span(to, span);
        }
        let Statistics { loads, unchanged, changed, observed, same_for, asked_every, load_took, digest } =
            self.statistics;
        for count in [loads, unchanged, changed] {
            to.put_u32(count);
        }
        for span in [observed, same_for, asked_every, load_took] {
            put_span(to, span);
        }
        to.put_u32(digest);
        let count = |deps: &[StoredDep]| u8::try_from(deps.len()).expect("an entry has few deps");
        to.put_u8(count(&self.soft));
        to.put_u8(count(&self.hard));
        to.put_u16(u16::try_from(text.len()).expect("the text of a key has been cut"));
        for dep in self.soft.iter().chain(&self.hard) {
            to.put_u64(dep.marker);
            to.put_slice(&dep.nonce.to_bytes());
        }
        to.put_slice(text);
        if let Some(version) = self.version {
            to.put_u64(version);
        }
        if self.is_of_earlier() {
            put_span(to, self.asked_before);
        }
    }

    /// Whether it is said for how long before its load began something was asked for.
    pub(super) fn is_of_earlier(&self) -> bool {
        Span::from(self.asked_before) != Span::default()
    }

    /// Reads it again; what is left of `content` is the value. `None` where it ends too early.
    pub(super) fn read_content(head: &Head, content: &mut Bytes) -> Option<Self> {
        let (era, loaded_at) = (Era(content.try_get_u64().ok()?), content.try_get_u64().ok()?);
        let (fresh, revalidate, stand_in) = (span(content)?, span(content)?, span(content)?);
        let mut count = || content.try_get_u32().ok();
        let (loads, unchanged, changed) = (count()?, count()?, count()?);
        let (observed, same_for) = (span(content)?, span(content)?);
        let (asked_every, load_took) = (span(content)?, span(content)?);
        let digest = content.try_get_u32().ok()?;
        let statistics =
            Statistics { loads, unchanged, changed, observed, same_for, asked_every, load_took, digest };
        let (soft, hard) = (content.try_get_u8().ok()?.into(), content.try_get_u8().ok()?.into());
        let text_bytes = content.try_get_u16().ok()?.into();
        let is_within = soft + hard <= DEPS_MAX && text_bytes <= KEY_TEXT_BYTES_MAX;
        if !is_within || (soft + hard) * DEP_BYTES + text_bytes > content.len() {
            return None;
        }
        let (soft, hard) = (deps(content, soft)?, deps(content, hard)?);
        let key = content.split_to(text_bytes);
        let version = if head.has(VERSIONED) { Some(content.try_get_u64().ok()?) } else { None };
        let asked_before = if head.has(EARLIER) { span(content)? } else { Duration::ZERO };
        let Head { fill, entry, fingerprint, .. } = *head;
        let value = None;
        Some(Self {
            fill,
            entry,
            fingerprint,
            era,
            loaded_at,
            asked_before,
            fresh,
            revalidate,
            stand_in,
            statistics,
            soft,
            hard,
            key,
            version,
            value,
        })
    }
}

fn put_span(to: &mut Vec<u8>, span: Duration) {
    to.put_u32(Span::from(span).0);
}

fn span(content: &mut Bytes) -> Option<Duration> {
    let span = Span(content.try_get_u32().ok()?).duration();
    // One that is longer than any that is written is the longest of these.
    Some(Span::from(span).duration())
}

fn deps(content: &mut Bytes, count: usize) -> Option<Vec<StoredDep>> {
    let mut dep = || {
        let marker = content.try_get_u64().ok()?;
        let mut nonce = [0; 16];
        content.try_copy_to_slice(&mut nonce).ok()?;
        Some(StoredDep { marker, nonce: Nonce::from_bytes(&nonce)? })
    };
    (0..count).map(|_| dep()).collect()
}
