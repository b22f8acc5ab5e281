//! One connection: how long it may be silent, how much it may take, how it ends.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use alacena::runtime::BoxFuture;
use axum::{Router, middleware::AddExtension};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
};

use crate::token::Peer;

/// How long a new connection may be silent.
pub(crate) const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
/// What a connection begins with: as many bytes as tell the versions of HTTP apart. No request is shorter.
const OPENING_BYTES: usize = 24;
/// How long the head of a request may take to arrive, and a connection may be idle between two requests.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request over HTTP/1, and what is held of an answer that is not taken, in bytes.
pub(crate) const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
pub(crate) const STREAMS_MAX: u32 = 100;
/// How often the other side of an HTTP/2 connection must give a sign of life, and how long it may take to do so.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(20);
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the requests of one connection until it ends: by itself, or once `stopping` says so and what has begun is
/// answered.
pub(crate) async fn answer(
    stream: Opening,
    service: AddExtension<Router, Peer>,
    mut stopping: watch::Receiver<()>,
) {
    // Small answers must not wait for the acknowledgement of the one before (Nagle).
    if let Err(error) = stream.stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    let ended = tokio::select! {
        // In this order: a request that has arrived is taken up before the connection hears of the stop.
        biased;
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A caller that goes away in the middle is everyday life.
        tracing::debug!(%error, "connection ended");
    }
}

/// A stream whose other side must begin in time. From its first bytes on, whoever reads from it sets the limits.
pub(crate) struct Opening {
    stream: TcpStream,
    /// When the time is over; nothing once the stream has begun.
    due: Option<BoxFuture<'static, ()>>,
    missing: usize,
}

impl Opening {
    /// Fails reads once `due` completes, unless enough has come by then.
    pub(crate) fn new(stream: TcpStream, due: BoxFuture<'static, ()>) -> Self {
        Self { stream, due: Some(due), missing: OPENING_BYTES }
    }
}

impl AsyncRead for Opening {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(due) = &mut this.due else { return polled };
        if polled.is_pending() {
            return due.as_mut().poll(context).map(|()| {
                this.due = None;
                Err(io::ErrorKind::TimedOut.into())
            });
        }
        this.missing = this.missing.saturating_sub(buffer.filled().len() - before);
        if this.missing == 0 {
            this.due = None;
        }
        polled
    }
}

impl AsyncWrite for Opening {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
