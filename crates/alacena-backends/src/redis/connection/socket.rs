//! Sockets to a server: TCP, TLS over it, or one in the file system.

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use alacena_core::{
    error::{Error, catalogue},
    runtime::{Runtime, SharedRuntime},
    tier::Spending,
};
use futures_util::future::{Either, select};
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, lookup_host},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    super::{Address, Place},
    Cause, Settings,
    metering::Metering,
};
use crate::tls;

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Silence after which the kernel asks whether the other side is still there, and how often: for idle connections,
/// behind firewalls that forget them.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));

/// A server, with all that is needed to connect to it.
#[derive(Clone)]
pub struct Server {
    address: Address,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Counts what is sent to it, on whatever connection.
    metering: Option<Arc<Metering>>,
}

impl Server {
    /// The server at `address`. Where TLS is spoken to it, its certificate must be signed by a public authority, or by
    /// one of those in `ca_file` (PEM).
    ///
    /// # Errors
    /// `configuration-invalid` where `ca_file` cannot be used.
    pub fn new(address: Address, ca_file: Option<&Path>) -> Result<Self, Error> {
        let wrong = |detail: String| Error::new(&catalogue::CONFIGURATION_INVALID, detail);
        let tls = match &address.place {
            Place::Tcp { host, tls: true, .. } => {
                let name = ServerName::try_from(host.clone()).map_err(|_| {
                    wrong("the host of rediss:// is no name that a certificate can have".to_owned())
                })?;
                Some((Arc::new(tls::configure(ca_file).map_err(wrong)?), name))
            }
            _ => None,
        };
        Ok(Self { address, tls, metering: None })
    }

    /// The same server, to which this process sends so many commands a day at most. Connections to it are made when they
    /// are needed, and not before.
    #[must_use]
    pub fn metered(self, commands_per_day: u64, runtime: &SharedRuntime) -> Self {
        Self { metering: Some(Arc::new(Metering::new(commands_per_day, runtime))), ..self }
    }

    /// What has been used of the commands of the day; `None`: they are not counted.
    #[must_use]
    pub fn spending(&self) -> Option<Spending> {
        self.metering.as_ref().map(|metering| metering.spending())
    }

    pub(super) fn metering(&self) -> Option<&Arc<Metering>> {
        self.metering.as_ref()
    }

    /// Whether TLS is spoken to it.
    pub(in crate::redis) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(super) async fn connect(&self, settings: &Settings, runtime: &dyn Runtime) -> Result<Socket, Cause> {
        let stream = match &self.address.place {
            Place::Unix(path) => {
                let connected = within(runtime, settings.connect_within, UnixStream::connect(path)).await?;
                return Ok(Socket::Unix(connected.map_err(|error| Cause::Unreachable(error.kind()))?));
            }
            Place::Tcp { host, port, .. } => {
                let addresses = within(runtime, settings.look_up_within, lookup_host((host.as_str(), *port)));
                let addresses = addresses.await?.map_err(|_| Cause::NoAddress)?;
                connect_to_any(&addresses.take(ADDRESSES_MAX).collect::<Vec<_>>(), settings, runtime).await?
            }
        };
        let prepared =
            stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE));
        prepared.map_err(|error| Cause::Broken(error.kind()))?;
        let Some((config, name)) = &self.tls else { return Ok(Socket::Tcp(stream)) };
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
        match within(runtime, settings.tls_within, connecting).await? {
            Ok(stream) => Ok(Socket::Tls(Box::new(stream))),
            Err(error) => Err(describe_tls(&error)),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

/// Why there was no TLS: a mistake of the protocol travels within an I/O error.
fn describe_tls(error: &io::Error) -> Cause {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => Cause::Tls(tls::describe(error, "url", "redis://").into()),
        None => Cause::Broken(error.kind()),
    }
}

/// Tries one address after the other. Each has its share of the time that is left, so that a dead one in front does not
/// use up that of those behind it.
async fn connect_to_any(
    addresses: &[SocketAddr],
    settings: &Settings,
    runtime: &dyn Runtime,
) -> Result<TcpStream, Cause> {
    let end = runtime.now() + settings.connect_within;
    let mut last = Cause::NoAddress;
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).expect("there are few");
        let share = (end - runtime.now()) / left;
        last = match within(runtime, share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Cause::Unreachable(error.kind()),
            Err(cause) => cause,
        };
    }
    Err(last)
}

async fn within<T>(
    runtime: &dyn Runtime,
    limit: Duration,
    task: impl Future<Output = T>,
) -> Result<T, Cause> {
    match select(pin!(task), runtime.sleep(limit)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => Err(Cause::Unanswered),
    }
}

/// A connected socket.
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

macro_rules! on_each {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket.get_mut() {
            Socket::Tcp(stream) => {
                let $inner = Pin::new(stream);
                $call
            }
            Socket::Tls(stream) => {
                let $inner = Pin::new(stream);
                $call
            }
            Socket::Unix(stream) => {
                let $inner = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_each!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_each!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self, stream => stream.poll_shutdown(cx))
    }
}
