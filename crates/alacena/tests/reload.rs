//! Another configuration for a running Alacena: what it changes at once, what it leaves alone, what it refuses.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; the peer is a task"
)]

mod support;

use std::{sync::Arc, time::Duration};

use alacena::{
    Alacena, Ask, ClassSettings, DeclaredRead, GuardSettings, Reloaded,
    class::Policy,
    config::{Config, Layers},
    declared::Parameters,
    error::{Error, catalogue},
    outcome::Outcome,
    value::Body,
};
use alacena_testkit::FakeRuntime;
use futures_util::FutureExt;
use support::Peer;

/// An Alacena over a peer that answers each path with itself.
struct Running {
    alacena: Alacena,
    runtime: FakeRuntime,
    peer: Peer,
    folder: tempfile::TempDir,
}

impl Running {
    async fn start(text: &str) -> Self {
        let (peer, folder) = (Peer::start().await, tempfile::tempdir().unwrap());
        let database = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
        database.execute_batch("create table items (id, name); insert into items values (1, 'cup')").unwrap();
        let runtime = FakeRuntime::new(1);
        let config = parse(text, &peer, &folder);
        let alacena = Alacena::open(&config, Arc::new(runtime.clone())).await.unwrap();
        Self { alacena, runtime, peer, folder }
    }

    fn config(&self, text: &str) -> Config {
        parse(text, &self.peer, &self.folder)
    }

    async fn reload(&self, text: &str) -> Result<Reloaded, Error> {
        self.alacena.reload(&self.config(text)).await
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("app.db")).unwrap()
    }

    async fn ask(&self, read: &str) -> Result<Outcome<Body>, Error> {
        ask(&self.alacena.declared_read(read)?).await
    }

    /// What the read answers, and whether it came out of the memory.
    async fn answer(&self, read: &str) -> (String, bool) {
        let outcome = self.ask(read).await.unwrap();
        (text(&outcome), outcome.is_hit())
    }
}

