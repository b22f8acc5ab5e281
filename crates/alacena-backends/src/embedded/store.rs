//! What the file holds, and how it changes: one redb transaction a batch.
//!
//! Records (`records.rs` says how one is written) stand under numbers that grow: the upper half is the number of the
//! start of the process, the lower half counts within it. So they are in the order of time whatever the wall clock
//! does, never used twice, and those of earlier processes are the ones below the first of this one.

use std::path::{Path, PathBuf};

use alacena_core::{
    envelope::Unreadable,
    error::Error,
    journal::{Record, RecordId, ShardName},
    ledger::{Intent, IntentId, Invalidation, Target},
};
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
    WriteTransaction,
};

use super::{
    file::{self, FILE},
    journal,
    owner::{self, Owner},
    records::{FORMAT_MAX, Place, Records},
    reseal::{self, Resealed, resealed},
};

/// Invalidations kept.
pub(super) const HISTORY_MAX: u64 = 10_000;

pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Secrets of a readable store.
pub(super) const SECRETS: TableDefinition<&str, [u8; 32]> = TableDefinition::new("secrets");
/// Secrets of a sealed store.
pub(super) const SEALED: TableDefinition<&str, &[u8]> = TableDefinition::new("sealed");
pub(super) const INTENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("intents");
pub(super) const HISTORY: TableDefinition<u64, &[u8]> = TableDefinition::new("history");

/// The name of the key of principals.
pub(super) const PRINCIPALS: &str = "principals";

/// One change of the store.
pub(super) enum Edit {
    Open(IntentId, Intent),
    Close(IntentId),
    Record(Invalidation),
    Append(RecordId, Record),
    Remove(ShardName, Vec<RecordId>),
}

/// The open file. Blocking: it belongs to the writer's thread.
pub(super) struct Store {
    folder: PathBuf,
    /// `None` after a failure that redb does not recover from; opened again at the next use.
    database: Option<Database>,
    /// What [`resealed`] has left, locked for as long as this store is open.
    _former: Option<Database>,
    records: Records,
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
    pub(super) fn open(folder: &Path, records: Records) -> Result<Self, Error> {
        file::make_folder(folder)?;
        let database = file::open(folder, FILE)?;
        is_known(&database).map_err(|refusal| refusal.for_folder(folder))?;
        let Resealed { database, former } = resealed(folder, database, &records)?;
        let identity = begin(&database, &records).map_err(|refusal| refusal.for_folder(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            database: Some(database),
            _former: former,
            records,
            identity,
            next_record: identity.first,
        })
    }

