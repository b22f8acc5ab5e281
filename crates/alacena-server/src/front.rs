//! What a connection is served with: a plain hit at once, everything else by the router.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response, StatusCode, header::CONTENT_LENGTH},
    routing::future::RouteFuture,
};
use bytes::BytesMut;
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    service::Service,
};
use tower::Service as _;

use crate::{app::App, hit, token::Peer};

/// Answers the requests of one connection.
pub(crate) struct Front {
    app: App,
    router: Router,
    peer: Peer,
    /// Room for the values of headers, which the answers of a connection use one after the other.
    values: RefCell<BytesMut>,
}

impl Front {
    /// Answers what `peer` asks: `router` is the whole of `app`.
    pub(crate) fn new(app: App, router: Router, peer: Peer) -> Self {
        Self { app, router, peer, values: RefCell::default() }
    }

    fn route(&self, mut request: Request<Incoming>) -> Answering {
        request.extensions_mut().insert(self.peer);
        Answering::Routed(Box::pin(self.router.clone().call(request)))
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response<Payload>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        match hit::answer(&self.app, self.peer, &mut request, &mut self.values.borrow_mut()) {
            Some(response) => Answering::Hit(Some(response)),
            None => self.route(request),
        }
    }
}

/// An answer, there already or on its way.
pub(crate) enum Answering {
    /// There already; nothing once it has been taken.
    Hit(Option<Response<Payload>>),
    /// On its way.
    Routed(Pin<Box<RouteFuture<Infallible>>>),
}

impl Future for Answering {
    type Output = Result<Response<Payload>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Answering::Hit(response) => {
                Poll::Ready(Ok(response.take().expect("a future that is over is not polled")))
            }
            Answering::Routed(routed) => routed.as_mut().poll(context).map_ok(|mut response| {
                if response.status() == StatusCode::NOT_MODIFIED {
                    // The router counts what it sends, but here that would be said of what the caller holds.
                    response.headers_mut().remove(CONTENT_LENGTH);
                }
                response.map(Payload::Routed)
            }),
        }
    }
}

/// The body of an answer.
pub(crate) enum Payload {
    /// The bytes of an entry; nothing where the method wants none, or once they have been taken.
    Hit(Option<Bytes>),
    /// Whatever a handler sends.
    Routed(Body),
}

impl Payload {
    /// The bytes of an entry, or none.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Payload::Hit(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl From<Body> for Payload {
    fn from(body: Body) -> Self {
        Payload::Routed(body)
    }
}

impl HttpBody for Payload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Payload::Hit(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Payload::Routed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Payload::Hit(bytes) => bytes.is_none(),
            Payload::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Payload::Hit(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Payload::Routed(body) => body.size_hint(),
        }
    }
}
