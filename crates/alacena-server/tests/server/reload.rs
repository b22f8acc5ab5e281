//! Another configuration for a running server: nobody is dropped, answers go forward only, and what is wrong changes
//! nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Answer, Running, get, post};

/// Clients that ask without a pause while the configuration changes.
const CLIENTS: usize = 6;
/// Configurations after the first one.
const RELOADS: u64 = 25;

/// Two reads that answer `n`, the one out of the memory and the other one never, and one that stays as it is.
fn numbered(n: u64) -> String {
    let read = |name: &str, value: u64| {
        format!("[reads.{name}]\nsource = \"db\"\nsql = \"select {value} as n\"\nresult = \"row\"\n")
    };
    let source = "[sources.db]\nkind = \"sqlite\"\npath = \"{folder}/app.db\"\n";
    format!(
        "{source}{}{}{}[classes.loaded]\nttl = \"0s\"\n",
        read("kept", n),
        read("loaded", n),
        read("same", 7)
    )
}

/// A connection that is used again and again.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// The body of a successful answer. Panics where there is none, or the connection ends.
    async fn get(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.read.clear();
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.read[..end]).unwrap().to_ascii_lowercase();
                assert!(head.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(&self.read));
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let whole = end + 4 + length.parse::<usize>().unwrap();
                if self.read.len() >= whole {
                    return String::from_utf8(self.read[end + 4..whole].to_vec()).unwrap();
                }
            }
            assert_ne!(self.stream.read_buf(&mut self.read).await.unwrap(), 0, "the connection was dropped");
        }
    }

    async fn number(&mut self, read: &str) -> u64 {
        let body = self.get(&format!("/reads/{read}")).await;
        body.strip_prefix("{\"n\":").and_then(|rest| rest.strip_suffix('}')).unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_fails_and_no_answer_goes_back() {
    let server = Running::start_only(&numbered(0)).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients = (0..CLIENTS).map(|_| {
        let (address, stop, asked) = (server.address, Arc::clone(&stop), Arc::clone(&asked));
        tokio::spawn(async move {
            let (mut client, mut newest) = (Client::connect(address).await, 0);
            while !stop.load(Ordering::Relaxed) {
                for read in ["kept", "loaded", "kept"] {
                    let number = client.number(read).await;
                    assert!(number >= newest, "{read} answered {number} after {newest}");
                    newest = number;
                }
                assert_eq!(client.number("same").await, 7);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for n in 1..=RELOADS {
        // Each configuration is used before the next one comes.
        let before = asked.load(Ordering::Relaxed);
        while asked.load(Ordering::Relaxed) < before + 2 * CLIENTS as u64 {
            tokio::task::yield_now().await;
        }
        server.configure_only(&numbered(n));
        let answer = server.post("/cache/reload", "").await;
        assert_eq!(answer.json()["reads"]["changed"], json!(["kept", "loaded"]), "{}", answer.raw);
        assert_eq!(
            Client::connect(server.address).await.number("kept").await,
            n,
            "what is in force is answered"
        );
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let same = server.alacena.figures().reads.into_iter().find(|read| read.read == "same").unwrap();
    assert_eq!(same.loads, 1, "what stays as it is stays in memory");
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_every_problem_is_named_with_its_line() {
    let server = Running::start_only(&numbered(1)).await;
    server.get("/reads/kept").await;
    server.configure_only(
        "[sources.db]\nkind = \"sqlite\"\n[reads.kept]\nsource = \"crm\"\nsqll = \"select 2\"\n",
    );
    let refused = server.post("/cache/reload", "").await;
    assert_eq!((refused.status, refused.problem().as_str()), (422, "reload-refused"));
    let problems = refused.json()["problems"].as_array().unwrap().clone();
    let place = |path: &str| {
        let problem = problems.iter().find(|problem| problem["path"] == path).unwrap();
        (problem["file"].as_str().unwrap(), problem["line"].as_u64().unwrap())
    };
    assert_eq!((place("reads.kept.source"), place("reads.kept.sqll")), (("test.toml", 6), ("test.toml", 7)));
    assert!(refused.json()["detail"].as_str().unwrap().contains("did you mean `sql`?"));
    // What only the source can know is a reason, too.
    server.configure_only(&numbered(1).replace("select 7", "select 7 from nowhere"));
    let refused = server.post("/cache/reload", "").await;
    assert_eq!((refused.status, refused.problem().as_str()), (422, "reload-refused"));
    assert!(refused.text().contains("nowhere"), "{}", refused.raw);

    let answer = server.get("/reads/kept").await;
    assert_eq!((answer.text(), answer.cache_status().contains("hit")), ("{\"n\":1}", true));
}

#[tokio::test]
async fn a_read_that_is_gone_is_404_and_who_has_asked_it_is_answered() {
    let crm = "[sources.crm]\nkind = \"http\"\nbase_url = \"http://{upstream}\"\n";
    let server =
        Running::start_only(&format!("{crm}[reads.item]\nsource = \"crm\"\nhttp = \"GET /items/7\"\n")).await;
    server.upstream.hold(true);
    let asked = tokio::spawn(get("/reads/item").send(server.address));
    server.upstream.begun(1).await;
    server.configure_only(&format!("{crm}[reads.mine]\nsource = \"crm\"\nhttp = \"GET /mine\"\n"));
    let reloaded = server.post("/cache/reload", "{}").await.json();
    let expected = json!({
        "level": "applied",
        "reads": { "added": ["mine"], "removed": ["item"], "changed": [] },
        "needsRestart": [],
        "warnings": [],
    });
    assert_eq!(reloaded, expected);
    assert_eq!(server.get("/reads/item").await.status, 404);
    server.upstream.hold(false);
    assert_eq!(asked.await.unwrap().status, 200);

    // Everything that lists the reads has heard of it.
    let tools = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let tools =
        post("/mcp", tools).with("accept", "application/json, text/event-stream").send(server.address);
    let listed =
        [server.get("/reads").await, server.get("/openapi.json").await, server.get("/").await, tools.await];
    for (listed, mine, item) in
        listed.iter().map(|listed| (listed, listed.text().contains("mine"), listed.text().contains("item\"")))
    {
        assert!(mine && !item, "{}", listed.raw);
    }
}

fn token(name: &str, role: &str) -> String {
    format!(
        "[tokens.{name}]\nhash = \"blake3:{}\"\nrole = \"{role}\"\n",
        blake3::hash(secret(name).as_bytes())
    )
}

fn secret(name: &str) -> String {
    format!("canary-of-{name}")
}

async fn reads_as(server: &Running, name: &str) -> u16 {
    get("/reads").with("alacena-token", &secret(name)).send(server.address).await.status
}

async fn reload_as(server: &Running, name: &str) -> Answer {
    post("/cache/reload", "").with("alacena-token", &secret(name)).send(server.address).await
}

#[tokio::test]
async fn who_may_come_in_follows_at_once() {
    let (admin, app) = (token("ann", "admin"), token("app", "operate"));
    let server = Running::start_only(&format!("{}{admin}{app}", numbered(1))).await;
    assert_eq!((reads_as(&server, "app").await, reads_as(&server, "bob").await), (200, 401));
    assert_eq!(reload_as(&server, "app").await.problem(), "role-insufficient");

    let page = || get("/health").with("origin", "https://app.example");
    assert!(!page().send(server.address).await.has("access-control-allow-origin"));
    let origins = "[server]\ncors_origins = [\"https://app.example\"]\n";
    let public = numbered(1).replace("[reads.same]", "[reads.same]\npublic = true");
    server.configure_only(&format!("{public}{admin}{}{origins}", token("bob", "read")));
    assert_eq!(server.get("/reads/same").await.status, 401);
    assert_eq!(reload_as(&server, "ann").await.status, 200);
    assert_eq!((reads_as(&server, "app").await, reads_as(&server, "bob").await), (401, 200));
    assert_eq!((server.get("/reads/same").await.status, server.get("/reads/kept").await.status), (200, 401));
    assert_eq!(
        page().send(server.address).await.header("access-control-allow-origin"),
        "https://app.example"
    );
}

#[tokio::test]
async fn whoever_was_let_in_to_what_was_public_is_not_answered_by_what_no_longer_is() {
    let public = numbered(1).replace("[reads.same]", "[reads.same]\npublic = true");
    let server = Running::start_only(&format!("{public}{}", token("ann", "admin"))).await;
    for (path, body) in [("/reads/same", "{}"), ("/reads/same/batch", "{\"calls\": [{}]}")] {
        server.configure_only(&format!("{public}{}", token("ann", "admin")));
        assert_eq!(reload_as(&server, "ann").await.status, 200);
        let ask = async |between: &str| {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let waiting = server.runtime.sleepers();
            stream.write_all(head.as_bytes()).await.unwrap();
            // It has been let in once somebody waits for its body, with a limit of time.
            while server.runtime.sleepers() == waiting {
                tokio::task::yield_now().await;
            }
            server.configure_only(&format!("{between}{}", token("ann", "admin")));
            assert_eq!(reload_as(&server, "ann").await.status, 200);
            stream.write_all(body.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = ask(&public.replace("select 7", "select 8")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("{\"n\":8}"), "{answer}");
        let answer = ask(&numbered(1).replace("select 7", "select 9")).await;
        assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("\"n\""), "{answer}");
    }
}

#[tokio::test]
async fn whoever_came_by_an_open_door_does_not_get_what_is_behind_it_once_it_is_closed() {
    let server = Running::start_only(&numbered(1)).await;
    let head = "POST /reads/secret HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let waiting = server.runtime.sleepers();
    stream.write_all(head.as_bytes()).await.unwrap();
    while server.runtime.sleepers() == waiting {
        tokio::task::yield_now().await;
    }
    let secret = "[reads.secret]\nsource = \"db\"\nsql = \"select 9 as n\"\nresult = \"row\"\n";
    server.configure_only(&format!("{}{secret}{}", numbered(1), token("ann", "admin")));
    assert_eq!(server.post("/cache/reload", "").await.status, 200);
    stream.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("\"n\""), "{answer}");
}

#[tokio::test]
async fn a_server_that_stops_takes_no_other_configuration() {
    let crm = "[sources.crm]\nkind = \"http\"\nbase_url = \"http://{upstream}\"\n";
    let mut server =
        Running::start_only(&format!("{crm}[reads.item]\nsource = \"crm\"\nhttp = \"GET /items/7\"\n")).await;
    let reloader = server.reloader.clone();
    server.upstream.hold(true);
    let asked = tokio::spawn(get("/reads/item").send(server.address));
    server.upstream.begun(1).await;
    let stopped = server.stop();
    let refused = loop {
        match reloader.reload("test").await {
            // It has not heard of the stop yet.
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert!(refused.to_string().starts_with("shutting down"), "{refused}");
    server.upstream.hold(false);
    assert_eq!(asked.await.unwrap().status, 200);
    stopped.await.unwrap().unwrap();
    assert!(reloader.reload("test").await.is_err());
}
