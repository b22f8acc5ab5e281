//! A server whose every byte the test sends.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{
    Address, Cause, Connection, Server, Settings,
    resp::{Frame, Limits, Reader},
};
use alacena_testkit::FakeRuntime;
use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const GREETING: &str = "%5\r\n+server\r\n+redis\r\n+version\r\n+7.0.15\r\n+proto\r\n:3\r\n+mode\r\n\
    +standalone\r\n+role\r\n+master\r\n";
/// Long enough to be never, on a clock that the test holds.
pub(crate) const LONG: Duration = Duration::from_millis(900);

pub(crate) struct Peer {
    listener: TcpListener,
}

/// One connection, from the server's side.
pub(crate) struct Session {
    stream: TcpStream,
    reader: Reader,
    buffer: BytesMut,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn server(&self) -> Server {
        self.server_at("redis://127.0.0.1:PORT")
    }

    pub(crate) fn server_at(&self, url: &str) -> Server {
        let url = url.replace("PORT", &self.listener.local_addr().unwrap().port().to_string());
        Server::new(Address::parse(&url).unwrap(), None).unwrap()
    }

    pub(crate) async fn accept(&self) -> Session {
        let (stream, _) = self.listener.accept().await.unwrap();
        Session { stream, reader: Reader::new(Limits::default()), buffer: BytesMut::with_capacity(64 * 1024) }
    }

    /// Accepts a connection and greets it.
    pub(crate) async fn greet(&self) -> Session {
        let mut session = self.accept().await;
        assert_eq!(session.heard().await, "HELLO 3 SETNAME alacena");
        session.say(GREETING).await;
        session
    }
}

impl Session {
    /// The words of the next command; panics once the other side has closed.
    pub(crate) async fn heard(&mut self) -> String {
        self.listen().await.expect("the other side has closed")
    }

    /// The words of the next command; none once the other side has closed.
    pub(crate) async fn listen(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.reader.read(&mut self.buffer).expect("it is the protocol") {
                let words = frame.items().expect("commands are arrays").iter();
                return Some(words.map(|word| word.text().unwrap_or("…")).collect::<Vec<_>>().join(" "));
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// How many commands one read brings.
    pub(crate) async fn heard_at_once(&mut self) -> usize {
        self.stream.read_buf(&mut self.buffer).await.unwrap();
        std::iter::from_fn(|| self.reader.read(&mut self.buffer).expect("it is the protocol")).count()
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the other side is there");
    }

    /// Every byte in a write of its own.
    pub(crate) async fn trickle(&mut self, bytes: &str) {
        self.stream.set_nodelay(true).unwrap();
        for byte in bytes.bytes() {
            self.say([byte]).await;
            tokio::task::yield_now().await;
        }
    }
}

/// Both ends of a connection that has been greeted.
pub(crate) struct Pair {
    pub(crate) runtime: FakeRuntime,
    pub(crate) connection: Connection,
    pub(crate) session: Session,
    /// The pushes that were handled, and why it ended, in order.
    pub(crate) told: Arc<Mutex<Vec<String>>>,
}

pub(crate) async fn pair() -> Pair {
    pair_with(Settings::default()).await
}

pub(crate) async fn pair_with(settings: Settings) -> Pair {
    let (peer, runtime) = (Peer::start().await, FakeRuntime::new(1));
    let told = Arc::new(Mutex::new(Vec::new()));
    let server = peer.server();
    let (connection, session) = tokio::join!(open(&server, &settings, &runtime, &told), peer.greet());
    Pair { runtime, connection: connection.unwrap(), session, told }
}

pub(crate) async fn open(
    server: &Server,
    settings: &Settings,
    runtime: &FakeRuntime,
    told: &Arc<Mutex<Vec<String>>>,
) -> Result<Connection, Cause> {
    let (pushed, closed) = (Arc::clone(told), Arc::clone(told));
    let on_push = move |push: Frame| {
        let words = push.items().unwrap().iter().map(|word| word.text().unwrap_or("_").to_owned());
        pushed.lock().push(words.collect::<Vec<_>>().join(" "));
    };
    let on_close = move |cause: &Cause| closed.lock().push(cause.to_string());
    Connection::open(server, settings, Arc::new(runtime.clone()), Box::new(on_push), Box::new(on_close)).await
}
