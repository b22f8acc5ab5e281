//! Declared reads and writes, end to end: a configuration, a real store, real sources on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; peers are tasks"
)]

use std::{path::Path, sync::Arc};

use alacena::{
    Alacena, Ask, Level, Owner, SystemRuntime,
    class::Policy,
    config::Config,
    declared::Parameters,
    error::{Kind, catalogue},
    ledger::{Intent, Ledger, Target},
    outcome::{MissReason, Outcome},
    source::Credential,
    value::Body,
};
use alacena_backends::embedded::EmbeddedLedger;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A help desk in SQLite with two reads and a write.
const DESK: &str = r#"
    [sources.desk]
    kind = "sqlite"
    path = "desk.db"

    [reads.tickets]
    source = "desk"
    sql = "select id, title from tickets where status = :status order by id limit :size"
    key = "tickets:list:{status}:{size}"
    params.status = { type = "string", default = "open" }
    params.size = { type = "integer", default = 10, max = 100 }
    tags = ["tickets"]

    [reads.ticket]
    source = "desk"
    sql = "select id, title, status from tickets where id = :id"
    result = "row"
    key = "tickets:detail:{id}"
    params.id = { type = "integer" }
    tags = ["ticket:{id}"]

    [writes.close]
    source = "desk"
    sql = "update tickets set status = 'closed' where id = :id"
    params.id = { type = "integer" }
    invalidates = ["ticket:{id}", { prefix = "tickets:list" }]

    [writes.purge]
    source = "desk"
    sql = "delete from tickets where id = :id"
    params.id = { type = "string" }
    invalidates = [{ key = "tickets:detail:{id}" }]

    [writes.rename]
    source = "desk"
    sql = "update tickets set title = :title where id = :id"
    params.id = { type = "integer" }
    params.title = { type = "string" }
    invalidates = ["ticket:{id}"]
"#;

struct Desk {
    alacena: Alacena,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        database(folder.path());
        let alacena = open(folder.path(), DESK).await;
        Self { alacena, folder }
    }

    async fn ask(&self, read: &str, given: &[(&str, &str)]) -> Outcome<Body> {
        let parameters = Parameters::from_text(
            &self.alacena.declared_read(read).unwrap().parameters,
            given.iter().copied(),
        )
        .unwrap();
        self.alacena.ask(read, parameters, Ask::default()).await.unwrap()
    }

    async fn write(
        &self,
        write: &str,
        given: &[(&str, &str)],
    ) -> Result<alacena::Written, alacena::error::Error> {
        let write = self.alacena.declared_write(write).unwrap();
        let parameters = Parameters::from_text(&write.parameters, given.iter().copied()).unwrap();
        write.send(parameters, Arc::default()).await
    }
}

fn database(folder: &Path) {
    let database = rusqlite::Connection::open(folder.join("desk.db")).unwrap();
    database
        .execute_batch(
            "create table tickets (id integer primary key, title text not null check (title <> ''), status text);
             insert into tickets values (1, 'Printer', 'open'), (2, 'Mail', 'open');",
        )
        .unwrap();
}

async fn open(folder: &Path, text: &str) -> Alacena {
    let path = folder.join("alacena.toml");
    std::fs::write(&path, text).unwrap();
    let layers = alacena::config::Layers { file: Some(path), ..Default::default() };
    let config = Config::load(&layers).unwrap_or_else(|problems| panic!("{problems}"));
    Alacena::open(&config, SystemRuntime::shared()).await.unwrap()
}

fn text(outcome: &Outcome<Body>) -> &str {
    std::str::from_utf8(outcome.value().unwrap().bytes()).unwrap()
}

#[tokio::test]
async fn an_absent_parameter_and_its_default_are_one_entry() {
    let desk = Desk::open().await;
    assert!(!desk.ask("tickets", &[]).await.is_hit());
    for given in [&[("size", "10")][..], &[("status", "open")], &[("size", "10"), ("status", "open")]] {
        assert!(desk.ask("tickets", given).await.is_hit(), "{given:?}");
    }
    assert!(!desk.ask("tickets", &[("size", "11")]).await.is_hit());
}

