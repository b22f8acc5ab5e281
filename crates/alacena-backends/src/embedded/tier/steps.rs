//! Each step of a shard, on a transaction that is not committed yet.

use std::time::Duration;

use alacena_core::{
    error::{Error, catalogue},
    tier::{
        Begin, EntryId, EntryName, Era, Failure, MarkerId, Minted, Nonce, Overwrite, Push, Store, Stored,
    },
};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    kept::Changed,
    leases::{Claimed, Leases, millis},
    room::Room,
    shared::Recent,
    tables::{Place, bits_of_entry, bits_of_marker, bytes_taken, key_of},
};

/// Where an envelope says which fill of its entry it is.
const FILL_AT: usize = 4;

/// What a batch of steps works on.
pub(super) struct Work<'w, 't> {
    pub(super) kept: Changed<'t>,
    pub(super) era: Era,
    pub(super) now: u64,
    pub(super) leases: &'w mut Leases,
    pub(super) room: &'w mut Room,
    pub(super) recent: &'w Recent,
    /// What is to be told once it can be seen.
    pub(super) changes: Vec<Change>,
    /// Bytes that were stored, whatever they took the place of.
    pub(super) stored_bytes: u64,
    /// Whether there is anything to commit.
    pub(super) is_changed: bool,
}

/// Something that somebody is to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Whoever watches.
    Push(Push),
    /// Whoever waits for this entry or its lease.
    Entry(EntryId),
}

/// Why a step ends without an answer.
pub(super) enum Stop {
    /// It was refused, and has done nothing.
    Refused(Failure),
    /// The file failed, and with it everything that is not committed.
    Failed(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.into())
    }
}

/// How a load begins.
pub(super) enum Started {
    Hit(Bytes),
    Lead,
    Wait(Duration, oneshot::Receiver<()>),
    Alone,
}

impl Work<'_, '_> {
    pub(super) fn mint(
        &mut self,
        era: Era,
        markers: &[(MarkerId, Nonce)],
        keep: Duration,
    ) -> Result<Minted, Stop> {
        self.is_of(era)?;
        let keep = millis(keep);
        let minted = markers.iter().map(|(marker, fresh)| self.mint_one(*marker, *fresh, keep));
        let minted = minted.collect::<Result<_, Stop>>()?;
        while self.kept.markers()? > self.room.markers_max
            && let Some(marker) = self.room.next_marker(&self.kept, &self.recent.markers, self.now)?
        {
            self.remove_marker(marker)?;
            self.room.pushed_out += 1;
        }
        Ok(minted)
    }

    fn mint_one(&mut self, marker: MarkerId, fresh: Nonce, keep: u64) -> Result<Nonce, Stop> {
        self.recent.markers.mark(bits_of_marker(key_of(marker)));
        let held = self.kept.marker(marker, self.now)?.filter(|nonce| nonce.era == self.era);
        let is_short = self.kept.marker_ends(marker)?.is_none_or(|ends| ends < self.now + keep);
        let nonce = held.unwrap_or(fresh);
        if held.is_none() || is_short {
            // Twice as long, so that it is not said anew each time.
            self.kept.put_marker(marker, nonce, self.now + 2 * keep)?;
            self.change(Change::Push(Push::Marker(marker)));
        }
        Ok(nonce)
    }

    pub(super) fn begin(&mut self, load: &Begin) -> Result<Started, Stop> {
        self.is_of(load.attempt.era)?;
        let entry = load.entry.id();
        if let Some(envelope) = self.kept.entry(&Place::from(&load.entry), self.now)?
            && load.seen.is_none_or(|seen| fill_of(&envelope) != Some(seen.0))
        {
            return Ok(Started::Hit(envelope));
        }
        match self.leases.claim(entry, load.attempt, load.lease, self.now) {
            Claimed::Taken => {
                self.changes.push(Change::Entry(entry));
                Ok(Started::Lead)
            }
            Claimed::Held(left, woken) => Ok(Started::Wait(left, woken)),
            Claimed::Alone => Ok(Started::Alone),
            Claimed::Full => Err(full("too many entries are being loaded at once")),
        }
    }

    pub(super) fn renew(&mut self, entry: EntryId, attempt: Nonce, span: Duration) -> bool {
        let is_held = attempt.era == self.era && self.leases.renew(entry, attempt, span, self.now);
        if is_held {
            self.changes.push(Change::Entry(entry));
        }
        is_held
    }

    pub(super) fn store(&mut self, store: &Store) -> Result<Stored, Stop> {
        let entry = store.entry.id();
        if store.attempt.era != self.era || !self.leases.is_held(entry, store.attempt, self.now) {
            return Ok(Stored::LeaseLost);
        }
        self.put(&Place::from(&store.entry), &store.envelope, store.keep)?;
        self.leases.end(entry);
        Ok(Stored::Kept)
    }

