//! What one node has loaded serves the others, and what one invalidates none of them answers.

use alacena::{Level, Wish, declared::Parameters, ledger::Target, outcome::Origin};
use alacena_testkit::servers::{Flavour, RedisServer};

use crate::node::{Node, Numbers, PATIENT, number, until};

pub(crate) fn url(server: &RedisServer) -> String {
    format!("redis://{}", server.address())
}

/// Two nodes at a server of this flavour; `None` where this machine has none.
async fn pair(flavour: Flavour) -> Option<(RedisServer, Node, Node)> {
    let server = RedisServer::builder().flavour(flavour).start()?;
    let (a, b) = (Node::at(&url(&server), PATIENT).await, Node::at(&url(&server), PATIENT).await);
    Some((server, a, b))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_has_loaded_the_other_answers() {
    for flavour in Flavour::ALL {
        let Some((_server, a, b)) = pair(flavour).await else { continue };
        let numbers = Numbers::default();
        numbers.set(7);
        assert_eq!(a.get("k", &numbers).await.origin(), Origin::Source);
        let shared = b.get("k", &numbers).await;
        assert_eq!((number(&shared), shared.origin()), (Some(7), Origin::L2));
        until("it is answered from memory", async || b.get("k", &numbers).await.origin() == Origin::L1).await;
        assert_eq!(numbers.loads(), 1);
        let strict = (a.get_strictly("k", &numbers).await, b.get_strictly("k", &numbers).await);
        assert_eq!((strict.0.origin(), strict.1.origin()), (Origin::Source, Origin::L2));
    }
}

/// Absence is shared, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_there_is_no_such_thing_is_shared() {
    let Some((_server, a, b)) = pair(Flavour::Debian).await else { return };
    let none = Numbers::default();
    assert_eq!(number(&a.get("k", &none).await), None);
    let shared = b.get("k", &none).await;
    assert_eq!((number(&shared), shared.origin(), none.loads()), (None, Origin::L2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_invalidates_the_other_does_not_answer() {
    for flavour in Flavour::ALL {
        let Some((_server, a, b)) = pair(flavour).await else { continue };
        let numbers = Numbers::default();
        let targets = [
            Target::Tag("t".to_owned()),
            Target::Key("bounded:k".to_owned()),
            Target::Prefix("bounded".to_owned()),
            Target::Class("bounded".to_owned()),
            Target::Everything,
        ];
        for (target, now) in targets.into_iter().zip(1..) {
            numbers.set(now);
            a.get("k", &numbers).await;
            until("both hold it", async || b.get("k", &numbers).await.origin() == Origin::L1).await;
            numbers.set(now + 1);
            let invalidated =
                a.alacena.invalidate_as(std::slice::from_ref(&target), "test", Wish::Barrier).await.unwrap();
            assert_eq!(invalidated.level, Level::Barrier);
            assert_eq!(number(&b.get("k", &numbers).await), Some(now + 1), "{flavour:?} {target}");
            assert_eq!(number(&a.get("k", &numbers).await), Some(now + 1), "{flavour:?} {target}");
        }
    }
}

/// INV-1, from both sides of a server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_read_sees_every_invalidation_at_once() {
    for flavour in Flavour::ALL {
        let Some((_server, a, b)) = pair(flavour).await else { continue };
        let numbers = Numbers::default();
        for now in 1..50 {
            numbers.set(now);
            let (one, other) = if now % 2 == 0 { (&a, &b) } else { (&b, &a) };
            assert_eq!(one.strict.invalidate_tag("t").await.unwrap().level, Level::Applied);
            assert_eq!(number(&other.get_strictly("k", &numbers).await), Some(now), "{flavour:?}");
        }
    }
}

const DESK: &str = r#"
    [sources.desk]
    kind = "sqlite"
    path = "{folder}/desk.db"

    [classes.tickets]
    index = ["status"]

    [reads.tickets]
    source = "desk"
    class = "tickets"
    sql = "select title from tickets where status = :status order by id limit :size"
    key = "tickets:list:{status}:{size}"
    params.status = { type = "string" }
    params.size = { type = "integer", default = 10 }

    [reads.ticket]
    source = "desk"
    sql = "select title from tickets where id = :id"
    result = "row"
    key = "ticket:{id}"
    params.id = { type = "integer" }
    tags = ["ticket:{id}"]

    [writes.rename]
    source = "desk"
    sql = "update tickets set title = :title where id = :id"
    params.id = { type = "integer" }
    params.title = { type = "string" }
    invalidates = ["ticket:{id}", { pattern = "tickets:list:open:*" }]
"#;

/// A write that one node is sent takes away what another one holds, by tag and by pattern, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_write_reaches_the_other_node() {
    let Some(server) = RedisServer::builder().start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("desk.db")).unwrap();
    let tables = "create table tickets (id integer primary key, title, status);
                  insert into tickets values (1, 'Printer', 'open'), (2, 'Mail', 'open'), (3, 'Fax', 'closed')";
    database.execute_batch(tables).unwrap();
    let desk = DESK.replace("{folder}", &folder.path().display().to_string());
    let a = Node::declaring(&url(&server), PATIENT, &desk).await;
    let b = Node::declaring(&url(&server), PATIENT, &desk).await;
    let held: [(&str, &[(&str, &str)]); 4] = [
        ("ticket", &[("id", "1")]),
        ("tickets", &[("status", "open")]),
        ("ticket", &[("id", "2")]),
        ("tickets", &[("status", "closed")]),
    ];
    for (read, given) in held {
        until("both hold it", async || {
            a.ask(read, given).await;
            b.ask(read, given).await.origin() == Origin::L1
        })
        .await;
    }
    let rename = a.alacena.declared_write("rename").unwrap();
    let given = Parameters::from_text(&rename.parameters, [("id", "1"), ("title", "Scanner")]).unwrap();
    let written = rename.send(given, Default::default()).await.unwrap();
    assert_eq!(written.level, Level::Applied);
    until("it has been told", async || {
        b.ask("ticket", &[("id", "1")]).await.value().unwrap().bytes() == r#"{"title":"Scanner"}"#
    })
    .await;
    let open = b.ask("tickets", &[("status", "open")]).await;
    assert_eq!(open.value().unwrap().bytes(), r#"[{"title":"Scanner"},{"title":"Mail"}]"#);
    for (read, given) in &held[2..] {
        assert_ne!(b.ask(read, given).await.origin(), Origin::Source, "{read} {given:?} is not concerned");
    }
}
