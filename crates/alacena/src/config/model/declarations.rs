//! What a checked read or write is.

use std::{fmt, time::Duration};

use alacena_core::{
    declared::{AnswerSchema, Parameter, Parameters, Pointer, Template},
    value::Compression,
};

use crate::warming::Cron;

/// `[reads.<name>]`: a named, parameterised, cached question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReadConfig {
    /// Its name: endpoint, tool and log.
    pub name: String,
    /// A short name for people; the read's name where none is given.
    pub title: String,
    /// What it answers, for people and agents.
    pub description: String,
    /// The source that is asked.
    pub source: String,
    /// The class of its entries.
    pub class: String,
    /// What the source is asked.
    pub question: Question,
    /// What a caller may give, in the order of the file.
    pub parameters: Vec<Parameter>,
    /// The tags of an entry.
    pub tags: Vec<Template>,
    /// Tags whose invalidation forbids an entry for good, whatever becomes of its source.
    pub hard_tags: Vec<Template>,
    /// The key of an entry: segments separated by `:`, each of them constant text or exactly one hole, the first one
    /// constant.
    pub key: Template,
    /// The parameters that patterns may name, as its class declares them.
    pub index: Vec<String>,
    /// The read that is asked first, and what is taken out of its answer; none: it needs no other.
    pub parent: Option<ParentConfig>,
    /// What may shorten the TTL of an answer, as its class declares it.
    pub ttl_from: TtlFrom,
    /// Whether its source is shown the version that is held, as its class declares it.
    pub conditional: bool,
    /// How its answers are kept in memory, as its class declares it.
    pub compression: Compression,
    /// What it promises to answer; every answer of its source is checked against it.
    pub answer: Option<AnswerSchema>,
    /// Whether it needs no token.
    pub public: bool,
    /// What of it is loaded before anybody asks; none: nothing.
    pub warm: Option<WarmConfig>,
}

/// `reads.<name>.warm`: answers that are loaded before anybody asks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WarmConfig {
    /// What is asked, each question complete and none of them twice; at least one.
    pub parameters: Vec<Parameters>,
    /// Whether they are loaded when the server starts.
    pub at_start: bool,
    /// Whether they are loaded again once they have been invalidated.
    pub after_invalidation: bool,
    /// When they are loaded besides.
    pub cron: Option<Cron>,
    /// Loads at once.
    pub concurrency: usize,
}

/// `parent` of a read: the read whose answer its question needs something of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentConfig {
    /// Its name.
    pub read: String,
    /// Its parameters, as templates over those of the child.
    pub parameters: Vec<(String, Template)>,
    /// What the child's question calls each value, and where in the answer it stands.
    pub take: Vec<(String, Pointer)>,
}

/// What is heard of how long an answer is fresh, besides its class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TtlFrom {
    /// Whether the headers of an HTTP source are heard.
    pub headers: bool,
    /// Where in the answer it says so itself: a span in seconds, or a time.
    pub value: Option<Pointer>,
    /// The longest TTL that either can set.
    pub max: Duration,
}

impl ReadConfig {
    /// Every tag that an invalidation of its entries may name, hard or not.
    pub fn every_tag(&self) -> impl Iterator<Item = &Template> {
        self.tags.iter().chain(&self.hard_tags)
    }
}

/// `[writes.<name>]`: a named call that passes through to a source and invalidates.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WriteConfig {
    /// Its name: endpoint and log.
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// The source that is changed.
    pub source: String,
    /// What the source is told.
    pub question: Question,
    /// What a caller may give, in the order of the file.
    pub parameters: Vec<Parameter>,
    /// What is invalidated.
    pub invalidates: Vec<TargetTemplate>,
}

/// What a source is asked or told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Question {
    /// An HTTP request.
    Http(HttpQuestion),
    /// An SQL statement.
    Sql(SqlQuery),
    /// Several SQL statements with their names, in the order of the file, which see one state of the database.
    Queries(Vec<(String, SqlQuery)>),
}

/// An SQL statement with named parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlQuery {
    /// The statement.
    pub sql: String,
    /// What becomes of its rows.
    pub shape: Shape,
}

/// An HTTP request with holes for parameters. Its `Debug` shows no more than the method: `${NAME}` may have put a
/// secret anywhere else.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpQuestion {
    /// The method, in upper case.
    pub method: String,
    /// Path and query, beginning with `/`.
    pub target: Template,
    /// Headers of this request, names in lower case.
    pub headers: Vec<(String, Template)>,
    /// A JSON document whose strings are templates.
    pub body: Option<serde_json::Value>,
    /// The part of the answer that is kept, as a JSON pointer (RFC 6901). Empty: all of it.
    pub pointer: String,
}

impl fmt::Debug for HttpQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpQuestion").field("method", &self.method).finish_non_exhaustive()
    }
}

/// What becomes of the rows of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An array of objects.
    Rows,
    /// The first row as an object; without one there is no such thing.
    Row,
}

/// What a write invalidates, with holes for its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetTemplate {
    /// Everything that carries this tag.
    Tag(Template),
    /// Everything whose key begins with these constant segments.
    Prefix(Template),
    /// Everything whose key matches, `*` standing for one segment and a last `*` for the rest.
    Pattern(Template),
    /// One key, in every caller's partition.
    Key(Template),
    /// Everything of this class.
    Class(String),
}
