//! Opens the file, decides how far to believe it, and moves it aside where it is damaged.

use std::{
    fs,
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use alacena_core::{error::Error, tier::Era};
use redb::{Database, ReadableDatabase, TableError};

use super::{
    FILE, FILE_DAMAGED, TierSettings,
    kept::{Changed, Seen},
    shared::Clock,
    tables::{self, FORMAT, MARK, META},
    trust::{FileId, Here, Verdict, Written, judge},
};
use crate::embedded::file;

/// Memory for pages of the file; the system keeps more of them, as long as it has room.
const PAGES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What is said of a file over which redb has panicked, as it does over damaged pages.
pub(super) const PANICKED: &str = "redb panicked over it";
/// The name of the one row of [`MARK`].
const MARK_NAME: &str = "mark";

/// Where the file is, and what it must be.
pub(super) struct Site {
    pub(super) folder: PathBuf,
    /// The number of this start of a process.
    pub(super) start: u64,
    pub(super) settings: TierSettings,
}

/// A file that is open.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) era: Era,
    /// Bytes that its entries take.
    pub(super) bytes: u64,
}

/// Why it is not.
pub(super) enum Unopened {
    /// It is damaged.
    Damaged(String),
    /// The disk fails, or it belongs to somebody else.
    Failed(Error),
}

impl<E: Into<redb::Error>> From<(&Site, E)> for Unopened {
    fn from((site, error): (&Site, E)) -> Self {
        let error = error.into();
        match is_damage(&error) {
            true => Unopened::Damaged(error.to_string()),
            false => {
                Unopened::Failed(file::failed(&site.folder, format!("{FILE}: {error}")).caused_by(error))
            }
        }
    }
}

/// Whether it is what the file holds that is wrong, and not the disk.
pub(super) fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. } => true,
        redb::Error::Io(error) => matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
        _ => false,
    }
}

impl Site {
    /// Opens the file; one that is damaged is moved aside, and another one begun. Whether that was so.
    pub(super) fn open(&self, clock: &Clock) -> Result<(Opened, bool), Error> {
        if !self.settings.keeps_damaged {
            self.remove(FILE_DAMAGED)?;
        }
        let damaged = match self.open_or_panic(clock) {
            Ok(opened) => return Ok((opened, false)),
            Err(Unopened::Failed(error)) => return Err(error),
            Err(Unopened::Damaged(why)) => why,
        };
        self.move_aside(&damaged)?;
        match self.open_or_panic(clock) {
            Ok(opened) => Ok((opened, true)),
            Err(Unopened::Failed(error)) => Err(error),
            Err(Unopened::Damaged(why)) => Err(file::failed(&self.folder, format!("{FILE}: {why}"))),
        }
    }

    /// A file that cannot be read keeps nobody from going on.
    pub(super) fn move_aside(&self, why: &str) -> Result<(), Error> {
        if !self.settings.keeps_damaged {
            tracing::error!(
                why,
                "the entries on disk are damaged: the file is removed, and another one begun"
            );
            return self.remove(FILE);
        }
        let moved = fs::rename(self.folder.join(FILE), self.folder.join(FILE_DAMAGED));
        tracing::error!(
            why,
            path = %self.folder.join(FILE_DAMAGED).display(),
            "the entries on disk are damaged: the file was moved aside, and another one is begun"
        );
        moved.map_err(|error| {
            let detail = format!("{FILE} is damaged ({why}) and cannot be moved aside: {error}");
            file::failed(&self.folder, detail).caused_by(error)
        })
    }

