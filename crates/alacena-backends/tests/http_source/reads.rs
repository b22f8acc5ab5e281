//! What a read sends, and what each answer means.

use alacena_backends::http::{HttpQuestion, HttpSettings, HttpSource};
use alacena_core::{
    declared::Template,
    error::{Code, Retry, catalogue},
    runtime::{BoxFuture, Moment, Runtime},
    secret::Secret,
    source::{Call, Fetched, Terms},
};
use alacena_testkit::FakeRuntime;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use std::{sync::Arc, time::Duration};

use crate::{
    ask, ask_with, call, credential, found, open,
    peer::{Peer, Reply, head, reply},
    question, settings, shown,
};

#[tokio::test]
async fn a_read_is_sent_as_declared_and_its_answer_kept_as_it_was_written() {
    let peer = Peer::start([reply("200 OK", &["set-cookie: a=b"], "{ \"count\": 1.0 }")]).await;
    let source = open(HttpSettings {
        headers: vec![("X-Tenant".to_owned(), Secret::new("one"))],
        ..settings(&format!("{}/api1/", peer.base))
    });
    let read = HttpQuestion {
        headers: vec![("x-trace".to_owned(), Template::parse("t-{trace}").unwrap())],
        ..question("GET /jobs/{id}?from={from}&filter={filter?}")
    };
    let given = [("id", "a/b"), ("from", "0"), ("trace", "9")];
    assert_eq!(found(ask_with(&source, read.clone(), &given).await), "{ \"count\": 1.0 }");
    found(ask_with(&source, read, &given).await);

    let received = peer.received();
    assert_eq!(received[0].line(), "GET /api1/jobs/a%2Fb?from=0 HTTP/1.1");
    assert_eq!(received[0].header("x-tenant"), Some("one"));
    assert_eq!(received[0].header("x-trace"), Some("t-9"));
    assert_eq!(received[0].header("accept"), Some("application/json"));
    assert_eq!(received[0].header("accept-encoding"), Some("gzip"));
    assert_eq!(received[0].header("cache-control"), None);
    assert!(received[0].header("user-agent").unwrap().starts_with("alacena/"));
    assert_eq!(received[1].header("cookie"), None, "cookies of the source are not sent back");
}

#[tokio::test]
async fn a_read_by_post_sends_its_document_and_a_pointer_cuts_the_answer() {
    let peer = Peer::start([reply("200 OK", &[], "{\"data\": {\"jobs\": [ 1 , 2 ]}}")]).await;
    let source = open(settings(&peer.base));
    let read = HttpQuestion {
        body: Some(json!({"query": "{query}", "deep": {"absent": "{absent?}"}})),
        pointer: Some("/data/jobs".to_owned()),
        ..question("POST /graphql")
    };
    assert_eq!(found(ask_with(&source, read.clone(), &[("query", "{ \"jobs\" }")]).await), "[ 1 , 2 ]");
    let received = &peer.received()[0];
    assert_eq!(received.line(), "POST /graphql HTTP/1.1");
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(received.body, r#"{"query":"{ \"jobs\" }","deep":{}}"#);

    let elsewhere = HttpQuestion { pointer: Some("/data/tasks".to_owned()), ..read };
    let error = ask_with(&source, elsewhere, &[("query", "x")]).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::ANSWER_LACKS_PART);
    assert!(error.detail().contains("`/data/tasks`"), "{error}");
}

