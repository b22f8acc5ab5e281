//! What the file holds, and how it changes: one redb transaction a batch.
//!
//! Records are JSON under numbers that grow: the upper half is the number of the start of the process, the lower
//! half counts within it. So they are in the order of time whatever the wall clock does, never used twice, and those
//! of earlier processes are the ones below the first of this one.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use alacena_core::{
    error::{Error, catalogue},
    ledger::{Intent, IntentId, Invalidation, Target},
    runtime::Runtime,
};
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    TableDefinition,
};

use super::owner::{self, Owner};

/// The number in `meta` that says how the rest is written. A store with a greater one is left alone.
const FORMAT: u64 = 1;
/// Invalidations kept.
pub(super) const HISTORY_MAX: u64 = 10_000;
/// Memory for pages of the file; redb's own default is 1 GiB.
const PAGES_BYTES_MAX: usize = 4 * 1024 * 1024;
const FILE: &str = "store.redb";

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const SECRETS: TableDefinition<&str, [u8; 32]> = TableDefinition::new("secrets");
const INTENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("intents");
const HISTORY: TableDefinition<u64, &[u8]> = TableDefinition::new("history");

/// One change of the store.
pub(super) enum Edit {
    Open(IntentId, Intent),
    Close(IntentId),
    Record(Invalidation),
}

/// The open file. Blocking: it belongs to the writer's thread.
pub(super) struct Store {
    folder: PathBuf,
    /// `None` after a failure that redb does not recover from; opened again at the next use.
    database: Option<Database>,
    identity: Identity,
    next_record: u64,
}

/// What a start of the process has found or made.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    /// New with every start.
    pub(super) era: u64,
    /// The same for the life of the store.
    pub(super) secret: [u8; 32],
    /// The first number of this process; all below are of earlier ones.
    pub(super) first: u64,
}

impl Store {
    /// Opens the store in `folder`, making both if they are not there, and begins a new era.
    pub(super) fn open(folder: &Path, runtime: &dyn Runtime) -> Result<Self, Error> {
        make_folder(folder).map_err(|error| {
            failed(folder, format!("the folder cannot be created: {error}")).caused_by(error)
        })?;
        let database = open_file(folder)?;
        let identity = begin(&database, runtime).map_err(|refusal| refusal.for_folder(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            database: Some(database),
            identity,
            next_record: identity.first,
        })
    }

    /// Makes known who has the store.
    pub(super) fn announce(&self, owner: &Owner) -> Result<(), Error> {
        owner::write(&self.folder, owner).map_err(|error| {
            failed(&self.folder, format!("the owner file cannot be written: {error}")).caused_by(error)
        })
    }

    /// Gives the store back.
    pub(super) fn close(self) {
        // While the lock is held: without it, the file may be of the next owner already.
        if self.database.is_some() {
            owner::remove(&self.folder);
        }
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// Makes all of `edits` durable, or none.
    pub(super) fn commit<'a>(&mut self, edits: impl Iterator<Item = &'a Edit>) -> Result<(), Error> {
        let first = self.next_record;
        let mut next = first;
        let result = self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut intents = transaction.open_table(INTENTS)?;
                let mut history = transaction.open_table(HISTORY)?;
                for edit in edits {
                    match edit {
                        Edit::Open(id, intent) => {
                            intents.insert(id, json(intent).as_slice())?;
                        }
                        Edit::Close(id) => {
                            intents.remove(id)?;
                        }
                        Edit::Record(invalidation) => {
                            history.insert(next, json(invalidation).as_slice())?;
                            next += 1;
                        }
                    }
                }
                while history.len()? > HISTORY_MAX {
                    history.pop_first()?;
                }
            }
            transaction.commit()?;
            Ok(())
        });
        self.next_record = next;
        result
    }

    /// The intents of earlier processes, oldest first.
    pub(super) fn open_intents(&mut self) -> Result<Vec<(IntentId, Intent)>, Error> {
        let first = self.identity.first;
        self.with(|database| {
            let intents = database.begin_read()?.open_table(INTENTS)?;
            intents
                .range(..first)?
                .map(|entry| {
                    let (id, record) = entry?;
                    Ok((id.value(), intent(id.value(), record.value())))
                })
                .collect()
        })
    }

    /// The newest `limit` invalidations, newest first.
    pub(super) fn history(&mut self, limit: usize) -> Result<Vec<Invalidation>, Error> {
        self.with(|database| {
            let history = database.begin_read()?.open_table(HISTORY)?;
            let mut newest = Vec::new();
            for entry in history.iter()?.rev().take(limit) {
                let (id, record) = entry?;
                match serde_json::from_slice(record.value()) {
                    Ok(invalidation) => newest.push(invalidation),
                    Err(_) => {
                        tracing::warn!(id = id.value(), "an unreadable record of the history was left out")
                    }
                }
            }
            Ok(newest)
        })
    }

    /// Uses the database, opening it again after an earlier failure and closing it after one now: redb refuses
    /// everything once the disk has failed, even when the disk is back.
    fn with<T>(&mut self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_file(&self.folder)?,
        };
        match work(&database) {
            Ok(value) => {
                self.database = Some(database);
                Ok(value)
            }
            Err(error) => Err(failed(&self.folder, error.to_string()).caused_by(error)),
        }
    }
}