    /// Over a damaged page redb may panic, wherever it meets it: that is an answer, too.
    fn open_or_panic(&self, clock: &Clock) -> Result<Opened, Unopened> {
        catch_unwind(AssertUnwindSafe(|| self.open_as_it_is(clock)))
            .unwrap_or_else(|_| Err(Unopened::Damaged(PANICKED.to_owned())))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(file::failed(&self.folder, format!("{name} cannot be removed: {error}")).caused_by(error))
            }
            _ => Ok(()),
        }
    }

    fn open_as_it_is(&self, clock: &Clock) -> Result<Opened, Unopened> {
        let database = self.database()?;
        let here = self.here(clock)?;
        let written = read(&database).map_err(|error| Unopened::from((self, error)))?;
        let (database, era) = match written.map(|written| (judge(&written, &here), written)) {
            None => (database, clock.draw_era()),
            Some((Verdict::Same, written)) => {
                clock.is_at_least(written.millis);
                (database, Era(written.era))
            }
            Some((Verdict::OtherEra(why), _)) => {
                tracing::warn!(
                    why,
                    "the entries on disk may be older than they say: each is loaded anew when asked for"
                );
                (database, clock.draw_era())
            }
            Some((Verdict::Anew(why), _)) => {
                tracing::info!(why, "the entries on disk are begun anew");
                drop(database);
                self.remove(FILE).map_err(Unopened::Failed)?;
                (self.database()?, clock.draw_era())
            }
        };
        let here = self.here(clock)?;
        let bytes = write(&database, era, &here).map_err(|error| Unopened::from((self, error)))?;
        Ok(Opened { database, era, bytes })
    }

    /// After a kill redb looks at every page of the file.
    fn database(&self) -> Result<Database, Unopened> {
        let file = file::handle(&self.folder, FILE).map_err(Unopened::Failed)?;
        let opened = Database::builder().set_cache_size(PAGES_BYTES_MAX).create_file(file);
        opened.map_err(|error| Unopened::from((self, error)))
    }

    fn here(&self, clock: &Clock) -> Result<Here, Unopened> {
        let metadata = fs::metadata(self.folder.join(FILE)).map_err(|error| {
            Unopened::Failed(file::failed(&self.folder, format!("{FILE}: {error}")).caused_by(error))
        })?;
        Ok(Here {
            mark: self.settings.mark,
            start: self.start,
            millis: clock.millis(),
            file: identify(&metadata),
        })
    }
}

fn identify(metadata: &fs::Metadata) -> FileId {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    let since_1970 = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).ok();
    let birth = metadata.created().ok().and_then(since_1970);
    FileId { inode, birth: birth.and_then(|birth| u64::try_from(birth.as_nanos()).ok()).unwrap_or(0) }
}

/// What an earlier process has written; `None`: there was none.
fn read(database: &Database) -> Result<Option<Written>, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        meta => meta?,
    };
    let number =
        |name: &str| -> Result<u64, redb::Error> { Ok(meta.get(name)?.map_or(0, |number| number.value())) };
    let mark = transaction.open_table(MARK)?.get(MARK_NAME)?.map(|mark| mark.value());
    Ok(Some(Written {
        format: number("format")?,
        mark: mark.unwrap_or_default(),
        era: number("era")?,
        start: number("start")?,
        millis: number("millis")?,
        file: FileId { inode: number("inode")?, birth: number("birth")? },
    }))
}

/// Takes the file over, and looks how much is in it.
fn write(database: &Database, era: Era, here: &Here) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let mut bytes = 0;
    {
        let mut meta = transaction.open_table(META)?;
        let numbers = [
            ("format", FORMAT),
            ("era", era.0),
            ("start", here.start),
            ("millis", here.millis),
            ("inode", here.file.inode),
            ("birth", here.file.birth),
        ];
        for (name, number) in numbers {
            meta.insert(name, number)?;
        }
        transaction.open_table(MARK)?.insert(MARK_NAME, here.mark)?;
        Changed::open(&transaction)?.entries_from(&tables::Place::read((0, "")), |_, (_, taken)| {
            bytes += u64::from(taken);
            true
        })?;
    }
    transaction.commit()?;
    // What is missing is told of now, and not by whoever reads first.
    Seen::open(&database.begin_read()?)?;
    Ok(bytes)
}