fn parse(text: &str, peer: &Peer, folder: &tempfile::TempDir) -> Config {
    let text = format!("[embedded]\npath = \"{{folder}}/store\"\n{text}")
        .replace("{peer}", &peer.address.to_string())
        .replace("{folder}", folder.path().to_str().unwrap());
    Config::parse(&text, "test.toml", &Layers::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

async fn ask(read: &DeclaredRead) -> Result<Outcome<Body>, Error> {
    read.ask(Parameters::from_text(&read.parameters, []).unwrap(), Ask::default()).await
}

fn text(outcome: &Outcome<Body>) -> String {
    String::from_utf8(outcome.value().unwrap().bytes().to_vec()).unwrap()
}

/// A source behind the peer, and one read of it.
fn jobs(path: &str, more: &str) -> String {
    format!(
        "[sources.crm]\nkind = \"http\"\nbase_url = \"http://{{peer}}\"\nretries = 0\n\
         [reads.jobs]\nsource = \"crm\"\nhttp = \"GET {path}\"\n{more}"
    )
}

fn items(sql: &str) -> String {
    format!(
        "[sources.db]\nkind = \"sqlite\"\npath = \"{{folder}}/app.db\"\n[reads.items]\nsource = \"db\"\nsql = \"{sql}\"\n"
    )
}

#[tokio::test]
async fn a_changed_question_is_never_answered_with_what_the_old_one_loaded() {
    let running = Running::start(&items("select id from items")).await;
    assert_eq!(running.answer("items").await, (r#"[{"id":1}]"#.to_owned(), false));
    assert!(running.answer("items").await.1);

    let reloaded = running.reload(&items("select name from items")).await.unwrap();
    assert_eq!(reloaded.reads_changed, ["items"]);
    assert_eq!(running.alacena.figures().entries, 0, "the memory of what nobody can ask for is free");
    assert_eq!(running.answer("items").await, (r#"[{"name":"cup"}]"#.to_owned(), false));

    // Not even to stand in for a source that fails, although the old answer would be within its time.
    running.reload(&items("select id, name from items")).await.unwrap();
    running.database().execute_batch("drop table items").unwrap();
    assert!(running.ask("items").await.is_err());
}

#[tokio::test]
async fn a_load_under_way_is_answered_and_is_no_answer_to_the_new_declaration() {
    let running = Running::start(&jobs("/old", "")).await;
    running.peer.hold(true);
    let old = running.alacena.declared_read("jobs").unwrap();
    let first = tokio::spawn(async move { text(&ask(&old).await.unwrap()) });
    running.peer.begun(1).await;

    running.reload(&jobs("/new", "")).await.unwrap();
    let new = running.alacena.declared_read("jobs").unwrap();
    let second = tokio::spawn(async move { text(&ask(&new).await.unwrap()) });
    running.peer.begun(2).await;
    running.peer.hold(false);
    assert_eq!(first.await.unwrap(), "\"GET /old\"", "who has begun ends with what it began with");
    assert_eq!(second.await.unwrap(), "\"GET /new\"", "the old load was not joined");
    assert_eq!(running.answer("jobs").await, ("\"GET /new\"".to_owned(), true));
}

#[tokio::test]
async fn what_has_not_changed_keeps_entries_counts_and_connections() {
    let more = |class: &str, read: &str| format!("title = \"{read}\"\n[classes.jobs]\n{class}");
    let running = Running::start(&jobs("/jobs", &more("ttl = \"5m\"", "Jobs"))).await;
    running.answer("jobs").await;
    let harmless = [
        more("ttl = \"5m\"", "Jobs"),
        more("ttl = \"5m\"", "All jobs"),
        more("ttl = \"5m\"\nsoft_timeout = \"1s\"", "All jobs"),
        more("ttl = \"5m\"\n[reads.other]\nsource = \"crm\"\nhttp = \"GET /other\"", "All jobs"),
    ];
    for (at, more) in harmless.iter().enumerate() {
        running.reload(&jobs("/jobs", more)).await.unwrap();
        assert!(running.answer("jobs").await.1, "{more}");
        let figures = running.alacena.figures();
        let counted = figures.reads.iter().find(|read| read.read == "jobs").unwrap();
        assert_eq!((counted.hits, counted.loads), (at as u64 + 1, 1), "{more}");
    }
    assert_eq!(running.alacena.declared_read("jobs").unwrap().title, "All jobs");
    // What decides how long an entry lives, or what it answers, makes it another one; its counts go on.
    let other = running.reload(&jobs("/jobs", &more("ttl = \"4m\"", "All jobs"))).await.unwrap();
    assert_eq!(
        (other.reads_changed, other.reads_removed),
        (vec!["jobs".to_owned()], vec!["other".to_owned()])
    );
    assert!(!running.answer("jobs").await.1);
    let figures = running.alacena.figures();
    assert_eq!((figures.reads[0].hits, figures.reads[0].loads), (4, 2));
    assert_eq!(running.peer.connections(), 1, "they all went over the connection that was open");
}

#[tokio::test]
async fn an_open_breaker_stays_open_unless_its_source_is_another_one() {
    let text = jobs("/jobs", "[sources.crm.breaker]\nfailures = 2\n");
    let running = Running::start(&text).await;
    running.peer.fail(true);
    let state = || running.alacena.figures().sources[0].breaker.state;
    while state() != "OPEN" {
        running.runtime.advance(Duration::from_secs(5)).await;
        running.ask("jobs").await.unwrap_err();
    }
    running.peer.fail(false);
    let calls = running.peer.calls();
    running.reload(&format!("{text}[reads.more]\nsource = \"crm\"\nhttp = \"GET /more\"\n")).await.unwrap();
    let refused = running.ask("more").await.unwrap_err();
    assert_eq!((refused.code(), state(), running.peer.calls()), (&catalogue::BREAKER_OPEN, "OPEN", calls));

    running.reload(&text.replace("http://{peer}", "http://{peer}/v2")).await.unwrap();
    assert_eq!(running.answer("jobs").await.0, "\"GET /v2/jobs\"");
}

#[tokio::test]
async fn what_does_not_fit_its_source_is_refused_and_nothing_has_changed() {
    let running = Running::start(&items("select id from items")).await;
    running.answer("items").await;
    let wrong =
        format!("{}[reads.jobs]\nsource = \"db\"\nsql = \"select nme from items\"\n", items("select 1"));
    let refused = running.reload(&wrong).await.unwrap_err();
    assert!(refused.to_string().contains("nme") && refused.to_string().contains("read=jobs"), "{refused}");
    assert_eq!(running.answer("items").await, (r#"[{"id":1}]"#.to_owned(), true));
    assert_eq!(running.alacena.reads().len(), 1);
}

#[tokio::test]
async fn a_read_that_is_gone_is_not_declared_and_answers_who_has_begun() {
    let running = Running::start(&jobs("/jobs", "")).await;
    let old = running.alacena.declared_read("jobs").unwrap();
    let reloaded = running.reload(&items("select id from items")).await.unwrap();
    assert_eq!(
        (reloaded.reads_added, reloaded.reads_removed),
        (vec!["items".to_owned()], vec!["jobs".to_owned()])
    );
    assert_eq!(running.ask("jobs").await.unwrap_err().code(), &catalogue::NOT_DECLARED);
    assert_eq!(text(&ask(&old).await.unwrap()), "\"GET /jobs\"");
}

/// A write that invalidates the one key of a read, whose source answers when it is told to.
fn job_and_write(path: &str, invalidates: &str) -> String {
    let write = format!(
        "key = \"job:one\"\n[writes.change]\nsource = \"crm\"\nhttp = \"PUT /job\"\ninvalidates = [{invalidates}]\n"
    );
    jobs(path, &write)
}

#[tokio::test]
async fn a_write_under_way_invalidates_what_the_new_configuration_made_of_its_targets() {
    let one_key = "{ key = \"job:one\" }";
    for (meanwhile, why) in
        [(one_key, "the key is another one now"), ("{ class = \"jobs\" }", "so is the write")]
    {
        let running = Running::start(&job_and_write("/old", one_key)).await;
        running.peer.hold_writes(true);
        let write = running.alacena.declared_write("change").unwrap();
        let written = tokio::spawn(async move { write.send(Parameters::default(), Arc::default()).await });
        running.peer.begun(1).await;
        running.reload(&job_and_write("/new", meanwhile)).await.unwrap();
        // Loaded before the source has changed.
        assert_eq!(running.answer("jobs").await, ("\"GET /new\"".to_owned(), false));
        assert!(running.answer("jobs").await.1);
        running.peer.hold_writes(false);
        written.await.unwrap().unwrap();
        assert!(!running.answer("jobs").await.1, "{why}");
    }
}

#[tokio::test]
async fn the_size_of_the_memory_changes_at_once_and_the_rest_is_named() {
    let running = Running::start(&jobs("/jobs", "")).await;
    let reloaded = running.reload(&jobs("/jobs", "[memory]\nmax = \"128MiB\"\n")).await.unwrap();
    assert_eq!((running.alacena.figures().bytes_max, reloaded), (128 << 20, Reloaded::default()));
    let small = "[memory]\nmax = \"2MiB\"\nmarkers_max = 2048\n[server]\nlisten = \"127.0.0.1:1\"\n";
    let reloaded = running.reload(&jobs("/jobs", small)).await.unwrap();
    assert_eq!(running.alacena.figures().bytes_max, 2 << 20);
    assert_eq!(reloaded.needs_restart, ["server.listen", "memory.markers_max"]);
    assert!(reloaded.warnings.iter().any(|warning| warning.starts_with("memory.max: until")), "{reloaded:?}");
}

#[tokio::test]
async fn reloads_come_one_after_the_other_and_none_after_the_end() {
    let running = Running::start(&jobs("/jobs", "")).await;
    let first = running.alacena.begin_reload().await.unwrap();
    let mut second = Box::pin(running.alacena.begin_reload());
    assert!(second.as_mut().now_or_never().is_none());
    let mut close = Box::pin(running.alacena.close(Duration::from_secs(9)));
    assert!(close.as_mut().now_or_never().is_none(), "it waits for the one that is under way");
    first.prepare(&running.config(&jobs("/new", ""))).unwrap().commit();
    close.await;
    assert_eq!(second.await.err().unwrap().code(), &catalogue::CLOSED);
}

#[tokio::test]
async fn an_answer_that_was_made_with_another_one_goes_with_it() {
    let text = |owner: &str| {
        let badge = "[reads.badge]\nsource = \"db\"\nsql = \"select :who as who\"\n\
                     parent = { read = \"items\", take = { who = \"/0/owner\" } }\n";
        format!("{}{badge}", items(&format!("select '{owner}' as owner from items")))
    };
    let running = Running::start(&text("ann")).await;
    assert_eq!(running.answer("badge").await, (r#"[{"who":"ann"}]"#.to_owned(), false));
    assert!(running.answer("badge").await.1);
    assert_eq!(running.reload(&text("bob")).await.unwrap().reads_changed, ["badge", "items"]);
    assert_eq!(running.answer("badge").await, (r#"[{"who":"bob"}]"#.to_owned(), false));
}

#[tokio::test]
async fn an_application_keeps_its_classes() {
    let running = Running::start("").await;
    let class = running.alacena.class::<u64>("jobs", Policy::default()).unwrap();
    class.get_or_fetch(["1"], &[], || async { Ok(Some(7)) }).await.unwrap();
    let refused = running.reload(&jobs("/jobs", "")).await.unwrap_err();
    assert_eq!(refused.detail(), "`jobs` is a class of the application's own");
    let settings = ClassSettings::default().guarded("crm", GuardSettings::default());
    let _people = running.alacena.class::<u64>("people", settings).unwrap();
    let refused = running.reload(&jobs("/jobs", "class = \"others\"\n[classes.others]\n")).await.unwrap_err();
    assert_eq!(refused.detail(), "`crm` is a source of the application's own");
    for text in [items("select id from items"), items("select name from items")] {
        running.reload(&text).await.unwrap();
        assert!(class.get(["1"]).unwrap().is_some());
    }
}