/// Why a store is not taken.
enum Refusal {
    Newer(u64),
    Failed(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Refusal::Failed(error.into())
    }
}

impl Refusal {
    fn for_folder(self, folder: &Path) -> Error {
        match self {
            Refusal::Newer(format) => failed(
                folder,
                format!(
                    "it was written by a newer version (format {format}, this one knows {FORMAT}): \
                     use that version, or another folder"
                ),
            ),
            Refusal::Failed(error) => failed(folder, error.to_string()).caused_by(error),
        }
    }
}

/// Checks the format before anything is written, then counts this start.
fn begin(database: &Database, runtime: &dyn Runtime) -> Result<Identity, Refusal> {
    let transaction = database.begin_write()?;
    let identity = {
        let mut meta = transaction.open_table(META)?;
        let format = meta.get("format")?.map_or(FORMAT, |format| format.value());
        if format > FORMAT {
            return Err(Refusal::Newer(format)); // Dropped, the transaction changes nothing.
        }
        meta.insert("format", FORMAT)?;
        let starts = meta.get("starts")?.map_or(0, |starts| starts.value()) + 1;
        meta.insert("starts", starts)?;

        let mut secrets = transaction.open_table(SECRETS)?;
        let kept = secrets.get("principals")?.map(|secret| secret.value());
        let secret = kept.unwrap_or_else(|| random_bytes(runtime));
        secrets.insert("principals", secret)?;
        transaction.open_table(INTENTS)?;
        transaction.open_table(HISTORY)?;
        // Counted, so that no two starts are alike; random too, should the file be put back from a copy.
        let era = (starts << 32) | (runtime.random() >> 32);
        Identity { era, secret, first: starts << 32 }
    };
    transaction.commit()?;
    Ok(identity)
}

fn random_bytes(runtime: &dyn Runtime) -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&runtime.random().to_le_bytes());
    }
    bytes
}

/// Creates the folder for its owner's eyes only, and keeps it out of version control: it holds a secret.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    fs::write(folder.join(".gitignore"), "*\n")
}

fn open_file(folder: &Path) -> Result<Database, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join(FILE)).map_err(|error| {
        failed(folder, format!("{FILE} cannot be opened for writing: {error}")).caused_by(error)
    })?;
    undamaged(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => {
            let first =
                owner::read_owner(folder).map_or("another process".to_owned(), |owner| owner.to_string());
            Error::new(&catalogue::STORE_OWNED, format!("it belongs to {first}"))
                .with("path", folder.display())
        }
        DatabaseError::Storage(StorageError::Corrupted(_)) => failed(
            folder,
            format!(
                "{FILE} is damaged: put a copy back, or move it away and its history with it, and start anew"
            ),
        )
        .caused_by(error),
        error => failed(folder, format!("{FILE} cannot be read: {error}")).caused_by(error),
    })
}

/// Opens the file and looks at every page of it (it is small: see [`HISTORY_MAX`]), because redb trusts its pages
/// later and panics over a damaged one. While it looks it may panic as well; that is an answer, too.
fn undamaged(file: fs::File) -> Result<Database, DatabaseError> {
    let look = || {
        let mut database = Database::builder().set_cache_size(PAGES_BYTES_MAX).create_file(file)?;
        database.check_integrity()?;
        Ok(database)
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(look))
        .unwrap_or_else(|_| Err(StorageError::Corrupted("redb panicked over it".to_owned()).into()))
}

fn failed(folder: &Path, detail: String) -> Error {
    Error::new(&catalogue::STORE_FAILED, detail).with("path", folder.display())
}

fn json(record: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have text keys and no map can fail to be written")
}

/// An intent whose record cannot be read any more may have been about anything: everything is invalidated.
fn intent(id: IntentId, record: &[u8]) -> Intent {
    serde_json::from_slice(record).unwrap_or_else(|_| {
        tracing::warn!(id, "an unreadable record of a write: everything will be invalidated in its place");
        Intent { write: "unreadable record".to_owned(), targets: vec![Target::Everything], at: 0 }
    })
}
