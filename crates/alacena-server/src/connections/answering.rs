//! One connection from its first byte to its last: how it is read, what it may hold, how it ends.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use alacena::error::{Error, catalogue};
use axum::{
    http::{HeaderValue, Method, Request, Response, header::CONNECTION},
    response::IntoResponse,
};
use futures_util::future::Either;
use hyper::{
    body::{Body, Incoming},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpStream;

use super::{
    limits::{
        BUFFER_BYTES_MAX, CONNECTION_WINDOW_BYTES, HTTP2_HEAD_BYTES_MAX, RESETS_OURS_MAX, RESETS_PENDING_MAX,
        STREAM_WINDOW_BYTES, STREAMS_MAX,
    },
    watch::{Verdict, Watch},
    wire::Wire,
};
use crate::problem::Problem;

/// Answers the requests of one connection until it ends: by itself, or as its watch says.
pub(super) async fn answer<S, B>(stream: TcpStream, watch: Arc<Watch>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + From<axum::body::Body> + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&watch)));
    let requests = Arc::clone(&watch);
    let service = service_fn(move |request: Request<Incoming>| {
        let (running, sound) = requests.request();
        let answering = match refusal(&request, sound) {
            None => Either::Left(service.call(request)),
            Some(error) => Either::Right(refused(error).map(B::from)),
        };
        async move {
            let answered = match answering {
                Either::Left(answering) => answering.await,
                Either::Right(refused) => Ok(refused),
            };
            drop(running);
            answered
        }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(wire, service));
    let mut told = false;
    let ended = poll_fn(|context| {
        // In this order: a request that has arrived is taken up before the connection hears that it is to end.
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        match watch.hear(context) {
            Verdict::Cut => Poll::Ready(Ok(())),
            Verdict::End if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
                connection.as_mut().poll(context)
            }
            _ => Poll::Pending,
        }
    });
    if let Err(error) = ended.await {
        // A caller that goes away in the middle is everyday life.
        tracing::debug!(%error, "connection ended");
    }
}

/// No limit of time is set here: the watch over all connections keeps them, without a timer for each request.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(None).max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HTTP2_HEAD_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_OURS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(BUFFER_BYTES_MAX);
    builder
}

/// Why a request is not even looked at, where that is so.
fn refusal(request: &Request<Incoming>, sound: bool) -> Option<Error> {
    if !sound {
        let detail = "the head says where it or its body ends in more than one way: by Content-Length and \
                      Transfer-Encoding, by two Content-Length, or with a line feed alone at the end of a line";
        return Some(Error::new(&catalogue::REQUEST_AMBIGUOUS, detail));
    }
    let fat = matches!(*request.method(), Method::GET | Method::HEAD) && !request.body().is_end_stream();
    // What stands in it is in no key, and whoever forwards it to a source may be the only one who takes it for more.
    fat.then(|| Error::new(&catalogue::BODY_INVALID, format!("a {} has no body", request.method())))
}

fn refused(error: Error) -> Response<axum::body::Body> {
    let mut response = Problem(error).into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
