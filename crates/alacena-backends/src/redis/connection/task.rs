//! The one task that touches the socket.
//!
//! One turn of it reads what has arrived and hands it out, sends what is queued, and lets those give up whose time is
//! over. That reading and writing are one task means that neither waits for the other, and that a burst costs one of
//! each:
//!
//! ```text
//!   socket readable → one read → 40 answers → 40 callers wake
//!                                             the first of them queues a command and wakes the task
//!   task: lets the others go first, once ────────────────────────────┐
//!                                             39 more commands       │
//!   task: one write of 40 commands  ◄────────────────────────────────┘
//! ```

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use alacena_core::runtime::{BoxFuture, Moment, SharedRuntime};
use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::{
    super::resp::{Frame, Limits, Reader},
    Cause, Failure, OnClose, OnPush, Refusal,
    queue::{Aftermath, Queue},
    socket::Socket,
};

/// Room for what is read, made at once, and how much of it there is before each read at least.
const READ_BYTES: usize = 64 * 1024;
const READ_BYTES_MIN: usize = 8 * 1024;
/// Most room that is made at once for a bulk string that is longer: what was only announced costs no memory.
const READ_AHEAD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Reads in one turn, so that a flood of answers leaves room for other tasks.
const READS_MAX: usize = 16;
/// Most room that is kept for what will be sent, and for what will be read.
const ROOM_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Task {
    queue: Arc<Mutex<Queue>>,
    runtime: SharedRuntime,
    socket: Socket,
    reader: Reader,
    incoming: BytesMut,
    /// What is being written, how much of it has been, and how much ever was.
    outgoing: Vec<u8>,
    sent: usize,
    written: u64,
    /// Whether the others have been let go first.
    has_yielded: bool,
    answers: Vec<Frame>,
    gathered: Vec<Result<Frame, Refusal>>,
    after: Aftermath,
    alarm: Option<(Moment, BoxFuture<'static, ()>)>,
    on_push: OnPush,
    /// None once it has been called.
    on_close: Option<OnClose>,
}

impl Task {
    pub(super) fn new(
        queue: Arc<Mutex<Queue>>,
        runtime: SharedRuntime,
        socket: Socket,
        limits: Limits,
        on_push: OnPush,
        on_close: OnClose,
    ) -> Self {
        Self {
            queue,
            runtime,
            socket,
            reader: Reader::new(limits),
            incoming: BytesMut::with_capacity(READ_BYTES),
            outgoing: Vec::new(),
            sent: 0,
            written: 0,
            has_yielded: false,
            answers: Vec::new(),
            gathered: Vec::new(),
            after: Aftermath::default(),
            alarm: None,
            on_push,
            on_close: Some(on_close),
        }
    }

    /// Does what can be done now; the cause, if the connection is to end.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        self.read(cx)?;
        match self.write(cx) {
            Ok(Some(quiet_until)) => self.keep_time(cx, quiet_until),
            Ok(None) => Ok(()),
            Err(Cause::Closed) => Err(Cause::Closed),
            // Before it hangs up, a server says why: that is the better cause.
            Err(cause) => self.read(cx).and(Err(cause)),
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        for _ in 0..READS_MAX {
            if self.incoming.is_empty() && self.incoming.capacity() > ROOM_BYTES_MAX {
                self.incoming = BytesMut::with_capacity(READ_BYTES);
            }
            let missing = self.reader.missing(&self.incoming);
            self.incoming.reserve(missing.clamp(READ_BYTES_MIN, READ_AHEAD_BYTES_MAX));
            match pin!(self.socket.read_buf(&mut self.incoming)).poll(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(Cause::Ended),
                Poll::Ready(Ok(_)) => {
                    let understood = self.understand();
                    self.deliver().and(understood)?;
                }
                Poll::Ready(Err(error)) => return Err(Cause::Broken(error.kind())),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Makes frames of what has been read. A push is handled at once, so before the answers behind it are handed out.
    fn understand(&mut self) -> Result<(), Cause> {
        while let Some(frame) = self.reader.read(&mut self.incoming).map_err(Cause::Malformed)? {
            match frame {
                Frame::Push(_) if !is_confirmation(&frame) => (self.on_push)(frame),
                answer => self.answers.push(answer),
            }
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), Cause> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let mut queue = self.queue.lock();
        if let Some(cause) = queue.ended() {
            return Err(cause);
        }
        let delivered = queue.deliver(&mut self.answers, self.written, &mut self.gathered, &mut self.after);
        drop(queue);
        self.after.settle();
        delivered
    }

    /// Sends what is queued. Once nothing is left to do, or the socket takes no more: until when nobody gives up.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<Option<Moment>, Cause> {
        loop {
            if self.sent == self.outgoing.len() {
                self.outgoing.clear();
                self.outgoing.shrink_to(ROOM_BYTES_MAX);
                self.sent = 0;
                let mut queue = self.queue.lock();
                queue.set_writing(0);
                if let Some(cause) = queue.ended() {
                    return Err(cause);
                }
                if queue.has_unsent() && queue.is_shared() && !self.has_yielded {
                    self.has_yielded = true;
                    cx.waker().wake_by_ref();
                    return Ok(None);
                }
                self.has_yielded = false;
                if !queue.take_unsent(&mut self.outgoing) {
                    let quiet_until = queue.sleep(cx.waker());
                    drop(queue);
                    return self.flush(cx).map(|()| Some(quiet_until));
                }
            }
            match Pin::new(&mut self.socket).poll_write(cx, &self.outgoing[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(Cause::Ended),
                Poll::Ready(Ok(sent)) => {
                    self.sent += sent;
                    self.written += sent as u64;
                }
                Poll::Ready(Err(error)) => return Err(Cause::Broken(error.kind())),
                Poll::Pending => {
                    let mut queue = self.queue.lock();
                    if let Some(cause) = queue.ended() {
                        return Err(cause);
                    }
                    queue.set_writing(self.outgoing.len() - self.sent);
                    return Ok(Some(queue.sleep(cx.waker())));
                }
            }
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(Cause::Broken(error.kind())),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Lets those give up whose time is over, and sees to it that somebody looks again in time. One alarm for all
    /// callers, so that a call costs no timer: it is set to the first of them, and mostly rings for nobody.
    fn keep_time(&mut self, cx: &mut Context<'_>, mut quiet_until: Moment) -> Result<(), Cause> {
        loop {
            if quiet_until == Moment::NEVER {
                self.alarm = None;
                return Ok(());
            }
            let alarm = match &mut self.alarm {
                Some((at, alarm)) if *at <= quiet_until => alarm,
                _ => {
                    let rings = self.runtime.sleep(quiet_until - self.runtime.now());
                    &mut self.alarm.insert((quiet_until, rings)).1
                }
            };
            if alarm.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            self.alarm = None;
            let expired = self.queue.lock().expire(self.runtime.now(), &mut self.after);
            self.after.settle();
            quiet_until = expired?;
        }
    }

    /// Refuses what comes, tells whoever wants to know, then fails those who wait: nobody learns of the end before the
    /// owner of the connection does.
    fn end(&mut self, cause: Cause) {
        let Some(on_close) = self.on_close.take() else { return };
        let down = self.queue.lock().end(Failure::of_end(&cause));
        on_close(&cause);
        let lost = if cause == Cause::Closed { Failure::Closed } else { Failure::Lost(cause) };
        self.queue.lock().fail_all(&lost, &down, self.written, &mut self.after);
        self.after.settle();
    }
}

/// Whether this is how a server answers SUBSCRIBE: by a push, and by nothing else. Where something in between takes pushes
/// away there is no answer at all, so it is sent in front of another command, whose answer tells.
fn is_confirmation(push: &Frame) -> bool {
    let kind = push.items().and_then(|items| items.first()?.bytes());
    kind.is_some_and(|kind| kind == "subscribe")
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(cause) => {
                self.end(cause);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Task {
    /// Also where it was not finished: the runtime goes down, or a handler of pushes has panicked.
    fn drop(&mut self) {
        self.end(Cause::Closed);
    }
}