#[tokio::test]
async fn a_load_that_must_look_again_says_so_to_caches_on_the_way() {
    let peer = Peer::start([reply("200 OK", &[], "1")]).await;
    let read = open(settings(&peer.base)).read(question("GET /jobs")).unwrap();
    found(read.fetch(Call { no_cache: true, ..Call::default() }).await);
    assert_eq!(peer.received()[0].header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn the_callers_credentials_replace_ours_and_are_asked_for_by_name() {
    let peer = Peer::start([reply("200 OK", &[], "1")]).await;
    let source = open(HttpSettings {
        headers: vec![("authorization".to_owned(), Secret::new("ours"))],
        credentials: vec!["Authorization".to_owned(), "x-user".to_owned()],
        ..settings(&peer.base)
    });
    let read = source.read(question("GET /jobs")).unwrap();
    let with = |credentials: &[_]| Call { credentials: credentials.into(), ..Call::default() };
    let (key, user) = (credential("authorization", "Bearer canary"), credential("x-user", "7"));
    let other = credential("x-other", "undeclared");
    found(read.fetch(with(&[key.clone(), user.clone(), other])).await);
    let received = peer.received();
    assert_eq!(received[0].header("authorization"), Some("Bearer canary"));
    assert_eq!(received[0].header("x-user"), Some("7"));
    assert_eq!(received[0].header("x-other"), None);

    let error = read.fetch(with(&[key])).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::CREDENTIAL_REQUIRED);
    assert!(error.detail().contains("`x-user`"), "{error}");
    assert!(!shown(&error).contains("canary"));
    let broken = credential("authorization", "canary\r\nx-evil: 1");
    let error = read.fetch(with(&[broken, user])).await.unwrap_err();
    assert!(!shown(&error).contains("canary"));
    assert_eq!(peer.received().len(), 1, "neither was sent");
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    let seconds = |seconds| Retry::After(Duration::from_secs(seconds));
    let table: [(&str, &[&str], &Code, Retry); 9] = [
        ("400 Bad Request", &[], &catalogue::SOURCE_REFUSED, Retry::Never),
        ("401 Unauthorized", &[], &catalogue::SOURCE_DENIED, Retry::Never),
        ("403 Forbidden", &[], &catalogue::SOURCE_DENIED, Retry::Never),
        ("409 Conflict", &[], &catalogue::SOURCE_REFUSED, Retry::Never),
        ("429 Too Many", &["retry-after: 30"], &catalogue::SOURCE_THROTTLED, seconds(30)),
        (
            "429 Too Many",
            &["retry-after: Fri, 20 Nov 2026 00:10:00 GMT"],
            &catalogue::SOURCE_THROTTLED,
            seconds(600),
        ),
        ("500 Oops", &[], &catalogue::SOURCE_FAILED, seconds(1)),
        ("503 Busy", &["retry-after: 99999"], &catalogue::SOURCE_FAILED, seconds(3_600)),
        ("304 Not Modified", &[], &catalogue::SOURCE_FAILED, Retry::Never),
    ];
    for (status, headers, code, retry) in table {
        let body = if status.starts_with("304") { "" } else { "canary" };
        let peer = Peer::start([reply(status, headers, body)]).await;
        let error = ask(&open(settings(&peer.base))).await.unwrap_err();
        assert_eq!((error.code(), error.retry()), (code, retry), "{status}");
        let context = [("status", status[..3].to_owned()), ("source", "crm".to_owned())];
        assert_eq!(error.context(), context, "{status}");
        assert!(!shown(&error).contains("canary"), "{error:?}");
    }
    for status in ["404 Not Found", "410 Gone"] {
        let peer = Peer::start([reply(status, &[], "whatever")]).await;
        assert!(matches!(ask(&open(settings(&peer.base))).await, Ok(Fetched::Absent)), "{status}");
    }
}

#[tokio::test]
async fn what_the_source_says_about_keeping_is_heard() {
    for (headers, expected) in [
        (&[][..], true),
        (&["cache-control: no-cache, max-age=0"], true),
        (&["cache-control: max-age=60, No-Store"], false),
        (&["cache-control: max-age=60", "cache-control: no-store"], false),
        // Nobody else can meet it: see `is_cacheable`.
        (&["cache-control: max-age=0, private, must-revalidate"], true),
        (&["vary: accept, origin"], true),
        (&["vary: *"], false),
        (&["vary: origin, *"], false),
    ] {
        let peer = Peer::start([reply("200 OK", headers, "1")]).await;
        let fetched = ask(&open(settings(&peer.base))).await;
        let Ok(Fetched::Found { cacheable, .. }) = fetched else { panic!("{fetched:?}") };
        assert_eq!(cacheable, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_refused_without_showing_it() {
    for (body, reason) in [
        (&b"{\"canary\": \xff}"[..], "not UTF-8 at byte 11"),
        (b"<html>canary</html>", "not JSON at line 1, column 1"),
        (b"{\"canary\": 1", "not JSON at line 1, column 12"),
        (b"", "it is empty"),
    ] {
        let peer = Peer::start([reply("200 OK", &[], body)]).await;
        let error = ask(&open(settings(&peer.base))).await.unwrap_err();
        assert_eq!((error.code(), error.retry()), (&catalogue::ANSWER_MALFORMED, Retry::Never));
        assert!(error.detail().contains(reason), "{error}");
        assert!(!shown(&error).contains("canary"), "{error:?}");
        assert_eq!(peer.received().len(), 1, "the next answer would be the same");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_hangs_up() {
    for reply in [Reply::Silence, Reply::Endless(head("200 OK", &["transfer-encoding: chunked"]))] {
        let peer = Peer::start([reply]).await;
        let source = open(HttpSettings { body_bytes_max: usize::MAX, ..settings(&peer.base) });
        tokio::select! {
            outcome = ask(&source) => panic!("{outcome:?}"),
            () = peer.arrival() => {}
        }
        peer.deserted().await;
    }
}

#[tokio::test]
async fn an_error_never_shows_the_values_that_were_asked_with() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = open(settings(&format!("http://{unused}/base-canary")));
    let read = question("GET /jobs/{id}?q={q}");
    let error = ask_with(&source, read, &[("id", "canary"), ("q", "canary")]).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_UNREACHABLE);
    assert_eq!(error.detail(), "connecting failed: connection refused");
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(1)));
    assert!(!shown(&error).contains("canary"), "{}", shown(&error));
}

#[tokio::test]
async fn a_host_without_an_address_is_named_as_such() {
    // No label has more than 63 characters: this is known without asking anybody.
    let source = open(settings(&format!("http://{}.invalid", "a".repeat(64))));
    let error = ask(&source).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_UNREACHABLE);
    assert_eq!(error.detail(), "the host of base_url has no address");
}

#[test]
fn settings_and_questions_that_cannot_be_used_are_refused_at_start() {
    let runtime = Arc::new(FakeRuntime::new(1));
    let refused = |settings| HttpSource::open(settings, runtime.clone()).err().unwrap();
    let error = refused(HttpSettings::new("crm", "crm.example"));
    assert_eq!(error.code(), &catalogue::CONFIGURATION_INVALID);
    assert_eq!(error.context(), [("source", "crm".to_owned())]);
    let settings = HttpSettings::new("crm", "https://crm.example");
    refused(HttpSettings { credentials: vec!["Host".into()], ..settings.clone() });
    refused(HttpSettings { ca_file: Some("/nowhere.pem".into()), ..settings.clone() });

    let source = HttpSource::open(settings, runtime).unwrap();
    for (read, reason) in [
        (question("PUT /jobs"), "a read cannot be sent by PUT"),
        (HttpQuestion { body: Some(json!({})), ..question("GET /jobs") }, "GET carries no body"),
        (HttpQuestion { pointer: Some("results".into()), ..question("GET /jobs") }, "must begin with `/`"),
        (HttpQuestion { body: Some(json!(["{x"])), ..question("POST /jobs") }, "never closed"),
        (question("GET jobs"), "begins with `/`"),
    ] {
        let error = source.read(read).err().unwrap();
        assert!(error.detail().contains(reason), "{error}");
    }
    assert!(source.write(question("GET /jobs")).is_err());
}

/// What arrives on the wire, byte by byte, whatever the values hold.
#[test]
fn no_value_can_change_what_is_asked() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peer = tokio.block_on(Peer::start([reply("200 OK", &[], "1")]));
    let source = open(settings(&format!("{}/api", peer.base)));
    let read = HttpQuestion {
        headers: vec![("x-value".to_owned(), Template::parse("{c}").unwrap())],
        ..question("GET /jobs/{a}/notes?q={b}&last=1")
    };
    let read = source.read(read).unwrap();
    let hostile = r"[./?#%&=\\:@;+ a2eE\r\n\t\x00é]{0,6}";
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() });
    let result = runner.run(&(hostile, hostile, hostile), |(a, b, c)| {
        let before = peer.received().len();
        let outcome = tokio.block_on(read.fetch(call(&[("a", &a), ("b", &b), ("c", &c)])));
        let Ok(_) = outcome else {
            prop_assert_eq!(peer.received().len(), before, "a refused call was sent");
            return Ok(());
        };
        let received = peer.received().last().unwrap().clone();
        let target =
            received.line().strip_prefix("GET /api/jobs/").unwrap().strip_suffix("&last=1 HTTP/1.1").unwrap();
        let (segment, value) = target.split_once("/notes?q=").unwrap();
        let is_inert =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
        prop_assert!(is_inert(segment) && is_inert(value), "{}", target);
        prop_assert!(!matches!(segment, "" | "." | ".."));
        prop_assert!(!received.head.contains("x-evil"));
        Ok(())
    });
    result.unwrap();
}

