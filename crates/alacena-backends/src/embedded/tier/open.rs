//! The file, while it can be used: one transaction for all that waits, and a flush where somebody waits for the disk.

use std::sync::Arc;

use alacena_core::tier::{Era, Push};
use redb::{Database, Durability, ReadableDatabase, WriteTransaction};

use super::{
    TierFigures,
    kept::{Changed, Seen},
    leases::Leases,
    orders::{Answer, Order},
    room::Room,
    shared::Shared,
    steps::{Change, Work},
    tables::{ENTRIES, INDEX, MARKERS, META, Place, marker_of},
};

/// Bytes of the file that are written between two flushes: an eighth of what there is room for, within these bounds.
const UNFLUSHED_BYTES_MIN: u64 = 512 * 1024;
const UNFLUSHED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Of these, those of one transaction beside its entries: the pages above those that it changes.
const COMMIT_BYTES: u64 = 32 * 1024;
/// Entries that give way in one transaction where a file is opened that holds too many.
const EVICTED_MAX: u32 = 1_000;

/// The file, while it can be used.
pub(super) struct Open {
    pub(super) database: Arc<Database>,
    era: Era,
    leases: Leases,
    pub(super) room: Room,
    /// Whether something has been committed that is not on disk.
    is_unflushed: bool,
    /// How many bytes of the file that takes, about: until it is on disk nothing else takes the place of what it replaces.
    unflushed_bytes: u64,
}

impl Open {
    pub(super) fn new(database: Database, era: Era, room: Room) -> Self {
        let (database, leases) = (Arc::new(database), Leases::default());
        Self { database, era, leases, room, is_unflushed: false, unflushed_bytes: 0 }
    }

    /// One transaction, then one flush if anybody waits for the disk.
    pub(super) fn work(&mut self, batch: Vec<Order>, shared: &Shared) -> Result<(), redb::Error> {
        let (mut seen, mut durable, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
        self.alter(shared, |work| {
            for order in batch {
                match order {
                    Order::Step(step) => {
                        unseen.push(step.unseen);
                        let answer = (step.run)(work)?;
                        if step.is_durable { durable.push(answer) } else { seen.push(answer) }
                    }
                    Order::Read(read) => {
                        let found = read.find(&work.kept, work.recent, work.era, work.now)?;
                        seen.push(Box::new(move || found.send()) as Answer);
                    }
                    _ => unreachable!("only steps and reads are gathered"),
                }
            }
            Ok(())
        })?;
        // From here on who reads need not wait behind these.
        drop(unseen);
        seen.into_iter().for_each(|answer| answer());
        let unflushed_max = (self.room.bytes_max / 8).clamp(UNFLUSHED_BYTES_MIN, UNFLUSHED_BYTES_MAX);
        if !durable.is_empty() || self.unflushed_bytes > unflushed_max {
            // Even if nothing was there to remove: what was removed before it may not be on disk yet.
            self.flush(shared)?;
        }
        durable.into_iter().for_each(|answer| answer());
        Ok(())
    }

    /// One transaction. Whoever has to is told of what it changed once that can be seen.
    pub(super) fn alter(
        &mut self,
        shared: &Shared,
        steps: impl FnOnce(&mut Work<'_, '_>) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let transaction = self.begin(Durability::None)?;
        let (changes, is_changed) = {
            let mut work = Work {
                kept: Changed::open(&transaction)?,
                era: self.era,
                now: shared.clock.millis(),
                leases: &mut self.leases,
                room: &mut self.room,
                recent: &shared.recent,
                changes: Vec::new(),
                stored_bytes: 0,
                is_changed: false,
            };
            steps(&mut work)?;
            self.unflushed_bytes += work.stored_bytes + COMMIT_BYTES;
            (work.changes, work.is_changed)
        };
        if is_changed {
            transaction.commit()?;
            self.is_unflushed = true;
        } else {
            transaction.abort()?;
        }
        shared.tell(changes.iter().filter_map(|change| match change {
            Change::Push(push) => Some(*push),
            Change::Entry(_) => None,
        }));
        for change in changes {
            if let Change::Entry(entry) = change {
                self.leases.wake(entry);
            }
        }
        Ok(())
    }

    /// Puts on disk whatever can be seen.
    pub(super) fn flush(&mut self, shared: &Shared) -> Result<(), redb::Error> {
        if !self.is_unflushed {
            return Ok(());
        }
        let transaction = self.begin(Durability::Immediate)?;
        transaction.open_table(META)?.insert("millis", shared.clock.millis())?;
        transaction.commit()?;
        (self.is_unflushed, self.unflushed_bytes) = (false, 0);
        Ok(())
    }

    /// Sweeps a part of the file, or all of it, and flushes. Where there is nothing to do nothing is written.
    pub(super) fn tidy(&mut self, shared: &Shared, is_whole: bool) -> Result<(), redb::Error> {
        self.leases.sweep(shared.clock.millis());
        if is_whole {
            self.room.begin_sweep();
        }
        loop {
            let (markers, entries) = self.room.expired(&self.seen()?, shared.clock.millis())?;
            if !markers.is_empty() || !entries.is_empty() {
                self.alter(shared, |work| work.sweep(&markers, &entries))?;
            }
            if !is_whole || self.room.is_swept() {
                break;
            }
        }
        self.flush(shared)?;
        self.count(shared)
    }

    /// Has entries give way until there are no more than there may be, and sees whether the disk takes that.
    pub(super) fn shrink(&mut self, shared: &Shared) -> Result<(), redb::Error> {
        let mut is_enough = false;
        while !is_enough {
            self.alter(shared, |work| {
                is_enough = work.make_room(EVICTED_MAX)?;
                Ok(())
            })?;
            self.flush(shared)?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self, shared: &Shared) -> Result<(), redb::Error> {
        let transaction = self.begin(Durability::Immediate)?;
        transaction.delete_table(MARKERS)?;
        transaction.delete_table(INDEX)?;
        transaction.delete_table(ENTRIES)?;
        drop(Changed::open(&transaction)?);
        transaction.commit()?;
        (self.is_unflushed, self.unflushed_bytes) = (false, 0);
        self.room.bytes = 0;
        shared.tell([Push::Everything].into_iter());
        self.leases.clear();
        self.count(shared)
    }

    fn seen(&self) -> Result<Seen, redb::Error> {
        Seen::open(&self.database.begin_read()?)
    }

    fn begin(&self, durability: Durability) -> Result<WriteTransaction, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability).map_err(redb::Error::from)?;
        Ok(transaction)
    }

    pub(super) fn names(&self) -> Result<Vec<String>, redb::Error> {
        let kept = self.seen()?;
        let mut names: Vec<String> = self.leases.entries().map(|entry| entry.lease_name()).collect();
        kept.markers_from((0, 0), |key, _| {
            names.push(marker_of(key).name());
            true
        })?;
        kept.entries_from(&Place::read((0, "")), |key, _| {
            names.push(Place::read(key).name());
            true
        })?;
        Ok(names)
    }

    /// Says how much is kept.
    pub(super) fn count(&self, shared: &Shared) -> Result<(), redb::Error> {
        let kept = self.seen()?;
        shared.holds.are(TierFigures {
            entries: kept.entries()?,
            bytes: self.room.bytes,
            bytes_max: self.room.bytes_max,
            evicted: self.room.evicted,
            markers: kept.markers()?,
        });
        Ok(())
    }
}
