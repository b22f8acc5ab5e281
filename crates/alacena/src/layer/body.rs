//! The body of an answer: cached, passed on, or the beginning of one with the rest behind it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of an answer that came through a [`CacheLayer`](super::CacheLayer).
#[derive(Debug)]
pub enum LayerBody<B> {
    /// What the service answers, as it comes.
    Passed(B),
    /// Whole, out of the cache or on its way into it.
    Whole(Bytes),
    /// Longer than its class keeps: what was read of it, and the rest, as it comes.
    Long(Option<Bytes>, B),
    /// Nothing.
    Empty,
}

impl<B: Body<Data = Bytes> + Unpin> Body for LayerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        match this {
            LayerBody::Passed(body) | LayerBody::Long(None, body) => Pin::new(body).poll_frame(context),
            LayerBody::Long(begun, _) => Poll::Ready(begun.take().map(|bytes| Ok(Frame::data(bytes)))),
            LayerBody::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = LayerBody::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            LayerBody::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            LayerBody::Passed(body) | LayerBody::Long(None, body) => body.is_end_stream(),
            LayerBody::Long(Some(_), _) => false,
            LayerBody::Whole(bytes) => bytes.is_empty(),
            LayerBody::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            LayerBody::Passed(body) | LayerBody::Long(None, body) => body.size_hint(),
            // What is said of the rest says nothing of the whole.
            LayerBody::Long(Some(_), _) => SizeHint::default(),
            LayerBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            LayerBody::Empty => SizeHint::with_exact(0),
        }
    }
}
