//! The protocol over two streams, with tools that are not reads.

use alacena::runtime::BoxFuture;
use serde_json::{Map, Value as Json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex, split};

use super::*;

struct Echo;

impl Tools for Echo {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Tool>, Error>> {
        let tool = Tool {
            name: "echo".into(),
            title: "Echo".into(),
            description: "Says it again".into(),
            input_schema: Map::from_iter([("type".to_owned(), "object".into())]),
            ..Tool::default()
        };
        let promising = Tool { name: "promising".into(), output_schema: Some(Map::new()), ..tool.clone() };
        Box::pin(std::future::ready(Ok(vec![tool, promising])))
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolResult, Error>> {
        let mut text = format!("{}{:?}", call.name, call.arguments);
        let mut result = json!({});
        if let [(name, number)] = call.arguments.as_slice()
            && name == "number"
        {
            text = format!("{{\"number\":{}}}", number.as_str().unwrap_or_default());
            result["structuredContent"] = serde_json::from_str(&text).unwrap();
        }
        result["content"] = json!([{ "type": "text", "text": text }]);
        let result = ToolResult::from_json(result);
        Box::pin(std::future::ready(Ok(result.expect("it is a result"))))
    }
}

/// The client's end of a conversation, one message a line.
struct Client(BufReader<DuplexStream>);

impl Client {
    async fn send(&mut self, message: Json) {
        self.0.get_mut().write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, message: Json) -> Json {
        self.send(message).await;
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// Serves `Echo` to a conversation and returns how that ended.
async fn converse(conversation: impl AsyncFnOnce(Client)) -> Result<(), Error> {
    let (near, far) = duplex(64 * 1024);
    let handler =
        Handler { tools: Arc::new(Echo), version: "1.2.3".into(), runtime: SystemRuntime::shared() };
    let (ended, ()) = tokio::join!(over(split(far), handler), conversation(Client(BufReader::new(near))));
    ended
}

#[tokio::test]
async fn a_client_of_2025_is_served_until_it_leaves() {
    let ended = converse(async |mut client: Client| {
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
        });
        let welcome = client.ask(hello).await;
        assert_eq!(
            welcome["result"]["serverInfo"],
            json!({"name": "alacena", "title": "Alacena", "version": "1.2.3"})
        );
        client.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        let listed = client.ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})).await;
        assert_eq!(listed["result"]["tools"][0]["name"], "echo");
        let call = json!({
            "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "echo", "arguments": {"a": 1}},
        });
        assert_eq!(client.ask(call).await["result"]["content"][0]["text"], "echo[(\"a\", Number(1))]");
    });
    ended.await.unwrap();
}

#[tokio::test]
async fn a_client_of_2026_needs_no_handshake() {
    let ended = converse(async |mut client: Client| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let listed = client
            .ask(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}))
            .await;
        let result = &listed["result"];
        assert_eq!((&result["cacheScope"], &result["ttlMs"]), (&"private".into(), &60_000.into()));
        assert_eq!(result["_meta"][SERVER_INFO_KEY]["version"], "1.2.3");
    });
    ended.await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_at_once_is_no_failure_and_one_that_talks_nonsense_is() {
    converse(async |_client| {}).await.unwrap();
    let nonsense = converse(async |mut client: Client| {
        client.send(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await;
    });
    assert_eq!(nonsense.await.unwrap_err().code(), &catalogue::BODY_INVALID);
}

#[tokio::test]
async fn a_number_that_does_not_fit_is_rounded_only_where_a_number_was_promised() {
    let ended = converse(async |mut client: Client| {
        let mut number = async |tool: &str, number: &str| {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let params = json!({ "name": tool, "arguments": { "number": number }, "_meta": meta });
            let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            let result = client.ask(call).await["result"].clone();
            assert_eq!(
                result["content"][0]["text"],
                format!("{{\"number\":{number}}}"),
                "the text has every digit"
            );
            result["structuredContent"]["number"].clone()
        };
        assert_eq!(number("echo", "1.5").await, 1.5);
        assert_eq!(number("echo", "12345678901234567890123").await, Json::Null);
        assert_eq!(number("promising", "12345678901234567890123").await, 1.234_567_890_123_456_8e22);
    });
    ended.await.unwrap();
}
