//! Connections by the byte: limits in number and time, requests that two readers could take for different ones, and
//! stopping.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
};

use crate::support::{Running, get};

/// A connection over which `bytes` have been sent.
async fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything that comes until the server closes.
async fn rest_of(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A server that closes while we still send resets the connection; what came before counts.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_connection_that_does_not_begin_in_time_is_closed() {
    let server = Running::start("").await;
    for beginning in [&b""[..], b"G", b"PRI * HTTP/2.0\r\n"] {
        let before = server.runtime.sleepers();
        let stream = open(server.address, beginning).await;
        while server.runtime.sleepers() == before {
            yield_now().await;
        }
        server.pass(9).await;
        let error = stream.try_read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "still open");
        server.pass(1).await;
        assert_eq!(rest_of(stream).await, "");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let server = Running::start("").await;
    for path in ["/reads/item", "/mcp"] {
        let before = server.runtime.sleepers();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
        );
        let stream = open(server.address, head.as_bytes()).await;
        while server.runtime.sleepers() == before {
            yield_now().await;
        }
        server.pass(30).await;
        let answer = rest_of(stream).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("within 30 seconds"), "{answer}");
    }
}

#[tokio::test]
async fn whoever_comes_on_top_of_the_connections_allowed_waits_for_one_to_end() {
    let server = Running::start_with("", |settings| settings.connections_max = 2).await;
    let head = b"GET /health HTTP/1.1\r\nhost: localhost\r\n";
    let first = open(server.address, head).await;
    let mut second = open(server.address, head).await;
    let third = tokio::spawn(get("/health").send(server.address));
    // The second is answered while the third still waits.
    second.write_all(b"\r\n").await.unwrap();
    let mut answer = [0; 12];
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    server.pass(0).await;
    assert!(!third.is_finished());
    drop(first);
    assert_eq!(third.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_head_has_a_largest_size() {
    let server = Running::start("").await;
    let pad = "x".repeat(70 * 1024);
    let request = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx-pad: {pad}\r\n\r\n");
    let answer = rest_of(open(server.address, request.as_bytes()).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn of_a_request_with_two_readings_nothing_is_taken_for_a_second_one() {
    let server = Running::start("").await;
    let post = "POST /reads/item HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let hidden = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (head, body) in [
        ("content-length: 4\r\ncontent-length: 0\r\n", "{}  "),
        ("content-length: +4\r\n", "{}  "),
        ("content-length: 4, 4\r\n", "{}  "),
        ("content-length : 4\r\n", "{}  "),
        ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "z\r\n{}\r\n0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "-1\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "10000000000000000\r\n\r\n"),
        ("x-folded: a\r\n content-length: 4\r\n", "{}  "),
        ("x: a\rcontent-length: 4\r\n", "{}  "),
    ] {
        let request = format!("{post}{head}\r\n{body}{hidden}");
        let answer = rest_of(open(server.address, request.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
    }
}

/// RFC 9112, 6.1: the chunks count, and the connection ends with the answer whatever follows.
#[tokio::test]
async fn after_a_request_with_two_lengths_the_connection_ends() {
    let server = Running::start("").await;
    for head in [
        "content-length: 60\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 60\r\n",
    ] {
        let request = format!(
            "POST /reads/item HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{head}\r\n\
             9\r\n{{\"id\": 7}}\r\n0\r\n\r\nGET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
        );
        let answer = rest_of(open(server.address, request.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn stopping_answers_every_request_that_has_arrived() {
    let mut server = Running::start("").await;
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut callers = Vec::new();
    for _ in 0..100 {
        // Without letting the server in between: the kernel connects and takes the bytes by itself.
        let stream = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut &stream, request).unwrap();
        stream.set_nonblocking(true).unwrap();
        callers.push(TcpStream::from_std(stream).unwrap());
    }
    let stopped = server.stop();
    for caller in callers {
        let answer = rest_of(caller).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    stopped.await.unwrap().unwrap();
}
