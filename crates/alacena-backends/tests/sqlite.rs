//! What a declared read or write of an SQLite file does, from the outside, on real files.

#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "Tokio runs the tests, so they give it their tasks")]

use std::{future::Future, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use alacena_backends::sqlite::{Shape, SqlQuestion, SqliteSettings, SqliteSource};
use alacena_core::{
    declared::{Parameter, Parameters, ScalarKind},
    error::{Error, Kind, Retry, catalogue},
    source::{Call, Delivery, Fetch, Fetched},
};
use alacena_testkit::{FakeRuntime, settle};
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// A statement that never comes to its end.
const ENDLESS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as n from n";

struct Shop {
    _folder: TempDir,
    path: PathBuf,
    runtime: FakeRuntime,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let schema =
            "create table items (id integer primary key, name text unique, price check (price >= 0));
            insert into items values (1, 'cup', 2.5), (2, 'plate', 4), (3, 'fork', null);";
        Connection::open(&path).unwrap().execute_batch(schema).unwrap();
        Self { _folder: folder, path, runtime: FakeRuntime::new(1) }
    }

    /// Another program that uses the same file.
    fn neighbour(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn settings(&self) -> SqliteSettings {
        SqliteSettings::new("shop", &self.path)
    }

    fn open(&self, settings: SqliteSettings) -> SqliteSource {
        SqliteSource::open(settings, Arc::new(self.runtime.clone())).unwrap()
    }

    fn source(&self) -> SqliteSource {
        self.open(self.settings())
    }
}

fn prepared(source: &SqliteSource, sql: &str, shape: Shape) -> Result<Arc<dyn Fetch>, Error> {
    source.read(&SqlQuestion { sql: sql.to_owned(), shape })
}

fn call(given: Json) -> Call {
    let given: Vec<_> = given.as_object().unwrap().clone().into_iter().collect();
    let declare = |(name, value): &(String, Json)| {
        let kind = match value {
            Json::Number(number) if number.is_i64() => ScalarKind::Integer,
            Json::Number(_) => ScalarKind::Number,
            Json::Bool(_) => ScalarKind::Boolean,
            _ => ScalarKind::Text,
        };
        Parameter { required: false, ..Parameter::required(name, kind) }
    };
    let declared: Vec<_> = given.iter().map(declare).collect();
    let given = given.iter().map(|(name, value)| (name.as_str(), value));
    Call { parameters: Arc::new(Parameters::from_json(&declared, given).unwrap()), ..Call::default() }
}

async fn ask(source: &SqliteSource, sql: &str, given: Json) -> Result<Json, Error> {
    match prepared(source, sql, Shape::Rows)?.fetch(call(given)).await? {
        Fetched::Found { body, .. } => Ok(serde_json::from_slice(body.bytes()).unwrap()),
        _ => panic!("an array of rows is never absent"),
    }
}

async fn write(source: &SqliteSource, sql: &str, given: Json) -> Delivery {
    source.write(sql).unwrap().deliver(call(given)).await
}

fn done(delivery: Delivery) -> Json {
    match delivery {
        Delivery::Done(body) => serde_json::from_slice(body.bytes()).unwrap(),
        other => panic!("not done: {other:?}"),
    }
}

fn refused(delivery: Delivery) -> Error {
    match delivery {
        Delivery::Refused(error) => error,
        other => panic!("not refused: {other:?}"),
    }
}

/// Moves the clock until `work` is done.
async fn while_time_passes<T>(runtime: &FakeRuntime, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = runtime.advance(Duration::from_secs(1)) => {}
        }
    }
}

/// Begins `work` and lets it run for some milliseconds, so that its statement is under way.
async fn begin(work: &mut (impl Future + Unpin)) {
    tokio::select! {
        biased;
        _ = work => panic!("it ended"),
        () = settle() => {}
    }
    let busy =
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 50000) select count(*) from n";
    Connection::open_in_memory().unwrap().query_row(busy, [], |_| Ok(())).unwrap();
}

#[tokio::test]
async fn rows_become_json_with_the_types_of_sqlite() {
    let shop = Shop::new();
    let sql = r#"select 9007199254740993 as whole, 0.1 as "re""al", 'a"\é' || char(10) as text, null as nil,
        x'00ff10' as bytes, 9e999 as endless"#;
    let whole = prepared(&shop.source(), sql, Shape::Rows).unwrap().fetch(Call::default()).await.unwrap();
    let Fetched::Found { body, cacheable, .. } = whole else { panic!("there is a row") };
    assert!(cacheable);
    let text = r#"[{"whole":9007199254740993,"re\"al":0.1,"text":"a\"\\é\n","nil":null,"bytes":"AP8Q","endless":null}]"#;
    assert_eq!(std::str::from_utf8(body.bytes()).unwrap(), text);
    assert_eq!(ask(&shop.source(), "select 1 as a where false", json!({})).await.unwrap(), json!([]));
}

