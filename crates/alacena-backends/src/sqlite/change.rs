//! A declared write, prepared: one statement in one transaction on the one connection that writes.
//!
//! Everything before COMMIT is definite, because SQLite says so: what failed is rolled back. Only a COMMIT that
//! fails in an unexpected way leaves the outcome unknown.

use std::sync::Arc;

use alacena_core::{
    error::Error,
    runtime::{BoxFuture, SharedRuntime},
    source::{Call, Deliver, Delivery},
    value::Body,
};
use rusqlite::{Connection, ErrorCode};

use super::{SqliteSettings, connection, failure, pool::Pool, sql};

pub(super) struct Change {
    runtime: SharedRuntime,
    pool: Arc<Pool>,
    statement: Arc<Statement>,
}

struct Statement {
    settings: Arc<SqliteSettings>,
    sql: String,
    names: Vec<String>,
    /// Whether its answer names the row that it inserted.
    inserts: bool,
}

impl Change {
    pub(super) fn new(
        settings: Arc<SqliteSettings>,
        runtime: SharedRuntime,
        pool: Arc<Pool>,
        sql: &str,
    ) -> Result<Self, Error> {
        let names = sql::named_parameters(sql)?;
        let statement =
            Statement { settings, sql: sql.to_owned(), names, inserts: sql::is_plain_insert(sql) };
        Ok(Self { runtime, pool, statement: Arc::new(statement) })
    }
}

impl Deliver for Change {
    /// Dropping the future does not stop a write that has begun.
    fn deliver(&self, call: Call) -> BoxFuture<'static, Delivery> {
        let (pool, runtime) = (Arc::clone(&self.pool), SharedRuntime::clone(&self.runtime));
        let statement = Arc::clone(&self.statement);
        let source = Arc::clone(&self.statement.settings);
        Box::pin(async move {
            let named = |error: Error| error.with("source", &source.name);
            match pool.run(move |connection| statement.apply(connection, &runtime, &call)).await {
                Ok(Delivery::Done(body)) => Delivery::Done(body),
                Ok(Delivery::Refused(error)) => Delivery::Refused(named(error)),
                Ok(Delivery::Unknown(error)) | Err(error) => Delivery::Unknown(named(error)),
            }
        })
    }
}

impl Statement {
    fn apply(&self, connection: &mut Connection, runtime: &SharedRuntime, call: &Call) -> Delivery {
        if let Err(error) = self.begin(connection) {
            return Delivery::Refused(self.failed(&error));
        }
        let limit = self.settings.statement_timeout;
        let executed = connection::limited(connection, runtime, limit, None, |connection| {
            self.execute(connection, call)
        });
        let body = match executed {
            Ok(body) => body,
            Err(error) => return undo(connection, error),
        };
        match connection.execute_batch("COMMIT") {
            Ok(()) => Delivery::Done(body),
            Err(error) => self.uncommitted(connection, &error),
        }
    }

    fn begin(&self, connection: &Connection) -> rusqlite::Result<()> {
        if !connection.is_autocommit() {
            // An earlier write could not even be rolled back; the disk may have come back since.
            connection.execute_batch("ROLLBACK")?;
        }
        connection.execute_batch("BEGIN IMMEDIATE")
    }

    fn execute(&self, connection: &Connection, call: &Call) -> Result<Body, Error> {
        let run = || {
            let mut statement = connection.prepare_cached(&self.sql)?;
            connection::bind(&mut statement, &self.names, &call.parameters)?;
            statement.raw_execute()
        };
        let rows_affected = run().map_err(|error| self.failed(&error))?;
        let last = (self.inserts && rows_affected > 0).then(|| connection.last_insert_rowid());
        let last = last.map_or_else(|| "null".to_owned(), |id| id.to_string());
        Ok(Body::json(format!(r#"{{"rowsAffected":{rows_affected},"lastInsertId":{last}}}"#)))
    }

    /// A COMMIT that SQLite refuses because of a deferred constraint or of readers leaves the transaction open, as
    /// if it had not been tried. Whatever else goes wrong there may have happened after the point of no return.
    fn uncommitted(&self, connection: &Connection, error: &rusqlite::Error) -> Delivery {
        let refused = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        ) && !connection.is_autocommit();
        match undo(connection, self.failed(error)) {
            Delivery::Refused(error) if !refused => Delivery::Unknown(error),
            other => other,
        }
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        failure::at_run_time(error, self.settings.statement_timeout)
    }
}

/// Makes sure that nothing of the transaction remains.
fn undo(connection: &Connection, error: Error) -> Delivery {
    // SQLite rolls back by itself after an interrupt, a full disk and the like.
    if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
        Delivery::Refused(error)
    } else {
        Delivery::Unknown(error)
    }
}
