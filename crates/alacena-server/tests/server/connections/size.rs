//! How large a request may be.

use tokio::{io::AsyncWriteExt, net::TcpStream, task::yield_now};

use super::{is_open, open, rest_of};
use crate::support::Running;

/// Sends `piece` over and over until the server closes; how many bytes went.
async fn flood(stream: &mut TcpStream, piece: &[u8], most: usize) -> usize {
    let mut sent = 0;
    while sent < most {
        match stream.write(piece).await {
            Ok(bytes) => sent += bytes,
            Err(_) => break,
        }
    }
    sent
}

/// What kernels may hold between us and a server that reads no more.
const ON_THE_WAY: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn a_head_has_a_largest_size() {
    let server = Running::start("").await;
    let pad = "x".repeat(70 * 1024);
    let request = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx-pad: {pad}\r\n\r\n");
    let answer = rest_of(open(server.address, request.as_bytes()).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_head_without_end_is_not_read() {
    let server = Running::start("").await;
    for (begin, piece) in [
        ("GET /health HTTP/1.1\r\nhost: localhost\r\nx: ", vec![b'x'; 1024 * 1024]),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\n", b"a: b\r\n".repeat(100_000)),
        ("GET /", vec![b'x'; 1024 * 1024]),
        ("", b"\r\n".repeat(100_000)),
    ] {
        let mut stream = open(server.address, begin.as_bytes()).await;
        let sent = flood(&mut stream, &piece, 10 * ON_THE_WAY).await;
        assert!(sent < ON_THE_WAY, "{begin:?}: {sent} bytes were taken");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let server = Running::start("").await;
    let post = "POST /reads/item HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1024 * 1024], b"\r\n"].concat();
    for (field, piece) in [
        ("content-length: 1000000000", vec![b' '; 1024 * 1024]),
        ("transfer-encoding: chunked", chunk),
        ("transfer-encoding: chunked", b"1\r\n \r\n".repeat(10_000)),
        ("transfer-encoding: chunked", [b"1;".as_slice(), &vec![b'x'; 1024 * 1024]].concat()),
    ] {
        let mut stream = open(server.address, format!("{post}{field}\r\n\r\n").as_bytes()).await;
        let sent = flood(&mut stream, &piece, 10 * ON_THE_WAY).await;
        assert!(sent < ON_THE_WAY, "{field}: {sent} bytes were taken");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let server = Running::start("").await;
    for path in
        ["/reads/item", "/reads/item/batch", "/mcp", "/mcp/tools/call", "/cache/invalidate", "/writes/order"]
    {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1048577\r\n\r\n"
        );
        let answer = rest_of(open(server.address, request.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn all_bodies_that_are_arriving_have_a_largest_size_together() {
    let server = Running::start("").await;
    let head = "POST /reads/item HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1048576\r\n\r\n";
    let almost = head.to_owned() + &" ".repeat(1_000_000);
    let mut arriving = Vec::new();
    for _ in 0..75 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Whoever is refused hears of it before all is sent.
        let _ = stream.write_all(almost.as_bytes()).await;
        arriving.push(stream);
    }
    // 64 MiB hold 67 of them.
    let refused = |streams: &[TcpStream]| streams.iter().filter(|stream| !is_open(stream)).count();
    while refused(&arriving) < 8 {
        yield_now().await;
    }
    server.pass(0).await;
    assert_eq!(refused(&arriving), 8);
    let answer = server.post("/reads/item", r#"{"id": 7}"#).await;
    assert!(answer.status == 200, "there is room for a small one: {}", answer.raw);
    let gone = arriving.into_iter().rev().find(|stream| !is_open(stream)).unwrap();
    let said = rest_of(gone).await;
    assert!(said.is_empty() || said.contains("server-busy"), "{said}");
}
