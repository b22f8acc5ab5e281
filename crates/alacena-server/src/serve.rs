//! Connections: accepting them, and stopping without cutting anybody off.

use std::{future::Future, net::SocketAddr, pin::pin, time::Duration};

use alacena::{
    Alacena,
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use axum::{Extension, Router, middleware::AddExtension};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;

use crate::{app::App, routes, settings::ServerSettings, token::Peer};

/// How long the head of a request may take to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// Pause after an accept that failed, so that a machine out of file descriptors is not kept busy by us.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the socket to listen on.
///
/// # Errors
/// `Unavailable` where the address is taken or not of this machine.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(listen).await.map_err(|cause| {
        let detail = match cause.kind() {
            std::io::ErrorKind::AddrInUse => format!("{listen} is in use by another process"),
            std::io::ErrorKind::PermissionDenied => {
                format!("{listen} needs more rights than this process has")
            }
            std::io::ErrorKind::AddrNotAvailable => format!("{listen} is no address of this machine"),
            other => format!("{listen}: {other}"),
        };
        Error::new(&catalogue::LISTEN_FAILED, detail).with("listen", listen).caused_by(cause)
    })
}

/// Serves until `shutdown` completes; then takes no new connections, answers what is running within
/// [`ServerSettings::drain`], and closes `alacena`.
///
/// # Errors
/// `Invalid` where the listener is not on loopback and there are no tokens: everyone could read everything.
///
/// # Cancellation
/// Dropping the future stops accepting; requests that are running go on without anybody to wait for them. Let
/// `shutdown` complete instead.
pub async fn serve(
    listener: TcpListener,
    alacena: Alacena,
    settings: ServerSettings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(|cause| {
        Error::new(&catalogue::LISTEN_FAILED, "the socket has no address").caused_by(cause)
    })?;
    refuse_open_door(address, &settings)?;

    let runtime = alacena.runtime().clone();
    let drain = settings.drain;
    let app = App::new(alacena.clone(), settings, address);
    let router = routes::router(app.clone());
    let connections = GracefulShutdown::new();
    accept_until(shutdown, &listener, &router, &connections, &runtime).await;

    drop(listener);
    app.begin_draining();
    let begun = runtime.now();
    tokio::select! {
        () = connections.shutdown() => {}
        () = runtime.sleep(drain) => tracing::warn!("some requests were still running when the time to drain was over"),
    }
    alacena.close(drain.saturating_sub(runtime.now() - begun)).await;
    Ok(())
}

fn refuse_open_door(address: SocketAddr, settings: &ServerSettings) -> Result<(), Error> {
    if address.ip().is_loopback() || !settings.tokens.is_empty() {
        return Ok(());
    }
    let detail = format!("{address} can be reached from other machines and there are no tokens");
    Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail)
        .with("remedy", "add a [tokens.<name>] with hash and role, or listen on 127.0.0.1"))
}

async fn accept_until(
    shutdown: impl Future<Output = ()>,
    listener: &TcpListener,
    router: &Router,
    connections: &GracefulShutdown,
    runtime: &SharedRuntime,
) {
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let service = Extension(Peer(peer)).layer(router.clone());
                runtime.spawn(Box::pin(answer(stream, service, connections.watcher())));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                runtime.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the caller went away between its arrival and the accept; the next one may be fine.
fn concerns_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection until it ends.
async fn answer(stream: TcpStream, service: AddExtension<Router, Peer>, watcher: Watcher) {
    // Small answers must not wait for the acknowledgement of the one before (Nagle).
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        // A caller that goes away in the middle is everyday life.
        tracing::debug!(%error, "connection ended");
    }
}
