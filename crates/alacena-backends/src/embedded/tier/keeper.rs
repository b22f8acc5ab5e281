//! The one thread that changes the file. It takes all that waits, makes it one transaction that everybody can see, tells
//! of it, and answers; and where somebody waits for the disk, it flushes once for all of them.

use std::{
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
};

use alacena_core::{error::Error, tier::Lack};
use tokio::sync::mpsc;

use super::{
    FILE, FILE_DAMAGED,
    open::Open,
    opening::{Opened, Site, is_damage},
    orders::{Order, gather},
    readers::Readers,
    room::Room,
    shared::Shared,
};
use crate::embedded::file;

/// The longest pause before a file that has failed is tried again, in rounds of tidying: it begins with two and doubles, until
/// the file has been well for as long.
const PAUSE_MAX: u32 = 60;

/// The thread.
pub(super) struct Keeper {
    site: Site,
    shared: Arc<Shared>,
    readers: Readers,
    open: Option<Open>,
    /// What opening has come to, as long as it has come to nothing.
    failure: Option<Error>,
    /// Most bytes of entries: less than is configured once the disk was full.
    bytes_max: u64,
    /// Whether a file was moved aside since the start.
    was_damaged: bool,
    /// Rounds before it is tried again.
    pause: u32,
    /// Rounds since it was opened, or given up.
    rounds: u32,
}

impl Keeper {
    pub(super) fn new(site: Site, shared: Arc<Shared>, readers: Readers) -> Self {
        let bytes_max = site.settings.entries_bytes_max;
        Self {
            site,
            shared,
            readers,
            open: None,
            failure: None,
            bytes_max,
            was_damaged: false,
            pause: 1,
            rounds: 0,
        }
    }

    /// Serves until it is told to close, or until nobody can tell it anything any more.
    pub(super) fn serve(mut self, mut queue: mpsc::Receiver<Order>) {
        self.try_open();
        let closed = loop {
            let Some(first) = queue.blocking_recv() else { break None };
            let (batch, other) = gather(first, &mut queue);
            if !batch.is_empty() {
                self.work(batch);
            }
            match other {
                Some(Order::Close(closed)) => break Some(closed),
                Some(other) => self.attend(other),
                None => {}
            }
        };
        queue.close();
        self.end();
        if let Some(closed) = closed {
            // An error means that nobody waits for it.
            let _ = closed.send(());
        }
    }

    /// What is no step.
    fn attend(&mut self, order: Order) {
        match order {
            Order::Tidy(done) => {
                self.tidy(done.is_some());
                // An error means that nobody waits for it, here and below.
                done.map(|done| done.send(()));
            }
            Order::Opened(answer) => {
                let _ = answer.send(self.failure.clone().map_or(Ok(()), Err));
            }
            Order::Names(answer) => {
                if let Some(Ok(names)) = self.open.as_ref().map(Open::names) {
                    let _ = answer.send(names);
                }
            }
            Order::Clear(done) => {
                if self.within(|open, shared| open.clear(shared)) {
                    let _ = done.send(());
                }
            }
            Order::Evict(name, done) => {
                if self.within(|open, shared| open.alter(shared, |work| work.evict(&name))) {
                    let _ = done.send(());
                }
            }
            Order::Failed(error, of) => {
                // Not of one that has been given up since.
                if self.open.as_ref().is_some_and(|open| Weak::as_ptr(&of) == Arc::as_ptr(&open.database)) {
                    self.fail(error);
                }
            }
            Order::Step(_) | Order::Read(_) | Order::Close(_) => unreachable!("gathered, or the end"),
        }
    }

    /// Those who are not answered, because the file cannot be used, hear it as their replies are dropped.
    fn work(&mut self, batch: Vec<Order>) {
        self.within(|open, shared| open.work(batch, shared));
    }

    fn tidy(&mut self, is_whole: bool) {
        self.rounds = self.rounds.saturating_add(1);
        if self.open.is_some() {
            let is_well = self.within(|open, shared| open.tidy(shared, is_whole));
            if is_well && self.rounds >= PAUSE_MAX {
                self.pause = 1;
            }
        } else if self.rounds >= self.pause {
            self.try_open();
        }
    }

