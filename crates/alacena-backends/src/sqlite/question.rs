//! A declared read, prepared.

use std::sync::Arc;

use alacena_core::{
    error::Error,
    runtime::{BoxFuture, SharedRuntime},
    source::{Call, Fetch, Fetched, Terms},
    value::Body,
};
use rusqlite::Connection;

use super::{Shape, SqlQuestion, SqliteSettings, connection, failure, pool::Pool, rows, sql};

pub(super) struct Question {
    settings: Arc<SqliteSettings>,
    runtime: SharedRuntime,
    pool: Arc<Pool>,
    sql: Arc<str>,
    names: Arc<[String]>,
    shape: Shape,
}

impl Question {
    pub(super) fn new(
        settings: Arc<SqliteSettings>,
        runtime: SharedRuntime,
        pool: Arc<Pool>,
        question: &SqlQuestion,
    ) -> Result<Self, Error> {
        let names = sql::named_parameters(&question.sql)?.into();
        Ok(Self { settings, runtime, pool, sql: question.sql.as_str().into(), names, shape: question.shape })
    }
}

impl Fetch for Question {
    /// Dropping the future interrupts the statement.
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Error>> {
        let (settings, runtime) = (Arc::clone(&self.settings), SharedRuntime::clone(&self.runtime));
        let (sql, names, shape) = (Arc::clone(&self.sql), Arc::clone(&self.names), self.shape);
        let pool = Arc::clone(&self.pool);
        Box::pin(async move {
            // Lives as long as this future: the thread sees by it that the caller is gone.
            let caller = Arc::new(());
            let watched = Some(Arc::downgrade(&caller));
            let source = Arc::clone(&settings);
            let answer = pool
                .run(move |connection| {
                    connection::limited(
                        connection,
                        &runtime,
                        settings.statement_timeout,
                        watched,
                        |connection| ask(connection, &settings, &sql, &names, shape, &call),
                    )
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
}

fn ask(
    connection: &Connection,
    settings: &SqliteSettings,
    sql: &str,
    names: &[String],
    shape: Shape,
    call: &Call,
) -> Result<Option<Vec<u8>>, Error> {
    let failed = |error| failure::at_run_time(&error, settings.statement_timeout);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    connection::bind(&mut statement, names, &call.parameters).map_err(failed)?;
    let mut found = statement.raw_query();
    match shape {
        Shape::Rows => rows::all(&mut found, settings).map(Some),
        Shape::Row => rows::first(&mut found, settings),
    }
}
