//! How long a connection may take: to begin, for a head, for a body, to take its answer, to do nothing.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{GET, answer, first, is_open, rest_of};
use crate::support::Running;

#[tokio::test]
async fn a_connection_that_does_not_begin_in_time_is_closed() {
    for beginning in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"PRI * HTTP/2.0\r\n\r\nSM"] {
        let server = Running::start("").await;
        let stream = first(&server, beginning).await;
        server.pass(10).await;
        assert!(is_open(&stream), "{beginning:?}");
        server.pass(1).await;
        assert_eq!(rest_of(stream).await, "", "{beginning:?}");
    }
}

#[tokio::test]
async fn a_later_head_has_as_long_from_its_first_byte_on_and_trickling_does_not_help() {
    let server = Running::start("").await;
    let mut stream = first(&server, GET).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    server.pass(50).await;
    for byte in &GET[..11] {
        assert!(is_open(&stream));
        stream.write_all(&[*byte]).await.unwrap();
        server.pass(1).await;
    }
    assert_eq!(rest_of(stream).await, "");
}

#[tokio::test]
async fn a_connection_may_be_idle_between_requests_for_as_long_as_configured() {
    for (extra, seconds) in [("", 60), ("[server]\nidle_timeout = \"7s\"\n", 7)] {
        let server = Running::start(extra).await;
        let mut stream = first(&server, GET).await;
        for _ in 0..3 {
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
            server.pass(seconds).await;
            assert!(is_open(&stream), "{seconds}");
            stream.write_all(GET).await.unwrap();
        }
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        server.pass(seconds + 1).await;
        assert_eq!(rest_of(stream).await, "");
    }
}

#[tokio::test]
async fn a_request_that_is_worked_on_is_not_idle() {
    let server = Running::start("[server]\nidle_timeout = \"1s\"\n").await;
    server.upstream.hold(true);
    let stream = first(&server, b"GET /reads/item?id=7 HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    server.upstream.begun(1).await;
    server.pass(9).await;
    server.upstream.hold(false);
    let answer = rest_of_after(&server, stream, 2).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"id\":7"), "{answer}");
}

/// What comes until the server closes, which it does once so many seconds have passed.
async fn rest_of_after(server: &Running, stream: TcpStream, seconds: u64) -> String {
    stream.readable().await.unwrap();
    server.pass(seconds).await;
    rest_of(stream).await
}

fn body_of(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    for path in ["/reads/item", "/mcp"] {
        let server = Running::start("").await;
        let stream = first(&server, (body_of(path, 9) + "{").as_bytes()).await;
        server.pass(9).await;
        assert!(is_open(&stream));
        server.pass(1).await;
        let answer = rest_of(stream).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("only 1 bytes of the body arrived within 10 seconds"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_keeps_the_pace_is_read_to_its_end() {
    let server = Running::start("").await;
    let mut stream = first(&server, body_of("/reads/item", 30 * 1024).as_bytes()).await;
    for _ in 0..29 {
        stream.write_all(" ".repeat(1024).as_bytes()).await.unwrap();
        server.pass(1).await;
        assert!(is_open(&stream));
    }
    stream.write_all(format!("{:1024}", r#"{"id": 7}"#).as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
}

const PADDED: &str = r#"
[reads.padded]
source = "crm"
class = "plain"
http = "GET /padded/400000"
"#;

/// A batch whose answer is larger than what two kernels hold.
fn large_batch() -> String {
    let body = format!("{{\"calls\": [{}]}}", vec!["{}"; 100].join(","));
    let head = body_of("/reads/padded/batch", body.len());
    head.replacen("\r\n", "\r\nconnection: close\r\n", 1) + &body
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_given_up() {
    let server = Running::start(PADDED).await;
    let stream = first(&server, large_batch().as_bytes()).await;
    server.upstream.begun(1).await;
    // Once nothing moves any more, its time runs.
    server.pass(1).await;
    server.pass(33).await;
    let taken = rest_of(stream).await;
    assert!(taken.starts_with("HTTP/1.1 200") && !taken.ends_with("0\r\n\r\n"), "it was cut off");
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_sent_to_its_end() {
    let server = Running::start(PADDED).await;
    let mut stream = first(&server, large_batch().as_bytes()).await;
    let (mut taken, mut piece, mut next_pause) = (0, vec![0; 64 * 1024], 0);
    loop {
        let bytes = stream.read(&mut piece).await.unwrap();
        if bytes == 0 {
            break;
        }
        taken += bytes;
        if taken > next_pause {
            next_pause += 4_000_000;
            server.pass(20).await;
        }
    }
    assert!(taken > 40_000_000, "cut off after {taken} bytes");
}
