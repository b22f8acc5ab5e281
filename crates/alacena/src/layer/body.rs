//! The body of an answer: cached, passed on, or the beginning of one with the rest behind it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of an answer that came through a [`CacheLayer`](super::CacheLayer): kept bytes, or `B` as it comes.
#[derive(Debug)]
pub struct LayerBody<B>(Content<B>);

/// Where a body comes from.
#[derive(Debug)]
enum Content<B> {
    /// What the service answers, as it comes.
    Passed(B),
    /// Whole, out of the cache or on its way into it.
    Whole(Bytes),
    /// Longer than its class keeps: what was read of it, and the rest, as it comes.
    Long(Option<Bytes>, B),
    /// Nothing.
    Empty,
}

impl<B> LayerBody<B> {
    /// What the service answers, as it comes.
    pub(super) fn passed(body: B) -> Self {
        Self(Content::Passed(body))
    }

    /// Whole, out of the cache or on its way into it.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(Content::Whole(bytes))
    }

    /// What was read of an answer that is not kept, and the rest.
    pub(super) fn long(begun: Bytes, rest: B) -> Self {
        Self(Content::Long(Some(begun), rest))
    }

    /// Nothing.
    pub(super) fn empty() -> Self {
        Self(Content::Empty)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for LayerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut self.get_mut().0;
        match this {
            Content::Passed(body) | Content::Long(None, body) => Pin::new(body).poll_frame(context),
            Content::Long(begun, _) => Poll::Ready(begun.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Content::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Content::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Passed(body) | Content::Long(None, body) => body.is_end_stream(),
            Content::Long(Some(_), _) => false,
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Passed(body) | Content::Long(None, body) => body.size_hint(),
            // What is said of the rest says nothing of the whole.
            Content::Long(Some(_), _) => SizeHint::default(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Empty => SizeHint::with_exact(0),
        }
    }
}
