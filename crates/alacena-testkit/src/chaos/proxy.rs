//! The proxy: its thread, its door, what it was told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, mpsc},
    thread::{Builder, JoinHandle},
};

use parking_lot::Mutex;
use tokio::{
    runtime,
    sync::{mpsc as queue, watch},
};

use super::{
    listener::{Listener, Order, What, bound},
    rule::{Active, Injected, Rule, Rules},
};

/// What becomes of new connections. Open ones are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// They are forwarded; so it begins.
    Open,
    /// They are accepted, what the client says is taken, and nothing ever comes back. The server hears nothing of them.
    Silent,
    /// They are refused, as by a machine on which nobody listens. The port is kept.
    Refusing,
}

/// How connections are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// With a reset (RST).
    Reset,
    /// In an orderly way (FIN).
    Finish,
}

/// What a proxy has done so far. What each fault has done its [`Injected`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted, ignored ones included.
    pub accepted: u64,
    /// Of these, accepted and ignored.
    pub ignored: u64,
    /// Of these, those for which the server could not be reached; they got a reset.
    pub unreachable: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Bytes passed on to the server.
    pub bytes_to_server: u64,
    /// Bytes passed on to clients.
    pub bytes_to_client: u64,
}

/// What the proxy's connections know of it.
pub(super) struct Shared {
    pub(super) seed: u64,
    /// Guards where new connections lead; held to read or write it.
    pub(super) server: Mutex<SocketAddr>,
    pub(super) rules: watch::Sender<Rules>,
    pub(super) counts: watch::Sender<Counts>,
    pub(super) closing: watch::Sender<Close>,
}

/// A TCP proxy on loopback that fails on demand. It ends when it is dropped, its connections with it.
///
/// See the [module](super) for an example.
pub struct ChaosProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The thread ends when this does.
    orders: Option<queue::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl ChaosProxy {
    /// Listens on a free port and forwards to `server`, with nothing going wrong. `seed` is where chance begins.
    #[must_use]
    pub fn start(server: SocketAddr, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            seed,
            server: Mutex::new(server),
            rules: watch::Sender::new(Arc::default()),
            counts: watch::Sender::new(Counts::default()),
            closing: watch::Sender::new(Close::Finish),
        });
        let socket = bound((Ipv4Addr::LOCALHOST, 0).into());
        let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
        let (orders, received) = queue::unbounded_channel();
        let serves = Arc::clone(&shared);
        let thread = Builder::new().name("chaos-proxy".to_owned()).spawn(move || {
            let runtime =
                runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(Listener::new(socket, address, serves).serve(received));
        });
        let proxy =
            Self { address, shared, orders: Some(orders), thread: Some(thread.expect("a thread starts")) };
        // Returns when it listens.
        proxy.set_door(Door::Open);
        proxy
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a rule in force, for open connections and new ones.
    pub fn inject(&self, rule: Rule) -> Injected {
        let active = Active::new(rule);
        self.shared.rules.send_modify(|rules| {
            *rules = rules.iter().cloned().chain([Arc::clone(&active)]).collect();
        });
        Injected { active, rules: self.shared.rules.clone() }
    }

    /// Takes all rules back.
    pub fn lift_all(&self) {
        self.shared.rules.send_replace(Arc::default());
    }

    /// Decides what becomes of new connections. Returns when it is so.
    pub fn set_door(&self, door: Door) {
        self.order(What::Door(door));
    }

    /// Closes all connections that clients have opened before the call. The [door](Self::set_door) stays as it is.
    pub fn close_all(&self, how: Close) {
        self.order(What::Close(how));
    }

    fn order(&self, what: What) {
        let (done, is_done) = mpsc::sync_channel(1);
        let orders = self.orders.as_ref().expect("it is there until the proxy is dropped");
        orders.send(Order { what, done }).expect("the thread takes orders for as long as there may be any");
        is_done.recv().expect("the thread carries out every order");
    }

    /// Lets new connections lead to another server, as a name or an address does after a failover.
    pub fn lead_to(&self, server: SocketAddr) {
        *self.shared.server.lock() = server;
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until this is true of what it has done.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn until(&self, is_so: impl FnMut(&Counts) -> bool) -> Counts {
        *self.shared.counts.subscribe().wait_for(is_so).await.expect("we hold the sender")
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(thread) = self.thread.take() {
            // It has only panicked where a test of the proxy itself has to say so.
            let _ = thread.join();
        }
    }
}
