//! A declared read, prepared: one statement, or several that see the same state of the database.
//!
//! A transaction is what several statements need for that, and one does without. It begins deferred, takes its snapshot
//! with the first statement, and is rolled back in the end: there is nothing to commit.

use std::sync::Arc;

use alacena_core::{
    declared::AnswerSchema,
    error::Error,
    runtime::{BoxFuture, SharedRuntime},
    source::{Call, Fetch, Fetched, Terms},
    value::Body,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{
    Shape, SqlQuestion, SqliteSettings, columns, connection, failure,
    pool::Pool,
    rows::{self, Answer},
    sql,
};

pub(super) struct Question {
    settings: Arc<SqliteSettings>,
    runtime: SharedRuntime,
    pool: Arc<Pool>,
    asked: Arc<Asked>,
}

/// What is asked.
pub(super) enum Asked {
    /// One statement: its answer is the answer.
    One(Statement),
    /// Several, each with its name: an object with a member for each.
    Together(Vec<(String, Statement)>),
}

pub(super) struct Statement {
    sql: String,
    names: Vec<String>,
    shape: Shape,
    answer: Box<AnswerSchema>,
}

impl Statement {
    /// A statement that answers what `answer` says.
    pub(super) fn new(question: &SqlQuestion, answer: AnswerSchema) -> Result<Self, Error> {
        let names = sql::named_parameters(&question.sql)?;
        Ok(Self { sql: question.sql.clone(), names, shape: question.shape, answer: Box::new(answer) })
    }
}

impl Question {
    pub(super) fn new(
        settings: Arc<SqliteSettings>,
        runtime: SharedRuntime,
        pool: Arc<Pool>,
        asked: Asked,
    ) -> Self {
        Self { settings, runtime, pool, asked: Arc::new(asked) }
    }
}

impl Fetch for Question {
    /// Dropping the future interrupts the statement.
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Error>> {
        let (settings, runtime) = (Arc::clone(&self.settings), SharedRuntime::clone(&self.runtime));
        let (asked, pool) = (Arc::clone(&self.asked), Arc::clone(&self.pool));
        Box::pin(async move {
            // Lives as long as this future: the thread sees by it that the caller is gone.
            let caller = Arc::new(());
            let watched = Some(Arc::downgrade(&caller));
            let source = Arc::clone(&settings);
            let answer = pool
                .run(move |connection| {
                    let limit = settings.statement_timeout;
                    connection::limited(connection, &runtime, limit, watched, |connection| {
                        asked.ask(connection, &settings, &call)
                    })
                })
                .await
                .flatten();
            drop(caller);
            match answer {
                Ok(Some(json)) => {
                    Ok(Fetched::Found { body: Body::json(json), cacheable: true, terms: Terms::default() })
                }
                Ok(None) => Ok(Fetched::Absent),
                Err(error) => Err(error.with("source", &source.name)),
            }
        })
    }

    fn answers(&self) -> Option<AnswerSchema> {
        Some(match &*self.asked {
            Asked::One(statement) => AnswerSchema::clone(&statement.answer),
            Asked::Together(statements) => {
                let each = statements.iter().map(|(name, one)| (name.as_str(), one.shape, &*one.answer));
                columns::together(each)
            }
        })
    }
}

impl Asked {
    fn ask(
        &self,
        connection: &Connection,
        settings: &SqliteSettings,
        call: &Call,
    ) -> Result<Option<Vec<u8>>, Error> {
        let failed = |error: rusqlite::Error| failure::at_run_time(&error, settings.statement_timeout);
        if !connection.is_autocommit() {
            // An earlier snapshot could not be left: what it shows is of then, not of now.
            connection.execute_batch("ROLLBACK").map_err(failed)?;
        }
        let mut answer = Answer::new(settings);
        match self {
            Asked::One(statement) => {
                let found = statement.ask(connection, settings, call, &mut answer)?;
                return found.then(|| answer.finish()).transpose();
            }
            Asked::Together(statements) => {
                let snapshot =
                    Transaction::new_unchecked(connection, TransactionBehavior::Deferred).map_err(failed)?;
                for (at, (name, statement)) in statements.iter().enumerate() {
                    answer.write(if at == 0 { b"{" } else { b"," });
                    answer.write(&rows::label(name));
                    let found = statement.ask(connection, settings, call, &mut answer);
                    if !found.map_err(|error| error.with("query", name))? {
                        answer.write(b"null");
                    }
                }
                snapshot.finish().map_err(failed)?;
            }
        }
        answer.write(b"}");
        answer.finish().map(Some)
    }
}

impl Statement {
    /// Writes what it finds to `answer`; whether there is such a thing.
    fn ask(
        &self,
        connection: &Connection,
        settings: &SqliteSettings,
        call: &Call,
        answer: &mut Answer<'_>,
    ) -> Result<bool, Error> {
        let failed = |error| failure::at_run_time(&error, settings.statement_timeout);
        let mut statement = connection.prepare_cached(&self.sql).map_err(failed)?;
        connection::bind(&mut statement, &self.names, &call.parameters).map_err(failed)?;
        let mut found = statement.raw_query();
        match self.shape {
            Shape::Rows => answer.all(&mut found).map(|()| true),
            Shape::Row => answer.first(&mut found),
        }
    }
}
