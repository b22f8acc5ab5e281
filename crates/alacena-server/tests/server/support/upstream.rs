//! An upstream that does as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{AbortHandle, JoinSet},
};

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    calls: AtomicU64,
    version: AtomicU64,
    /// Zero: answer; anything else: fail with this status.
    failing: AtomicU16,
    /// Calls are held back while this is true.
    held: watch::Sender<bool>,
    begun: watch::Sender<u64>,
    seen: parking_lot::Mutex<Vec<HeaderMap>>,
    process: parking_lot::Mutex<Option<AbortHandle>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            calls: AtomicU64::new(0),
            version: AtomicU64::new(1),
            failing: AtomicU16::new(0),
            held: watch::Sender::new(false),
            begun: watch::Sender::new(0),
            seen: parking_lot::Mutex::default(),
            process: parking_lot::Mutex::default(),
        });
        let upstream = Self { address: listener.local_addr().unwrap(), inner };
        upstream.serve(listener);
        upstream
    }

    fn serve(&self, listener: TcpListener) {
        let router = Router::new()
            .route("/items/{id}", get(item))
            .route("/mine", get(mine))
            .route("/padded/{bytes}", get(padded))
            .fallback(echo)
            .with_state(self.clone());
        let process = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // Whoever hangs up in the middle does so on purpose.
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        *self.inner.process.lock() = Some(process.abort_handle());
    }

    /// Ends it in the middle of whatever it does: its connections break, new ones are refused.
    pub(crate) fn kill(&self) {
        self.inner.process.lock().take().unwrap().abort();
    }

    /// Begins again at the same address.
    pub(crate) async fn revive(&self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    pub(crate) fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// From now on items are others than before.
    pub(crate) fn change(&self) {
        self.inner.version.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn fail_with(&self, status: u16) {
        self.inner.failing.store(status, Ordering::SeqCst);
    }

    /// Holds calls back, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.inner.held.send_replace(held);
    }

    /// Waits until so many calls have begun.
    pub(crate) async fn begun(&self, calls: u64) {
        self.inner.begun.subscribe().wait_for(|begun| *begun >= calls).await.unwrap();
    }

    /// The headers of every call so far.
    pub(crate) fn seen(&self) -> Vec<HeaderMap> {
        self.inner.seen.lock().clone()
    }

    async fn called(&self, headers: HeaderMap) -> Result<u64, StatusCode> {
        let calls = self.inner.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.inner.seen.lock().push(headers);
        self.inner.begun.send_replace(calls);
        self.inner.held.subscribe().wait_for(|held| !held).await.unwrap();
        match self.inner.failing.load(Ordering::SeqCst) {
            0 => Ok(self.inner.version.load(Ordering::SeqCst)),
            status => Err(StatusCode::from_u16(status).unwrap()),
        }
    }
}

async fn item(State(upstream): State<Upstream>, Path(id): Path<u64>, headers: HeaderMap) -> Response {
    match upstream.called(headers).await {
        Err(status) => (status, format!("the upstream says {}", super::CANARY)).into_response(),
        Ok(_) if id == 404 => StatusCode::NOT_FOUND.into_response(),
        Ok(version) => Json(json!({ "id": id, "version": version })).into_response(),
    }
}

async fn mine(State(upstream): State<Upstream>, headers: HeaderMap) -> Response {
    let shown = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().len());
    let lengths = json!([shown("authorization"), shown("x-api-key"), shown("alacena-token")]);
    match upstream.called(headers).await {
        Err(status) => status.into_response(),
        Ok(_) => Json(lengths).into_response(),
    }
}

async fn padded(State(upstream): State<Upstream>, Path(bytes): Path<usize>, headers: HeaderMap) -> Response {
    match upstream.called(headers).await {
        Err(status) => status.into_response(),
        Ok(_) => Json("x".repeat(bytes)).into_response(),
    }
}

/// Everything that was said: whatever gets this far can be seen in the answer.
async fn echo(State(upstream): State<Upstream>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let mut echo = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    match upstream.called(head.headers).await {
        Err(status) => status.into_response(),
        Ok(version) => {
            echo["version"] = version.into();
            Json(echo).into_response()
        }
    }
}
