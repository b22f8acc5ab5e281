//! The proxy: its thread, its door, what it was told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, mpsc},
    thread::{Builder, JoinHandle},
};

use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{mpsc as queue, watch},
    task::JoinSet,
};

use super::{
    connection::{forward, ignore},
    rule::{Active, Injected, Rule, Rules},
};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

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
    /// How the thread is told about the door; it ends when this does.
    orders: Option<queue::UnboundedSender<(Door, mpsc::SyncSender<()>)>>,
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
            runtime.block_on(serve(socket, address, received, serves));
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
        let (done, is_done) = mpsc::sync_channel(1);
        let orders = self.orders.as_ref().expect("it is there until the proxy is dropped");
        orders.send((door, done)).expect("the thread takes orders for as long as there are any");
        is_done.recv().expect("the thread carries out every order");
    }

    /// Closes all open connections. New ones are not concerned: it is the [door](Self::set_door) that is.
    pub fn close_all(&self, how: Close) {
        self.shared.closing.send_replace(how);
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

/// What holds the port.
enum Listening {
    Yes(TcpListener),
    /// Bound without listening: the kernel refuses, and gives the port to nobody else.
    No(Socket),
}

type Orders = queue::UnboundedReceiver<(Door, mpsc::SyncSender<()>)>;

async fn serve(socket: Socket, address: SocketAddr, mut orders: Orders, shared: Arc<Shared>) {
    let (mut listening, mut door) = (Listening::No(socket), Door::Refusing);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((wanted, done)) = order else { return };
                listening = match (listening, wanted) {
                    (Listening::Yes(listener), Door::Refusing) => {
                        drop(listener);
                        Listening::No(bound(address))
                    }
                    (Listening::No(socket), Door::Open | Door::Silent) => Listening::Yes(listen(socket)),
                    (as_it_is, _) => as_it_is,
                };
                door = wanted;
                // An error means that nobody waits for it.
                let _ = done.send(());
            }
            client = accept(&listening) => {
                let number = shared.counts.borrow().accepted;
                shared.counts.send_modify(|counts| {
                    counts.accepted += 1;
                    counts.ignored += u64::from(door == Door::Silent);
                });
                let shared = Arc::clone(&shared);
                match door {
                    Door::Silent => connections.spawn(ignore(client, shared)),
                    Door::Open | Door::Refusing => connections.spawn(forward(client, number, shared)),
                };
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listening: &Listening) -> TcpStream {
    let Listening::Yes(listener) = listening else { return std::future::pending().await };
    loop {
        // An error is that of a client that has gone again.
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
    }
}

fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be had");
    // Connections that have just ended do not keep the port from us.
    socket.set_reuse_address(true).expect("it is an option of every socket");
    socket.bind(&address.into()).unwrap_or_else(|error| panic!("{address}: {error}"));
    socket
}

fn listen(socket: Socket) -> TcpListener {
    socket.listen(BACKLOG).expect("it is bound");
    socket.set_nonblocking(true).expect("every socket can be");
    TcpListener::from_std(socket.into()).expect("the runtime takes it")
}