    /// Does something with the file; whether it could be done. Over a damaged page redb panics.
    fn within(&mut self, work: impl FnOnce(&mut Open, &Arc<Shared>) -> Result<(), redb::Error>) -> bool {
        let Some(open) = &mut self.open else { return false };
        let shared = &self.shared;
        let error = match catch_unwind(AssertUnwindSafe(|| work(open, shared))) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error,
            Err(_) => redb::Error::Corrupted("redb panicked over it".to_owned()),
        };
        self.fail(error);
        false
    }

    /// Gives the file up. It is tried again, at once where another one can be begun.
    fn fail(&mut self, error: redb::Error) {
        let Some(Open { database, room, .. }) = self.open.take() else { return };
        if matches!(&error, redb::Error::Io(error) if is_full(error.kind())) {
            // Smaller than it is, so that what is removed makes room for what comes.
            self.bytes_max = (room.bytes / 4 * 3).max(1);
        }
        let is_damaged = is_damage(&error);
        self.lose(file::failed(&self.site.folder, format!("{FILE}: {error}")).caused_by(error));
        // It may try to put itself in order, and what it finds is why it was given up.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
        if is_damaged && self.site.move_aside("a page of it cannot be read").is_ok() {
            self.was_damaged = true;
            self.try_open();
        }
    }

    fn lose(&mut self, error: Error) {
        self.rounds = 0;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        if self.failure.as_ref().is_none_or(|before| before.to_string() != error.to_string()) {
            tracing::error!(%error, "the entries on disk cannot be used: this node goes on in memory");
        }
        self.shared.lose(Lack {
            what: error.to_string(),
            costs: "entries are in memory alone, and a restart begins cold",
            remedy: "Look at the disk: whether it is full, read-only or broken. It is tried again by itself.",
            is_serious: true,
        });
        self.failure = Some(error);
    }

    fn try_open(&mut self) {
        let opened = self.site.open(&self.shared.clock);
        match opened.and_then(|(opened, was_damaged)| {
            self.was_damaged |= was_damaged;
            self.take_over(opened)
        }) {
            Ok(()) => (self.rounds, self.failure) = (0, None),
            Err(error) => self.lose(error),
        }
    }

    fn take_over(&mut self, opened: Opened) -> Result<(), Error> {
        let Opened { database, era, bytes } = opened;
        let mut lacks = Vec::new();
        if self.was_damaged {
            lacks.push(Lack {
                what: format!("{FILE} was damaged, and lies beside the new one as {FILE_DAMAGED}"),
                costs: "what was in it is loaded anew",
                remedy: "Look at the disk; the damaged file can be removed.",
                is_serious: false,
            });
        }
        let settings = &self.site.settings;
        let mut room = Room::new(self.bytes_max, settings.markers_max);
        room.bytes = bytes;
        if self.bytes_max < settings.entries_bytes_max {
            lacks.push(Lack {
                what: format!("the disk was full: entries take {} bytes of it at most", self.bytes_max),
                costs: "fewer entries are kept than embedded.entries_max says",
                remedy: "Make room on the disk, and start anew; or lower embedded.entries_max.",
                is_serious: false,
            });
        }
        let mut open = Open::new(database, era, room);
        let ready = open.shrink(&self.shared).and_then(|()| open.count(&self.shared));
        ready
            .map_err(|error| file::failed(&self.site.folder, format!("{FILE}: {error}")).caused_by(error))?;
        self.shared.connect(&open.database, era, lacks);
        self.open = Some(open);
        Ok(())
    }

    /// Puts on disk what is not there yet, and gives the file back.
    fn end(&mut self) {
        self.within(|open, shared| open.flush(shared));
        self.shared.close();
        self.readers.stop();
        self.open = None;
    }
}

/// Whether the disk has no room, or this user has none on it.
fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
