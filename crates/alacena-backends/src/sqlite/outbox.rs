//! A table in a declared database: what is owed to the second tier, and what the application's own transactions
//! invalidate.
//!
//! It survives with the database, where the disk of the process does not. Two kinds of rows share it:
//!
//! ```sql
//! create table alacena_outbox (
//!     id integer primary key autoincrement,   -- never given twice
//!     targets text,                           -- rows of the application: a JSON array of targets
//!     at integer not null default (…),        -- when, in milliseconds since 1970, for people
//!     shard text,                             -- rows of Alacena: whose,
//!     record blob,                            -- and what is owed; sealed where a key is configured
//!     check ((targets is null) <> (record is null))
//! );
//!
//! -- What an application says, in the transaction that changes its data:
//! insert into alacena_outbox (targets) values ('[{"tag": "company:42"}, {"key": "jobs:7"}]');
//! ```
//!
//! Rows are inserted and removed, never changed. Several nodes may share a table: each also brings to its shards what
//! another one has written down and cannot bring, within seconds.
//!
//! Everything happens on a connection of its own, one thing at a time, so that nothing here waits for reads or writes of
//! the application's making. Its commits wait for the disk (`synchronous = full`) whatever the database says otherwise.

use std::sync::Arc;

use alacena_core::{
    envelope::{SealKeys, Subject},
    error::Error,
    journal::{Journal, Outbox, OutboxRow, Record, RecordId, ShardName},
    runtime::{BoxFuture, SharedRuntime},
};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, types::Value};

use super::{SqliteSettings, SqliteSource, connection, failure, pool::Pool};
use table::Sql;

mod table;

/// Rows removed in one transaction, so that the application never waits long for its turn to write.
const REMOVED_AT_ONCE_MAX: usize = 500;

/// The table of one database that a [`Journal`] and an [`Outbox`] are kept in.
///
/// ```
/// use alacena_backends::sqlite::{SqliteSettings, SqliteSource};
/// use alacena_core::{journal::Outbox, ledger::Target};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// # let application = rusqlite::Connection::open(&path)?;
/// # application.execute_batch("create table items (id integer primary key, price real); insert into items values (7, 1)")?;
/// # let runtime = Arc::new(alacena_testkit::FakeRuntime::new(1));
/// let source = SqliteSource::open(SqliteSettings::new("shop", path), runtime)?;
/// let outbox = source.outbox("alacena_outbox", None)?;
///
/// application.execute_batch(r#"
///     begin;
///     update items set price = 3 where id = 7;
///     insert into alacena_outbox (targets) values ('[{"tag": "item:7"}]');
///     commit;
/// "#)?;
/// assert_eq!(outbox.rows(10).await?[0].targets, [Target::Tag("item:7".into())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqliteOutbox {
    settings: Arc<SqliteSettings>,
    runtime: SharedRuntime,
    pool: Pool,
    table: String,
    sql: Arc<Sql>,
    /// `None`: records are written as they are.
    keys: Option<SealKeys>,
}

impl SqliteSource {
    /// The table of this name as an outbox; it is made where it is missing. With `keys`, what Alacena writes into it is
    /// sealed; what applications write is as they write it.
    ///
    /// Blocking: for the start of a process.
    ///
    /// # Errors
    /// `Invalid` where the name is none, or is that of something that is no outbox. `Unavailable` where the database
    /// cannot be written.
    pub fn outbox(&self, table: &str, keys: Option<SealKeys>) -> Result<Arc<SqliteOutbox>, Error> {
        let name = &self.settings.name;
        let named = |error: Error| error.with("source", name).with("table", table);
        table::check_name(table).map_err(named)?;
        let connection = connection::open(&self.settings, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        table::prepare(&connection, table, &self.settings).map_err(named)?;
        Ok(Arc::new(SqliteOutbox {
            settings: Arc::clone(&self.settings),
            runtime: Arc::clone(&self.runtime),
            pool: Pool::start(name, vec![connection])?,
            table: table.to_owned(),
            sql: Arc::new(Sql::of(table)),
            keys,
        }))
    }
}

impl SqliteOutbox {
    /// Does `work` on the connection, within the time limit of a statement.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Sql) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (runtime, sql) = (Arc::clone(&self.runtime), Arc::clone(&self.sql));
        let limit = self.settings.statement_timeout;
        let done = self.pool.run(move |connection| {
            connection::limited(connection, &runtime, limit, None, |connection| {
                work(connection, &sql).map_err(|error| failure::at_run_time(&error, limit))
            })
        });
        let done = done.await.and_then(|done| done);
        done.map_err(|error| error.with("source", &self.settings.name).with("table", &self.table))
    }