#[tokio::test]
async fn the_version_that_is_held_is_shown_and_the_source_may_say_that_nothing_has_changed() {
    let answer = reply("200 OK", &["etag: W/\"v1\"", "last-modified: Fri, 20 Nov 2026 09:00:00 GMT"], "1");
    let peer =
        Peer::start([answer, reply("304 Not Modified", &[], ""), reply("304 Not Modified", &[], "")]).await;
    let read = open(settings(&peer.base)).read(question("GET /jobs")).unwrap();
    let Ok(Fetched::Found { body, .. }) = read.fetch(Call::default()).await else { panic!("it is there") };
    let held = body.validator().cloned();
    let unchanged = read.fetch(Call { held, no_cache: true, ..Call::default() }).await;
    assert!(matches!(unchanged, Ok(Fetched::Unchanged { .. })), "{unchanged:?}");
    let received = peer.received();
    assert_eq!((received[0].header("if-none-match"), received[0].header("if-modified-since")), (None, None));
    assert_eq!(received[1].header("if-none-match"), Some("W/\"v1\""));
    assert_eq!(received[1].header("if-modified-since"), Some("Fri, 20 Nov 2026 09:00:00 GMT"));
    // Nobody asked whether anything had changed: that is no answer.
    assert_eq!(read.fetch(Call::default()).await.unwrap_err().code(), &catalogue::SOURCE_FAILED);
}

