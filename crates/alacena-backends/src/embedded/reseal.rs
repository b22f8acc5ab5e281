//! A store under another key than the one it was written with: it is written anew, whole, at the start.
//!
//! The store is small, so nothing has to be sealed again bit by bit, and the key before is needed for one start only.
//! A new file, because the pages of the old one go on holding what was written in them.
//!
//! ```text
//!   the file holds     is configured         then
//!   nothing            anything              it is written so from the beginning
//!   readable records   no key                nothing
//!   readable records   a key                 every record is sealed, in a new file
//!   sealed records     their key             nothing
//!   sealed records     theirs as previous    every record is sealed again, in a new file
//!   sealed records     another key, or none  refused
//! ```

use std::{fmt::Display, path::Path};

use alacena_core::{
    envelope::{Header, KeyId, Unreadable},
    error::{Error, catalogue},
};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};

use super::{
    file,
    journal::JOURNAL,
    records::{Place, Records},
    store::{HISTORY, INTENTS, META, PRINCIPALS, SEALED, SECRETS},
};

/// How a store is written.
enum Written {
    /// Not at all yet.
    Nothing,
    Readable,
    Sealed(KeyId),
}

/// A store whose records are written as they should be.
pub(super) struct Resealed {
    pub(super) database: Database,
    /// The file before it was written anew, still locked: who opened it a moment ago must find it taken.
    pub(super) former: Option<Database>,
}

/// Makes sure that the store in `folder` is written as `records` writes.
pub(super) fn resealed(folder: &Path, database: Database, records: &Records) -> Result<Resealed, Error> {
    file::remove_draft(folder);
    let failed = |error: redb::Error| file::failed(folder, error.to_string()).caused_by(error);
    let written = written(&database).map_err(failed)?;
    let written = written.map_err(|unreadable| refused(folder, unreadable))?;
    if is_right(folder, &written, records)? {
        return Ok(Resealed { database, former: None });
    }
    let anew = file::open(folder, file::FILE_DRAFT)?;
    copy(&database, &anew, &written, records).map_err(failed)?;
    file::replace(folder)?;
    tracing::info!("the store has been written anew, sealed with the configured key");
    Ok(Resealed { database: anew, former: Some(database) })
}

fn is_right(folder: &Path, written: &Written, records: &Records) -> Result<bool, Error> {
    match (written, records.keys()) {
        (Written::Nothing, _) | (Written::Readable, None) => Ok(true),
        (Written::Readable, Some(_)) => Ok(false),
        (Written::Sealed(id), Some(keys)) if *id == keys.current() => Ok(true),
        (Written::Sealed(id), Some(keys)) if keys.opens(*id) => Ok(false),
        (Written::Sealed(id), Some(keys)) => {
            let ours = keys.current();
            Err(refused(folder, format!("it is sealed with the key {id}, and the key configured is {ours}")))
        }
        (Written::Sealed(id), None) => {
            Err(refused(folder, format!("it is sealed with the key {id}, and no key is configured")))
        }
    }
}

/// The store in `folder` is sealed, and cannot be opened.
pub(super) fn refused(folder: &Path, why: impl Display) -> Error {
    Error::new(&catalogue::STORE_SEALED, why.to_string()).with("path", folder.display())
}

/// Tells by the secret, which every store has.
fn written(database: &Database) -> Result<Result<Written, Unreadable>, redb::Error> {
    let transaction = database.begin_read()?;
    if let Some(sealed) = found(transaction.open_table(SEALED))?
        && let Some(secret) = sealed.get(PRINCIPALS)?
    {
        return Ok(Header::read(secret.value()).map(|(header, _)| Written::Sealed(header.key)));
    }
    let is_begun = found(transaction.open_table(META))?.is_some();
    Ok(Ok(if is_begun { Written::Readable } else { Written::Nothing }))
}

/// The table, if it is there.
fn found<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes everything that `from` holds into `to`, as `records` writes.
fn copy(from: &Database, to: &Database, written: &Written, records: &Records) -> Result<(), redb::Error> {
    let (old, new) = (from.begin_read()?, to.begin_write()?);
    {
        let mut meta = new.open_table(META)?;
        for entry in old.open_table(META)?.iter()? {
            let (name, number) = entry?;
            meta.insert(name.value(), number.value())?;
        }
        meta.insert("format", records.format())?;
    }
    let secret = match written {
        Written::Sealed(_) => old.open_table(SEALED)?.get(PRINCIPALS)?.map(|secret| secret.value().to_vec()),
        _ => old.open_table(SECRETS)?.get(PRINCIPALS)?.map(|secret| secret.value().to_vec()),
    };
    let again = |place, record: &[u8]| again(place, record, written, records);
    if let Some(secret) = secret {
        new.open_table(SEALED)?.insert(PRINCIPALS, again(Place::Principals, &secret).as_slice())?;
    }
    copy_table(&old, &new, INTENTS, |id, record| again(Place::Intent(id), record))?;
    copy_table(&old, &new, HISTORY, |id, record| again(Place::History(id), record))?;
    copy_table(&old, &new, JOURNAL, |(shard, id), record| again(Place::Journal(shard, id), record))?;
    Ok(new.commit()?)
}

fn copy_table<K>(
    old: &ReadTransaction,
    new: &WriteTransaction,
    name: TableDefinition<'_, K, &'static [u8]>,
    again: impl Fn(K, &[u8]) -> Vec<u8>,
) -> Result<(), redb::Error>
where
    K: redb::Key + for<'k> redb::Value<SelfType<'k> = K> + Copy,
{
    let mut table = new.open_table(name)?;
    // A store of an earlier version may not have it yet.
    let Some(old) = found(old.open_table(name))? else { return Ok(()) };
    for entry in old.iter()? {
        let (id, record) = entry?;
        table.insert(id.value(), again(id.value(), record.value()).as_slice())?;
    }
    Ok(())
}

/// A record as it is to be written now. One that cannot be opened stays as it is, and unreadable: sealed by us, what
/// somebody else has put into a sealed store would be believed.
fn again(place: Place, record: &[u8], written: &Written, records: &Records) -> Vec<u8> {
    match written {
        Written::Sealed(_) => match records.read(place, record) {
            Ok(content) => records.write(place, &content),
            Err(_) => record.to_vec(),
        },
        Written::Readable | Written::Nothing => records.write(place, record),
    }
}
