//! The stream of a connection, with an eye on what goes over it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{framing::Framing, watch::Watch};

/// A stream that writes down in a [`Watch`] what goes over it, and changes nothing.
pub(super) struct Wire {
    stream: TcpStream,
    framing: Framing,
    watch: Arc<Watch>,
    /// Whether a head is awaited or arriving.
    in_head: bool,
    /// Whether the other side has yet to take something.
    waits: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, watch: Arc<Watch>) -> Self {
        Self { stream, framing: Framing::new(), watch, in_head: true, waits: false }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.watch.bytes_moved();
        if self.framing.is_http2() {
            return;
        }
        let heads = self.framing.heads();
        self.framing.see(bytes);
        if self.framing.is_http2() {
            self.watch.speaks_http2();
        }
        if let Some(number) = self.framing.flawed() {
            self.watch.distrust(number);
        }
        // The first one is awaited from the beginning of the connection on.
        let awaits_first = self.framing.heads() == 0 && !self.framing.is_http2();
        let in_head = awaits_first || self.framing.in_head();
        if in_head && (!self.in_head || self.framing.heads() > heads) {
            self.watch.head_began();
        } else if !in_head && self.in_head {
            self.watch.head_ended();
        }
        self.in_head = in_head;
    }

    fn written(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(bytes)) => {
                self.watch.bytes_moved();
                if self.waits {
                    self.watch.answer_goes_on(*bytes);
                }
            }
            Poll::Pending if !self.waits => {
                self.waits = true;
                self.watch.answer_waits();
            }
            _ => {}
        }
        polled
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.read(&buffer.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.written(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Whoever flushes has written all there is.
        if this.waits {
            this.waits = false;
            this.watch.answer_gone();
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
