//! A plain hit is answered before the router; nobody can tell by what it says.

use axum::{
    body::Body,
    http::{HeaderMap, Method, Version},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Answer, Running, get};

/// The same request on the long way: a name with an escape in it is none that the short one reads.
fn long_way(target: &str) -> String {
    let (before, name) = target.split_at("/reads/".len());
    let first = name.bytes().next().unwrap();
    format!("{before}%{first:02x}{}", &name[1..])
}

/// Every line but the time of the day, in whatever order they came.
fn said(answer: &Answer) -> Vec<&str> {
    let mut lines: Vec<&str> = answer.raw.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn over_http_1_both_ways_say_the_same() {
    let server = Running::start("").await;
    let etag = server.get("/reads/item?id=7").await.header("etag").to_owned();
    server.get("/reads/item?id=404").await;
    server.pass(10).await;
    for target in
        ["/reads/item?id=7", "/reads/item?mode=full&id=%37", "/reads/item?id=404", "/reads/item?id=x"]
    {
        for (method, held) in [("GET", ""), ("HEAD", ""), ("GET", "*"), ("HEAD", "*")] {
            let ask = |target: &str| get(target).method(method).with("if-none-match", held);
            let short = server.send(ask(target)).await;
            let long = server.send(ask(&long_way(target))).await;
            assert_eq!(said(&short), said(&long), "{method} {target} {held}");
        }
    }
    let kept = server.send(get("/reads/item?id=7").with("if-none-match", &etag)).await;
    assert_eq!((kept.status, kept.header("age"), kept.body.len()), (304, "10", 0));
    assert!(!kept.has("content-length"), "it would be that of what the caller holds");
}

#[tokio::test]
async fn every_question_is_counted_once_whichever_way_it_took() {
    let server = Running::start("").await;
    // A miss, which the short way leaves to the long one; then hits on both.
    for target in ["/reads/item?id=7", "/reads/item?id=7", "/reads/%69tem?id=7", "/reads/item?id=7"] {
        assert_eq!(server.get(target).await.status, 200);
    }
    let figures = server.alacena.figures();
    let item = figures.reads.iter().find(|read| read.read == "item").unwrap();
    let misses: u64 = item.misses_by_reason.iter().map(|(_, count)| count).sum();
    assert_eq!((item.hits, misses, item.loads), (3, 1, 1));
}

#[tokio::test]
async fn every_caller_gets_what_its_credential_brought_on_both_ways() {
    let server = Running::start("").await;
    for name in ["ada", "grace hopper"] {
        let ask = |target: &str| get(target).with("authorization", &format!("Bearer canary-{name}"));
        let long = server.send(ask("/reads/%6dine")).await;
        assert_eq!(long.cache_status(), "Alacena; fwd=uri-miss; stored; ttl=300");
        let again = server.send(ask("/reads/%6dine")).await;
        let short = server.send(ask("/reads/mine")).await;
        assert_eq!(said(&short), said(&again));
        assert_eq!((&short.body, short.header("vary")), (&long.body, "accept-encoding, authorization"));
    }
    let stranger = server.get("/reads/mine").await;
    assert_eq!((stranger.status, stranger.problem().as_str()), (401, "credential-required"));
}

#[tokio::test]
async fn answers_of_one_connection_do_not_run_into_each_other() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    server.pass(10).await;
    server.get("/reads/item?id=8").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let ask = |id: u64| format!("GET /reads/item?id={id} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let all: String = (0..200).map(|at| ask(7 + at % 2)).collect();
    let last = "GET /reads/item?id=7 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (mut reading, mut writing) = stream.split();
    let write = async {
        writing.write_all(all.as_bytes()).await.unwrap();
        writing.write_all(last.as_bytes()).await.unwrap();
    };
    let mut text = String::new();
    let (_, read) = tokio::join!(write, reading.read_to_string(&mut text));
    read.unwrap();
    let answers: Vec<&str> = text.split_inclusive('}').collect();
    assert_eq!(answers.len(), 201);
    for (at, answer) in answers.into_iter().enumerate() {
        let (id, age, ttl) = if at % 2 == 0 { (7, 10, 290) } else { (8, 0, 300) };
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{at}: {answer}");
        assert!(answer.contains(&format!("\r\nage: {age}\r\n")), "{at}: {answer}");
        assert!(answer.contains(&format!("\r\ncache-status: Alacena; hit; ttl={ttl}\r\n")), "{at}: {answer}");
        assert!(answer.ends_with(&format!("{{\"id\":{id},\"version\":1}}")), "{at}: {answer}");
    }
}

#[tokio::test]
async fn over_http_2_both_ways_say_the_same() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
    let ask = async |method: &Method, target: &str, conditions: &str| {
        let uri = format!("http://{}{target}", server.address);
        let request =
            axum::http::Request::builder().method(method).uri(uri).header("if-none-match", conditions);
        let answer = client.request(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        let (head, body) = answer.into_parts();
        let mut headers: HeaderMap = head.headers;
        headers.remove("date");
        (head.status, headers, axum::body::to_bytes(Body::new(body), 1 << 20).await.unwrap())
    };
    for method in [Method::GET, Method::HEAD] {
        for conditions in ["*", "\"other\""] {
            let short = ask(&method, "/reads/item?id=7", conditions).await;
            let long = ask(&method, "/reads/%69tem?id=7", conditions).await;
            assert_eq!(short, long, "{method} {conditions}");
            let length = short.1.get("content-length").map(|length| length.to_str().unwrap());
            let expected = if conditions == "*" { (304, None) } else { (200, Some("20")) };
            assert_eq!((short.0.as_u16(), length), expected);
            let bytes = if expected.0 == 200 && method == Method::GET { 20 } else { 0 };
            assert_eq!(short.2.len(), bytes, "{method} {conditions}");
        }
    }
}