#[tokio::test]
async fn one_row_is_an_object_and_none_is_absent() {
    let shop = Shop::new();
    let source = shop.source();
    let item =
        prepared(&source, "select id, name from items where id >= :id order by id", Shape::Row).unwrap();
    let Fetched::Found { body, .. } = item.fetch(call(json!({ "id": 2 }))).await.unwrap() else {
        panic!("found")
    };
    assert_eq!(body.bytes().as_ref(), br#"{"id":2,"name":"plate"}"#);
    assert!(matches!(item.fetch(call(json!({ "id": 9 }))).await.unwrap(), Fetched::Absent));
}

#[tokio::test]
async fn parameters_are_values_and_absent_ones_are_null() {
    let shop = Shop::new();
    let source = shop.source();
    let sql =
        "select id from items where (:name is null or name = :name) and id <> :not and :yes = 1 order by id";
    let ids = async |given| ask(&source, sql, given).await.unwrap();
    assert_eq!(ids(json!({ "not": 2, "yes": true })).await, json!([{ "id": 1 }, { "id": 3 }]));
    assert_eq!(ids(json!({ "not": 2, "yes": true, "name": "cup" })).await, json!([{ "id": 1 }]));
    assert_eq!(ids(json!({ "not": 2, "yes": true, "name": "' or 1 = 1 --" })).await, json!([]));
    // What an earlier call gave is not left over.
    assert_eq!(ids(json!({ "not": 2, "yes": true })).await, json!([{ "id": 1 }, { "id": 3 }]));
}

#[test]
fn what_is_no_database_is_refused_by_name_and_never_created() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: PathBuf| {
        SqliteSource::open(SqliteSettings::new("shop", path), Arc::new(FakeRuntime::new(1))).unwrap_err()
    };
    let missing = folder.path().join("missing.db");
    let error = open(missing.clone());
    assert_eq!(error.code(), &catalogue::SOURCE_UNREACHABLE);
    assert!(error.to_string().contains("missing.db") && error.detail().contains("create the database first"));
    assert!(!missing.exists());

    let text = folder.path().join("text.db");
    std::fs::write(&text, "no database, but long enough to have a header of a hundred bytes ".repeat(4))
        .unwrap();
    assert!(open(text).detail().contains("not a database"));
    assert!(open(folder.path().to_owned()).detail().contains("names no file"));
}

#[test]
fn sql_that_is_wrong_is_refused_at_start() {
    let shop = Shop::new();
    let source = shop.source();
    let refused = |sql: &str| {
        let error = prepared(&source, sql, Shape::Rows).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{sql}");
        error.to_string()
    };
    assert!(refused("delete from items").contains("declare it under [writes]"));
    assert!(refused("with old as (select 1) delete from items").contains("[writes]"));
    assert!(refused("pragma journal_mode = wal").contains("begins with SELECT"));
    assert!(refused("attach '/tmp/other.db' as other").contains("begins with SELECT"));
    assert!(refused("select 1; select 2").contains("more than one statement"));
    assert!(refused("select * from items where id = ?").contains("`:name`"));
    assert!(refused("select nmae from items").contains("no such column: nmae, at character 8 (source=shop)"));
    assert!(refused("select 1 as a, 2 as a").contains("two columns of the SQL are named `a`"));

    let refused = |sql: &str| source.write(sql).map(|_| ()).unwrap_err().to_string();
    assert!(refused("select 1").contains("[reads]"));
    assert!(refused("insert into items (name) values ('x') returning id").contains("RETURNING"));
    assert!(refused("drop table items").contains("begins with INSERT"));
}

#[tokio::test]
async fn a_statement_that_never_ends_is_stopped_in_time() {
    let shop = Shop::new();
    let source = shop.open(SqliteSettings { connections: 1, ..shop.settings() });
    let error = while_time_passes(&shop.runtime, ask(&source, ENDLESS, json!({}))).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_TIMEOUT);
    assert!(error.detail().contains("statement_timeout") && error.detail().contains("2s"));
    assert!(matches!(error.retry(), Retry::After(_)));
    assert_eq!(ask(&source, "select 1 as a", json!({})).await.unwrap(), json!([{ "a": 1 }]));
}

