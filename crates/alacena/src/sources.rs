//! The sources of a configuration, behind one face.

use std::sync::Arc;

use alacena_core::{
    error::{Error, catalogue},
    runtime::SharedRuntime,
    source::{Deliver, Fetch},
};

#[cfg(feature = "sqlite")]
use crate::config::SqlQuery;
use crate::config::{Question, SourceConfig, SourceKind};

/// An open source.
pub(crate) enum Source {
    #[cfg(feature = "http")]
    Http { source: alacena_backends::http::HttpSource, credentials: Vec<String> },
    #[cfg(feature = "sqlite")]
    Sqlite(alacena_backends::sqlite::SqliteSource),
}

impl Source {
    #[cfg_attr(
        not(any(feature = "http", feature = "sqlite")),
        expect(unused_variables, reason = "a build without sources opens none")
    )]
    pub(crate) fn open(config: &SourceConfig, runtime: &SharedRuntime) -> Result<Self, Error> {
        match &config.kind {
            #[cfg(feature = "http")]
            SourceKind::Http(http) => {
                let settings = alacena_backends::http::HttpSettings {
                    headers: http.headers.clone(),
                    credentials: http.credentials.clone(),
                    connect_timeout: http.connect_timeout,
                    body_bytes_max: http.body_max,
                    retries: http.retries,
                    ca_file: http.ca.clone(),
                    ..alacena_backends::http::HttpSettings::new(&config.name, &http.base_url)
                };
                let source = alacena_backends::http::HttpSource::open(settings, Arc::clone(runtime))?;
                Ok(Source::Http { source, credentials: http.credentials.clone() })
            }
            #[cfg(feature = "sqlite")]
            SourceKind::Sqlite(sqlite) => {
                let settings = alacena_backends::sqlite::SqliteSettings {
                    connections: sqlite.connections,
                    statement_timeout: sqlite.statement_timeout,
                    rows_max: sqlite.rows_max,
                    body_bytes_max: sqlite.body_max,
                    ..alacena_backends::sqlite::SqliteSettings::new(&config.name, &sqlite.path)
                };
                let source = alacena_backends::sqlite::SqliteSource::open(settings, Arc::clone(runtime))?;
                Ok(Source::Sqlite(source))
            }
            #[cfg(not(all(feature = "http", feature = "sqlite")))]
            other => {
                let detail = format!("this build has no sources of kind `{}`", other.as_str());
                Err(Error::new(&catalogue::NOT_BUILT_YET, detail).with("source", &config.name))
            }
        }
    }

    pub(crate) fn read(&self, question: &Question) -> Result<Arc<dyn Fetch>, Error> {
        match (self, question) {
            #[cfg(feature = "http")]
            (Source::Http { source, .. }, Question::Http(question)) => source.read(http_question(question)?),
            #[cfg(feature = "sqlite")]
            (Source::Sqlite(source), Question::Sql(query)) => source.read(&sql_question(query)),
            #[cfg(feature = "sqlite")]
            (Source::Sqlite(source), Question::Queries(queries)) => {
                let question = |(name, query): &(String, SqlQuery)| (name.clone(), sql_question(query));
                source.read_together(&queries.iter().map(question).collect::<Vec<_>>())
            }
            _ => Err(mismatch()),
        }
    }

    pub(crate) fn write(&self, question: &Question) -> Result<Arc<dyn Deliver>, Error> {
        match (self, question) {
            #[cfg(feature = "http")]
            (Source::Http { source, .. }, Question::Http(question)) => source.write(http_question(question)?),
            #[cfg(feature = "sqlite")]
            (Source::Sqlite(source), Question::Sql(query)) => source.write(&query.sql),
            _ => Err(mismatch()),
        }
    }

    /// Whether it may read something else today than when it was opened, although its configuration is the same: a
    /// file of certificates that has been renewed.
    pub(crate) fn may_have_changed(config: &SourceConfig) -> bool {
        matches!(&config.kind, SourceKind::Http(http) if http.ca.is_some())
    }

    /// The caller's headers that are passed through, in lower case.
    pub(crate) fn credentials(&self) -> &[String] {
        match *self {
            #[cfg(feature = "http")]
            Source::Http { ref credentials, .. } => credentials,
            #[cfg(feature = "sqlite")]
            Source::Sqlite(_) => &[],
        }
    }
}

#[cfg(feature = "http")]
fn http_question(
    question: &crate::config::HttpQuestion,
) -> Result<alacena_backends::http::HttpQuestion, Error> {
    Ok(alacena_backends::http::HttpQuestion {
        method: alacena_backends::http::Method::parse(&question.method)?,
        target: question.target.clone(),
        headers: question.headers.clone(),
        body: question.body.clone(),
        pointer: (!question.pointer.is_empty()).then(|| question.pointer.clone()),
    })
}

#[cfg(feature = "sqlite")]
fn sql_question(query: &SqlQuery) -> alacena_backends::sqlite::SqlQuestion {
    use crate::config::Shape;
    let shape = match query.shape {
        Shape::Rows => alacena_backends::sqlite::Shape::Rows,
        Shape::Row => alacena_backends::sqlite::Shape::Row,
    };
    alacena_backends::sqlite::SqlQuestion { sql: query.sql.clone(), shape }
}

/// The configuration check refuses this with its line; here it can only be a question put together by hand.
fn mismatch() -> Error {
    Error::new(&catalogue::CONFIGURATION_INVALID, "the question is not of its source's kind")
}
