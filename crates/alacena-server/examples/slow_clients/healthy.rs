//! Callers who behave: one request after the other over a few connections, at a fixed rate, all of them hits.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, sleep_until},
};

use crate::Outcome;

const CALLERS: u32 = 8;
/// Between two requests of one caller: a thousand a second of all of them.
const PAUSE: Duration = Duration::from_millis(8);
const ITEMS: u64 = 100;

/// Loads what is asked for later.
pub(crate) async fn warm(address: SocketAddr) -> Outcome<()> {
    let mut stream = TcpStream::connect(address).await?;
    for id in 0..ITEMS {
        ask(&mut stream, &format!("/reads/item?id={id}")).await?;
    }
    ask(&mut stream, "/reads/large").await
}

/// The time within which 99 of 100 requests were answered, during `window`.
pub(crate) async fn p99(address: SocketAddr, window: Duration) -> Outcome<Duration> {
    let begun = tokio::time::Instant::now() + Duration::from_millis(50);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            let (mut due, mut times) = (begun + PAUSE * caller / CALLERS, Vec::new());
            while due < begun + window {
                sleep_until(due).await;
                let id = times.len() as u64 % ITEMS;
                ask(&mut stream, &format!("/reads/item?id={id}")).await?;
                times.push(due.elapsed());
                due += PAUSE;
            }
            Outcome::Ok(times)
        });
    }
    let mut all = Vec::new();
    while let Some(times) = callers.join_next().await {
        all.extend(times??);
    }
    all.sort();
    Ok(all[all.len() * 99 / 100])
}

async fn ask(stream: &mut TcpStream, path: &str) -> Outcome<()> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
    let mut read = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err("a caller who behaved was cut off".into());
        }
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&read[..end])?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("a caller who behaved got {head}").into());
        }
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if read.len() - end - 4 == length.ok_or("no length")?.parse::<usize>()? {
            return Ok(());
        }
    }
}

/// Callers who ask `path` over and over, whatever comes, until this is dropped; with how long one takes at least.
pub(crate) fn keep_asking(address: SocketAddr, path: &str, callers: usize) -> JoinSet<()> {
    let mut asking = JoinSet::new();
    for _ in 0..callers {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        asking.spawn(async move {
            loop {
                let begun = Instant::now();
                if let Ok(mut stream) = TcpStream::connect(address).await {
                    // What becomes of it is seen in the memory of the server.
                    let _ = stream.write_all(request.as_bytes()).await;
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
                sleep(Duration::from_millis(5).saturating_sub(begun.elapsed())).await;
            }
        });
    }
    asking
}
