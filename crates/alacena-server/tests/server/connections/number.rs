//! How many connections there may be.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{GET, answer, first, open, rest_of};
use crate::support::{Running, get};

#[tokio::test]
async fn whoever_comes_on_top_of_the_connections_allowed_waits_for_one_to_end() {
    let server = Running::start("[server]\nconnections_max = 2\n").await;
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
async fn while_others_wait_an_idle_connection_makes_room_sooner() {
    let server = Running::start("[server]\nconnections_max = 1\n").await;
    let mut idle = first(&server, GET).await;
    assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200"));
    let waiting = tokio::spawn(get("/health").send(server.address));
    server.pass(5).await;
    assert!(!waiting.is_finished());
    server.pass(1).await;
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(rest_of(idle).await, "");
}

#[tokio::test]
async fn thousands_of_idle_connections_keep_nobody_out_and_are_closed() {
    let count = room_for(5_000);
    let server = Running::start("").await;
    let mut idle = Vec::new();
    for _ in 0..count {
        idle.push(open(server.address, b"").await);
    }
    assert_eq!(server.get("/health").await.status, 200);
    server.pass(12).await;
    for stream in idle {
        assert_eq!(rest_of(stream).await, "");
    }
}

/// As many connections as this process has files for at both of their ends, if that is less than `wanted`.
fn room_for(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // An error leaves the lower limit in force.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    wanted.min(files / 4)
}
