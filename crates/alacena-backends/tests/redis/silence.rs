//! A proxy that lets everything through but what nobody has asked for.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alacena_backends::redis::{
    RedisShard,
    resp::{Frame, Limits, Reader},
};
use alacena_core::{
    runtime::Runtime,
    tier::{Begun, Failure, Shard, Telling},
};
use alacena_testkit::{FakeRuntime, servers::RedisServer};
use bytes::BytesMut;
use futures_util::future::{Either, select};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{
    machine::Machine,
    node::{Heard, Node, entry, in_time, listener, within_patience},
    stage::{patient, server_at},
};

/// Where the proxy listens, and whether it takes pushes away.
struct Hush {
    address: SocketAddr,
    takes: Arc<AtomicBool>,
}

impl Hush {
    async fn before(server: SocketAddr, takes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let takes = Arc::new(AtomicBool::new(takes));
        let hush = Self { address, takes: Arc::clone(&takes) };
        Machine.spawn(Box::pin(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.expect("the server is there");
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                Machine.spawn(Box::pin(pass(from_client, to_server)));
                Machine.spawn(Box::pin(hush_up(from_server, to_client, Arc::clone(&takes))));
            }
        }));
        hush
    }

    fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // An error: one of them has closed, and so does the other.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

/// Passes on whole answers, and pushes as long as they are not to be taken away.
async fn hush_up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, takes: Arc<AtomicBool>) {
    let (mut reader, mut unread, mut raw) =
        (Reader::new(Limits::default()), BytesMut::new(), BytesMut::new());
    loop {
        let start = unread.len();
        if !matches!(from.read_buf(&mut unread).await, Ok(1..)) {
            return;
        }
        raw.extend_from_slice(&unread[start..]);
        while let Some(frame) = reader.read(&mut unread).expect("a server speaks its protocol") {
            let answer = raw.split_to(raw.len() - unread.len());
            let is_taken = matches!(frame, Frame::Push(_)) && takes.load(Ordering::Relaxed);
            if !is_taken && to.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_told_that_is_known_and_whoever_waits_asks_again() {
    let Some(server) = RedisServer::builder().start() else { return };
    let hush = Hush::before(server.address(), true).await;
    let node = Node::at(&hush.url(), patient());
    node.is_connected().await;
    assert_eq!(node.capabilities().telling, Telling::Nothing);
    node.ping().await.expect("the link itself is there");
    let lacks = node.lacks();
    let lack = lacks.iter().find(|lack| lack.is_serious).expect("it is said");
    assert!(lack.what.contains("does not tell of what changes"), "{lack}");

    let load = node.load(entry(1));
    assert!(matches!(in_time(|| node.begin(load.clone())).await, Begun::Lead));
    let Ok(Begun::Wait(_, again)) = node.begin(node.load(entry(1))).await else {
        panic!("somebody loads it")
    };
    within_patience(again).await;
}

/// Pings are answered all the while: only the canary tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_falls_silent_later_is_found_out() {
    let Some(server) = RedisServer::builder().start() else { return };
    let (hush, runtime) = (Hush::before(server.address(), false).await, FakeRuntime::new(1));
    let shard = RedisShard::open(server_at(&hush.url()), patient(), Arc::new(runtime.clone()));
    let (watcher, mut heard) = listener();
    shard.watch(watcher);
    let mut next = async || within_patience(heard.recv()).await.expect("the shard is there");
    assert!(matches!(next().await, Heard::Connected(_)));

    runtime.advance(Duration::from_secs(31)).await;
    shard.ping().await.expect("a ping is answered, and the canary is heard");
    runtime.advance(Duration::from_secs(31)).await;
    hush.takes.store(true, Ordering::Relaxed);
    let time = Box::pin(async {
        loop {
            runtime.advance(Duration::from_millis(100)).await;
            Machine.sleep(Duration::from_millis(5)).await;
        }
    });
    let pinged = match select(shard.ping(), time).await {
        Either::Left((pinged, _)) => pinged,
        Either::Right((never, _)) => never,
    };
    assert!(matches!(pinged, Err(Failure::Unavailable(_))), "{pinged:?}");
    assert_eq!(next().await, Heard::Lost);
    // It comes back as one that is told nothing, and as the best one once nothing stands in between any more.
    let time = Box::pin(async {
        loop {
            runtime.advance(Duration::from_millis(100)).await;
            Machine.sleep(Duration::from_millis(5)).await;
        }
    });
    match select(Box::pin(next()), time).await {
        Either::Left((heard, _)) => assert!(matches!(heard, Heard::Connected(_)), "{heard:?}"),
        Either::Right((never, _)) => never,
    }
    assert_eq!(shard.capabilities().telling, Telling::Nothing);
    hush.takes.store(false, Ordering::Relaxed);
    runtime.advance(Duration::from_secs(31)).await;
    shard.ping().await.expect("a ping is answered");
    assert!(matches!(next().await, Heard::Connected(_)));
    in_time(|| async {
        if shard.capabilities().telling == Telling::Tracked { Ok(()) } else { Err(Failure::OtherEra) }
    })
    .await;
}
