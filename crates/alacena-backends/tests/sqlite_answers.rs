//! What is known of the answers of SQL before anybody asks, and that it holds.

#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::Arc;

use alacena_backends::sqlite::{Shape, SqlQuestion, SqliteSettings, SqliteSource};
use alacena_core::source::{Call, Fetch, Fetched};
use alacena_testkit::FakeRuntime;
use serde_json::{Value as Json, json};

/// A table that holds anything anywhere.
const TABLE: &str = "create table items (id integer primary key, name text not null, data);
    insert into items values (1, 'cup', x'00ff'), (2, 1.5, null), (3, x'ff', 9e999);";

fn source() -> (SqliteSource, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(TABLE).unwrap();
    let runtime = Arc::new(FakeRuntime::new(1));
    (SqliteSource::open(SqliteSettings::new("shop", path), runtime).unwrap(), folder)
}

fn question(sql: &str, shape: Shape) -> SqlQuestion {
    SqlQuestion { sql: sql.to_owned(), shape }
}

fn said(read: &dyn Fetch) -> Json {
    Json::Object(read.answers().expect("SQL has columns").to_json())
}

async fn keeps_its_word(read: &dyn Fetch) {
    let Fetched::Found { body, .. } = read.fetch(Call::default()).await.unwrap() else {
        panic!("rows are there")
    };
    let document = std::str::from_utf8(body.bytes()).unwrap();
    read.answers().unwrap().check(document).unwrap_or_else(|mismatch| panic!("{mismatch}: {document}"));
}

#[tokio::test]
async fn the_columns_are_known_and_what_they_hold_is_not() {
    let (source, folder) = source();
    let rows = source
        .read(&question("select id, name, data, count(*) over () as \"of\" from items", Shape::Rows))
        .unwrap();
    let value = |description: &str| {
        let mut value = json!({ "type": ["number", "string", "null"] });
        if !description.is_empty() {
            value["description"] = description.into();
        }
        value
    };
    let columns = json!({
        "id": value("Declared as INTEGER."),
        "name": value("Declared as TEXT."),
        "data": value(""),
        "of": value(""),
    });
    assert_eq!(
        said(&*rows),
        json!({ "type": "array", "items": { "type": "object", "properties": columns } })
    );
    keeps_its_word(&*rows).await;

    let all = source.read(&question("select * from items where id > 0", Shape::Row)).unwrap();
    assert_eq!(said(&*all)["properties"].as_object().unwrap().len(), 3);
    rusqlite::Connection::open(folder.path().join("shop.db"))
        .unwrap()
        .execute_batch("alter table items rename column name to title; alter table items add column more")
        .unwrap();
    keeps_its_word(&*all).await;
}

#[tokio::test]
async fn several_statements_are_an_object_with_a_member_for_each() {
    let (source, _folder) = source();
    let questions = [
        ("items".to_owned(), question("select id from items", Shape::Rows)),
        ("none".to_owned(), question("select id from items where id = 9", Shape::Row)),
    ];
    let read = source.read_together(&questions).unwrap();
    let said = said(&*read);
    assert_eq!(said["required"], json!(["items", "none"]));
    assert_eq!(said["properties"]["none"]["type"], json!(["object", "null"]));
    keeps_its_word(&*read).await;
}