    /// Makes known who has the store.
    pub(super) fn announce(&self, owner: &Owner) -> Result<(), Error> {
        owner::write(&self.folder, owner).map_err(|error| {
            file::failed(&self.folder, format!("the owner file cannot be written: {error}")).caused_by(error)
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
        let result = self.with(|database, records| {
            let transaction = database.begin_write()?;
            {
                let mut intents = transaction.open_table(INTENTS)?;
                let mut history = transaction.open_table(HISTORY)?;
                let mut owed = journal::Owed::open(&transaction)?;
                for edit in edits {
                    match edit {
                        Edit::Open(id, intent) => {
                            let record = records.json(Place::Intent(*id), intent);
                            intents.insert(id, record.as_slice())?;
                        }
                        Edit::Close(id) => {
                            intents.remove(id)?;
                        }
                        Edit::Record(invalidation) => {
                            let record = records.json(Place::History(next), invalidation);
                            history.insert(next, record.as_slice())?;
                            next += 1;
                        }
                        Edit::Append(id, record) => owed.append(*id, record, records)?,
                        Edit::Remove(shard, ids) => owed.remove(shard, ids)?,
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
        self.with(|database, records| {
            let intents = database.begin_read()?.open_table(INTENTS)?;
            intents
                .range(..first)?
                .map(|entry| {
                    let (id, record) = entry?;
                    Ok((id.value(), intent(id.value(), record.value(), records)))
                })
                .collect()
        })
    }

    /// What is owed to this shard, oldest first.
    pub(super) fn remaining(&mut self, shard: &ShardName) -> Result<Vec<(RecordId, Record)>, Error> {
        self.with(|database, records| journal::remaining(database, records, shard))
    }

    /// The newest `limit` invalidations, newest first.
    pub(super) fn history(&mut self, limit: usize) -> Result<Vec<Invalidation>, Error> {
        self.with(|database, records| {
            let history = database.begin_read()?.open_table(HISTORY)?;
            let mut newest = Vec::new();
            for entry in history.iter()?.rev().take(limit) {
                let (id, record) = entry?;
                match records.record(Place::History(id.value()), record.value()) {
                    Ok(invalidation) => newest.push(invalidation),
                    Err(why) => {
                        tracing::warn!(
                            id = id.value(),
                            why,
                            "an unreadable record of the history was left out"
                        )
                    }
                }
            }
            Ok(newest)
        })
    }

    /// Uses the database, opening it again after an earlier failure and closing it after one now: redb refuses
    /// everything once the disk has failed, even when the disk is back.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database, &Records) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => file::open(&self.folder, FILE)?,
        };
        match work(&database, &self.records) {
            Ok(value) => {
                self.database = Some(database);
                Ok(value)
            }
            Err(error) => Err(file::failed(&self.folder, error.to_string()).caused_by(error)),
        }
    }
}

/// Why a store is not taken.
enum Refusal {
    Newer(u64),
    Sealed(Unreadable),
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
            Refusal::Newer(format) => file::failed(
                folder,
                format!(
                    "it was written by a newer version (format {format}, this one knows {FORMAT_MAX}): \
                     use that version, or another folder"
                ),
            ),
            Refusal::Sealed(unreadable) => reseal::refused(folder, unreadable),
            Refusal::Failed(error) => file::failed(folder, error.to_string()).caused_by(error),
        }
    }
}

/// Checks the format before anything is written.
fn is_known(database: &Database) -> Result<(), Refusal> {
    match database.begin_read()?.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => Ok(()),
        meta => match meta?.get("format")?.map(|format| format.value()) {
            Some(format) if format > FORMAT_MAX => Err(Refusal::Newer(format)),
            _ => Ok(()),
        },
    }
}

/// Counts this start.
fn begin(database: &Database, records: &Records) -> Result<Identity, Refusal> {
    let transaction = database.begin_write()?;
    let identity = {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", records.format())?;
        let starts = meta.get("starts")?.map_or(0, |starts| starts.value()) + 1;
        meta.insert("starts", starts)?;
        let secret = secret(&transaction, records)?;
        transaction.open_table(INTENTS)?;
        transaction.open_table(HISTORY)?;
        journal::Owed::open(&transaction)?;
        // Counted, so that no two starts are alike; random too, should the file be put back from a copy.
        let era = (starts << 32) | u64::from(u32::from_le_bytes(records.random()));
        Identity { era, secret, first: starts << 32 }
    };
    transaction.commit()?;
    Ok(identity)
}

/// The key of principals, which is made with the store.
fn secret(transaction: &WriteTransaction, records: &Records) -> Result<[u8; 32], Refusal> {
    if records.keys().is_none() {
        let mut secrets = transaction.open_table(SECRETS)?;
        let kept = secrets.get(PRINCIPALS)?.map(|secret| secret.value());
        let secret = kept.unwrap_or_else(|| records.random());
        secrets.insert(PRINCIPALS, secret)?;
        return Ok(secret);
    }
    let mut secrets = transaction.open_table(SEALED)?;
    let kept = secrets.get(PRINCIPALS)?.map(|sealed| records.read(Place::Principals, sealed.value()));
    match kept {
        Some(opened) => {
            let secret = opened.map_err(Refusal::Sealed)?;
            secret.try_into().map_err(|_| Refusal::Sealed(Unreadable::Damaged))
        }
        None => {
            let secret: [u8; 32] = records.random();
            secrets.insert(PRINCIPALS, records.write(Place::Principals, &secret).as_slice())?;
            Ok(secret)
        }
    }
}

/// An intent whose record cannot be read any more may have been about anything: everything is invalidated.
fn intent(id: IntentId, record: &[u8], records: &Records) -> Intent {
    records.record(Place::Intent(id), record).unwrap_or_else(|why| {
        tracing::warn!(
            id,
            why,
            "an unreadable record of a write: everything will be invalidated in its place"
        );
        Intent { write: "unreadable record".to_owned(), targets: vec![Target::Everything], at: 0 }
    })
}
