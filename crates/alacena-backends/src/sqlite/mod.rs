//! An SQLite file as a source: declared SQL with named parameters, rows as JSON.
//!
//! The path of a read: [`SqliteSource::read`] checks the SQL once, at start (`sql` looks at its words, SQLite itself
//! at the rest); [`Fetch::fetch`] waits for a free connection of the `pool`, binds the parameters, and `rows` writes
//! the answer as JSON text while SQLite steps through it. Several statements of one read see one state of the database
//! (`question`). A write takes the same path on a connection of its own (`change`), and so does what is kept in the database
//! until it is invalidated ([`SqliteOutbox`]).
//!
//! Limits: the connections, the time of a statement, the rows and the bytes of an answer. How many callers may wait
//! for a connection is the bulkhead's business. Nothing here creates a database.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alacena_core::{
    error::{Error, catalogue},
    runtime::SharedRuntime,
    source::{Deliver, Fetch},
};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

mod sql;
mod connection;
mod pool;
mod question;
mod columns;
mod rows;
mod change;
mod outbox;
mod failure;

pub use outbox::SqliteOutbox;
pub use sql::{Purpose, check, named_parameters};

use pool::Pool;
use question::{Asked, Question, Statement};

/// Most queries of one read.
pub const QUERIES_MAX: usize = 16;

/// How an SQLite file is used.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// The source's name, for errors and thread names.
    pub name: String,
    /// The file. It must exist.
    pub path: PathBuf,
    /// Connections for reads, each with a thread. Zero counts as one.
    pub connections: usize,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// Most rows of one answer.
    pub rows_max: usize,
    /// Most bytes of one answer, as JSON text.
    pub body_bytes_max: usize,
}

impl SqliteSettings {
    /// The file at `path` with the defaults: 4 connections, 2 s, 10,000 rows, 2 MiB.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            connections: 4,
            statement_timeout: Duration::from_secs(2),
            rows_max: 10_000,
            body_bytes_max: 2 * 1024 * 1024,
        }
    }
}

/// What becomes of the rows of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An array of objects, one a row.
    Rows,
    /// The first row as an object; no row means that there is no such thing.
    Row,
}

/// The SQL of a declared read.
#[derive(Clone, Debug)]
pub struct SqlQuestion {
    /// One statement that changes nothing, with parameters written `:name`.
    pub sql: String,
    /// What becomes of its rows.
    pub shape: Shape,
}

/// An SQLite file that declared reads and writes are prepared on.
///
/// Integers, reals and text become JSON numbers and strings, NULL and infinities `null`, blobs base64 strings. An
/// optional parameter that is absent is NULL, a boolean 0 or 1.
///
/// ```
/// use alacena_backends::sqlite::{Shape, SqlQuestion, SqliteSettings, SqliteSource};
/// use alacena_core::{declared::{Parameter, Parameters, ScalarKind}, source::{Call, Fetched}};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// # rusqlite::Connection::open(&path)?.execute_batch("create table items (id, name); insert into items values (7, 'cup')")?;
/// # let runtime = Arc::new(alacena_testkit::FakeRuntime::new(1));
/// let source = SqliteSource::open(SqliteSettings::new("shop", path), runtime)?;
/// let sql = "select id, name from items where id = :id".to_owned();
/// let item = source.read(&SqlQuestion { sql, shape: Shape::Row })?;
///
/// let declared = [Parameter::required("id", ScalarKind::Integer)];
/// let parameters = Arc::new(Parameters::from_text(&declared, [("id", "7")])?);
/// let answer = item.fetch(Call { parameters, ..Call::default() }).await?;
/// let Fetched::Found { body, .. } = answer else { panic!("the item is there") };
/// assert_eq!(body.bytes().as_ref(), br#"{"id":7,"name":"cup"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqliteSource {
    settings: Arc<SqliteSettings>,
    runtime: SharedRuntime,
    reads: Arc<Pool>,
    /// The one connection for writes, opened with the first of them. Guards only this field, at start.
    writes: Mutex<Option<Arc<Pool>>>,
    /// Where statements are tried before they are accepted. Used at start only, by one caller at a time.
    trial: Mutex<Connection>,
}

