//! An answer to come.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;

use super::{
    super::resp::Frame,
    Failure, Refusal,
    queue::{Answer, Answered, Queue},
};

/// The reply to one command, to come.
#[must_use = "the command is sent all the same, but nobody hears of its reply"]
#[derive(Debug)]
pub struct Reply(Asked);

/// The replies to a pipeline, to come.
#[must_use = "the commands are sent all the same, but nobody hears of their replies"]
#[derive(Debug)]
pub struct Pipelined(Asked);

/// What has been asked; its place in the queue is given back when the answer is fetched, or with this.
pub(super) struct Asked {
    known: Option<Answer>,
    waiting: Option<(Arc<Mutex<Queue>>, u32)>,
}

impl Asked {
    pub(super) fn new(queue: &Arc<Mutex<Queue>>, call: Result<u32, Failure>) -> Self {
        match call {
            Ok(call) => Self { known: None, waiting: Some((Arc::clone(queue), call)) },
            Err(failure) => Self::known(Err(failure)),
        }
    }

    fn known(answer: Answer) -> Self {
        Self { known: Some(answer), waiting: None }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<Answer> {
        if let Some((queue, call)) = &self.waiting {
            self.known = queue.lock().fetch(*call, cx.waker());
            if self.known.is_none() {
                return Poll::Pending;
            }
            self.waiting = None;
        }
        Poll::Ready(self.known.take().expect("a future is not polled after it has completed"))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some((queue, call)) = self.waiting.take() {
            // The lock is given back before the answer is dropped.
            let _answer = queue.lock().forget(call);
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.waiting.is_some() { "waiting" } else { "known" })
    }
}

impl Reply {
    pub(super) fn new(asked: Asked) -> Self {
        Self(asked)
    }

    /// The reply of what was never asked.
    pub(super) fn failed(failure: Failure) -> Self {
        Self(Asked::known(Err(failure)))
    }
}

impl Future for Reply {
    type Output = Result<Frame, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map_ok(|answered| match answered {
            Answered::One(frame) => frame,
            Answered::Many(_) => unreachable!("one command has one reply"),
        })
    }
}

impl Pipelined {
    pub(super) fn new(asked: Asked) -> Self {
        Self(asked)
    }

    /// The replies to no commands.
    pub(super) fn empty() -> Self {
        Self(Asked::known(Ok(Answered::Many(Vec::new()))))
    }

    /// The replies to what was never asked.
    pub(super) fn failed(failure: Failure) -> Self {
        Self(Asked::known(Err(failure)))
    }
}

impl Future for Pipelined {
    type Output = Result<Vec<Result<Frame, Refusal>>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map_ok(|answered| match answered {
            Answered::Many(replies) => replies,
            Answered::One(_) => unreachable!("a pipeline has a list of replies"),
        })
    }
}
