//! What a declared read of several queries does: all of them see the database as it was at one moment.

#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alacena_backends::sqlite::{QUERIES_MAX, Shape, SqlQuestion, SqliteSettings, SqliteSource};
use alacena_core::{
    declared::{Parameter, Parameters, Scalar},
    error::{Error, catalogue},
    runtime::{BoxFuture, Moment, Runtime},
    source::{Call, Fetched},
};
use alacena_testkit::FakeRuntime;
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// A statement that takes some thousand steps: SQLite looks at the clock while it runs.
const LONG: &str = "with recursive n(i) as (select 1 union all select i + 1 from n limit 5000) select count(*) as n, (select count(*) from items) as items from n";

/// The clock of a test that has something done whenever SQLite looks at it, in the midst of a statement.
#[derive(Clone)]
struct Clock {
    runtime: FakeRuntime,
    looks: Arc<AtomicUsize>,
    on_look: Arc<dyn Fn(usize) -> Moment + Send + Sync>,
}

impl Runtime for Clock {
    fn now(&self) -> Moment {
        (self.on_look)(self.looks.fetch_add(1, Ordering::SeqCst))
    }

    fn unix_millis(&self) -> u64 {
        self.runtime.unix_millis()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.runtime.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.runtime.spawn(task);
    }

    fn random(&self) -> u64 {
        self.runtime.random()
    }
}

struct Shop {
    _folder: TempDir,
    path: PathBuf,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let schema = "create table items (id integer primary key, name);
            insert into items values (1, 'cup'), (2, 'plate'), (3, 'fork');";
        let database = Connection::open(&path).unwrap();
        database.pragma_update(None, "journal_mode", "wal").unwrap();
        database.execute_batch(schema).unwrap();
        Self { _folder: folder, path }
    }

    fn settings(&self) -> SqliteSettings {
        SqliteSettings { connections: 1, ..SqliteSettings::new("shop", &self.path) }
    }

    fn open(&self, settings: SqliteSettings) -> SqliteSource {
        SqliteSource::open(settings, Arc::new(FakeRuntime::new(1))).unwrap()
    }

    /// Its source, with something done at each look at the clock.
    fn watched(&self, on_look: impl Fn(usize) -> Moment + Send + Sync + 'static) -> SqliteSource {
        let clock = Clock { runtime: FakeRuntime::new(1), looks: Arc::default(), on_look: Arc::new(on_look) };
        SqliteSource::open(self.settings(), Arc::new(clock)).unwrap()
    }
}

fn queries(queries: &[(&str, &str, Shape)]) -> Vec<(String, SqlQuestion)> {
    let query = |(name, sql, shape): &(&str, &str, Shape)| {
        ((*name).to_owned(), SqlQuestion { sql: (*sql).to_owned(), shape: *shape })
    };
    queries.iter().map(query).collect()
}

async fn ask(source: &SqliteSource, together: &[(&str, &str, Shape)], id: i64) -> Result<Json, Error> {
    let declared = [Parameter::with_default("id", Scalar::Integer(id))];
    let parameters = Arc::new(Parameters::from_text(&declared, []).unwrap());
    let fetch = source.read_together(&queries(together))?;
    match fetch.fetch(Call { parameters, ..Call::default() }).await? {
        Fetched::Found { body, .. } => Ok(serde_json::from_slice(body.bytes()).unwrap()),
        other => panic!("an object is never absent: {other:?}"),
    }
}

fn insert(path: &Path, id: usize) {
    let sql = format!("insert into items values ({id}, 'new')");
    Connection::open(path).unwrap().execute_batch(&sql).unwrap();
}

