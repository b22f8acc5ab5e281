//! In which encoding answers are kept and given: a configuration, a real source, a real memory.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::sync::Arc;

use alacena::{
    Alacena, Ask, Gzip, Mode,
    config::Config,
    declared::Parameters,
    ledger::Target,
    outcome::Outcome,
    value::{Body, Encoding},
};
use alacena_core::value::gunzip;
use alacena_testkit::{FakeRuntime, settle};

/// Rows enough for about 25 bytes each.
const MANY: &str = "500";

struct World {
    alacena: Alacena,
    folder: tempfile::TempDir,
}

impl World {
    async fn open(class: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let database = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
        database.execute_batch("create table state (now); insert into state values ('open')").unwrap();
        let text = format!(
            r#"
            [embedded]
            path = "{path}/store"
            [sources.db]
            kind = "sqlite"
            path = "{path}/app.db"
            [classes.list]
            {class}
            [reads.list]
            source = "db"
            class = "list"
            sql = """with recursive n(id) as (select 1 union all select id + 1 from n where id < :rows)
                     select id, now as state from n, state"""
            params.rows = {{ type = "integer" }}
            tags = ["list"]
            "#
        );
        let config = Config::parse(&text, "test.toml", &Default::default()).unwrap();
        let alacena = Alacena::open(&config, Arc::new(FakeRuntime::new(1))).await.unwrap();
        Self { alacena, folder }
    }

    async fn ask_as(&self, rows: &str, ask: Ask) -> Outcome<Body> {
        let read = self.alacena.declared_read("list").unwrap();
        let parameters = Parameters::from_text(&read.parameters, [("rows", rows)]).unwrap();
        read.ask(parameters, ask).await.unwrap()
    }

    async fn ask(&self, gzip: Gzip) -> Outcome<Body> {
        self.ask_as(MANY, Ask { gzip, ..Ask::default() }).await
    }

    fn bytes(&self) -> u64 {
        self.alacena.figures().bytes
    }

    /// Asks, twice, as somebody who takes gzip, and lets the encoding come to its end.
    async fn encode(&self) {
        assert!(!self.ask(Gzip::Accepted).await.is_hit());
        assert!(self.ask(Gzip::Accepted).await.is_hit());
        settle().await;
    }
}

fn encoding(outcome: &Outcome<Body>) -> Encoding {
    outcome.value().unwrap().preferring_gzip().encoding()
}

