//! `alacena simulate jobnimbus`: a CRM on loopback that speaks the API of JobNimbus, as slow as the real one and as
//! unreliable as you tell it to be.
//!
//! The path of a call: `gate` (count → wait → fail → authenticate) → `api` (routes) → `listing` and `filter` →
//! `books` (records). What can be switched while it runs is behind `/simulator/…`, see `control`.
//!
//! Ours, because the vendor documents nothing about it: the texts of refusals other than 401, `/webhooks`, the
//! envelope of `/v2/estimates`, that a record that has been deleted still answers by its id, and that `actor` only
//! names who created a record.

mod api;
mod books;
mod control;
mod data;
mod filter;
mod listing;
mod switch;
mod wire;
mod words;

use std::{future::Future, io, sync::Arc};

use alacena::{runtime::SharedRuntime, secret::Secret};
use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use books::Books;
use switch::{Behaviour, Switch};
use wire::{Cut, Wires};

pub(crate) use switch::duration;
pub use switch::{Failure, Latency};

/// The key that the simulator accepts unless told otherwise.
pub const KEY_DEFAULT: &str = "simulated-key";

/// How the simulator behaves from the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The API key that callers must send.
    pub key: Secret,
    /// What the records, delays and failures follow from.
    pub seed: u64,
    /// How long an answer takes.
    pub latency: Latency,
    /// How calls fail.
    pub failure: Failure,
    /// The share of calls that fail, in `[0, 1]`.
    pub fail_rate: f64,
}

impl Default for Settings {
    /// Half a second to 800 ms for every answer, no failures.
    fn default() -> Self {
        let latency = "500ms..800ms".parse().expect("it is written as latencies are");
        Self { key: Secret::new(KEY_DEFAULT), seed: 42, latency, failure: Failure::None, fail_rate: 1.0 }
    }
}

/// Answers on `listener` until `stop` completes; calls that are running by then are answered still.
///
/// # Errors
/// What the listener fails with.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    runtime: SharedRuntime,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let Settings { key, seed, latency, failure, fail_rate } = settings;
    let switch = Switch::new(Behaviour { latency, failure, fail_rate }, seed);
    let simulated =
        Arc::new(Simulated { books: Mutex::new(data::company(seed)), switch: switch.clone(), key, runtime });
    let guarded = api::routes()
        .fallback(async || api::refuse(StatusCode::NOT_FOUND, "No such path"))
        .layer(middleware::from_fn_with_state(Arc::clone(&simulated), gate));
    let router = Router::new().nest("/api1", guarded).merge(control::routes()).with_state(simulated);
    let stop = async move {
        stop.await;
        // Calls that hang would keep the server from ending.
        switch.change(|behaviour| behaviour.failure = Failure::None);
    };
    axum::serve(Wires(listener), router.into_make_service_with_connect_info::<Cut>())
        .with_graceful_shutdown(stop)
        .await
}

/// The simulated CRM, as its routes see it.
struct Simulated {
    /// Guards the records; held while one request reads or writes them.
    books: Mutex<Books>,
    switch: Switch,
    key: Secret,
    runtime: SharedRuntime,
}

impl Simulated {
    /// Seconds since 1970, never before the end of the written history: what is created now is the newest.
    fn seconds(&self) -> i64 {
        i64::try_from(self.runtime.unix_millis() / 1000).unwrap_or(i64::MAX).max(data::HISTORY_END)
    }

    /// Whether the header carries the key; the word `bearer` in any case.
    fn knows(&self, authorization: Option<&HeaderValue>) -> bool {
        let parts = authorization.and_then(|value| value.to_str().ok()?.split_once(' '));
        parts.is_some_and(|(scheme, key)| {
            scheme.eq_ignore_ascii_case("bearer") && key.trim() == self.key.reveal()
        })
    }
}

/// What every call passes before it is answered.
async fn gate(
    State(simulated): State<Arc<Simulated>>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str);
    let route = format!("{} {}", request.method(), path.trim_start_matches("/api1"));
    let _running = simulated.switch.begin(route);
    let draw = simulated.switch.draw();
    simulated.runtime.sleep(draw.latency).await;
    if draw.failure != Failure::None {
        simulated.switch.failed();
    }
    match draw.failure {
        Failure::None => {}
        Failure::Hang => simulated.switch.released().await,
        Failure::ServerError => {
            return api::refuse(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong");
        }
        Failure::TooManyRequests => {
            let mut answer = api::refuse(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return answer;
        }
        Failure::Reset => {
            connection.cut();
            return Response::default();
        }
    }
    if !simulated.knows(request.headers().get(header::AUTHORIZATION)) {
        return api::refuse(StatusCode::UNAUTHORIZED, "Authentication required");
    }
    next.run(request).await
}
