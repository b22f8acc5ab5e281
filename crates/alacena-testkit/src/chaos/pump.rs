//! One direction of a connection: reads, holds back, passes on.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    task::yield_now,
};

use super::{
    connection::Common,
    law::{Law, Step},
    line::{Line, Segment, now, pause, until},
    replies::Replies,
    rule::Direction,
};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// How much of what a client has sent is kept for rules to look at.
const SENT: usize = 4096;

/// How one direction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The sender has sent all, and the receiver has been told so. The other direction may go on.
    Passed,
    /// The receiver takes no more. That is news for the sender, which the other direction brings.
    Deaf,
    /// Both ends are to get a reset.
    Reset,
    /// Both ends are to be told that it is over.
    Finish,
}

/// One direction.
pub(super) struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    common: &'a Common,
    direction: Direction,
    law: Law<'a>,
    replies: Replies,
    line: Line,
    /// How many bytes have been passed on.
    passed: u64,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        (from, to): (ReadHalf<'a>, WriteHalf<'a>),
        common: &'a Common,
        direction: Direction,
        law: Law<'a>,
    ) -> Self {
        let (replies, line) = (Replies::default(), Line::default());
        Self { from, to, common, direction, law, replies, line, passed: 0 }
    }

    /// Passes on until there is no more.
    pub(super) async fn run(mut self) -> Ending {
        let mut chunk = vec![0; CHUNK];
        loop {
            let (due, waits_until) = (self.line.due(), self.replies.waits_until());
            tokio::select! {
                biased;
                () = until(due) => {
                    let segment = self.line.pop().expect("it was due");
                    if let Some(ending) = self.deliver(segment).await {
                        return ending;
                    }
                }
                () = until(waits_until) => self.release(),
                () = self.law.changed() => self.relax(),
                read = self.from.read(&mut chunk), if self.line.has_room() => match read {
                    Ok(0) if self.common.is_broken.load(Ordering::Relaxed) => self.end(Segment::Break),
                    Ok(0) => self.end(Segment::End),
                    Ok(length) => self.take(&chunk[..length]),
                    Err(_) => self.end(Segment::Break),
                },
            }
        }
    }

    /// Puts what was read into the line, to be passed on in its time.
    fn take(&mut self, chunk: &[u8]) {
        if self.direction == Direction::ToServer {
            let mut sent = self.common.sent.lock();
            let part = chunk.len().min(SENT - sent.len());
            sent.extend_from_slice(&chunk[..part]);
        }
        let due = now() + self.law.delay();
        let bytes = match self.direction {
            Direction::ToServer => chunk.to_vec(),
            Direction::ToClient => self.replies.pass(chunk, self.law.judge()),
        };
        self.line.push(Segment::Bytes(bytes), due);
    }

    fn end(&mut self, how: Segment) {
        self.release();
        let due = now() + self.law.delay();
        self.line.push(how, due);
    }

    /// Passes on the replies that were held back.
    fn release(&mut self) {
        let bytes = self.replies.release();
        self.line.push(Segment::Bytes(bytes), now());
    }

    /// The rules are others: lets go of what only those that are gone have asked for.
    fn relax(&mut self) {
        if self.law.judge().is_none() {
            self.release();
        }
    }

    /// Passes a segment on, byte by byte if need be.
    async fn deliver(&mut self, segment: Segment) -> Option<Ending> {
        let (bytes, last) = match segment {
            Segment::Bytes(bytes) => (bytes, None),
            Segment::End => (Vec::new(), Some(Ending::Passed)),
            Segment::Break => (Vec::new(), Some(Ending::Reset)),
        };
        let mut rest = &bytes[..];
        loop {
            match self.law.step(self.passed, rest.len()) {
                Step::End(ending) => return Some(ending),
                Step::Wait => {
                    self.law.changed().await;
                    self.relax();
                }
                Step::Pause(duration) => self.pause(duration).await,
                Step::Write { .. } if rest.is_empty() => break,
                Step::Write { most, then } => {
                    let (now, later) = rest.split_at(most);
                    // First, so that what somebody has seen has been counted.
                    self.count(now.len());
                    if self.to.write_all(now).await.is_err() {
                        return Some(Ending::Deaf);
                    }
                    rest = later;
                    self.pause(then).await;
                }
            }
            if rest.is_empty() && last.is_none() {
                return None;
            }
        }
        if last == Some(Ending::Passed) && self.to.shutdown().await.is_err() {
            return Some(Ending::Deaf);
        }
        last
    }

    /// Waits, but no longer than the rules that ask for it last.
    async fn pause(&mut self, duration: Duration) {
        if duration.is_zero() {
            // Whoever reads has a chance to see two pieces apart.
            return yield_now().await;
        }
        tokio::select! {
            () = pause(duration) => {}
            () = self.law.changed() => self.relax(),
        }
    }

    fn count(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        self.common.counts.send_modify(|counts| match self.direction {
            Direction::ToServer => counts.bytes_to_server += bytes as u64,
            Direction::ToClient => counts.bytes_to_client += bytes as u64,
        });
    }
}
