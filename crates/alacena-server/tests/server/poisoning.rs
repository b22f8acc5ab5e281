//! Cache poisoning: nothing that is not in the key changes what is cached.
//!
//! The source answers with everything that reached it. Every entry of the tables asks a cold cache; whatever came
//! back, the next caller gets byte for byte what a plain question gets.

use alacena::runtime::Runtime;
use alacena_testkit::FakeRuntime;
use percent_encoding::percent_decode_str;

use crate::support::{Answer, Request, Running, get, post};

pub(crate) const ECHO: &str = r#"
[sources.echo]
kind = "http"
base_url = "http://{upstream}/base"
retries = 0
breaker = { failures = 10000 }

[reads.echo]
source = "echo"
class = "plain"
http = "GET /echo?q={q}"
params.q = { type = "string", default = "1" }

[reads.part]
source = "echo"
class = "plain"
http = "GET /part/{name}/end"
params.name = { type = "string" }
"#;

const PLAIN: &str = "/reads/echo?q=1";

/// Headers that caches, proxies or frameworks have let change an answer.
const HEADERS: &[(&str, &str)] = &[
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-scheme", "nothttps"),
    ("x-forwarded-port", "1"),
    ("x-forwarded-prefix", "/evil"),
    ("x-forwarded-server", "evil.example"),
    ("x-forwarded-path", "/evil"),
    ("x-forwarded-uri", "/evil"),
    ("forwarded", "for=127.0.0.1;host=evil.example;proto=https"),
    ("x-host", "evil.example"),
    ("x-http-host-override", "evil.example"),
    ("x-original-host", "evil.example"),
    ("x-original-url", "/evil"),
    ("x-rewrite-url", "/evil"),
    ("x-http-method-override", "DELETE"),
    ("x-http-method", "PUT"),
    ("x-method-override", "HEAD"),
    ("x-real-ip", "127.0.0.1"),
    ("x-client-ip", "127.0.0.1"),
    ("true-client-ip", "127.0.0.1"),
    ("cf-connecting-ip", "127.0.0.1"),
    ("x-wap-profile", "http://evil.example/profile.xml"),
    ("x-amz-website-redirect-location", "http://evil.example"),
    ("x-accel-redirect", "/evil"),
    ("x-sendfile", "/etc/passwd"),
    ("x-timer", "evil"),
    ("user-agent", "evil"),
    ("referer", "http://evil.example/"),
    ("accept", "text/html"),
    ("accept-charset", "utf-7"),
    ("accept-language", "xx"),
    ("accept-encoding", "gzip"),
    ("accept-encoding", "br, zstd, deflate, *;q=0.1"),
    ("accept-encoding", "identity;q=0, evil"),
    ("cookie", "session=evil"),
    ("authorization", "Bearer evil"),
    ("proxy-authorization", "Basic ZXZpbA=="),
    ("range", "bytes=0-1"),
    ("range", "bytes=0-0,1-1,2-2"),
    ("if-range", "\"evil\""),
    ("if-match", "\"evil\""),
    ("if-none-match", "\"evil\""),
    ("if-none-match", "*"),
    ("if-modified-since", "Fri, 31 Dec 2099 23:59:59 GMT"),
    ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("cache-control", "no-cache"),
    ("cache-control", "no-store"),
    ("cache-control", "only-if-cached, max-stale=99999999"),
    ("pragma", "no-cache"),
    ("connection", "close, x-forwarded-host, host"),
    ("te", "trailers, deflate"),
    ("trailer", "content-length"),
    ("upgrade", "h2c, websocket"),
    ("expect", "evil"),
    ("via", "1.1 evil.example"),
    ("max-forwards", "0"),
    ("origin", "https://evil.example"),
    ("access-control-request-method", "DELETE"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("content-encoding", "gzip"),
    ("traceparent", "00-00000000000000000000000000000001-0000000000000001-01"),
    ("alacena-token", "evil"),
    ("alacena-after", "evil"),
    ("x-evil", "a\u{7f}b"),
    ("x-evil", "a\u{1}b"),
    ("x-evil", "a\u{0}b"),
    ("x-evil", "é"),
    ("X-FORWARDED-HOST", "evil.example"),
];

fn with(name: &str, value: &str) -> (String, Request) {
    (format!("{name}: {value}"), get(PLAIN).with(name, value))
}

/// Other ways to say a request wrongly, or in a way of one's own.
fn others() -> Vec<(String, Request)> {
    let path = |path: &str| (path.to_owned(), get(path));
    let mut requests = vec![
        ("an oversized header".to_owned(), get(PLAIN).with("x-evil", &"x".repeat(60_000))),
        ("a header too large".to_owned(), get(PLAIN).with("x-evil", &"x".repeat(100_000))),
        ("many headers".to_owned(), (0..120).fold(get(PLAIN), |all, n| all.with(&format!("x-{n}"), "x"))),
        ("a fat GET".to_owned(), post(PLAIN, r#"{"q": "2"}"#).method("GET")),
        ("a fat HEAD".to_owned(), post(PLAIN, r#"{"q": "2"}"#).method("HEAD")),
        ("a POST with a query".to_owned(), post(PLAIN, r#"{"q": "1"}"#)),
        ("a POST with another query".to_owned(), post("/reads/echo?q=2", r#"{"q": "1"}"#)),
    ];
    for method in ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "PURGE", "get", "EVIL"] {
        requests.push((method.to_owned(), get(PLAIN).method(method)));
    }
    for host in
        ["LOCALHOST", "localhost:1", "localhost.", "app.localhost", "127.0.0.1", "evil.example", "", "a b"]
    {
        requests.push((format!("host {host}"), get(PLAIN).with("host", host)));
    }
    requests.extend([
        path("http://localhost/reads/echo?q=1"),
        path("http://evil.example/reads/echo?q=1"),
        path("//evil.example/reads/echo?q=1"),
        // Parameter cloaking: what one reader takes for one parameter, and another for two.
        path("/reads/echo?q=1&q=2"),
        path("/reads/echo?q=2&q=1"),
        path("/reads/echo?q=1;q=2"),
        path("/reads/echo?q=1%26q=2"),
        path("/reads/echo?q=1&Q=2"),
        path("/reads/echo?q=1&%71=2"),
        path("/reads/echo?%71=1"),
        path("/reads/echo?q=%31"),
        path("/reads/echo?q=1&"),
        path("/reads/echo?&q=1"),
        path("/reads/echo?q=1#evil"),
        path("/reads/echo?q=1?q=2"),
        path("/reads/echo?q[]=1"),
        path("/reads/echo?q=1&utm_content=evil"),
        path("/reads/echo?q=1&callback=evil"),
        path("/reads/echo?q=1&_method=DELETE"),
        path("/reads/echo?q"),
        path("/reads/echo?q="),
        path("/reads/echo?=1"),
        path("/reads/echo?q=1%00"),
        path("/reads/echo?q=1%0d%0ax-evil:%201"),
        path("/reads/echo?q=+1"),
        path("/reads/echo?q=%ff"),
        path("/reads/echo?"),
    ]);
    requests
}

#[tokio::test]
async fn what_is_not_in_the_key_changes_nothing_that_is_cached() {
    let server = Running::start(ECHO).await;
    // After an invalidation a source is asked to look anew, which it is told in a header.
    server.post("/cache/clear", "").await;
    let plain = server.get(PLAIN).await;
    assert_eq!(plain.status, 200);
    for (what, request) in HEADERS.iter().map(|(name, value)| with(name, value)).chain(others()) {
        server.post("/cache/clear", "").await;
        let poisoned = request.clone().try_send(server.address).await;
        let after = server.get(PLAIN).await;
        assert_eq!((after.status, after.text()), (200, plain.text()), "after {what}");
        assert_eq!(after.header("etag"), plain.header("etag"), "after {what}");
        assert_eq!(after.header("content-type"), "application/json", "after {what}");
        let Some(poisoned) = poisoned else { continue };
        assert!(!poisoned.header("cache-control").contains("public"), "{what}: {}", poisoned.raw);
        assert!(!poisoned.has("location") && !poisoned.has("set-cookie"), "{what}: {}", poisoned.raw);
        // The same by way of a hit: what is cached is not changed by whoever gets it, either.
        let hit = request.try_send(server.address).await;
        assert_eq!(hit.map(|hit| hit.status), Some(poisoned.status), "{what} again");
        assert_eq!(server.get(PLAIN).await.text(), plain.text(), "after {what} again");
    }
}

#[tokio::test]
async fn the_source_sees_nothing_but_what_is_in_the_key() {
    let server = Running::start(ECHO).await;
    let plain = server.get(PLAIN).await.json();
    let names: Vec<_> = plain["headers"].as_array().unwrap().iter().map(|pair| pair[0].clone()).collect();
    assert!(
        names
            .iter()
            .all(|name| matches!(name.as_str(), Some("accept" | "accept-encoding" | "host" | "user-agent"))),
        "{names:?}"
    );
    assert_eq!((plain["method"].as_str(), plain["body"].as_str()), (Some("GET"), Some("")));
    let post = server.post("/reads/echo", r#"{"q": "2"}"#).await.json();
    assert_eq!((post["method"].as_str(), post["body"].as_str()), (Some("GET"), Some("")));
}

/// Texts out of what cuts requests, URLs and paths into parts.
fn troublesome(runtime: &FakeRuntime) -> String {
    const PARTS: &[&str] = &[
        "&", ";", "=", "%", "#", "?", "/", "\\", "+", " ", ".", "..", "../", "%2f", "%2e", "%00", "\r\n",
        "\n", "\0", "\t", "é", "\u{2028}", "\u{202e}", "q=2", "a", ":", "@", "|", "'", "\"", "<", "{q}", "$",
        "~", "\u{7f}",
    ];
    let length = runtime.random() % 6;
    (0..length).map(|_| PARTS[runtime.random() as usize % PARTS.len()]).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// Asked once for each text, by query and by body: the source got that very text in the place that is meant for it, or
/// was not asked at all.
#[tokio::test]
async fn every_text_reaches_the_source_as_itself_and_has_an_answer_of_its_own() {
    let server = Running::start(ECHO).await;
    let chance = FakeRuntime::new(7);
    let mut asked = std::collections::HashMap::new();
    for _ in 0..400 {
        let text = troublesome(&chance);
        let answer = server.get(&format!("/reads/echo?q={}", encoded(&text))).await;
        if answer.status == 200 {
            let target = answer.json()["target"].as_str().unwrap().to_owned();
            let query = target.strip_prefix("/base/echo?q=").unwrap_or_else(|| panic!("{text:?}: {target}"));
            assert!(!query.contains(['&', ';', '#', '+']), "{text:?}: {target}");
            assert_eq!(decoded(query), text, "{target}");
        } else {
            assert_eq!(answer.problem(), "parameter-invalid", "{text:?}");
        }
        check_same(&mut asked, format!("query {text}"), &answer);
        let by_body = server.post("/reads/echo", &serde_json::json!({ "q": text }).to_string()).await;
        assert_eq!(by_body.text(), answer.text(), "{text:?} by body");

        let answer = server.get(&format!("/reads/part?name={}", encoded(&text))).await;
        if answer.status == 200 {
            let target = answer.json()["target"].as_str().unwrap().to_owned();
            let parts: Vec<_> = target.split('/').collect();
            assert_eq!((parts.len(), parts[2], parts[4]), (5, "part", "end"), "{text:?}: {target}");
            assert_eq!(decoded(parts[3]), text, "{target}");
            assert!(!matches!(parts[3], "" | "." | ".."), "{text:?}: {target}");
        } else {
            assert_eq!(answer.problem(), "parameter-invalid", "{text:?}");
        }
        check_same(&mut asked, format!("part {text}"), &answer);
    }
}

/// Whoever asks the same gets the same, whoever asks something else something else.
fn check_same(asked: &mut std::collections::HashMap<String, String>, question: String, answer: &Answer) {
    if answer.status != 200 {
        return;
    }
    let other = asked.iter().find(|(other, body)| **other != question && **body == answer.text());
    assert!(other.is_none(), "{question:?} has the answer of {other:?}");
    if let Some(before) = asked.insert(question.clone(), answer.text().to_owned()) {
        assert_eq!(before, answer.text(), "{question:?}");
    }
}
