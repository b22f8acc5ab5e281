//! One connection: how it is opened, how a statement on it is given its parameters and its time limit.

use std::{sync::Weak, time::Duration};

use alacena_core::{
    declared::{Parameters, Scalar},
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use rusqlite::{Connection, MAIN_DB, OpenFlags, Statement};

use super::{SqliteSettings, failure};

/// How long a read waits for a writer of the file to finish, before it is answered as failed.
const BUSY_WAIT: Duration = Duration::from_millis(250);
/// Statements that each connection keeps prepared.
const PREPARED_MAX: usize = 128;
/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

/// Opens the file, read-only or read-write as `access` says; never creates it.
pub(super) fn open(settings: &SqliteSettings, access: OpenFlags) -> Result<Connection, Error> {
    let unreachable = |detail: String| {
        Error::new(&catalogue::SOURCE_UNREACHABLE, detail)
            .with("source", &settings.name)
            .with("path", settings.path.display())
    };
    // SQLite opens a folder and only then fails to read it; a missing file deserves its own words too.
    match settings.path.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(unreachable("`path` names no file".to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let detail = "there is no such file: create the database first, or mend `path` of the source";
            return Err(unreachable(detail.to_owned()));
        }
        Err(error) => return Err(unreachable(format!("the file cannot be opened: {error}"))),
    }
    let refuse = |error: rusqlite::Error| {
        unreachable(format!("the file cannot be opened: {}", failure::reason(&error))).caused_by(error)
    };
    let connection = Connection::open_with_flags(&settings.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(refuse)?;
    let writes = access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE);
    connection.busy_timeout(settings.statement_timeout).map_err(refuse)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    // Nothing is read before the first statement: ask now whether this is a database at all.
    connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(())).map_err(refuse)?;
    if writes && connection.is_readonly(MAIN_DB).map_err(refuse)? {
        return Err(unreachable("the file cannot be written: check its permissions".to_owned()));
    }
    if !writes {
        connection.pragma_update(None, "query_only", true).map_err(refuse)?;
        connection.busy_timeout(BUSY_WAIT.min(settings.statement_timeout)).map_err(refuse)?;
    }
    Ok(connection)
}

/// Gives the statement's parameters, named in the order of SQLite's own numbering, the values of one call. What has
/// no value is NULL.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    names: &[String],
    values: &Parameters,
) -> rusqlite::Result<()> {
    for (at, name) in names.iter().enumerate() {
        let number = at + 1;
        match values.get(name) {
            None => statement.raw_bind_parameter(number, rusqlite::types::Null)?,
            Some(Scalar::Integer(value)) => statement.raw_bind_parameter(number, value)?,
            Some(Scalar::Number(value)) => statement.raw_bind_parameter(number, value)?,
            Some(Scalar::Boolean(value)) => statement.raw_bind_parameter(number, value)?,
            Some(Scalar::Text(value)) => statement.raw_bind_parameter(number, value)?,
        }
    }
    Ok(())
}

/// Runs `work` and interrupts its statement once it has run for `limit`, or once whoever asked (`caller`, where
/// there is one) is gone.
///
/// SQLite asks us, from the thread that runs the statement: an interrupt from outside could arrive before the
/// statement begins and be lost, or after its end and hit the next.
pub(super) fn limited<T>(
    connection: &mut Connection,
    runtime: &SharedRuntime,
    limit: Duration,
    caller: Option<Weak<()>>,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let deadline = runtime.now() + limit;
    let clock = SharedRuntime::clone(runtime);
    let over =
        move || clock.now() >= deadline || caller.as_ref().is_some_and(|caller| caller.strong_count() == 0);
    let handled = |error: rusqlite::Error| failure::at_run_time(&error, limit);
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(over)).map_err(handled)?;
    let result = work(connection);
    connection.progress_handler(0, None::<fn() -> bool>).map_err(handled)?;
    result
}