#[tokio::test]
async fn a_caller_that_goes_away_frees_its_connection() {
    let shop = Shop::new();
    let source = shop.open(SqliteSettings { connections: 1, ..shop.settings() });
    let endless = prepared(&source, ENDLESS, Shape::Rows).unwrap();
    for _ in 0..3 {
        let mut running = endless.fetch(Call::default());
        begin(&mut running).await;
        let mut waiting = endless.fetch(Call::default());
        begin(&mut waiting).await;
        drop(running);
        drop(waiting);
        // The clock stands still: only the two that are gone can have made room.
        assert_eq!(ask(&source, "select 1 as a", json!({})).await.unwrap(), json!([{ "a": 1 }]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_reads_share_few_connections() {
    let shop = Shop::new();
    let source = shop.source();
    let square = prepared(&source, "select :n * :n as square", Shape::Row).unwrap();
    let asked: Vec<_> = (0..64).map(|n| (n, tokio::spawn(square.fetch(call(json!({ "n": n })))))).collect();
    for (n, answer) in asked {
        let Fetched::Found { body, .. } = answer.await.unwrap().unwrap() else { panic!("there is a row") };
        assert_eq!(body.bytes(), &format!(r#"{{"square":{}}}"#, n * n));
    }
}

#[tokio::test]
async fn an_answer_has_limits() {
    let shop = Shop::new();
    let source = shop.open(SqliteSettings { rows_max: 3, body_bytes_max: 100, ..shop.settings() });
    let too_large = async |sql| {
        let error = ask(&source, sql, json!({})).await.unwrap_err();
        assert_eq!(error.code(), &catalogue::ANSWER_TOO_LARGE, "{sql}");
        error.detail().to_owned()
    };
    assert_eq!(ask(&source, "select id from items", json!({})).await.unwrap().as_array().unwrap().len(), 3);
    assert!(
        too_large("select id from items union all select 4").await.contains("more than 3 rows (rows_max)")
    );
    assert!(too_large("select zeroblob(75) as a").await.contains("more than 100 bytes (body_max)"));
    assert!(too_large("select printf('%.*c', 100000000, 'x') as a").await.contains("bytes"));
    // {"a":"…"} in brackets: 8 + 2 bytes around the text.
    let text = "select printf('%.*c', :length, 'x') as a";
    assert!(ask(&source, text, json!({ "length": 90 })).await.is_ok());
    assert!(ask(&source, text, json!({ "length": 91 })).await.is_err());
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_an_error_of_the_source() {
    let shop = Shop::new();
    let error = ask(&shop.source(), "select cast(x'ff41' as text) as name", json!({})).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::ANSWER_MALFORMED);
    assert!(error.detail().contains("column `name`"));
}

#[tokio::test]
async fn a_locked_database_is_worth_another_try() {
    let shop = Shop::new();
    let source =
        shop.open(SqliteSettings { statement_timeout: Duration::from_millis(20), ..shop.settings() });
    let read = prepared(&source, "select id from items", Shape::Rows).unwrap();
    let delete = source.write("delete from items").unwrap();
    let neighbour = shop.neighbour();
    neighbour.execute_batch("begin exclusive").unwrap();
    let error = read.fetch(Call::default()).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_FAILED);
    assert!(matches!(error.retry(), Retry::After(_)));
    let error = refused(delete.deliver(Call::default()).await);
    assert!(matches!(error.retry(), Retry::After(_)));

    neighbour.execute_batch("commit").unwrap();
    assert!(read.fetch(Call::default()).await.is_ok());
    assert_eq!(done(delete.deliver(Call::default()).await)["rowsAffected"], 3);
}

#[tokio::test]
async fn a_schema_that_changes_is_followed() {
    let shop = Shop::new();
    let source = shop.source();
    let first = prepared(&source, "select * from items where id = 1", Shape::Row).unwrap();
    let text = async || match first.fetch(Call::default()).await.unwrap() {
        Fetched::Found { body, .. } => String::from_utf8(body.bytes().to_vec()).unwrap(),
        _ => panic!("there is a row"),
    };
    assert_eq!(text().await, r#"{"id":1,"name":"cup","price":2.5}"#);
    shop.neighbour().execute_batch("alter table items add column colour default 'red'").unwrap();
    assert_eq!(text().await, r#"{"id":1,"name":"cup","price":2.5,"colour":"red"}"#);
    shop.neighbour().execute_batch("drop table items").unwrap();
    let error = first.fetch(Call::default()).await.unwrap_err();
    assert_eq!((error.code(), error.retry()), (&catalogue::SOURCE_FAILED, Retry::Never));
}

#[tokio::test]
async fn a_write_says_what_it_changed_and_reads_see_it() {
    let shop = Shop::new();
    let source = shop.source();
    let insert = "insert into items (name, price) values (:name, :price)";
    let answer = done(write(&source, insert, json!({ "name": "spoon", "price": 1.5 })).await);
    assert_eq!(answer, json!({ "rowsAffected": 1, "lastInsertId": 4 }));
    let rows = ask(&source, "select name, price from items where id = 4", json!({})).await.unwrap();
    assert_eq!(rows, json!([{ "name": "spoon", "price": 1.5 }]));

    let changed = |rows: u64| json!({ "rowsAffected": rows, "lastInsertId": null });
    let update = "update items set price = :price where price > 2";
    assert_eq!(done(write(&source, update, json!({ "price": 2 })).await), changed(2));
    let upsert = "insert into items (name) values ('cup') on conflict (name) do update set price = 0";
    assert_eq!(done(write(&source, upsert, json!({})).await), changed(1));
    assert_eq!(
        done(write(&source, "insert or ignore into items (name) values ('cup')", json!({})).await),
        changed(0)
    );
}

#[tokio::test]
async fn a_refused_write_changes_nothing_and_tells_no_value() {
    let shop = Shop::new();
    let source = shop.source();
    let schema = "create table orders (item references items (id) deferrable initially deferred);
        create trigger no_canary before insert on items when new.name = 'canary'
        begin select raise(abort, 'canary is not for sale'); end";
    shop.neighbour().execute_batch(schema).unwrap();
    let cases = [
        ("insert into items (name) values (:name)", "cup", "UNIQUE"),
        ("insert into items (name) values (:name)", "canary", "trigger"),
        ("insert into items (name, price) values (:name, -1)", "knife", "CHECK"),
        ("insert into items (id, name) values (1, :name)", "knife", "primary key"),
        // SQLite finds this one out at COMMIT only.
        ("insert into orders values (99 + length(:name))", "knife", "foreign key"),
    ];
    for (sql, name, kind) in cases {
        let error = refused(write(&source, sql, json!({ "name": name })).await);
        assert_eq!((error.code(), error.retry()), (&catalogue::SOURCE_REFUSED, Retry::Never), "{sql}");
        assert!(error.to_string().contains(kind), "{error}");
        assert!(!format!("{error:?}").contains(name), "{error:?}");
    }
    let count = "select (select count(*) from items) as items, (select count(*) from orders) as orders";
    assert_eq!(ask(&source, count, json!({})).await.unwrap(), json!([{ "items": 3, "orders": 0 }]));
}

#[tokio::test]
async fn a_write_that_readers_hold_up_is_refused_whole() {
    let shop = Shop::new();
    let source =
        shop.open(SqliteSettings { statement_timeout: Duration::from_millis(20), ..shop.settings() });
    let neighbour = shop.neighbour();
    // A reader in the middle of its transaction: the write gets as far as COMMIT.
    neighbour.execute_batch("begin; select * from items").unwrap();
    let error = refused(write(&source, "delete from items", json!({})).await);
    assert!(error.detail().contains("locked"));
    neighbour.execute_batch("commit").unwrap();
    assert_eq!(done(write(&source, "delete from items", json!({})).await)["rowsAffected"], 3);
}

#[tokio::test]
async fn a_write_outlives_its_caller_but_not_its_time() {
    let shop = Shop::new();
    let source = shop.source();
    let slow = "insert into items (name) with recursive n(i) as (select 1 union all select i + 1 from n limit 200000)
        select 'n' || count(*) from n";
    let write = source.write(slow).unwrap();
    let mut running = write.deliver(Call::default());
    begin(&mut running).await;
    drop(running);
    // The one connection for writes serves in order: the second comes when the first is done.
    let after = source.write("update items set price = 1 where name = 'n200000'").unwrap();
    assert_eq!(done(after.deliver(Call::default()).await)["rowsAffected"], 1);

    let endless = format!("insert into items (name) {ENDLESS}");
    let error = refused(
        while_time_passes(&shop.runtime, source.write(&endless).unwrap().deliver(Call::default())).await,
    );
    assert_eq!(error.code(), &catalogue::SOURCE_TIMEOUT);
    assert_eq!(
        ask(&source, "select count(*) as n from items", json!({})).await.unwrap(),
        json!([{ "n": 4 }])
    );
}
