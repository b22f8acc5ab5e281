//! SQLite's errors in the words of the catalogue.
//!
//! At start the message of SQLite is passed on: it is about the author's own SQL. At run time only the name of the
//! failure is, because a message can carry values (`RAISE` in a trigger does).

use std::time::Duration;

use alacena_core::error::{Error, catalogue};
use rusqlite::{ErrorCode, ffi};

/// When a lock of another process is worth another try.
const RETRY_BUSY: Duration = Duration::from_millis(200);
/// When anything else that may pass is.
const RETRY_FAILED: Duration = Duration::from_secs(1);

/// SQL that SQLite does not accept.
pub(super) fn unprepared(error: &rusqlite::Error, source: &str) -> Error {
    let detail = match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } if *offset >= 0 => {
            format!("the SQL is not accepted: {msg}, at character {}", *offset + 1)
        }
        rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg)) => {
            format!("the SQL is not accepted: {msg}")
        }
        other => format!("the SQL is not accepted: {}", reason(other)),
    };
    Error::new(&catalogue::CONFIGURATION_INVALID, detail).with("source", source)
}

/// A statement that did not come to its end.
pub(super) fn at_run_time(error: &rusqlite::Error, limit: Duration) -> Error {
    let reason = reason(error);
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => Error::new(
            &catalogue::SOURCE_TIMEOUT,
            format!("the statement ran longer than statement_timeout of the source, {limit:?}"),
        )
        .retry_after(RETRY_FAILED),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(&catalogue::SOURCE_FAILED, "the database is locked by another process")
                .retry_after(RETRY_BUSY)
        }
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            Error::new(&catalogue::SOURCE_REFUSED, reason)
        }
        Some(ErrorCode::TooBig) => Error::new(&catalogue::ANSWER_TOO_LARGE, reason),
        Some(
            ErrorCode::SystemIoFailure | ErrorCode::DiskFull | ErrorCode::CannotOpen | ErrorCode::OutOfMemory,
        ) => Error::new(&catalogue::SOURCE_FAILED, reason).retry_after(RETRY_FAILED),
        _ => Error::new(&catalogue::SOURCE_FAILED, reason),
    }
}

/// What SQLite calls this failure: its kind, never a message with values.
pub(super) fn reason(error: &rusqlite::Error) -> &'static str {
    let Some(failure) = error.sqlite_error() else {
        return "the statement does not fit the database any more";
    };
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_ROWID => "a UNIQUE constraint is violated",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "the primary key exists already",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "a NOT NULL constraint is violated",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "a foreign key is violated",
        ffi::SQLITE_CONSTRAINT_CHECK => "a CHECK constraint is violated",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "a trigger refused the change",
        ffi::SQLITE_CONSTRAINT_DATATYPE | ffi::SQLITE_MISMATCH => "a value has the wrong type for its column",
        code => ffi::code_to_str(code),
    }
}
