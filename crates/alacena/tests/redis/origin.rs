//! A source over HTTP that numbers its answers, and gives each when the test says so.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::node::in_time;

/// The number of a request is its answer: a later one is newer.
pub(crate) struct Origin {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// A line of every head, such as what forbids to keep an answer.
    line: &'static str,
    begun: watch::Sender<u64>,
    /// The requests that are answered.
    answered: watch::Sender<Answered>,
}

#[derive(Default)]
struct Answered {
    some: BTreeSet<u64>,
    all: bool,
}

impl Origin {
    /// With this line in the head of each answer; none if it is empty.
    pub(crate) async fn start(line: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            Arc::new(State { line, begun: watch::Sender::new(0), answered: watch::Sender::default() });
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&accepting).converse(stream));
            }
        });
        Self { address, state }
    }

    /// The read `thing` of it, declared.
    pub(crate) fn declared(&self) -> String {
        format!(
            "[sources.origin]\nkind = \"http\"\nbase_url = \"http://{}\"\n\
             [reads.thing]\nsource = \"origin\"\nhttp = \"GET /things/{{id}}\"\nkey = \"thing:{{id}}\"\n\
             params.id = {{ type = \"integer\" }}\n",
            self.address
        )
    }

    /// Waits until so many requests have come.
    pub(crate) async fn begun(&self, requests: u64) {
        in_time(self.state.begun.subscribe().wait_for(|begun| *begun >= requests)).await.unwrap();
    }

    pub(crate) fn requests(&self) -> u64 {
        *self.state.begun.borrow()
    }

    /// Answers this request.
    pub(crate) fn answer(&self, request: u64) {
        self.state.answered.send_modify(|answered| answered.some.extend([request]));
    }

    /// Answers every request.
    pub(crate) fn answer_all(&self) {
        self.state.answered.send_modify(|answered| answered.all = true);
    }
}

impl State {
    async fn converse(self: Arc<Self>, mut stream: TcpStream) {
        let mut read = Vec::new();
        loop {
            while !read.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                    return;
                }
            }
            read.clear();
            let mut number = 0;
            self.begun.send_modify(|begun| {
                *begun += 1;
                number = *begun;
            });
            let may = |answered: &Answered| answered.all || answered.some.contains(&number);
            self.answered.subscribe().wait_for(may).await.unwrap();
            let (line, body) = (self.line, number.to_string());
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{line}content-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
