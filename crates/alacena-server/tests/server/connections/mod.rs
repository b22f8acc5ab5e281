//! Connections by the byte: how many there may be, how long each may take for what, requests that two readers could
//! take for different ones, and stopping.

mod time;
mod number;
mod smuggling;
mod size;
mod http2;
mod files;

use std::{io::ErrorKind, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
};

use crate::support::Running;

const GET: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A connection over which `bytes` have been sent.
async fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// The first connection of a server: what it sent is read, and its time runs.
async fn first(server: &Running, bytes: &[u8]) -> TcpStream {
    let before = server.runtime.sleepers();
    let stream = open(server.address, bytes).await;
    while server.runtime.sleepers() == before {
        yield_now().await;
    }
    server.pass(0).await;
    stream
}

/// Everything that comes until the server closes.
async fn rest_of(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A server that closes while we still send resets the connection; what came before counts.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a head and a body of a known length say.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        text.push(char::from(byte[0]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if length.map_or(0, |length| length.parse().unwrap()) == body.len() {
            return text;
        }
    }
}

/// Whether the server has neither closed nor said anything.
fn is_open(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[tokio::test]
async fn stopping_answers_every_request_that_has_arrived() {
    let mut server = Running::start("").await;
    let mut callers = Vec::new();
    for _ in 0..100 {
        // Without letting the server in between: the kernel connects and takes the bytes by itself.
        let stream = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut &stream, GET).unwrap();
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
