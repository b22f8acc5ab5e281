//! The body of a request: how large it may be, how fast it must arrive, and how much may arrive at once.

use std::{future::Future, pin::pin, time::Duration};

use alacena::{
    error::{Error, catalogue},
    runtime::{BoxFuture, Moment, SharedRuntime},
};
use axum::{body::Bytes, extract::Request};
use bytes::BytesMut;
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, select},
};
use hyper::body::Body as _;
use tokio::sync::SemaphorePermit;

use crate::app::App;

/// How long a body may take to arrive, however small it is.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// What must arrive of a body, in bytes a second, for it to be given more time than that.
pub(crate) const RATE_MIN: u64 = 1024;
/// Bodies that are arriving, all together, in bytes; or as many as four of the largest need, if that is more.
pub(crate) const ARRIVING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The whole body, within its limits of size and time.
///
/// # Errors
/// `Invalid` where it is too large, too slow or incomplete; `Overloaded` where too much is arriving already.
pub(crate) async fn whole(request: Request, app: &App) -> Result<Bytes, Error> {
    let (runtime, most) = (app.alacena().runtime(), app.settings().request_bytes_max);
    let too_large =
        || Error::new(&catalogue::BODY_TOO_LARGE, format!("a request body has at most {most} bytes"));
    let body = request.into_body();
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut arriving = body.into_data_stream();
    let mut arrived = BytesMut::new();
    let mut place: Option<SemaphorePermit<'_>> = None;
    // What came with the head needs no clock.
    let mut clock: Option<Pace> = None;
    loop {
        let next = match arriving.next().now_or_never() {
            Some(next) => next,
            None => {
                let pace = clock.get_or_insert_with(|| Pace::begin(runtime));
                pace.wait(arriving.next(), arrived.len() as u64).await?
            }
        };
        let Some(piece) = next else { return Ok(arrived.freeze()) };
        let piece = piece.map_err(|_| body_invalid("the body ended before it was complete".to_owned()))?;
        if piece.len() > most - arrived.len() {
            return Err(too_large());
        }
        let more = app.place_for_body(piece.len())?;
        match &mut place {
            Some(place) => place.merge(more),
            None => place = Some(more),
        }
        if arrived.is_empty() {
            arrived = piece.into();
        } else {
            arrived.extend_from_slice(&piece);
        }
    }
}

/// How fast a body must arrive.
struct Pace<'a> {
    runtime: &'a SharedRuntime,
    begun: Moment,
    due: BoxFuture<'static, ()>,
}

impl<'a> Pace<'a> {
    fn begin(runtime: &'a SharedRuntime) -> Self {
        Self { runtime, begun: runtime.now(), due: runtime.sleep(GRACE) }
    }

    /// What `next` is, unless so few bytes have arrived that the time is over.
    async fn wait<T>(&mut self, next: impl Future<Output = T>, arrived: u64) -> Result<T, Error> {
        let mut next = pin!(next);
        let allowed = GRACE + Duration::from_secs(arrived / RATE_MIN);
        loop {
            match select(next, &mut self.due).await {
                Either::Left((next, _)) => return Ok(next),
                Either::Right(((), waiting)) => {
                    let passed = self.runtime.now() - self.begun;
                    if passed >= allowed {
                        let seconds = passed.as_secs();
                        let detail =
                            format!("only {arrived} bytes of the body arrived within {seconds} seconds");
                        return Err(body_invalid(detail));
                    }
                    self.due = self.runtime.sleep(allowed - passed);
                    next = waiting;
                }
            }
        }
    }
}

/// What is said of a body that cannot be read.
pub(crate) fn body_invalid(detail: String) -> Error {
    Error::new(&catalogue::BODY_INVALID, detail)
}
