//! What nodes ask of a server, each question one step.

use std::time::Duration;

use alacena_core::tier::{
    Begin, Checked, EntryId, EntryName, Era, Fill, Looked, MarkerId, Minted, Nonce, Overwrite, Store, Stored,
};
use bytes::Bytes;

use super::{Item, Name, Server};

/// Why a server did not take a step. It did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is of another era than was said, or not a primary any more.
    OtherEra,
    /// It has no memory for it.
    OutOfMemory,
}

/// How a load begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Started {
    /// Not at all: somebody has stored this.
    Hit(Bytes),
    /// The lease is held.
    Lead,
    /// Somebody else holds the lease, for so long.
    Wait(Duration),
    /// Nobody waits for anybody here.
    Alone,
}

impl Server {
    /// What markers hold.
    pub fn markers(&mut self, markers: &[MarkerId], now: u64) -> Vec<Option<Nonce>> {
        markers.iter().map(|marker| self.marker(*marker, now)).collect()
    }

    /// What the marker of an entry's bucket holds, and the entry.
    pub fn entry(&mut self, entry: &EntryName, now: u64) -> (Option<Nonce>, Option<Bytes>) {
        let bucket = self.marker(entry.id().bucket_marker(), now);
        (bucket, self.read(&Name::Entry(entry.clone()), now).map(|item| item.bytes.clone()))
    }

    /// [`markers`](Server::markers), then [`entry`](Server::entry), with nothing in between.
    pub fn look(&mut self, entry: &EntryName, markers: &[MarkerId], now: u64) -> Looked {
        let markers = self.markers(markers, now);
        let (bucket, entry) = self.entry(entry, now);
        Looked { markers, bucket, entry }
    }

    /// What markers hold, on a primary of which era, with how many good replicas.
    ///
    /// # Errors
    /// [`Refusal::OtherEra`]
    pub fn check(&mut self, markers: &[MarkerId], now: u64) -> Result<Checked, Refusal> {
        self.is_primary()?;
        let good_replicas = self.replica.as_ref().map_or(0, |replica| u32::from(!replica.lost));
        Ok(Checked { era: self.era, good_replicas, markers: self.markers(markers, now) })
    }