    pub(super) fn overwrite(&mut self, overwrite: &Overwrite) -> Result<bool, Stop> {
        let at = Place::from(&overwrite.entry);
        if overwrite.era != self.era {
            return Ok(false);
        }
        if let Some(over) = overwrite.over {
            let held = self.kept.entry(&at, self.now)?;
            if held.as_deref().and_then(fill_of) != Some(over.0) {
                return Ok(false);
            }
        }
        self.put(&at, &overwrite.envelope, overwrite.keep)?;
        self.end_lease(at.id);
        self.remove_marker(at.id.bucket_marker())?;
        self.remove_entry(&Place::from(&overwrite.elsewhere))?;
        Ok(true)
    }

    /// Puts an entry there, and has others give way to it.
    fn put(&mut self, at: &Place, envelope: &[u8], keep: Duration) -> Result<(), Stop> {
        let taken = u64::from(bytes_taken(envelope.len()));
        if taken > self.room.bytes_max {
            return Err(full(
                "there is no room for an entry of this size: raise embedded.entries_max, or make room on the disk",
            ));
        }
        let grown = self.kept.put_entry(at, envelope, self.now.saturating_add(millis(keep)))?;
        self.room.grow(grown);
        self.stored_bytes += taken;
        self.recent.entries.mark(bits_of_entry(at.id));
        self.change(Change::Entry(at.id));
        self.make_room(u32::MAX)?;
        Ok(())
    }

    pub(super) fn release(&mut self, entry: EntryId, attempt: Nonce, alone: Option<Duration>) {
        if attempt.era != self.era || !self.leases.is_held(entry, attempt, self.now) {
            return;
        }
        match alone {
            Some(span) => self.leases.leave_alone(entry, span, self.now),
            None => drop(self.leases.end(entry)),
        }
        self.changes.push(Change::Entry(entry));
    }

    pub(super) fn invalidate(&mut self, markers: &[MarkerId]) -> Result<(), redb::Error> {
        markers.iter().try_for_each(|marker| self.remove_marker(*marker))
    }

    pub(super) fn invalidate_entries(&mut self, entries: &[EntryName]) -> Result<(), redb::Error> {
        for entry in entries {
            let at = Place::from(entry);
            self.remove_entry(&at)?;
            self.remove_entry(&at.without_text())?;
            self.end_lease(at.id);
            self.remove_marker(at.id.bucket_marker())?;
        }
        Ok(())
    }

    /// As if it had been evicted.
    pub(super) fn evict(&mut self, name: &str) -> Result<(), redb::Error> {
        if let Some(marker) = MarkerId::from_name(name.as_bytes()) {
            return self.remove_marker(marker);
        }
        if let Some(entry) = EntryName::from_name(name.as_bytes()) {
            return self.remove_entry(&Place::from(&entry));
        }
        if let Some(entry) = EntryId::from_name(name.as_bytes()) {
            self.end_lease(entry);
        }
        Ok(())
    }

    /// Has as many give way as are too many, but no more than so many; whether that was enough.
    pub(super) fn make_room(&mut self, most: u32) -> Result<bool, redb::Error> {
        for _ in 0..most {
            if !self.room.is_over() {
                return Ok(true);
            }
            let Some(entry) = self.room.next_entry(&self.kept, &self.recent.entries, self.now)? else {
                return Ok(true);
            };
            self.remove_entry(&entry)?;
            self.room.evicted += 1;
        }
        Ok(!self.room.is_over())
    }

    /// Removes what has run out.
    pub(super) fn sweep(&mut self, markers: &[MarkerId], entries: &[Place]) -> Result<(), redb::Error> {
        self.invalidate(markers)?;
        entries.iter().try_for_each(|entry| self.remove_entry(entry))
    }

    /// Even one that has expired is told of: nobody was, when it did.
    fn remove_marker(&mut self, marker: MarkerId) -> Result<(), redb::Error> {
        if self.kept.remove_marker(marker)? {
            self.change(Change::Push(Push::Marker(marker)));
        }
        Ok(())
    }

    fn remove_entry(&mut self, at: &Place) -> Result<(), redb::Error> {
        if let Some(bytes) = self.kept.remove_entry(at)? {
            self.room.grow(-i64::from(bytes));
            self.change(Change::Entry(at.id));
        }
        Ok(())
    }

    fn end_lease(&mut self, entry: EntryId) {
        if self.leases.end(entry) {
            self.changes.push(Change::Entry(entry));
        }
    }

    fn change(&mut self, change: Change) {
        self.is_changed = true;
        self.changes.push(change);
    }

    fn is_of(&self, era: Era) -> Result<(), Stop> {
        if era == self.era { Ok(()) } else { Err(Stop::Refused(Failure::OtherEra)) }
    }
}

fn fill_of(envelope: &[u8]) -> Option<u64> {
    envelope.get(FILL_AT..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn full(why: &str) -> Stop {
    Stop::Refused(Failure::OutOfMemory(Error::new(&catalogue::STORE_FAILED, why)))
}
