//! Answers in gzip for those who take it, and as they are for the others.

use alacena::value::gunzip;
use serde_json::json;

use crate::support::{Answer, Request, Running, get, post};

const PADDED: &str = r#"
[classes.packed]
compression = "gzip"

[reads.padded]
source = "crm"
class = "plain"
http = "GET /padded/{bytes}"
params.bytes = { type = "integer" }

[reads.packed]
source = "crm"
class = "packed"
http = "GET /padded/{bytes}"
params.bytes = { type = "integer" }
"#;

const LARGE: &str = "/reads/padded?bytes=20000";
const BROWSER: &str = "gzip, deflate, br, zstd";

/// What the upstream answers.
fn plain(bytes: usize) -> Vec<u8> {
    format!("\"{}\"", "x".repeat(bytes)).into_bytes()
}

fn is_gzip(answer: &Answer) -> bool {
    answer.header("content-encoding") == "gzip"
}

fn unzipped(answer: &Answer, bytes: usize) -> Vec<u8> {
    assert!(is_gzip(answer), "{}", answer.raw);
    gunzip(&answer.body, plain(bytes).len()).unwrap()
}

/// Asks until the answer comes in gzip, which nobody waits for.
async fn encoded(server: &Running, request: &Request) -> Answer {
    for _ in 0..1_000 {
        let answer = server.send(request.clone().with("accept-encoding", BROWSER)).await;
        if is_gzip(&answer) {
            return answer;
        }
        assert_eq!(answer.body, plain(20_000));
    }
    panic!("it never comes in gzip");
}

#[tokio::test]
async fn an_answer_that_is_asked_for_again_comes_in_gzip_to_who_takes_it() {
    let server = Running::start(PADDED).await;
    let first = server.send(get(LARGE).with("accept-encoding", BROWSER)).await;
    assert_eq!((first.status, first.has("content-encoding")), (200, false), "nobody waits for it");
    assert_eq!((first.body.len(), first.header("vary")), (20_002, "accept-encoding"));

    let gzip = encoded(&server, &get(LARGE)).await;
    assert_eq!(unzipped(&gzip, 20_000), plain(20_000));
    assert!(gzip.body.len() < 200 && gzip.header("content-length") == gzip.body.len().to_string());
    assert_eq!((gzip.header("vary"), gzip.header("content-type")), ("accept-encoding", "application/json"));
    assert!(gzip.cache_status().starts_with("Alacena; hit"), "{}", gzip.cache_status());
    assert_eq!(server.upstream.calls(), 1);

    let others = [
        get(LARGE),
        get(LARGE).with("accept-encoding", "gzip;q=0"),
        get(LARGE).with("accept-encoding", "br"),
    ];
    for request in others {
        let answer = server.send(request).await;
        assert_eq!((answer.has("content-encoding"), answer.body), (false, plain(20_000)));
    }
    let posted =
        server.send(post("/reads/padded", r#"{"bytes":20000}"#).with("accept-encoding", BROWSER)).await;
    assert_eq!(posted.body, gzip.body);

    let head = server.send(get(LARGE).method("HEAD").with("accept-encoding", BROWSER)).await;
    assert!(head.body.is_empty() && is_gzip(&head));
    assert_eq!(head.header("content-length"), gzip.header("content-length"));
}

#[tokio::test]
async fn each_form_has_a_tag_of_its_own_that_saves_sending_it_again() {
    let server = Running::start(PADDED).await;
    let tag = |answer: &Answer| answer.header("etag").to_owned();
    let plain = tag(&server.get(LARGE).await);
    let gzip = tag(&encoded(&server, &get(LARGE)).await);
    assert_eq!(gzip, format!("{}-gzip\"", plain.trim_end_matches('"')));

    let held = |tag: &str| get(LARGE).with("if-none-match", tag);
    for (request, expected) in [
        (held(&plain), Some(&plain)),
        (held(&gzip), None),
        (held(&plain).with("accept-encoding", BROWSER), Some(&plain)),
        (held(&gzip).with("accept-encoding", BROWSER), Some(&gzip)),
        (held(&plain).with("accept-encoding", "gzip, identity;q=0"), None),
    ] {
        let answer = server.send(request.clone()).await;
        let Some(expected) = expected else {
            assert_eq!(answer.status, 200, "{request:?}");
            continue;
        };
        assert_eq!((answer.status, answer.header("etag")), (304, expected.as_str()), "{request:?}");
        assert_eq!((answer.header("vary"), answer.has("content-encoding")), ("accept-encoding", false));
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn who_takes_only_gzip_gets_it_at_once_and_who_takes_nothing_is_told_so() {
    let server = Running::start(PADDED).await;
    for (bytes, path) in [(20_000, LARGE), (3, "/reads/padded?bytes=3"), (3, "/reads/padded?bytes=3")] {
        let answer = server.send(get(path).with("accept-encoding", "gzip, *;q=0")).await;
        assert_eq!(unzipped(&answer, bytes), plain(bytes));
    }
    for nothing in ["*;q=0", "br, identity;q=0"] {
        let refused = server.send(get(LARGE).with("accept-encoding", nothing)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (406, "encoding-refused"));
    }
}

#[tokio::test]
async fn a_class_that_keeps_gzip_sends_it_from_the_first_answer_on() {
    let server = Running::start(PADDED).await;
    let path = "/reads/packed?bytes=20000";
    for _ in 0..2 {
        let answer = server.send(get(path).with("accept-encoding", BROWSER)).await;
        assert_eq!(unzipped(&answer, 20_000), plain(20_000));
        assert_eq!(server.get(path).await.body, plain(20_000));
    }
    assert_eq!(server.upstream.calls(), 1);
    let held = server.alacena.figures().bytes;
    assert!(held < 2_000, "{held} bytes");
}

#[tokio::test]
async fn batches_and_agents_get_json_as_ever() {
    let server = Running::start(PADDED).await;
    encoded(&server, &get(LARGE)).await;
    let calls = json!({ "calls": [{ "bytes": 20_000 }] }).to_string();
    let batch = server.send(post("/reads/padded/batch", calls).with("accept-encoding", BROWSER)).await;
    assert!(!batch.has("content-encoding"));
    assert_eq!(batch.json()["answers"][0]["body"].as_str().map(str::len), Some(20_000), "{}", batch.raw);

    let call = json!({ "name": "padded", "arguments": { "bytes": 20_000 } }).to_string();
    let called = server.send(post("/mcp/tools/call", call).with("accept-encoding", BROWSER)).await;
    assert!(!called.has("content-encoding"));
    assert!(called.text().len() > 20_000, "{}", called.raw);
}
