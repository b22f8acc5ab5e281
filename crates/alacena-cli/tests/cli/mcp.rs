//! `alacena mcp`: the same tools whether this process answers or a running server does.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Stdio},
};

use serde_json::{Value as Json, json};
use tempfile::tempdir;

use crate::process::{Running, alacena, run};

/// A client that has introduced itself, line by line.
struct Client {
    child: Child,
    next_id: u64,
}

impl Client {
    fn connect(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = alacena(folder, &[&["mcp"], arguments].concat());
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut client = Self { child, next_id: 0 };
        let introduction = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "0" },
        });
        let server = client.ask("initialize", introduction);
        assert_eq!(server["serverInfo"]["name"], "alacena");
        client.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    fn ask(&mut self, method: &str, parameters: Json) -> Json {
        self.next_id += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": parameters }));
        let mut line = String::new();
        BufReader::with_capacity(1, self.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let mut answer: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(answer["id"], self.next_id, "{answer}");
        answer["result"].take()
    }

    fn write(&mut self, message: &Json) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Lists, calls, and makes a mistake; answers what the cache said about the call.
    fn converse(mut self) -> Json {
        let listed = self.ask("tools/list", json!({}));
        let names: Vec<&str> =
            listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["product", "products"]);
        let answer = self.ask("tools/call", json!({ "name": "product", "arguments": { "id": 1 } }));
        assert_eq!(answer["structuredContent"]["name"], "Olive oil", "{answer}");
        let mistake = self.ask("tools/call", json!({ "name": "product", "arguments": { "id": "one" } }));
        assert!(
            mistake["isError"] == true && mistake.to_string().contains("`id` must be an integer"),
            "{mistake}"
        );
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "it ends with its client");
        answer["_meta"]["dev.alacena/cache"]["origin"].clone()
    }
}

#[test]
fn the_tools_are_the_same_alone_and_through_a_server() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(run(folder, &["init"]).code, Some(0));
    let file = folder.join("alacena.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:8080", "127.0.0.1:1");
    std::fs::write(&file, text).unwrap();
    assert_eq!(Client::connect(folder, &[]).converse(), "source", "alone");

    let server = Running::serve(folder, &[]);
    assert_eq!(Client::connect(folder, &[]).converse(), "source", "the server of the configuration");
    let named = ["--server", server.url.as_str()];
    assert_eq!(Client::connect(folder, &named).converse(), "l1", "the same server, the same cache");
}