#[tokio::test]
async fn the_answer_is_an_object_with_a_member_for_each_query() {
    let shop = Shop::new();
    let source = shop.open(shop.settings());
    let together = [
        ("total", "select count(*) as n from items", Shape::Row),
        ("one", "select name from items where id = :id", Shape::Row),
        ("others", "select id from items where id <> :id order by id", Shape::Rows),
    ];
    let answer = ask(&source, &together, 2).await.unwrap();
    assert_eq!(
        answer,
        json!({"total": {"n": 3}, "one": {"name": "plate"}, "others": [{"id": 1}, {"id": 3}]})
    );
    let nobody = ask(&source, &together, 9).await.unwrap();
    assert_eq!(nobody["one"], Json::Null, "a row that is not there");
    assert_eq!(nobody["others"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_written_between_two_queries_is_in_neither() {
    let shop = Shop::new();
    let path = shop.path.clone();
    // The first look sets the time limit; the others happen while the first query runs.
    let source = shop.watched(move |look| {
        if look == 1 {
            insert(&path, 4);
        }
        Moment::ORIGIN
    });
    let together = [("before", LONG, Shape::Row), ("after", "select count(*) as n from items", Shape::Row)];
    let answer = ask(&source, &together, 0).await.unwrap();
    assert_eq!(answer["after"], json!({"n": 3}), "the writer came after the snapshot");
    assert_eq!(answer["before"]["items"], 3);
    let now = Connection::open(&shop.path).unwrap();
    assert_eq!(now.query_row("select count(*) from items", [], |row| row.get::<_, i64>(0)).unwrap(), 4);
    let answer = ask(&source, &together[1..], 0).await.unwrap();
    assert_eq!(answer["after"], json!({"n": 4}), "the next answer has a snapshot of its own");
}

#[tokio::test]
async fn one_time_limit_is_for_all_queries_and_leaves_no_snapshot_behind() {
    let shop = Shop::new();
    // Each look is half a second later: no query of its own takes the two that are allowed.
    let ticks = Arc::new(AtomicUsize::new(0));
    let ticking = Arc::clone(&ticks);
    let source = shop.watched(move |_| {
        let ticks = ticking.fetch_add(1, Ordering::SeqCst) as u64;
        Moment::from_nanos(ticks * 500_000_000)
    });
    let short = "with recursive n(i) as (select 1 union all select i + 1 from n limit 100) select count(*) as n from n";
    let names: Vec<String> = (0..QUERIES_MAX).map(|at| format!("q{at}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), short, Shape::Row)).collect();
    for one in many.chunks(1) {
        assert!(ask(&source, one, 0).await.is_ok(), "each of them is short");
    }
    let error = ask(&source, &many, 0).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_TIMEOUT);
    insert(&shop.path, 4);
    let count = [("n", "select count(*) as n from items", Shape::Row)];
    assert_eq!(ask(&source, &count, 0).await.unwrap(), json!({"n": {"n": 4}}), "of now, not of then");
}

#[tokio::test]
async fn rows_and_bytes_are_limited_over_all_queries() {
    let shop = Shop::new();
    let source = shop.open(SqliteSettings { rows_max: 5, ..shop.settings() });
    let all = ("all", "select id from items", Shape::Rows);
    let pair = ("pair", "select id from items where id < 3", Shape::Rows);
    assert!(ask(&source, &[all, pair], 0).await.is_ok(), "five rows");
    let error = ask(&source, &[all, ("again", all.1, Shape::Rows)], 0).await.unwrap_err();
    assert_eq!((error.code(), error.detail()), (&catalogue::ANSWER_TOO_LARGE, "more than 5 rows (rows_max)"));
    assert!(error.context().contains(&("query", "again".to_owned())), "{error}");

    let source = shop.open(SqliteSettings { body_bytes_max: 100, ..shop.settings() });
    let wide = "select printf('%.40c', 'x') as text";
    assert!(ask(&source, &[("a", wide, Shape::Row)], 0).await.is_ok());
    let error = ask(&source, &[("a", wide, Shape::Row), ("b", wide, Shape::Row)], 0).await.unwrap_err();
    assert_eq!(error.detail(), "more than 100 bytes (body_max)");
}

#[tokio::test]
async fn each_query_is_checked_as_a_single_one_is() {
    let shop = Shop::new();
    let source = shop.open(shop.settings());
    let refused = |sql: &str| {
        let together = queries(&[("fine", "select 1 as one", Shape::Row), ("bad", sql, Shape::Row)]);
        source.read_together(&together).err().unwrap()
    };
    for (sql, why) in [
        ("delete from items", "[writes]"),
        ("select 1; select 2", "more than one statement"),
        ("select missing from items", "no such column"),
        ("select 1 as a, 2 as a", "two columns"),
        ("begin", "begins with SELECT"),
    ] {
        let error = refused(sql);
        assert!(error.detail().contains(why), "{sql}: {error}");
        assert!(error.context().contains(&("query", "bad".to_owned())), "{sql}: {error}");
    }
    assert!(source.read_together(&[]).is_err());
    let names: Vec<String> = (0..=QUERIES_MAX).map(|at| format!("q{at}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "select 1 as one", Shape::Row)).collect();
    assert!(source.read_together(&queries(&many[1..])).is_ok());
    assert!(source.read_together(&queries(&many)).err().unwrap().detail().contains("1 to 16"));
}
