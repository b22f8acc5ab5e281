//! How long an answer is fresh where its source has a say in it: real sources on loopback, a clock that the test holds.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; peers are tasks"
)]

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use alacena::{
    Alacena, Ask, Mode,
    config::{Config, Layers},
    declared::Parameters,
    error::Error,
    outcome::{Origin, Outcome},
    value::Body,
};
use alacena_testkit::FakeRuntime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A source that answers each request with the next of `script`: status, header lines and body; after that with 500.
/// Where to ask it, and the heads of the requests.
async fn peer(script: &[(&str, &str, &str)]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut script: VecDeque<String> = script
        .iter()
        .map(|(status, headers, body)| {
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
        })
        .collect();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&heads);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            received.lock().unwrap().push(String::from_utf8(head).unwrap().to_ascii_lowercase());
            let failure = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
            let answer = script.pop_front().unwrap_or_else(|| failure.to_owned());
            let answer = answer.replacen("\r\n", "\r\nconnection: close\r\n", 1);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (base, heads)
}

struct World {
    alacena: Alacena,
    runtime: FakeRuntime,
    _folder: tempfile::TempDir,
}

impl World {
    /// `config` with a class `c` and a read `r`.
    async fn open(config: &str) -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), config).await
    }

    async fn open_in(folder: tempfile::TempDir, config: &str) -> Self {
        let config = load(folder.path(), config).unwrap_or_else(|problems| panic!("{problems}"));
        let runtime = FakeRuntime::new(1);
        let alacena = Alacena::open(&config, Arc::new(runtime.clone())).await.unwrap();
        Self { alacena, runtime, _folder: folder }
    }

    /// With an HTTP source that answers `GET /` from `base`.
    async fn http(base: &str, class: &str) -> Self {
        Self::open(&format!(
            "[sources.s]\nkind = \"http\"\nbase_url = \"{base}\"\nretries = 0\n[classes.c]\njitter = 0.0\n{class}\n\
             [reads.r]\nsource = \"s\"\nclass = \"c\"\nhttp = \"GET /\"\n"
        ))
        .await
    }

    async fn ask(&self) -> Result<Outcome<Body>, Error> {
        self.alacena.ask("r", Parameters::default(), Ask::default()).await
    }

    /// What is left of the answer's time after a load.
    async fn fresh_for(&self) -> u64 {
        let outcome = self.ask().await.unwrap();
        assert_eq!(outcome.origin(), Origin::Source);
        outcome.fresh_for().as_secs()
    }

    async fn after(&self, seconds: u64) {
        self.runtime.advance(Duration::from_secs(seconds)).await;
    }
}

fn load(folder: &Path, config: &str) -> Result<Config, alacena::config::Problems> {
    let file = folder.join("alacena.toml");
    std::fs::write(&file, config).unwrap();
    Config::load(&Layers { file: Some(file), ..Layers::default() })
}

#[tokio::test]
async fn headers_count_only_where_the_class_listens() {
    let script = [("200 OK", "cache-control: max-age=7\r\n", "1"); 2];
    let (base, _) = peer(&script).await;
    assert_eq!(World::http(&base, "ttl = \"5m\"").await.fresh_for().await, 300);
    assert_eq!(World::http(&base, "ttl = \"5m\"\nttl_from_headers = true").await.fresh_for().await, 7);
}

#[tokio::test]
async fn a_source_shortens_the_ttl_and_lengthens_it_only_up_to_ttl_max() {
    let hour = ("200 OK", "cache-control: max-age=3600\r\n", "1");
    let (base, _) = peer(&[hour, hour, ("200 OK", "", "1")]).await;
    let ttl = async |class: &str| {
        World::http(&base, &format!("ttl = \"5m\"\nttl_from_headers = true\n{class}")).await.fresh_for().await
    };
    assert_eq!(ttl("").await, 300);
    assert_eq!(ttl("ttl_max = \"20m\"").await, 1200);
    assert_eq!(ttl("ttl_max = \"20m\"").await, 300, "what says nothing has the class's");
}

#[tokio::test]
async fn every_answer_says_anew_how_long_it_holds_and_so_does_one_that_nothing_has_changed() {
    let (base, heads) = peer(&[
        ("200 OK", "etag: \"v1\"\r\ncache-control: max-age=60\r\nage: 20\r\n", "1"),
        ("304 Not Modified", "cache-control: max-age=10\r\n", ""),
        ("200 OK", "cache-control: max-age=30\r\n", "2"),
    ])
    .await;
    let world = World::http(&base, "ttl = \"5m\"\nttl_from_headers = true").await;
    assert_eq!(world.fresh_for().await, 40);
    world.after(40).await;
    assert_eq!(world.fresh_for().await, 10);
    assert!(heads.lock().unwrap()[1].contains("if-none-match: \"v1\""));
    world.after(10).await;
    assert_eq!(world.fresh_for().await, 30);
}

