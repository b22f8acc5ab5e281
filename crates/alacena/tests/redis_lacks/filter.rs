//! A proxy that lets everything through but some of what nobody has asked for.

use std::net::{Ipv4Addr, SocketAddr};

use alacena_backends::redis::resp::{Frame, Limits, Reader};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Where a proxy before `server` listens that takes pushes of these kinds away.
pub(crate) async fn taking(kinds: &'static [&'static str], server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.unwrap();
            let ((mut from_client, to_client), (from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(pass(from_server, to_client, kinds));
        }
    });
    address
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kinds: &[&str]) {
    let (mut reader, mut unread, mut raw) =
        (Reader::new(Limits::default()), BytesMut::new(), BytesMut::new());
    loop {
        let start = unread.len();
        if !matches!(from.read_buf(&mut unread).await, Ok(1..)) {
            return;
        }
        raw.extend_from_slice(&unread[start..]);
        while let Some(frame) = reader.read(&mut unread).unwrap() {
            let answer = raw.split_to(raw.len() - unread.len());
            let is_taken = matches!(&frame, Frame::Push(items)
                if kinds.iter().any(|kind| items[0].bytes().is_some_and(|bytes| bytes == kind)));
            if !is_taken && to.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}
