//! A server that answers by script, over TCP or TLS, and remembers what it was asked.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// What one request gets.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes; the connection is kept.
    Whole(Vec<u8>),
    /// These bytes, then the connection ends.
    Broken(Vec<u8>),
    /// These bytes, then others until nobody takes them any more.
    Endless(Vec<u8>),
    /// Nothing, ever.
    Silence,
}

/// A response with a status line's rest (`200 OK`), header lines and a body of known length.
pub(crate) fn reply(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let length = format!("content-length: {}", body.len());
    let mut bytes = head(status, &[headers, &[length.as_str()]].concat());
    bytes.extend_from_slice(body);
    Reply::Whole(bytes)
}

/// A status line and headers.
pub(crate) fn head(status: &str, headers: &[&str]) -> Vec<u8> {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}\r\n").into_bytes()
}

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// `GET /jobs HTTP/1.1`, then a header a line, names in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) struct Peer {
    pub(crate) base: String,
    state: Arc<State>,
    arrivals: tokio::sync::Mutex<mpsc::UnboundedReceiver<()>>,
    open: watch::Receiver<usize>,
}

struct State {
    script: Vec<Reply>,
    received: Mutex<Vec<Received>>,
    sent: AtomicUsize,
    arrived: mpsc::UnboundedSender<()>,
    open: watch::Sender<usize>,
}

impl Peer {
    /// Answers the first request with the first reply and so on; the last one is for all that follow.
    pub(crate) async fn start(script: impl Into<Vec<Reply>>) -> Self {
        Self::serve(script.into(), None).await
    }

    /// The same behind TLS.
    pub(crate) async fn start_tls(script: impl Into<Vec<Reply>>, config: ServerConfig) -> Self {
        Self::serve(script.into(), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    #[expect(clippy::disallowed_methods, reason = "a real server for the source to talk to")]
    async fn serve(script: Vec<Reply>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (opened, open) = watch::channel(0);
        let state = Arc::new(State {
            script,
            received: Mutex::default(),
            sent: AtomicUsize::new(0),
            arrived,
            open: opened,
        });
        let base = match tls {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, tls) = (Arc::clone(&serving), tls.clone());
                tokio::spawn(async move {
                    state.open.send_modify(|open| *open += 1);
                    match tls {
                        None => state.converse(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                state.converse(stream).await;
                            }
                        }
                    }
                    state.open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { base, state, arrivals: arrivals.into(), open }
    }

    /// Every request so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// Bytes of [`Reply::Endless`] that somebody took, or that fill the buffers on the way.
    pub(crate) fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Waits for one more request.
    pub(crate) async fn arrival(&self) {
        self.arrivals.lock().await.recv().await.unwrap();
    }

    /// Waits until every connection has ended.
    pub(crate) async fn deserted(&self) {
        self.open.clone().wait_for(|open| *open == 0).await.unwrap();
    }
}

impl State {
    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        while let Some(request) = receive(&mut stream).await {
            let at = {
                let mut received = self.received.lock().unwrap();
                received.push(request);
                received.len() - 1
            };
            let _ = self.arrived.send(());
            match self.script.get(at).or(self.script.last()).unwrap().clone() {
                Reply::Whole(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                    let _ = stream.flush().await;
                }
                Reply::Broken(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                    return;
                }
                Reply::Endless(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    let piece = "2000\r\n".to_owned() + &" ".repeat(0x2000) + "\r\n";
                    while stream.write_all(piece.as_bytes()).await.is_ok() {
                        self.sent.fetch_add(piece.len(), Ordering::SeqCst);
                    }
                    return;
                }
                // Until the other side hangs up.
                Reply::Silence => {}
            }
        }
    }
}

/// One request with its body, or nothing where the connection ended.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut received = Received { head, body: String::new() };
    if let Some(length) = received.header("content-length") {
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.ok()?;
        received.body = String::from_utf8(body).unwrap();
    }
    Some(received)
}