#[tokio::test]
async fn what_is_never_fresh_is_asked_about_by_its_version_and_stands_in_unless_that_is_forbidden() {
    let (base, heads) = peer(&[
        ("200 OK", "etag: \"v1\"\r\ncache-control: max-age=0\r\n", "1"),
        ("304 Not Modified", "cache-control: max-age=0\r\n", ""),
        ("500 Oops", "", ""),
        ("304 Not Modified", "cache-control: no-cache\r\n", ""),
    ])
    .await;
    let world = World::http(&base, "ttl = \"5m\"\nttl_from_headers = true").await;
    for _ in 0..2 {
        assert_eq!(world.fresh_for().await, 0);
    }
    let outcome = world.ask().await.unwrap();
    assert_eq!((outcome.origin(), outcome.value().unwrap().bytes().as_ref()), (Origin::Stale, &b"1"[..]));
    world.after(60).await;
    assert_eq!(world.fresh_for().await, 0);
    assert!(heads.lock().unwrap()[3].contains("if-none-match: \"v1\""));
    assert!(world.ask().await.is_err(), "`no-cache`: it may not be used unasked");
}

#[tokio::test]
async fn an_answer_says_itself_how_long_it_holds() {
    let token = |expires: &str| format!("{{\"access_token\": \"x\", \"expires_in\": {expires}}}");
    // The fake clock begins at 2026-11-20 00:00:00.
    let answers = ["30", "\"2026-11-20T00:02:00Z\"", "1795132920", "\"soon\"", "9000"].map(token);
    let script: Vec<_> = answers.iter().map(|body| ("200 OK", "", body.as_str())).collect();
    let (base, _) = peer(&script).await;
    let world = World::http(&base, "ttl = \"5m\"\nttl_from_value = \"/expires_in\"").await;
    assert_eq!(world.fresh_for().await, 30);
    world.after(30).await;
    assert_eq!(world.fresh_for().await, 90, "by the wall clock");
    world.after(90).await;
    assert_eq!(world.fresh_for().await, 0, "it is over");
    assert_eq!(world.fresh_for().await, 300, "it does not say");
    world.after(300).await;
    assert_eq!(world.fresh_for().await, 300, "at most the class's");
}

#[tokio::test]
async fn jitter_never_outlives_what_the_source_has_set() {
    let script = [("200 OK", "cache-control: max-age=100\r\n", "1"); 20];
    let (base, _) = peer(&script).await;
    let world = World::open(&format!(
        "[sources.s]\nkind = \"http\"\nbase_url = \"{base}\"\n[classes.c]\njitter = 0.5\nttl_from_headers = true\n\
         [reads.r]\nsource = \"s\"\nclass = \"c\"\nhttp = \"GET /\"\n"
    ))
    .await;
    let mut seen = Vec::new();
    for _ in 0..20 {
        let ask = Ask { mode: Mode::Refresh, ..Ask::default() };
        let outcome = world.alacena.ask("r", Parameters::default(), ask).await.unwrap();
        seen.push(outcome.fresh_for().as_secs());
    }
    assert!(seen.iter().all(|seconds| (50..=100).contains(seconds)), "{seen:?}");
    assert!(seen.iter().any(|seconds| *seconds < 90), "{seen:?}");
}

#[tokio::test]
async fn a_row_says_how_long_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    database.execute_batch("create table offers (until); insert into offers values (1795132845)").unwrap();
    let config = "[sources.s]\nkind = \"sqlite\"\npath = \"app.db\"\n[classes.c]\njitter = 0.0\n\
                  ttl_from_value = \"/until\"\n[reads.r]\nsource = \"s\"\nclass = \"c\"\nresult = \"row\"\n\
                  sql = \"select until from offers\"\n";
    assert_eq!(World::open_in(folder, config).await.fresh_for().await, 45);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let http = "[sources.s]\nkind = \"http\"\nbase_url = \"https://s.example\"\n\
                [reads.r]\nsource = \"s\"\nclass = \"c\"\nhttp = \"GET /\"\n";
    let sql = "[sources.s]\nkind = \"sqlite\"\npath = \"app.db\"\n\
               [reads.r]\nsource = \"s\"\nclass = \"c\"\nsql = \"select 1\"\n";
    let folder = tempfile::tempdir().unwrap();
    let check = |reads: &str, class: &str| load(folder.path(), &format!("{reads}[classes.c]\n{class}\n"));
    for (reads, class, field) in [
        (sql, "ttl_from_headers = true", "ttl_from_headers: means nothing"),
        (http, "ttl_max = \"1h\"", "ttl_max: bounds what nothing sets"),
        (http, "ttl_from_headers = true\nttl_max = \"1m\"", "ttl_max: is shorter than `ttl`"),
        (http, "ttl_from_headers = true\nsliding_max = \"1h\"", "sliding_max: would let hits"),
        (http, "ttl_from_value = \"/a\"\nsliding_max = \"1h\"", "sliding_max: would let hits"),
        (http, "ttl_from_value = \"a\"", "ttl_from_value: is no JSON pointer"),
    ] {
        let problems = check(reads, class).err().unwrap().to_string();
        assert!(problems.contains(&format!("classes.c.{field}")), "{class}: {problems}");
    }
    for (reads, class) in [
        (sql, "ttl_from_headers = false\nttl_from_value = \"/0/until\""),
        (http, "ttl_from_headers = true\nttl_from_value = \"/a\"\nttl_max = \"1h\""),
    ] {
        check(reads, class).unwrap();
    }
    let read = &check(http, "ttl_from_headers = true\nttl = \"1m\"").unwrap().reads[0];
    assert!(read.ttl_from.headers && read.ttl_from.max == Duration::from_secs(60));
}
