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
    opening::{Opened, PANICKED, Site, is_damage},
    orders::{Order, gather},
    readers::Readers,
    room::Room,
    shared::Shared,
};
use crate::embedded::file;

/// The longest pause before a file that has failed is tried again, in rounds of tidying: it begins with two and doubles, until
/// the file has been well for as long.
const PAUSE_MAX: u32 = 60;

/// What entries may take of a disk that was full, at the least: what a configuration may say, at the least.
const BYTES_MIN: u64 = 1 << 20;

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
                self.widen();
            }
        } else if self.rounds >= self.pause {
            self.try_open();
        }
    }

    /// A disk that was full may have room again, since somebody else filled it: a little more is tried, up to what is
    /// configured.
    fn widen(&mut self) {
        let most = self.site.settings.entries_bytes_max;
        let Some(open) = self.open.as_mut().filter(|_| self.bytes_max < most) else { return };
        self.bytes_max = (self.bytes_max / 4 * 5).min(most);
        open.room.bytes_max = self.bytes_max;
        self.rounds = 0;
        self.shared.say(self.lacks());
    }

    /// Does something with the file; whether it could be done. Over a damaged page redb panics.
    fn within(&mut self, work: impl FnOnce(&mut Open, &Arc<Shared>) -> Result<(), redb::Error>) -> bool {
        let Some(open) = &mut self.open else { return false };
        let shared = &self.shared;
        let error = match catch_unwind(AssertUnwindSafe(|| work(open, shared))) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error,
            Err(_) => redb::Error::Corrupted(PANICKED.to_owned()),
        };
        self.fail(error);
        false
    }

    /// Gives the file up. It is tried again, at once where another one can be begun.
    fn fail(&mut self, error: redb::Error) {
        let Some(Open { database, room, .. }) = self.open.take() else { return };
        if matches!(&error, redb::Error::Io(error) if is_full(error.kind())) {
            // Smaller than it is, so that what is removed makes room for what comes.
            self.bytes_max = (room.bytes / 4 * 3).max(BYTES_MIN);
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
        let mut room = Room::new(self.bytes_max, self.site.settings.markers_max);
        room.bytes = bytes;
        let mut open = Open::new(database, era, room);
        let ready = || open.shrink(&self.shared).and_then(|()| open.count(&self.shared));
        let ready = catch_unwind(AssertUnwindSafe(ready))
            .unwrap_or_else(|_| Err(redb::Error::Corrupted(PANICKED.to_owned())));
        if let Err(error) = ready {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(open)));
            // Another one is begun when it is tried again.
            self.was_damaged |= is_damage(&error) && self.site.move_aside(&error.to_string()).is_ok();
            return Err(file::failed(&self.site.folder, format!("{FILE}: {error}")).caused_by(error));
        }
        self.shared.connect(&open.database, era, self.lacks());
        self.open = Some(open);
        Ok(())
    }

    /// What an open file does without.
    fn lacks(&self) -> Vec<Lack> {
        let Self { site, was_damaged, bytes_max, .. } = self;
        let became = match site.settings.keeps_damaged {
            true => format!("lies beside the new one as {FILE_DAMAGED}"),
            false => "was removed, since it may have been readable".to_owned(),
        };
        let damaged = was_damaged.then(|| Lack {
            what: format!("{FILE} was damaged, and {became}"),
            costs: "what was in it is loaded anew",
            remedy: "Look at the disk; a damaged file that is kept can be removed.",
            is_serious: false,
        });
        let is_full = *bytes_max < site.settings.entries_bytes_max;
        let full = is_full.then(|| Lack {
            what: format!("the disk was full: entries take {bytes_max} bytes of it at most"),
            costs: "fewer entries are kept than embedded.entries_max says",
            remedy: "Make room on the disk: it is tried by itself to take more. Or lower embedded.entries_max.",
            is_serious: false,
        });
        damaged.into_iter().chain(full).collect()
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
