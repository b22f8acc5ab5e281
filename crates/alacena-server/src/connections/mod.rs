//! The connections that are open: how many there may be, and what becomes of those that do nothing, too little or too
//! slowly.
//!
//! Every connection writes down what it does last in a `watch`, with plain stores and without a clock or timer of its
//! own. One task looks at all of them once a second and tells those to end that are over a limit (`limits`). So a
//! thousand slow connections cost a thousand glances a second, and a fast one nothing.

mod limits;
mod framing;
mod watch;
mod wire;
mod answering;

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use alacena::runtime::SharedRuntime;
use axum::http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::Service,
};
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
};

pub(crate) use limits::*;
use watch::{Clock, Verdict, Watch};

/// The right to open one connection.
pub(crate) struct Place(
    #[expect(dead_code, reason = "it is given back when this is dropped")] OwnedSemaphorePermit,
);

/// All connections of one server.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    limits: Limits,
    runtime: SharedRuntime,
    clock: Arc<Clock>,
    /// One for each connection that may still be opened. While there is none, callers wait outside.
    places: Arc<Semaphore>,
    /// Guards the table of connections, for a few instructions at each accept and for one glance at all of them a
    /// second; no request takes it.
    open: Mutex<Open>,
    /// Somebody has come while there was nobody to watch, or nobody will come any more.
    begun: Arc<Notify>,
}

#[derive(Default)]
struct Open {
    watches: HashMap<u64, Arc<Watch>>,
    by_address: HashMap<IpAddr, u32>,
    last: u64,
    ending: bool,
}

impl Connections {
    pub(crate) fn new(limits: Limits, runtime: SharedRuntime) -> Self {
        let inner = Inner {
            places: Arc::new(Semaphore::new(limits.connections_max as usize)),
            clock: Arc::default(),
            open: Mutex::default(),
            begun: Arc::default(),
            limits,
            runtime,
        };
        let connections = Self(Arc::new(inner));
        connections.0.runtime.spawn(Box::pin(watch_over(&connections.0)));
        connections
    }

    /// Waits until there is a place.
    pub(crate) async fn place(&self) -> Place {
        let places = Arc::clone(&self.0.places);
        Place(places.acquire_owned().await.expect("the semaphore is never closed"))
    }

    /// Answers the requests that come over `stream` with `service`, in a task of its own; unless too many connections
    /// of that address are open, in which case it is closed.
    pub(crate) fn open<S, B>(&self, stream: TcpStream, peer: SocketAddr, place: Place, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: Body + From<axum::body::Body> + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(member) = self.enter(peer, place) else { return };
        prepare(&stream);
        self.0.runtime.spawn(Box::pin(async move {
            answering::answer(stream, Arc::clone(&member.watch), service).await;
            drop(member);
        }));
    }

    /// Waits until what has begun is answered and every connection is closed.
    pub(crate) async fn end(self) {
        {
            let mut open = self.0.open.lock();
            open.ending = true;
            for watch in open.watches.values() {
                watch.tell(Verdict::End);
            }
        }
        // An error would mean that somebody closed the semaphore, and nobody does.
        let _ = self.0.places.acquire_many(self.0.limits.connections_max).await;
    }

    fn enter(&self, peer: SocketAddr, place: Place) -> Option<Member> {
        let address = counted(peer.ip());
        let mut open = self.0.open.lock();
        if open.watches.is_empty() {
            self.0.clock.set(self.0.runtime.now());
            self.0.begun.notify_one();
        }
        if let Some(address) = address {
            let most = self.0.limits.per_address_max;
            let count = open.by_address.entry(address).or_default();
            if most > 0 && *count >= most {
                tracing::debug!(%address, most, "an address has too many connections");
                return None;
            }
            *count += 1;
        }
        open.last += 1;
        let number = open.last;
        let watch = Arc::new(Watch::new(Arc::clone(&self.0.clock)));
        if open.ending {
            watch.tell(Verdict::End);
        }
        open.watches.insert(number, Arc::clone(&watch));
        Some(Member { connections: self.clone(), number, address, watch, place })
    }
}

/// Looks at all connections once a tick while there are any, until nobody can open one any more.
fn watch_over(inner: &Arc<Inner>) -> impl Future<Output = ()> + Send + 'static {
    let (inner, begun, runtime) = (Arc::downgrade(inner), Arc::clone(&inner.begun), inner.runtime.clone());
    async move {
        while let Some(anybody) = inner.upgrade().map(|inner| inner.glance()) {
            if !anybody {
                begun.notified().await;
            }
            runtime.sleep(TICK).await;
        }
    }
}

impl Inner {
    /// Looks at every connection; with whether there is one.
    fn glance(&self) -> bool {
        let now = self.runtime.now();
        self.clock.set(now);
        let open = self.open.lock();
        let crowded = open.watches.len() >= self.limits.connections_max as usize;
        let idle = if crowded { CROWDED_IDLE_MAX } else { Duration::MAX }.min(self.limits.idle_timeout);
        for watch in open.watches.values() {
            watch.tell(watch.judge(now, idle));
        }
        !open.watches.is_empty()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.begun.notify_one();
    }
}

/// One connection among the others, until it is dropped.
struct Member {
    connections: Connections,
    number: u64,
    address: Option<IpAddr>,
    watch: Arc<Watch>,
    #[expect(dead_code, reason = "it ends with this")]
    place: Place,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = self.connections.0.open.lock();
        open.watches.remove(&self.number);
        let Some(address) = self.address else { return };
        if let Some(count) = open.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

/// The address that a connection counts for. This machine counts for nothing: a proxy on it brings everybody. Of IPv6
/// the network counts, because whoever has one address of it has them all.
fn counted(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            Some(IpAddr::V6(Ipv6Addr::from_bits(network)))
        }
        address => Some(address),
    }
}

/// Sets what the kernel does with the connection. Where it cannot, the connection works all the same.
fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // Small answers must not wait for the acknowledgement of the one before (Nagle).
    let mut set = socket.set_tcp_nodelay(true);
    // The kernel would take megabytes of an answer that nobody takes, and keep them for as long as it is told that its
    // end is still there.
    #[cfg(target_os = "linux")]
    {
        set = set
            .and_then(|()| socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX))
            .and_then(|()| socket.set_tcp_user_timeout(Some(STALL_GRACE)));
    }
    if let Err(error) = set {
        tracing::debug!(%error, "the kernel does not take an option of a connection");
    }
}

#[cfg(test)]
mod tests;
