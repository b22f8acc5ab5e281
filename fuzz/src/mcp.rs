//! What a client of MCP says, in one request.

use std::sync::LazyLock;

use alacena::{
    Alacena, Ask, SystemRuntime,
    config::{Config, Layers},
    declared::Parameters,
};
use alacena_server::{InProcess, ServerSettings};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

const CONFIGURATION: &str = r#"
[embedded]
path = "{folder}/store"
[sources.db]
kind = "sqlite"
path = "{folder}/app.db"
connections = 1
[reads.jobs]
description = "jobs"
source = "db"
sql = "select :size as size, :state as state"
params.state = { type = "string", required = false, choices = ["open", "done"] }
params.size = { type = "integer", default = 50, min = 1, max = 100 }
"#;

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

struct Server {
    server: InProcess,
    runtime: Runtime,
}

/// The first byte says of which revision the headers are, the others are the body.
///
/// Whatever it is, it is answered, never with "internal error", and in JSON where there is an answer at all.
pub fn mcp(data: &[u8]) {
    let Some((revision, body)) = data.split_first() else { return };
    let Some(answer) = ask(*revision, body) else { return };
    let said = String::from_utf8_lossy(answer.body());
    assert_ne!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{said}");
    if answer.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().ends_with(b"json")) {
        assert!(serde_json::from_str::<Json>(&said).is_ok(), "{said}");
    }
}

/// The answer; none where what the body says is no value of a header, so that no client sends it.
fn ask(revision: u8, body: &[u8]) -> Option<Response<Bytes>> {
    let mut request = Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    let said = serde_json::from_slice::<Json>(body).ok();
    match revision % 4 {
        0 => {}
        1 => request = request.header("mcp-protocol-version", "2025-11-25"),
        _ => {
            // This revision repeats in headers what the body says: without it, nothing gets past the first check.
            request = request.header("mcp-protocol-version", "2026-07-28");
            let word = |pointer: &str| said.as_ref()?.pointer(pointer)?.as_str().map(str::to_owned);
            if let Some(method) = word("/method") {
                request = request.header("mcp-method", method);
            }
            if let Some(name) = word("/params/name") {
                request = request.header("mcp-name", name);
            }
        }
    }
    let request = request.body(Bytes::copy_from_slice(body)).ok()?;
    Some(SERVER.runtime.block_on(SERVER.server.ask(request)))
}

impl Server {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("alacena-fuzz-mcp-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        rusqlite::Connection::open(folder.join("app.db"))
            .and_then(|database| database.execute_batch("create table jobs (id)"))
            .expect("an empty database can be made");
        let text =
            CONFIGURATION.replace("{folder}", folder.to_str().expect("temporary folders have plain names"));
        let config = Config::parse(&text, "fuzz.toml", &Layers::default()).expect("it is right");
        let runtime = Runtime::new().expect("the system gives a process its threads and its poller");
        let server = runtime.block_on(async {
            let alacena = Alacena::open(&config, SystemRuntime::shared()).await.expect("it opens");
            // Opens the one connection. What is open goes on without a name, and nothing is left behind.
            let read = alacena.declared_read("jobs").expect("it is declared");
            let defaults = Parameters::from_text(&read.parameters, []).expect("none is required");
            read.ask(defaults, Ask::default()).await.expect("the database answers");
            std::fs::remove_dir_all(&folder).expect("it is ours");
            InProcess::new(alacena, ServerSettings::of(&config, "0.0.0"))
        });
        Self { server, runtime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_right_gets_past_every_check() {
        let calls = [
            include_bytes!("../corpus/mcp/call_2026").as_slice(),
            include_bytes!("../corpus/mcp/call_2025").as_slice(),
        ];
        for call in calls {
            let answer = ask(call[0], &call[1..]).expect("it can be sent");
            let said = String::from_utf8_lossy(answer.body());
            assert!(answer.status() == StatusCode::OK && said.contains("size"), "{answer:?}");
        }
    }
}