#[tokio::test]
async fn a_write_invalidates_what_it_declares_and_nothing_else() {
    let desk = Desk::open().await;
    for (read, given) in [("tickets", &[][..]), ("ticket", &[("id", "1")]), ("ticket", &[("id", "2")])] {
        desk.ask(read, given).await;
    }
    let written = desk.write("close", &[("id", "1")]).await.unwrap();
    assert_eq!(written.level, Level::Applied);
    assert_eq!(written.targets, [Target::Tag("ticket:1".into()), Target::Prefix("tickets:list".into())]);
    assert_eq!(text(&desk.ask("tickets", &[]).await), r#"[{"id":2,"title":"Mail"}]"#);
    let detail = desk.ask("ticket", &[("id", "1")]).await;
    assert_eq!(text(&detail), r#"{"id":1,"title":"Printer","status":"closed"}"#);
    assert!(matches!(detail.miss(), Some(MissReason::Invalidated(_))));
    assert!(desk.ask("ticket", &[("id", "2")]).await.is_hit());
}

#[tokio::test]
async fn a_write_names_a_key_by_whatever_it_was_given() {
    let desk = Desk::open().await;
    desk.ask("ticket", &[("id", "1")]).await;
    desk.write("purge", &[("id", "01")]).await.unwrap();
    assert!(!desk.ask("ticket", &[("id", "1")]).await.is_hit());
    // No read takes this, so nothing of it is kept; what the source makes of it is the source's affair.
    desk.write("purge", &[("id", "one")]).await.unwrap();
}

#[tokio::test]
async fn a_write_that_the_source_refused_invalidates_nothing() {
    let desk = Desk::open().await;
    desk.ask("ticket", &[("id", "1")]).await;
    let refused = desk.write("rename", &[("id", "1"), ("title", "")]).await.unwrap_err();
    assert_eq!(refused.code(), &catalogue::SOURCE_REFUSED);
    assert!(desk.ask("ticket", &[("id", "1")]).await.is_hit());
    assert_eq!(desk.alacena.figures().invalidations, 0);
}

#[tokio::test]
async fn that_there_is_no_such_row_is_kept_until_it_is_written() {
    let desk = Desk::open().await;
    assert!(desk.ask("ticket", &[("id", "9")]).await.value().is_none());
    let again = desk.ask("ticket", &[("id", "9")]).await;
    assert!(again.is_hit() && again.value().is_none());
}

#[tokio::test]
async fn every_target_does_what_it_says_and_one_that_names_nothing_is_refused() {
    let desk = Desk::open().await;
    for target in [
        Target::Key("tickets:list:open:10".into()),
        Target::Tag("tickets".into()),
        Target::Prefix("tickets".into()),
        Target::Prefix("tickets:list:".into()),
        Target::Class("tickets".into()),
        Target::Namespace("default".into()),
        Target::Everything,
    ] {
        desk.ask("tickets", &[]).await;
        let invalidated = desk.alacena.invalidate(std::slice::from_ref(&target), "test").await.unwrap();
        assert_eq!((invalidated.level, invalidated.dropped), (Level::Applied, 1), "{target}");
        assert!(!desk.ask("tickets", &[]).await.is_hit(), "{target}");
    }
    for (target, hint) in [
        (
            Target::Key("ticket:list:open".into()),
            "there are: tickets:detail:{id}, tickets:list:{status}:{size}",
        ),
        (Target::Prefix("tickets:lists".into()), "did you mean `tickets:list`?"),
        (Target::Prefix("tickets:list:open".into()), "there are: tickets, tickets:detail, tickets:list"),
        (Target::Class("tickts".into()), "did you mean `tickets`?"),
        (Target::Namespace("shop".into()), "there are: default"),
        (Target::Tag(String::new()), "a tag cannot be empty"),
    ] {
        desk.ask("tickets", &[]).await;
        let both = [Target::Everything, target];
        let error = desk.alacena.invalidate(&both, "test").await.unwrap_err();
        assert!(error.detail().contains(hint), "{error}");
        assert!(desk.ask("tickets", &[]).await.is_hit(), "all or nothing: {error}");
    }
}

#[tokio::test]
async fn a_key_may_be_written_in_every_form_that_a_call_may() {
    let folder = tempfile::tempdir().unwrap();
    database(folder.path());
    let alacena = open(
        folder.path(),
        r#"
        [sources.desk]
        kind = "sqlite"
        path = "desk.db"
        [reads.found]
        source = "desk"
        sql = "select id from tickets where id = :id or :ratio > id or status = :status"
        key = "found:{id}:{ratio}:{status|any}"
        params.id = { type = "integer" }
        params.ratio = { type = "number" }
        params.status = { type = "string", required = false, choices = ["open", "closed"] }
        "#,
    )
    .await;
    let found = alacena.declared_read("found").unwrap();
    let ask = async || {
        let call = Parameters::from_text(&found.parameters, [("id", "7"), ("ratio", "-0.0")]).unwrap();
        found.ask(call, Ask::default()).await.unwrap()
    };
    for text in ["found:7:0:any", "found:007:0:any", "found:+7:-0:any", "found:7:0.00:", "found:7:0e5:any"] {
        ask().await;
        assert!(ask().await.is_hit(), "{text}");
        let invalidated = alacena.invalidate(&[Target::Key(text.into())], "test").await.unwrap();
        assert_eq!(invalidated.dropped, 1, "{text}");
        assert!(!ask().await.is_hit(), "{text}");
    }
    for text in ["found:seven:0:any", "found:7:0:every", "found:7:inf:any", "found::0:any"] {
        let refused = alacena.invalidate(&[Target::Key(text.into())], "test").await.unwrap_err();
        assert!(refused.detail().starts_with("nothing has a key of this form"), "{refused}");
    }
}

#[tokio::test]
async fn an_application_cannot_take_the_class_of_a_declared_read() {
    let desk = Desk::open().await;
    let refused = desk.alacena.class::<String>("tickets", Policy::default()).unwrap_err();
    assert_eq!(refused.code(), &catalogue::CLASS_REFUSED);
    assert_eq!(refused.detail(), "`tickets` is a class of declared reads");
    assert!(desk.alacena.class::<String>("customers", Policy::default()).is_ok());
}

#[tokio::test]
async fn clear_forgets_and_frees() {
    let desk = Desk::open().await;
    desk.ask("tickets", &[]).await;
    desk.alacena.clear("test").await.unwrap();
    assert_eq!(desk.alacena.figures().entries, 0);
    assert!(!desk.ask("tickets", &[]).await.is_hit());
}

#[tokio::test]
async fn what_an_earlier_process_left_open_is_applied_before_the_first_read() {
    let folder = tempfile::tempdir().unwrap();
    database(folder.path());
    let owner = Owner { pid: 1, listen: None, started_at: 0 };
    let store = folder.path().join(".alacena");
    let runtime = SystemRuntime::shared();
    let ledger = EmbeddedLedger::open(&store, owner.clone(), None, runtime.clone()).unwrap();
    let targets = vec![Target::Tag("ticket:1".into()), Target::Class("gone since".into())];
    ledger.open_intent(Intent { write: "close".into(), targets: targets.clone(), at: 1 }).await.unwrap();
    // Processes that were killed while they applied it have opened it anew.
    for write in ["settle of close", "settle of recovery settle of close"] {
        let targets = targets.clone();
        ledger.open_intent(Intent { write: write.into(), targets, at: 2 }).await.unwrap();
    }
    ledger.close().await;

    let alacena = open(folder.path(), DESK).await;
    assert_eq!(alacena.figures().invalidations, 1, "it is one, whoever has left it open");
    alacena.close(std::time::Duration::from_secs(1)).await;

    let ledger = EmbeddedLedger::open(&store, owner, None, runtime.clone()).unwrap();
    assert_eq!(ledger.open_intents().await.unwrap(), []);
    let history = ledger.history(10).await.unwrap();
    assert_eq!(
        (history[0].who.as_str(), &history[0].targets[..]),
        ("recovery close", &[Target::Tag("ticket:1".into())][..])
    );
}

#[tokio::test]
async fn names_that_are_not_declared_are_refused_with_the_nearest_one() {
    let desk = Desk::open().await;
    let error = desk.alacena.ask("tikets", Parameters::default(), Ask::default()).await.unwrap_err();
    assert_eq!(error.detail(), "there is no read `tikets`; did you mean `tickets`?");
    let error = desk.alacena.write("closse", Parameters::default(), Arc::default()).await.unwrap_err();
    assert_eq!(error.detail(), "there is no write `closse`; did you mean `close`?");
}

#[tokio::test]
async fn with_the_cache_switched_off_every_read_goes_to_its_source() {
    let folder = tempfile::tempdir().unwrap();
    database(folder.path());
    let path = folder.path().join("alacena.toml");
    std::fs::write(&path, DESK).unwrap();
    let environment = [("CACHE_ENABLED".to_owned(), "false".to_owned())].into();
    let layers = alacena::config::Layers { file: Some(path), environment, ..Default::default() };
    let config = Config::load(&layers).unwrap_or_else(|problems| panic!("{problems}"));
    let desk = Desk { alacena: Alacena::open(&config, SystemRuntime::shared()).await.unwrap(), folder };
    for _ in 0..2 {
        assert_eq!(desk.ask("tickets", &[]).await.miss().cloned(), Some(MissReason::Bypass));
    }
    let own = desk.alacena.class::<u64>("own", Policy::default()).unwrap();
    for expected in [1, 2] {
        let load = move || async move { Ok(Some(expected)) };
        let outcome = own.get_or_fetch(["1"], &[], load).await.unwrap();
        assert_eq!(
            (outcome.miss().cloned(), *outcome.value().unwrap()),
            (Some(MissReason::Bypass), expected)
        );
    }
    assert_eq!(desk.alacena.figures().entries, 0);
    assert!(desk.folder.path().exists());
}

/// A CRM on loopback that answers every request with the authorization it was sent; `POST` makes it hang up.
async fn echo() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                let length = socket.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let sent =
                    head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("nothing");
                log.lock().push(sent.to_owned());
                if head.starts_with("POST") {
                    return;
                }
                let body = format!("{{\"you\":\"{sent}\"}}");
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    (format!("http://{address}"), seen)
}

fn crm(base: &str) -> String {
    format!(
        r#"
        [sources.crm]
        kind = "http"
        base_url = "{base}"
        credentials = ["Authorization"]
        [reads.me]
        source = "crm"
        http = "GET /me"
        tags = ["me"]
        [reads.order]
        source = "crm"
        http = "GET /orders/{{id}}"
        params.id = {{ type = "integer" }}
        [writes.rename]
        source = "crm"
        http = "POST /me"
        invalidates = ["me"]
        "#
    )
}

fn sent_by(caller: &str) -> Arc<[Credential]> {
    [Credential { header: "authorization".into(), secret: caller.as_bytes().into() }].into()
}

#[tokio::test]
async fn two_callers_with_different_credentials_never_share_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (base, seen) = echo().await;
    let alacena = open(folder.path(), &crm(&base)).await;
    let ask = |caller: &'static str| {
        let alacena = alacena.clone();
        let ask = Ask { credentials: sent_by(caller), ..Ask::default() };
        async move { alacena.ask("me", Parameters::default(), ask).await.unwrap() }
    };
    for caller in ["ana", "bob", "ana", "bob"] {
        assert_eq!(text(&ask(caller).await), format!("{{\"you\":\"{caller}\"}}"));
    }
    assert_eq!(*seen.lock(), ["ana", "bob"], "each was asked for once");
    // A key names every caller's entry: nobody could name one caller's without knowing the credentials.
    alacena.invalidate(&[Target::Key("me".into())], "test").await.unwrap();
    assert!(!ask("ana").await.is_hit() && !ask("bob").await.is_hit());
    let order = async || {
        let call = Parameters::from_text(&alacena.declared_read("order").unwrap().parameters, [("id", "7")])
            .unwrap();
        let ask = Ask { credentials: sent_by("ana"), ..Ask::default() };
        alacena.ask("order", call, ask).await.unwrap()
    };
    order().await;
    alacena.invalidate(&[Target::Key("order:007".into())], "test").await.unwrap();
    assert!(!order().await.is_hit(), "in whatever form it is written");
    let nobody = alacena.ask("me", Parameters::default(), Ask::default()).await.unwrap_err();
    assert_eq!((nobody.code(), nobody.kind()), (&catalogue::CREDENTIAL_REQUIRED, Kind::Denied));
    assert_eq!(nobody.detail(), "the header `authorization` is missing");
}

