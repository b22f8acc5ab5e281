//! The table itself: what it may be called, what it looks like, and the statements on it.

use alacena_core::error::{Error, catalogue};
use rusqlite::{Connection, OptionalExtension};

use super::{SqliteSettings, failure};

/// Longest name of a table, in bytes.
const NAME_BYTES_MAX: usize = 63;
const COLUMNS: [&str; 5] = ["id", "targets", "at", "shard", "record"];

/// The statements, for one table.
pub(super) struct Sql {
    pub(super) append: String,
    pub(super) remaining: String,
    pub(super) remove: String,
    pub(super) rows: String,
    pub(super) remove_row: String,
}

/// Refuses what is no plain name of a table.
pub(super) fn check_name(table: &str) -> Result<(), Error> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let begins_well = !table.starts_with(|letter: char| letter.is_ascii_digit());
    let is_name = !table.is_empty() && table.len() <= NAME_BYTES_MAX && table.chars().all(is_letter);
    if is_name && begins_well && !table.to_ascii_lowercase().starts_with("sqlite_") {
        return Ok(());
    }
    let detail = format!(
        "the name of an outbox has letters, digits and `_`, begins with no digit and not with `sqlite_`, and is at most \
         {NAME_BYTES_MAX} long"
    );
    Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail))
}

/// Makes the table, or checks that it is one of ours.
pub(super) fn prepare(connection: &Connection, table: &str, settings: &SqliteSettings) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| failure::at_run_time(&error, settings.statement_timeout);
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    let made = || {
        let sql = "select type, lower(sql) from sqlite_schema where lower(name) = lower(?1)";
        connection
            .query_row(sql, [table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .optional()
    };
    if made().map_err(failed)?.is_none() {
        connection.execute_batch(&Sql::create(table)).map_err(failed)?;
    }
    let lacks = |what: &str| {
        let detail = format!("it is there already and is no outbox, for it has no {what}: name another one");
        Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail))
    };
    match made().map_err(failed)? {
        Some((kind, sql)) if kind == "table" => {
            if !sql.contains("autoincrement") {
                return lacks("`id integer primary key autoincrement`");
            }
        }
        _ => return lacks("rows of its own"),
    }
    for column in COLUMNS {
        let sql = "select 1 from pragma_table_info(?1) where lower(name) = ?2";
        if !connection.prepare(sql).and_then(|mut sql| sql.exists([table, column])).map_err(failed)? {
            return lacks(&format!("column `{column}`"));
        }
    }
    Ok(())
}

impl Sql {
    /// For every version of SQLite that an application may have, since it is its versions, too, that read and fill the
    /// table: no `strict`, no `unixepoch`.
    fn create(table: &str) -> String {
        format!(
            "create table if not exists \"{table}\" (
                id integer primary key autoincrement,
                targets text,
                at integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer)),
                shard text,
                record blob,
                check ((targets is null) <> (record is null))
            )"
        )
    }

    pub(super) fn of(table: &str) -> Self {
        Self {
            append: format!("insert into \"{table}\" (at, shard, record) values (?1, ?2, ?3)"),
            remaining: format!(
                "select id, record from \"{table}\" where shard = ?1 and record is not null order by id"
            ),
            remove: format!("delete from \"{table}\" where id = ?1 and shard = ?2 and record is not null"),
            rows: format!(
                "select id, targets from \"{table}\" where targets is not null order by id limit ?1"
            ),
            remove_row: format!("delete from \"{table}\" where id = ?1 and targets is not null"),
        }
    }
}
