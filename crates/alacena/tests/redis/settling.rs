//! What was to be invalidated once more outlives a kill.

use alacena_testkit::servers::RedisServer;

use crate::{node::Node, process::Process, sharing::url};

/// Far longer than it takes to kill a process, and far shorter than an entry is fresh.
const SECTIONS: &str = r#"
    [sources.desk]
    kind = "sqlite"
    path = "{folder}/desk.db"
    settle = "{settle}"

    [classes.tickets]
    ttl = "1h"
    refresh_ahead = false

    [reads.ticket]
    source = "desk"
    class = "tickets"
    sql = "select title from tickets"
    result = "row"
    key = "ticket"
    tags = ["t"]
"#;

/// Killed after its invalidation was acknowledged, and before the source has settled: what another node has loaded too early
/// goes all the same, once the killed one is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_repeated_survives_the_process() {
    let Some(server) = RedisServer::builder().start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let replica = rusqlite::Connection::open(folder.path().join("desk.db")).unwrap();
    replica.execute_batch("create table tickets (title); insert into tickets values ('old')").unwrap();
    let sections = |settle: &str| {
        let folder = folder.path().display().to_string();
        SECTIONS.replace("{folder}", &folder).replace("{settle}", settle)
    };
    let other = Node::declaring(&url(&server), crate::node::PATIENT, &sections("0s")).await;
    let title = async || {
        let ticket = other.ask("ticket", &[]).await;
        String::from_utf8(ticket.value().unwrap().bytes().to_vec()).unwrap()
    };
    let mut killed = Process::start(&url(&server), &sections("5m"));
    killed.is_proved();
    killed.tell("invalidate t");
    assert_eq!(killed.told(), "applied");
    killed.kill();
    // The replica lags: this is loaded after the invalidation, and old.
    assert!(title().await.contains("old"));
    replica.execute_batch("update tickets set title = 'new'").unwrap();
    assert!(title().await.contains("old"), "who could know");

    killed.start_again();
    killed.is_proved();
    crate::node::until("it is invalidated once more", async || title().await.contains("new")).await;
}
