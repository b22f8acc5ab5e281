//! The thread's part of the proxy: it accepts, and carries out orders.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc as queue,
    task::JoinSet,
};

use super::{
    connection::{forward, ignore},
    proxy::{Close, Door, Shared},
};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// What the thread is to do, and whom to tell that it is done.
pub(super) struct Order {
    pub(super) what: What,
    pub(super) done: mpsc::SyncSender<()>,
}

pub(super) enum What {
    Door(Door),
    Close(Close),
}

/// Who listens, for as long as the proxy lives.
pub(super) struct Listener {
    address: SocketAddr,
    port: Port,
    door: Door,
    connections: JoinSet<()>,
    shared: Arc<Shared>,
}

enum Port {
    Listening(TcpListener),
    /// Bound without listening: the kernel refuses, and gives the port to nobody else.
    Held(Socket),
    /// Between the two.
    Changing,
}

impl Listener {
    /// Nobody gets in before the first order.
    pub(super) fn new(socket: Socket, address: SocketAddr, shared: Arc<Shared>) -> Self {
        let (port, connections) = (Port::Held(socket), JoinSet::new());
        Self { address, port, door: Door::Refusing, connections, shared }
    }

    pub(super) async fn serve(mut self, mut orders: queue::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order { what, done }) => {
                        self.obey(what);
                        // An error means that nobody waits for it.
                        let _ = done.send(());
                    }
                    None => return,
                },
                client = accept(&self.port) => self.welcome(client),
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    fn obey(&mut self, what: What) {
        // Whoever has connected before the order has come through the door as it was.
        while let Some(client) = waiting(&self.port) {
            self.welcome(client);
        }
        match what {
            What::Door(door) => {
                self.port = match (std::mem::replace(&mut self.port, Port::Changing), door) {
                    (Port::Listening(listener), Door::Refusing) => {
                        drop(listener);
                        Port::Held(bound(self.address))
                    }
                    (Port::Held(socket), Door::Open | Door::Silent) => Port::Listening(listen(socket)),
                    (as_it_is, _) => as_it_is,
                };
                self.door = door;
            }
            What::Close(how) => {
                self.shared.closing.send_replace(how);
            }
        }
    }

    fn welcome(&mut self, client: TcpStream) {
        let number = self.shared.counts.borrow().accepted;
        let is_ignored = self.door == Door::Silent;
        self.shared.counts.send_modify(|counts| {
            counts.accepted += 1;
            counts.ignored += u64::from(is_ignored);
        });
        // From now on it hears that it is to be closed.
        let (shared, closing) = (Arc::clone(&self.shared), self.shared.closing.subscribe());
        if is_ignored {
            self.connections.spawn(ignore(client, shared, closing));
        } else {
            self.connections.spawn(forward(client, number, shared, closing));
        }
    }
}

async fn accept(port: &Port) -> TcpStream {
    let Port::Listening(listener) = port else { return std::future::pending().await };
    loop {
        // An error is that of a client that has gone again.
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
    }
}

/// The next of those who have connected and have not been accepted, whatever the runtime knows of them.
fn waiting(port: &Port) -> Option<TcpStream> {
    let Port::Listening(listener) = port else { return None };
    let (client, _) = SockRef::from(listener).accept().ok()?;
    client.set_nonblocking(true).ok()?;
    TcpStream::from_std(client.into()).ok()
}

/// Takes a port, so that nobody else does, without listening there.
pub(super) fn bound(address: SocketAddr) -> Socket {
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
