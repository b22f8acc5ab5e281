//! SIGHUP: the file is read again; what is wrong is said, and changes nothing.

use std::fs;

use rustix::process::Signal;
use tempfile::tempdir;

use crate::process::Running;

const SOURCE: &str = "[sources.db]\nkind = \"sqlite\"\npath = \"app.db\"\n";

fn read(name: &str, sql: &str) -> String {
    format!("[reads.{name}]\nsource = \"db\"\nsql = \"{sql}\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_brings_the_file_into_force_or_says_why_not() {
    let folder = tempdir().unwrap();
    rusqlite::Connection::open(folder.path().join("app.db"))
        .unwrap()
        .execute_batch("create table t (a)")
        .unwrap();
    let write =
        |text: String| fs::write(folder.path().join("alacena.toml"), SOURCE.to_owned() + &text).unwrap();
    write(read("one", "select 1 as n"));
    let mut server = Running::serve(folder.path(), &[]);
    assert_eq!(server.get("/reads/two").await.status().as_u16(), 404);

    write(read("one", "select 1 as n") + &read("two", "select 2 as n"));
    server.signal(Signal::HUP);
    let line = server.wait_for("the configuration was reloaded");
    assert!(line.contains("SIGHUP") && line.contains("two"), "{line}");
    assert_eq!(server.get("/reads/two").await.text().await.unwrap(), "[{\"n\":2}]");

    write(read("one", "select 3 as n") + "[reads.two]\nsource = \"bd\"\nsql = \"select 4\"\n");
    server.signal(Signal::HUP);
    server.wait_for("the configuration was not reloaded");
    let reason = server.wait_for("alacena.toml:8:");
    assert!(reason.contains("reads.two.source"), "{reason}");
    for (path, answer) in [("/reads/one", "[{\"n\":1}]"), ("/reads/two", "[{\"n\":2}]")] {
        assert_eq!(server.get(path).await.text().await.unwrap(), answer);
    }
}
