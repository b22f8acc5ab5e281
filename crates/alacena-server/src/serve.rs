//! Connections: accepting them, and stopping without cutting anybody off.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alacena::{
    Alacena,
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use axum::Router;
use futures_util::FutureExt;
use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{unconstrained, yield_now},
};

use crate::{
    app::App,
    connections::{Connections, Limits, Place},
    front::Front,
    routes,
    settings::ServerSettings,
    token::Peer,
};

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
    let app = open(&listener, alacena, settings)?;
    serve_app(listener, app, shutdown).await
}

/// Like [`serve`], with `handler` at `/mcp` in the place of the declared reads. For the conformance suite of MCP, which
/// wants tools of its own behind the very transport that it judges.
#[doc(hidden)]
#[cfg(feature = "mcp")]
pub async fn serve_mcp_handler(
    listener: TcpListener,
    alacena: Alacena,
    settings: ServerSettings,
    handler: impl rmcp::ServerHandler + Clone,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mcp = crate::tools::McpService::with_sessions(handler, &settings);
    let app = open(&listener, alacena, settings)?.with_mcp(mcp);
    serve_app(listener, app, shutdown).await
}

pub(crate) fn open(listener: &TcpListener, alacena: Alacena, settings: ServerSettings) -> Result<App, Error> {
    let address = listener.local_addr().map_err(|cause| {
        Error::new(&catalogue::LISTEN_FAILED, "the socket has no address").caused_by(cause)
    })?;
    refuse_open_door(address, &settings)?;
    Ok(App::new(alacena, settings, address))
}

pub(crate) async fn serve_app(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let alacena = app.alacena().clone();
    let runtime = alacena.runtime().clone();
    // Callers are let in meanwhile.
    alacena.keep_warm();
    let connections = Connections::new(limits(&app.settings()), runtime.clone());
    let router = routes::router(app.clone());
    let door = Door {
        listener,
        app: app.clone(),
        router,
        runtime: runtime.clone(),
        connections,
        failing: AtomicBool::new(false),
    };
    let connections = door.admit_until(shutdown).await;

    app.begin_draining();
    let (drain, begun) = (app.settings().drain, runtime.now());
    tokio::select! {
        () = connections.end() => {}
        () = runtime.sleep(drain) => tracing::warn!("some requests were still running when the time to drain was over"),
    }
    alacena.close(drain.saturating_sub(runtime.now() - begun)).await;
    Ok(())
}

/// The limits of the settings, as far as this process may open files.
fn limits(settings: &ServerSettings) -> Limits {
    let mut connections_max = settings.connections_max.max(1);
    if let Some(files) = getrlimit(Resource::Nofile).current {
        // The rest is for the connections to sources, the store and the log.
        let most = u32::try_from(files / 4 * 3).unwrap_or(u32::MAX).max(1);
        if most < connections_max {
            tracing::warn!(files, connections = most, "this process may not open files for connections_max");
            connections_max = most;
        }
    }
    Limits {
        connections_max,
        per_address_max: settings.connections_per_address_max,
        idle_timeout: settings.idle_timeout,
    }
}

/// Refuses to let everybody in where not only this machine can come.
pub(crate) fn refuse_open_door(address: SocketAddr, settings: &ServerSettings) -> Result<(), Error> {
    if address.ip().is_loopback() || !settings.tokens.is_empty() {
        return Ok(());
    }
    let detail = format!("{address} can be reached from other machines and there are no tokens");
    Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail)
        .with("remedy", "add a [tokens.<name>] with hash and role, or listen on 127.0.0.1"))
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    app: App,
    router: Router,
    runtime: SharedRuntime,
    connections: Connections,
    /// Whether the last accept failed: that is said once, not ten times a second.
    failing: AtomicBool,
}

impl Door {
    /// Lets callers in until `shutdown` completes, and those who stand at the door by then.
    async fn admit_until(self, shutdown: impl Future<Output = ()>) -> Connections {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                next = self.next() => self.take(next).await,
            }
        }
        // Closing the listener would reset whoever is connected already as far as they can tell.
        yield_now().await;
        // Without Tokio's budget, which would end the loop after some tens of them.
        while let Some(next @ (_, Ok(_))) = unconstrained(self.next()).now_or_never() {
            self.take(next).await;
        }
        // Those who have just come in look at what they bring before they hear of the stop.
        yield_now().await;
        self.connections
    }

    async fn next(&self) -> (Place, io::Result<(TcpStream, SocketAddr)>) {
        let place = self.connections.place().await;
        (place, self.listener.accept().await)
    }

    async fn take(&self, (place, accepted): (Place, io::Result<(TcpStream, SocketAddr)>)) {
        match accepted {
            Ok((stream, peer)) => {
                self.failing.store(false, Ordering::Relaxed);
                let front = Front::new(self.app.clone(), self.router.clone(), Peer(peer));
                self.connections.open(stream, peer, place, front);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "cannot accept connections; those that are open go on");
                }
                self.runtime.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the caller went away between its arrival and the accept; the next one may be fine.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