impl SqliteSource {
    /// Opens the file.
    ///
    /// # Errors
    /// `Unavailable` when the file is missing or cannot be read, `Invalid` when it is no SQLite database.
    pub fn open(settings: SqliteSettings, runtime: SharedRuntime) -> Result<Self, Error> {
        let reading = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connections = (0..settings.connections.max(1))
            .map(|_| connection::open(&settings, reading))
            .collect::<Result<Vec<_>, _>>()?;
        let trial = Mutex::new(connection::open(&settings, reading)?);
        let reads = Arc::new(Pool::start(&settings.name, connections)?);
        Ok(Self { settings: Arc::new(settings), runtime, reads, writes: Mutex::new(None), trial })
    }

    /// Prepares a read.
    ///
    /// # Errors
    /// `Invalid` for SQL that SQLite does not accept, that is more than one statement, that changes anything, that
    /// has parameters without a name, or two columns with the same.
    pub fn read(&self, question: &SqlQuestion) -> Result<Arc<dyn Fetch>, Error> {
        Ok(self.question(Asked::One(self.statement(question)?)))
    }

    /// Prepares a read of several statements, at most [`QUERIES_MAX`], that see the same state of the database: what
    /// another connection writes between two of them is in none. It answers an object with a member for each, `null`
    /// for a [`Shape::Row`] that is not there. The limits on time, rows and bytes are those of the whole.
    ///
    /// # Errors
    /// As [`read`](SqliteSource::read), naming the query; and `Invalid` for none or too many.
    pub fn read_together(&self, questions: &[(String, SqlQuestion)]) -> Result<Arc<dyn Fetch>, Error> {
        if questions.is_empty() || questions.len() > QUERIES_MAX {
            let detail = format!("one read has 1 to {QUERIES_MAX} queries, this one has {}", questions.len());
            return Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail));
        }
        let statement = |(name, question): &(String, SqlQuestion)| match self.statement(question) {
            Ok(statement) => Ok((name.clone(), statement)),
            Err(error) => Err(error.with("query", name)),
        };
        let statements = questions.iter().map(statement).collect::<Result<_, Error>>()?;
        Ok(self.question(Asked::Together(statements)))
    }

    fn question(&self, asked: Asked) -> Arc<dyn Fetch> {
        let (settings, runtime) = (Arc::clone(&self.settings), Arc::clone(&self.runtime));
        Arc::new(Question::new(settings, runtime, Arc::clone(&self.reads), asked))
    }

    /// Checks the SQL of a read, by its words and by what SQLite says of it.
    fn statement(&self, question: &SqlQuestion) -> Result<Statement, Error> {
        let name = &self.settings.name;
        check(&question.sql, Purpose::Read).map_err(|error| error.with("source", name))?;
        let trial = self.trial.lock();
        let statement = trial.prepare(&question.sql).map_err(|error| failure::unprepared(&error, name))?;
        if !statement.readonly() {
            return Err(sql::write_in_a_read().with("source", name));
        }
        rows::column_labels(&statement).map_err(|error| error.with("source", name))?;
        Statement::new(question, columns::answer(&statement, question.shape))
    }

    /// Prepares a write; it answers `{"rowsAffected":1,"lastInsertId":42}`, the latter `null` unless the statement
    /// is a plain INSERT.
    ///
    /// # Errors
    /// `Invalid` for SQL that SQLite does not accept, that is more than one statement or no INSERT, REPLACE, UPDATE
    /// or DELETE, that answers rows, or has parameters without a name. `Unavailable` when the file cannot be written.
    pub fn write(&self, sql: &str) -> Result<Arc<dyn Deliver>, Error> {
        let name = &self.settings.name;
        check(sql, Purpose::Write).map_err(|error| error.with("source", name))?;
        let trial = self.trial.lock();
        let statement = trial.prepare(sql).map_err(|error| failure::unprepared(&error, name))?;
        if statement.column_count() > 0 {
            let detail = "the SQL of a write answers rows: leave RETURNING out";
            return Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail).with("source", name));
        }
        let writes = self.writing()?;
        Ok(Arc::new(change::Change::new(Arc::clone(&self.settings), Arc::clone(&self.runtime), writes, sql)?))
    }

    fn writing(&self) -> Result<Arc<Pool>, Error> {
        let mut writes = self.writes.lock();
        if let Some(pool) = &*writes {
            return Ok(Arc::clone(pool));
        }
        let connection = connection::open(&self.settings, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let pool = Arc::new(Pool::start(&self.settings.name, vec![connection])?);
        *writes = Some(Arc::clone(&pool));
        Ok(pool)
    }
}

impl std::fmt::Debug for SqliteSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteSource").field("settings", &self.settings).finish_non_exhaustive()
    }
}
