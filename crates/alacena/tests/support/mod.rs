//! An upstream that does as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers each request with its own first line, as a JSON text.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: AtomicU64,
    begun: watch::Sender<u64>,
    held: watch::Sender<bool>,
    writes_held: watch::Sender<bool>,
    failing: AtomicBool,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<State>::default());
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Arc::clone(&accepting).converse(stream));
            }
        });
        Self { address, state }
    }

    /// Holds back all answers, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.state.held.send_replace(held);
    }

    /// The same of the answers to writes alone.
    pub(crate) fn hold_writes(&self, held: bool) {
        self.state.writes_held.send_replace(held);
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.state.failing.store(failing, Ordering::SeqCst);
    }

    /// Waits until so many requests have come.
    pub(crate) async fn begun(&self, calls: u64) {
        let mut begun = self.state.begun.subscribe();
        let begun = tokio::time::timeout(PATIENCE, begun.wait_for(|begun| *begun >= calls)).await;
        begun.expect("the request never came").unwrap();
    }

    pub(crate) fn calls(&self) -> u64 {
        *self.state.begun.borrow()
    }

    pub(crate) fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl State {
    async fn converse(self: Arc<Self>, mut stream: TcpStream) {
        let mut read = Vec::new();
        loop {
            // No request of these tests has a body that ends otherwise.
            while !read.ends_with(b"\r\n\r\n") && !read.ends_with(b"\r\n\r\n{}") {
                if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                    return;
                }
            }
            let head = String::from_utf8(std::mem::take(&mut read)).unwrap();
            let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
            self.begun.send_modify(|begun| *begun += 1);
            self.held.subscribe().wait_for(|held| !held).await.unwrap();
            if !line.starts_with("GET") {
                self.writes_held.subscribe().wait_for(|held| !held).await.unwrap();
            }
            let status = if self.failing.load(Ordering::SeqCst) { "500 Wrong" } else { "200 OK" };
            let body = format!("\"{line}\"");
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