    /// Gives markers that are missing, or of another era, the nonce beside them, and says what all hold. Each is kept for
    /// at least `keep` milliseconds, and for twice as long where that has to be said anew.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn mint(
        &mut self,
        era: Era,
        markers: &[(MarkerId, Nonce)],
        keep: u64,
        now: u64,
    ) -> Result<Minted, Refusal> {
        self.is_primary_of(era)?;
        let held: Vec<_> = markers.iter().map(|(marker, _)| self.marker(*marker, now)).collect();
        let current = |held: &Option<Nonce>| held.is_some_and(|nonce| nonce.era == era);
        if self.full && !held.iter().all(current) {
            return Err(Refusal::OutOfMemory);
        }
        Ok(markers.iter().map(|(marker, fresh)| self.mint_one(*marker, *fresh, keep, now)).collect())
    }

    fn mint_one(&mut self, marker: MarkerId, fresh: Nonce, keep: u64, now: u64) -> Nonce {
        let name = Name::Marker(marker);
        let held = self.marker(marker, now).filter(|nonce| nonce.era == self.era);
        let short = self.data.get(&name).is_none_or(|item| item.ends < now + keep);
        let nonce = held.unwrap_or(fresh);
        if held.is_none() || short {
            let bytes = Bytes::copy_from_slice(&nonce.to_bytes());
            self.write(name, Some(Item { bytes, ends: now + 2 * keep }));
        }
        nonce
    }

    /// Answers with an entry, or begins to load it.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn begin(&mut self, load: &Begin, now: u64) -> Result<Started, Refusal> {
        self.is_primary_of(load.attempt.era)?;
        if let Some(item) = self.read(&Name::Entry(load.entry.clone()), now)
            && load.seen.is_none_or(|seen| fill(&item.bytes) != Some(seen))
        {
            return Ok(Started::Hit(item.bytes.clone()));
        }
        if let Some(item) = self.read(&Name::Lease(load.entry.id()), now) {
            if item.bytes == nobody_waits(load.attempt.era) {
                return Ok(Started::Alone);
            }
            if Nonce::from_bytes(&item.bytes).is_some_and(|holder| holder.era == load.attempt.era) {
                return Ok(Started::Wait(Duration::from_millis(item.ends - now)));
            }
        }
        self.has_memory()?;
        self.write(Name::Lease(load.entry.id()), Some(lease(load.attempt, load.lease, now)));
        Ok(Started::Lead)
    }

    /// Holds a lease for longer; whether it was held. In another era none is.
    ///
    /// # Errors
    /// [`Refusal::OtherEra`]
    pub fn renew(
        &mut self,
        entry: EntryId,
        attempt: Nonce,
        span: Duration,
        now: u64,
    ) -> Result<bool, Refusal> {
        self.is_primary()?;
        let held = self.holds(entry, attempt, now);
        if held {
            self.write(Name::Lease(entry), Some(lease(attempt, span, now)));
        }
        Ok(held)
    }

    /// Stores an entry, if its lease is held and this is still the era that it was taken in: the lease alone is not
    /// enough, since a failover that lost the removal of a lease brings it back.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn store(&mut self, store: &Store, now: u64) -> Result<Stored, Refusal> {
        self.is_primary()?;
        let id = store.entry.id();
        if !self.holds(id, store.attempt, now) {
            return Ok(Stored::LeaseLost);
        }
        self.has_memory()?;
        let item = Item { bytes: store.envelope.clone(), ends: now + millis(store.keep) };
        self.write(Name::Entry(store.entry.clone()), Some(item));
        self.remove(Name::Lease(id));
        Ok(Stored::Kept)
    }

    /// Puts an entry in the place of this fill (or of whatever is there), with nobody holding the lease any more and no
    /// copy standing; whether that fill was there. In another era none is.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn overwrite(&mut self, overwrite: &Overwrite, now: u64) -> Result<bool, Refusal> {
        self.is_primary()?;
        let Overwrite { entry, elsewhere, era, over, envelope, keep } = overwrite;
        let held = self.read(&Name::Entry(entry.clone()), now).and_then(|item| fill(&item.bytes));
        if *era != self.era || over.is_some_and(|over| held != Some(over)) {
            return Ok(false);
        }
        self.has_memory()?;
        let item = Item { bytes: envelope.clone(), ends: now + millis(*keep) };
        self.write(Name::Entry(entry.clone()), Some(item));
        let (lease, bucket) = (Name::Lease(entry.id()), Name::Marker(entry.id().bucket_marker()));
        for beside in [lease, bucket, Name::Entry(elsewhere.clone())] {
            self.remove(beside);
        }
        Ok(true)
    }

    /// Gives a lease back, if it is held. Without memory for the mark that everybody loads `alone` there is none.
    ///
    /// # Errors
    /// [`Refusal::OtherEra`]
    pub fn release(
        &mut self,
        entry: EntryId,
        attempt: Nonce,
        alone: Option<Duration>,
        now: u64,
    ) -> Result<(), Refusal> {
        self.is_primary()?;
        if self.holds(entry, attempt, now) {
            let mark = alone
                .filter(|_| !self.full)
                .map(|span| Item { bytes: nobody_waits(attempt.era), ends: now + millis(span) });
            self.write(Name::Lease(entry), mark);
        }
        Ok(())
    }

    /// Removes markers.
    ///
    /// # Errors
    /// [`Refusal::OtherEra`]
    pub fn invalidate(&mut self, markers: &[MarkerId]) -> Result<(), Refusal> {
        self.is_primary()?;
        for marker in markers {
            self.remove(Name::Marker(*marker));
        }
        Ok(())
    }

    /// Removes entries under every name, their leases, and the markers of their buckets.
    ///
    /// # Errors
    /// [`Refusal::OtherEra`]
    pub fn invalidate_entries(&mut self, entries: &[EntryName]) -> Result<(), Refusal> {
        self.is_primary()?;
        for entry in entries {
            let id = entry.id();
            for name in [
                Name::Entry(entry.clone()),
                Name::Entry(entry.without_key()),
                Name::Lease(id),
                Name::Marker(id.bucket_marker()),
            ] {
                self.remove(name);
            }
        }
        Ok(())
    }

    fn marker(&mut self, marker: MarkerId, now: u64) -> Option<Nonce> {
        Nonce::from_bytes(&self.read(&Name::Marker(marker), now)?.bytes)
    }

    fn holds(&mut self, entry: EntryId, attempt: Nonce, now: u64) -> bool {
        let is_attempt = |item: &Item| item.bytes == attempt.to_bytes().as_slice();
        self.era == attempt.era && self.read(&Name::Lease(entry), now).is_some_and(is_attempt)
    }

    fn is_primary(&self) -> Result<(), Refusal> {
        if self.primary { Ok(()) } else { Err(Refusal::OtherEra) }
    }

    fn is_primary_of(&self, era: Era) -> Result<(), Refusal> {
        if self.primary && self.era == era { Ok(()) } else { Err(Refusal::OtherEra) }
    }

    fn has_memory(&self) -> Result<(), Refusal> {
        if self.full { Err(Refusal::OutOfMemory) } else { Ok(()) }
    }
}

/// What stands in a lease for which nobody waits, in this era.
fn nobody_waits(era: Era) -> Bytes {
    [&era.0.to_be_bytes(), b"alone".as_slice()].concat().into()
}

/// Where an envelope says which fill of its entry it is.
const FILL_AT: usize = 4;

fn fill(envelope: &[u8]) -> Option<Fill> {
    let bytes = envelope.get(FILL_AT..)?.first_chunk()?;
    Some(Fill(u64::from_be_bytes(*bytes)))
}

fn lease(attempt: Nonce, span: Duration, now: u64) -> Item {
    Item { bytes: Bytes::copy_from_slice(&attempt.to_bytes()), ends: now + millis(span) }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 2)
}