/// The answer without any encoding.
fn plain(rows: u64) -> Vec<u8> {
    let rows: Vec<String> = (1..=rows).map(|id| format!(r#"{{"id":{id},"state":"open"}}"#)).collect();
    format!("[{}]", rows.join(",")).into_bytes()
}

#[tokio::test]
async fn gzip_is_made_of_an_answer_that_is_asked_for_again_and_kept_beside_it() {
    let world = World::open("").await;
    assert_eq!(encoding(&world.ask(Gzip::Accepted).await), Encoding::Identity, "it has just been loaded");
    let alone = world.bytes();
    settle().await;
    assert_eq!(world.bytes(), alone, "an answer that nobody asks for again is not encoded");

    assert_eq!(encoding(&world.ask(Gzip::Refused).await), Encoding::Identity);
    settle().await;
    assert_eq!(world.bytes(), alone, "nor one that nobody takes in gzip");

    assert_eq!(encoding(&world.ask(Gzip::Accepted).await), Encoding::Identity, "nobody waits for it");
    settle().await;
    let outcome = world.ask(Gzip::Accepted).await;
    let body = outcome.value().unwrap();
    let gzip = body.preferring_gzip();
    assert_eq!((body.encoding(), gzip.encoding()), (Encoding::Identity, Encoding::Gzip));
    assert_eq!(body.bytes().as_ref(), plain(500));
    assert_eq!(gunzip(gzip.bytes(), body.bytes().len()).unwrap(), plain(500));
    let beside = usize::try_from(world.bytes() - alone).unwrap();
    assert!((gzip.bytes().len()..gzip.bytes().len() + 200).contains(&beside), "it weighs: {beside}");
}

#[tokio::test]
async fn an_invalidation_takes_both() {
    let world = World::open("").await;
    world.encode().await;
    assert_eq!(encoding(&world.ask(Gzip::Accepted).await), Encoding::Gzip);
    let database = rusqlite::Connection::open(world.folder.path().join("app.db")).unwrap();
    database.execute_batch("update state set now = 'done'").unwrap();
    world.alacena.invalidate(&[Target::Tag("list".into())], "test").await.unwrap();
    let outcome = world.ask(Gzip::Accepted).await;
    assert!(!outcome.is_hit() && encoding(&outcome) == Encoding::Identity);
    assert!(outcome.value().unwrap().bytes().ends_with(br#""state":"done"}]"#));
}

#[tokio::test]
async fn a_refresh_that_brings_the_same_keeps_what_was_encoded() {
    for class in ["", "compression = \"lz4\"", "compression = \"gzip\""] {
        let world = World::open(class).await;
        world.encode().await;
        let before = world.bytes();
        let ask = Ask { mode: Mode::Refresh, gzip: Gzip::Accepted, ..Ask::default() };
        let refreshed = world.ask_as(MANY, ask).await;
        assert!(!refreshed.is_hit());
        assert_eq!(world.bytes(), before, "{class}");
        let expected = if class.contains("lz4") { Encoding::Identity } else { Encoding::Gzip };
        assert_eq!(encoding(&refreshed), expected, "{class}");
    }
}

#[tokio::test]
async fn who_takes_nothing_but_gzip_gets_it_at_once() {
    for class in ["", "compression = \"lz4\"", "compression = \"gzip\""] {
        let world = World::open(class).await;
        for (rows, expected) in [("1", plain(1)), (MANY, plain(500))] {
            let ask = Ask { gzip: Gzip::Required, ..Ask::default() };
            let outcome = world.ask_as(rows, ask).await;
            let gzip = outcome.value().unwrap().preferring_gzip();
            assert_eq!(gzip.encoding(), Encoding::Gzip, "{class}, {rows}");
            assert_eq!(gunzip(gzip.bytes(), expected.len()).unwrap(), expected, "{class}, {rows}");
        }
    }
}

#[tokio::test]
async fn a_small_answer_is_left_as_it_is() {
    for class in ["", "compression = \"lz4\"", "compression = \"gzip\""] {
        let world = World::open(class).await;
        for _ in 0..3 {
            let outcome = world.ask_as("5", Ask { gzip: Gzip::Accepted, ..Ask::default() }).await;
            assert_eq!(encoding(&outcome), Encoding::Identity, "{class}");
            assert_eq!(outcome.value().unwrap().bytes().as_ref(), plain(5));
            settle().await;
        }
    }
}

#[tokio::test]
async fn a_class_that_compresses_holds_less_and_answers_the_same() {
    let mut weights = Vec::new();
    for class in ["compression = \"none\"", "compression = \"lz4\"", "compression = \"gzip\""] {
        let world = World::open(class).await;
        for hit in [false, true, true] {
            let outcome = world.ask(Gzip::Refused).await;
            let body = outcome.value().unwrap();
            assert_eq!((body.encoding(), outcome.is_hit()), (Encoding::Identity, hit), "{class}");
            assert_eq!(body.bytes().as_ref(), plain(500), "{class}");
            assert_eq!(body.etag(), Body::json(plain(500)).etag());
        }
        weights.push(world.bytes());
    }
    let [none, lz4, gzip] = weights[..] else { unreachable!("there are three") };
    assert!(lz4 < none / 2 && gzip < none / 4 && gzip < lz4, "{weights:?}");
}

#[tokio::test]
async fn what_is_kept_in_gzip_is_given_so_to_who_takes_it() {
    let world = World::open("compression = \"gzip\"").await;
    for _ in 0..2 {
        let outcome = world.ask(Gzip::Accepted).await;
        let body = outcome.value().unwrap();
        assert_eq!(body.encoding(), Encoding::Gzip);
        assert_eq!(gunzip(body.bytes(), plain(500).len()).unwrap(), plain(500));
    }
}