#[tokio::test]
async fn a_write_whose_end_nobody_knows_counts_as_done() {
    let folder = tempfile::tempdir().unwrap();
    let (base, _) = echo().await;
    let alacena = open(folder.path(), &crm(&base)).await;
    let ask = || Ask { credentials: sent_by("ana"), ..Ask::default() };
    alacena.ask("me", Parameters::default(), ask()).await.unwrap();
    let unknown = alacena.write("rename", Parameters::default(), sent_by("ana")).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::Unavailable);
    assert!(!alacena.ask("me", Parameters::default(), ask()).await.unwrap().is_hit());
}

#[tokio::test]
async fn a_source_that_cannot_be_reached_was_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let alacena = open(folder.path(), &crm(&format!("http://{closed}"))).await;
    let refused = alacena.write("rename", Parameters::default(), sent_by("ana")).await.unwrap_err();
    assert_eq!(refused.code(), &catalogue::SOURCE_UNREACHABLE);
    assert_eq!(alacena.figures().invalidations, 0);
}

/// A CRM whose answer has a version; it answers 304 to whoever shows it.
async fn versioned() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let statuses = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&statuses);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = socket.read(&mut head).await.unwrap();
            let known = String::from_utf8_lossy(&head[..length]).contains("if-none-match: \"v1\"");
            let (status, body) = if known { ("304 Not Modified", "") } else { ("200 OK", "[1]") };
            log.lock().push(status.to_owned());
            let answer = format!(
                "HTTP/1.1 {status}\r\netag: \"v1\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (format!("http://{address}"), statuses)
}

#[tokio::test]
async fn what_a_source_still_has_is_not_sent_again_and_is_fresh_again() {
    let folder = tempfile::tempdir().unwrap();
    let (base, statuses) = versioned().await;
    let read = format!(
        "[sources.crm]\nkind = \"http\"\nbase_url = \"{base}\"\n[reads.jobs]\nsource = \"crm\"\nhttp = \"GET /jobs\"\ntags = [\"jobs\"]\n"
    );
    let alacena = open(folder.path(), &read).await;
    let ask = || alacena.ask("jobs", Parameters::default(), Ask::default());
    assert_eq!(text(&ask().await.unwrap()), "[1]");
    alacena.invalidate(&[Target::Tag("jobs".into())], "test").await.unwrap();
    let again = ask().await.unwrap();
    assert_eq!((text(&again), again.is_hit(), again.stale()), ("[1]", false, None));
    assert!(ask().await.unwrap().is_hit());
    assert_eq!(*statuses.lock(), ["200 OK", "304 Not Modified"]);
    assert_eq!(alacena.figures().reads[0].unchanged, 1);
}