    /// As it stands in the table: text for whoever looks, or sealed.
    fn written(&self, record: &Record) -> Value {
        let json =
            serde_json::to_string(record).expect("records have text keys and no map can fail to be written");
        match &self.keys {
            None => Value::Text(json),
            Some(keys) => {
                let mut nonce = [0; 24];
                let draw = |chunk: &mut [u8]| chunk.copy_from_slice(&self.runtime.random().to_le_bytes());
                nonce.chunks_mut(8).for_each(draw);
                Value::Blob(keys.seal(&subject(&record.shard), json.as_bytes(), nonce))
            }
        }
    }

    /// Removes rows a few at a time; `what` is their statement with all that it takes beside the number of a row.
    async fn remove_all(
        &self,
        rows: Vec<u64>,
        remove: impl Fn(&Connection, &Sql, i64) -> rusqlite::Result<usize> + Clone + Send + 'static,
    ) -> Result<(), Error> {
        for some in rows.chunks(REMOVED_AT_ONCE_MAX) {
            let (some, remove) = (some.to_vec(), remove.clone());
            self.run(move |connection, sql| {
                if !connection.is_autocommit() {
                    // An earlier one could not even be rolled back; the disk may have come back since.
                    connection.execute_batch("ROLLBACK")?;
                }
                let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
                for id in some {
                    remove(connection, sql, id.cast_signed())?;
                }
                transaction.commit()
            })
            .await?;
        }
        Ok(())
    }
}

fn subject(shard: &ShardName) -> Subject {
    Subject::new("alacena outbox record v1", shard.as_str().as_bytes())
}

/// A record; what stands for it where it cannot be read.
fn read(keys: Option<&SealKeys>, shard: &ShardName, id: RecordId, written: &[u8]) -> Record {
    let opened = match keys {
        None => Ok(written.to_vec()),
        Some(keys) => keys.open(&subject(shard), written).map_err(|unreadable| unreadable.to_string()),
    };
    // What serde says of it may hold a part of it.
    let not_ours = |_| "it is not what is written there".to_owned();
    let record = opened.and_then(|json| serde_json::from_slice::<Record>(&json).map_err(not_ours));
    let why = match record {
        Ok(record) if record.shard == *shard => return record,
        Ok(_) => "it is of another shard".to_owned(),
        Err(why) => why,
    };
    tracing::warn!(
        id,
        why,
        "an unreadable invalidation: everything on its shard will be invalidated in its place"
    );
    Record::unreadable(shard.clone())
}

impl Journal for SqliteOutbox {
    fn is_durable(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<RecordId, Error>> {
        Box::pin(async move {
            let written = self.written(&record);
            self.run(move |connection, sql| {
                let at = i64::try_from(record.at).unwrap_or(i64::MAX);
                connection.prepare_cached(&sql.append)?.execute((at, record.shard.as_str(), written))?;
                Ok(connection.last_insert_rowid().cast_unsigned())
            })
            .await
        })
    }

    fn remaining(&self, shard: &ShardName) -> BoxFuture<'_, Result<Vec<(RecordId, Record)>, Error>> {
        let (shard, keys) = (shard.clone(), self.keys.clone());
        Box::pin(self.run(move |connection, sql| {
            let mut statement = connection.prepare_cached(&sql.remaining)?;
            let mut rows = statement.query([shard.as_str()])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get::<_, i64>(0)?.cast_unsigned();
                // A number is nothing that we have written.
                let written = row.get_ref(1)?.as_bytes().unwrap_or_default();
                records.push((id, read(keys.as_ref(), &shard, id, written)));
            }
            Ok(records)
        }))
    }

    fn remove(&self, shard: &ShardName, records: Vec<RecordId>) -> BoxFuture<'_, Result<(), Error>> {
        let shard = shard.clone();
        Box::pin(self.remove_all(records, move |connection, sql, id| {
            connection.prepare_cached(&sql.remove)?.execute((id, shard.as_str()))
        }))
    }
}

impl Outbox for SqliteOutbox {
    fn rows(&self, limit: usize) -> BoxFuture<'_, Result<Vec<OutboxRow>, Error>> {
        Box::pin(self.run(move |connection, sql| {
            let mut statement = connection.prepare_cached(&sql.rows)?;
            let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get::<_, i64>(0)?.cast_unsigned();
                found.push(OutboxRow::of_text(id, row.get_ref(1)?.as_str().ok()));
            }
            Ok(found)
        }))
    }

    fn remove_rows(&self, rows: Vec<u64>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.remove_all(rows, |connection, sql, id| {
            connection.prepare_cached(&sql.remove_row)?.execute([id])
        }))
    }
}

impl std::fmt::Debug for SqliteOutbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteOutbox")
            .field("settings", &self.settings)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}