#[tokio::test]
async fn what_the_source_says_about_how_long_its_answer_holds_is_handed_on_and_said_anew_with_every_answer() {
    let first = ["etag: \"v1\"", "cache-control: max-age=60, stale-if-error=9", "age: 20"];
    let peer = Peer::start([
        reply("200 OK", &first, "1"),
        reply("304 Not Modified", &["cache-control: max-age=30"], ""),
        reply("304 Not Modified", &["cache-control: no-store"], ""),
    ])
    .await;
    let read = open(settings(&peer.base)).read(question("GET /jobs")).unwrap();
    let Ok(Fetched::Found { body, terms, .. }) = read.fetch(Call::default()).await else {
        panic!("it is there")
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(terms, Terms { ttl: seconds(40), stale_while_revalidate: None, stale_if_error: seconds(9) });
    let again = || read.fetch(Call { held: body.validator().cloned(), ..Call::default() });
    let Ok(Fetched::Unchanged { cacheable: true, terms }) = again().await else { panic!("it is unchanged") };
    assert_eq!(terms, Terms { ttl: seconds(30), ..Terms::default() });
    assert!(matches!(again().await, Ok(Fetched::Unchanged { cacheable: false, .. })));
}

/// A runtime on which every look at the clock takes a second.
struct Slow(std::sync::atomic::AtomicU64, FakeRuntime);

impl Runtime for Slow {
    fn now(&self) -> Moment {
        Moment::ORIGIN + Duration::from_secs(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
    fn unix_millis(&self) -> u64 {
        self.1.unix_millis()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.1.sleep(duration)
    }
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.1.spawn(task);
    }
    fn random(&self) -> u64 {
        self.1.random()
    }
}

#[tokio::test]
async fn the_time_that_an_answer_takes_is_part_of_its_age() {
    let peer = Peer::start([reply("200 OK", &["cache-control: max-age=60", "age: 20"], "1")]).await;
    let runtime = Arc::new(Slow(0.into(), FakeRuntime::new(1)));
    let source = HttpSource::open(settings(&peer.base), runtime).unwrap();
    let Ok(Fetched::Found { terms, .. }) = ask(&source).await else { panic!("it is there") };
    assert!(terms.ttl < Some(Duration::from_secs(40)), "{terms:?}");
}
