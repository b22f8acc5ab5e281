//! What a client sends to the server: any bytes, and requests with any bytes in one of their places.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::LazyLock,
    time::Duration,
};

use alacena::{
    Alacena, SystemRuntime,
    config::{Config, Layers},
};
use alacena_server::{ServerSettings, bind, serve};
use tokio::runtime::Runtime;

use crate::origin::Origin;

const CONFIGURATION: &str = r#"
[embedded]
path = "{folder}"
[sources.origin]
kind = "http"
base_url = "http://{origin}"
[reads.jobs]
description = "jobs"
source = "origin"
http = "GET /jobs?state={state?}&size={size}"
tags = ["state:{state|all}"]
params.state = { type = "string", required = false, choices = ["open", "done"] }
params.size = { type = "integer", default = 50, min = 1, max = 100 }
"#;

/// How long the answer to a request that is whole may take until it is taken for one that is not.
const WHOLE: Duration = Duration::from_millis(50);
/// How long the server may take to end a connection whose other side has said everything.
const PATIENCE: Duration = Duration::from_secs(8);

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

struct Server {
    address: SocketAddr,
    /// It serves for as long as it lives.
    _runtime: Runtime,
}

/// The first byte says where the others stand: alone, in a query, a header or a body.
///
/// Whatever is sent, the server ends the connection soon after the client has, and never with "internal error".
pub fn request(data: &[u8]) {
    let Some((place, rest)) = data.split_first() else { return };
    let posted = |path: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n",
            rest.len()
        );
        [head.as_bytes(), rest].concat()
    };
    let around = |before: &str, after: &str| [before.as_bytes(), rest, after.as_bytes()].concat();
    let end = " HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let bytes = match place % 7 {
        0 => rest.to_vec(),
        1 => posted("/mcp"),
        2 => posted("/reads/jobs"),
        3 => posted("/cache/invalidate"),
        4 => around("GET /", end),
        5 => around("GET /reads/jobs?", end),
        _ => around(
            "GET /reads/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncache-control: ",
            "\r\n\r\n",
        ),
    };
    let said = exchange(&bytes, WHOLE).expect("the server answers or ends the connection in time");
    assert!(!said.starts_with(b"HTTP/1.1 500"), "{}", String::from_utf8_lossy(&said));
}

/// Everything that the server says to `bytes`. A request that is whole is answered before this side of the connection
/// ends; one that is not within `whole` would be waited for.
fn exchange(bytes: &[u8], whole: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(SERVER.address)?;
    let mut said = Vec::new();
    let mut speak = || {
        stream.write_all(bytes)?;
        stream.set_read_timeout(Some(whole))?;
        match stream.read_to_end(&mut said) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                stream.shutdown(Shutdown::Write)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.read_to_end(&mut said)
            }
            other => other,
        }
    };
    match speak() {
        // A server that has refused the rest of a request may end the connection at once.
        Err(error) if !is_ended(error.kind()) => Err(error),
        _ => Ok(said),
    }
}

fn is_ended(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected)
}

impl Server {
    fn start() -> Self {
        let body = br#"{"jobs":[1,2]}"#;
        let origin = Origin::start(&[&b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n"[..], body].concat());
        let folder = std::env::temp_dir().join(format!("alacena-fuzz-{}", std::process::id()));
        let text = CONFIGURATION
            .replace("{folder}", folder.to_str().expect("temporary folders have plain names"))
            .replace("{origin}", &origin.address.to_string());
        let config = Config::parse(&text, "fuzz.toml", &Layers::default()).expect("it is right");
        let runtime = Runtime::new().expect("the system gives a process its threads and its poller");
        let address = runtime.block_on(async {
            let alacena = Alacena::open(&config, SystemRuntime::shared()).await.expect("it opens");
            let settings = ServerSettings::of(&config, "0.0.0");
            let listener =
                bind("127.0.0.1:0".parse().expect("it is one")).await.expect("loopback has a free port");
            let address = listener.local_addr().expect("it is bound");
            // What is open goes on without a name, and nothing is left behind by a process that is ended.
            std::fs::remove_dir_all(&folder).expect("it is ours");
            runtime.spawn(serve(listener, alacena, settings, std::future::pending()));
            address
        });
        Self { address, _runtime: runtime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_right_gets_past_every_check() {
        let request = b"GET /reads/jobs?size=7 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let said = String::from_utf8(exchange(request, PATIENCE).expect("it answers")).expect("it is text");
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with(r#"{"jobs":[1,2]}"#), "{said}");
    }
}
