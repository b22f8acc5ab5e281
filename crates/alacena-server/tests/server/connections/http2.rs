//! HTTP/2 by the frame: what one connection may do to us.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{first, is_open};
use crate::{load::waiting, support::Running};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field without indexing, its name and value shorter than 127 bytes.
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// The head of `GET path`: method and scheme stand in HPACK's table.
fn head(path: &str) -> Vec<u8> {
    [vec![0x82, 0x86], field(":path", path), field(":authority", "localhost")].concat()
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head(path))
}

/// A connection that has said hello, with these settings.
async fn hello(server: &Running, settings: &[u8]) -> TcpStream {
    first(server, &[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await
}

/// Sends `frames` as long as they are taken, and reads until the server closes; the kinds of frame that came, and why
/// it went away.
async fn until_closed(mut stream: TcpStream, frames: &[u8]) -> (Vec<u8>, Option<u32>) {
    let (mut reading, mut writing) = stream.split();
    let read = async {
        let mut bytes = Vec::new();
        // It may reset the connection while we send.
        let _ = reading.read_to_end(&mut bytes).await;
        bytes
    };
    let write = async {
        let _ = writing.write_all(frames).await;
    };
    let (bytes, ()) = tokio::join!(read, write);
    let (mut rest, mut kinds, mut why) = (&bytes[..], Vec::new(), None);
    while let Some((head, more)) = rest.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, more)) = more.split_at_checked(length) else { break };
        if head[3] == GOAWAY {
            why = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        kinds.push(head[3]);
        rest = more;
    }
    (kinds, why)
}

#[tokio::test]
async fn a_connection_that_resets_what_it_asks_is_closed() {
    let server = Running::start("").await;
    let stream = hello(&server, &[]).await;
    let mut frames = Vec::new();
    for number in 0..2_000_u32 {
        frames.extend(request(number * 2 + 1, "/reads/item?id=7"));
        frames.extend(frame(RST_STREAM, 0, number * 2 + 1, &8_u32.to_be_bytes()));
    }
    let (_, why) = until_closed(stream, &frames).await;
    assert_eq!(why, Some(11), "ENHANCE_YOUR_CALM");
    assert!(server.upstream.calls() <= 1, "one cold key is loaded once, whoever goes away");
}

#[tokio::test]
async fn a_head_in_endless_continuations_is_not_read() {
    let server = Running::start("").await;
    for piece in [Vec::new(), field("x", "y").repeat(1000)] {
        let server = Running::start("").await;
        let stream = hello(&server, &[]).await;
        let mut frames = frame(HEADERS, END_STREAM, 1, &head("/health"));
        for _ in 0..20_000 {
            frames.extend(frame(CONTINUATION, 0, 1, &piece));
        }
        let (kinds, why) = until_closed(stream, &frames).await;
        assert!(why.is_some_and(|why| why != 0) && !kinds.contains(&HEADERS), "{kinds:?} {why:?}");
    }
    assert_eq!(server.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_head_has_a_largest_size_once_it_is_decoded() {
    let server = Running::start("").await;
    let mut stream = hello(&server, &[]).await;
    // Entered into the table once, and then meant by one byte each.
    let entry = [vec![0x40], field("x", &"y".repeat(100))[1..].to_vec()].concat();
    let bomb = [head("/health"), entry, vec![0xbe; 10_000]].concat();
    stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb)).await.unwrap();
    let farewell = frame(GOAWAY, 0, 0, &[0; 8]);
    let (kinds, _) = until_closed(stream, &farewell).await;
    assert!(kinds.contains(&RST_STREAM) || kinds.contains(&HEADERS) || kinds.contains(&GOAWAY), "{kinds:?}");
    assert!(!kinds.contains(&DATA), "nothing was answered: {kinds:?}");
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_refused() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    let mut stream = hello(&server, &[]).await;
    let requests: Vec<u8> = (0..101).flat_map(|number| request(number * 2 + 1, "/reads/item?id=7")).collect();
    stream.write_all(&requests).await.unwrap();
    waiting(&server, 99).await;
    server.pass(0).await;
    server.upstream.hold(false);
    let (kinds, _) = until_closed(stream, &frame(GOAWAY, 0, 0, &[0; 8])).await;
    let count = |kind| kinds.iter().filter(|seen| **seen == kind).count();
    assert_eq!((count(HEADERS), count(RST_STREAM)), (100, 1), "{kinds:?}");
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_told_to_end_and_pings_do_not_help() {
    let server = Running::start("").await;
    let mut stream = hello(&server, &[]).await;
    stream.write_all(&request(1, "/health")).await.unwrap();
    for _ in 0..62 {
        stream.write_all(&frame(PING, 0, 0, &[0; 8])).await.unwrap();
        server.pass(1).await;
    }
    // It does not even confirm that it has heard of its end.
    server.pass(61).await;
    let (kinds, why) = until_closed(stream, &[]).await;
    assert!(kinds.contains(&HEADERS) && kinds.contains(&GOAWAY), "{kinds:?}");
    assert_eq!(why, Some(0));
}

/// Its windows are shut, so that answers lie in its streams for as long as we let them.
#[tokio::test]
async fn a_connection_that_takes_no_answer_is_cut_off() {
    let server = Running::start("").await;
    let no_window = [0, 4, 0, 0, 0, 0];
    let mut stream = hello(&server, &no_window).await;
    stream.write_all(&request(1, "/health")).await.unwrap();
    for _ in 0..120 {
        server.pass(1).await;
    }
    assert_eq!(stream.write(&frame(PING, 0, 0, &[0; 8])).await.unwrap(), 17);
    server.pass(3).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(!is_open(&stream));
}
