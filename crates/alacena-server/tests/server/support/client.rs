//! A client that sends exactly what a test says: no redirect, no pool, no header of its own but `Connection`.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(crate) fn get(target: &str) -> Request {
    Request { method: "GET".into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
}

/// A `POST` of JSON.
pub(crate) fn post(target: &str, body: impl AsRef<[u8]>) -> Request {
    let request = Request { method: "POST".into(), body: body.as_ref().to_vec(), ..get(target) };
    request.with("content-type", "application/json")
}

impl Request {
    pub(crate) fn method(self, method: &str) -> Self {
        Self { method: method.into(), ..self }
    }

    /// Adds a header, or replaces `host` and `content-type`.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if matches!(name, "host" | "content-type") {
            self.headers.retain(|(header, _)| header != name);
        }
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    pub(crate) async fn send(self, address: SocketAddr) -> Answer {
        self.try_send(address).await.expect("there is an answer")
    }

    /// The answer, unless the connection ends without one.
    pub(crate) async fn try_send(self, address: SocketAddr) -> Option<Answer> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: {address}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        // A server that refuses the head may have gone before it has all of it; what it said counts.
        let _ = stream.write_all(&[head.as_bytes(), &self.body].concat()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        (!bytes.is_empty()).then(|| Answer::parse(&bytes))
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Every byte as it came over the wire.
    pub(crate) raw: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        // Every secret of these tests begins with this, and every answer of every test comes through here.
        assert!(!String::from_utf8_lossy(bytes).contains("canary-"), "a secret came out");
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let value = value.trim();
            headers
                .entry(name.to_ascii_lowercase())
                .and_modify(|all: &mut String| *all = format!("{all}, {value}"))
                .or_insert_with(|| value.to_owned());
        }
        let raw = String::from_utf8_lossy(bytes).into_owned();
        let mut body = bytes[end + 4..].to_vec();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            body = joined(&body);
        }
        Self { status, headers, body, raw }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.raw))
    }

    /// The last part of a problem's `type`.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.raw);
        let document = self.json();
        assert_eq!(document["status"], self.status, "{}", self.raw);
        assert!(document["remedy"].as_str().is_some_and(|remedy| remedy.ends_with('.')), "{}", self.raw);
        document["type"].as_str().unwrap().strip_prefix("urn:alacena:error:").unwrap().to_owned()
    }
}

/// A body that came in chunks, up to the one that says it is whole.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").expect("a chunk says its size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}
