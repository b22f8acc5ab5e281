//! Reads as MCP tools over Streamable HTTP, in both eras of the protocol, by requests as they go over the wire.

use crate::support::{Answer, Request, Running, get, post};
use serde_json::{Value as Json, json};

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";

/// A request of 2026-07-28: stateless, the version in header and `_meta`.
pub(crate) async fn modern(server: &Running, method: &str, params: Json) -> Answer {
    server.send(modern_request(method, params)).await
}

pub(crate) fn modern_request(method: &str, mut params: Json) -> Request {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
    let name = params["name"].as_str().or(params["uri"].as_str()).map(str::to_owned);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let mut request = post("/mcp", body)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", MODERN)
        .with("mcp-method", method);
    if let Some(name) = name {
        request = request.with("mcp-name", &name);
    }
    request
}

/// A request after the handshake of 2025-11-25.
pub(crate) async fn legacy(server: &Running, message: Json) -> Answer {
    let request = post("/mcp", message.to_string())
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", LEGACY);
    server.send(request).await
}

#[tokio::test]
async fn a_client_of_2026_lists_and_calls() {
    let server = Running::start("").await;
    let discovered = modern(&server, "server/discover", json!({})).await;
    assert_eq!(discovered.status, 200, "{}", discovered.raw);
    let versions = discovered.json()["result"]["supportedVersions"].clone();
    assert!(
        versions.as_array().unwrap().contains(&MODERN.into())
            && versions.as_array().unwrap().contains(&LEGACY.into())
    );

    let listed = modern(&server, "tools/list", json!({})).await;
    assert_eq!((listed.status, listed.header("content-type")), (200, "application/json"));
    let result = listed.json()["result"].clone();
    assert_eq!((&result["cacheScope"], &result["resultType"]), (&"private".into(), &"complete".into()));
    assert!(result["ttlMs"].as_u64().unwrap() > 0);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["version"], "1.2.3");
    let tools = result["tools"].as_array().unwrap();
    assert_eq!(tools.len(), server.alacena.reads().len());
    let item = tools.iter().find(|tool| tool["name"] == "item").unwrap();
    assert_eq!(item["description"], "The item of this number");
    assert_eq!(item["annotations"]["readOnlyHint"], true);
    assert_eq!(
        item["inputSchema"],
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "id": {"type": "integer", "description": "Its number", "minimum": 1, "maximum": 1000},
                "mode": {"type": "string", "default": "full", "enum": ["full", "brief"]},
            },
            "required": ["id"],
            "additionalProperties": false,
        })
    );

    let call = || modern(&server, "tools/call", json!({"name": "item", "arguments": {"id": 7}}));
    let first = call().await.json()["result"].clone();
    assert_eq!(first["structuredContent"], json!({"id": 7, "version": 1}));
    assert_eq!(first["content"], json!([{"type": "text", "text": "{\"id\":7,\"version\":1}"}]));
    assert_eq!(first["isError"], false);
    let facts = &first["_meta"]["dev.alacena/cache"];
    assert_eq!((&facts["origin"], &facts["miss"]), (&"source".into(), &"cold".into()));
    server.pass(10).await;
    let second = call().await.json()["result"]["_meta"]["dev.alacena/cache"].clone();
    assert_eq!(
        second,
        json!({"origin": "l1", "ageMs": 10000, "freshForMs": 290000, "stale": null, "miss": null, "collapsed": false})
    );
}

#[tokio::test]
async fn a_client_of_2025_shakes_hands_lists_and_calls() {
    let server = Running::start("").await;
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    });
    let answer = legacy(&server, initialize).await;
    assert_eq!(answer.status, 200, "{}", answer.raw);
    let result = answer.json()["result"].clone();
    assert_eq!(
        (&result["protocolVersion"], &result["serverInfo"]["name"]),
        (&LEGACY.into(), &"alacena".into())
    );
    assert_eq!(result["serverInfo"]["version"], "1.2.3");
    assert!(!answer.has("mcp-session-id"), "nothing here needs a session");
    let initialized = legacy(&server, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    assert_eq!(initialized.status, 202);
    assert_eq!(
        legacy(&server, json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).await.json()["result"],
        json!({})
    );

    let listed = legacy(&server, json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})).await.json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), server.alacena.reads().len());
    assert!(listed["result"].get("resultType").is_none() && listed["result"].get("ttlMs").is_none());
    let call = json!({
        "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "list", "arguments": {"company": 42}},
    });
    let result = legacy(&server, call).await.json()["result"].clone();
    assert_eq!(result["content"][0]["text"], "[{\"amount\":5}]");
    assert!(result.get("structuredContent").is_none(), "a list is not an object");
    let list = json!({"name": "list", "arguments": {"company": 42}});
    let result = modern(&server, "tools/call", list).await.json()["result"].clone();
    assert_eq!(result["structuredContent"], json!([{"amount": 5}]), "but since 2026-07-28 it may be one");
}

#[tokio::test]
async fn a_client_that_asks_for_progress_hears_that_a_slow_call_goes_on() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    let call = json!({"name": "item", "arguments": {"id": 7}, "_meta": {"progressToken": "p1"}});
    let (answer, ()) = tokio::join!(modern(&server, "tools/call", call.clone()), async {
        server.upstream.begun(1).await;
        server.pass(1).await;
        server.pass(1).await;
        server.upstream.hold(false);
    });
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    let messages: Vec<Json> = answer
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let [first, second, last] = messages.as_slice() else { panic!("{messages:?}") };
    let progress = |message: &Json| {
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "p1");
        message["params"]["progress"].as_f64().unwrap()
    };
    assert_eq!((progress(first), progress(second)), (1.0, 2.0));
    assert_eq!(last["result"]["structuredContent"]["id"], 7);

    let hit = modern(&server, "tools/call", call).await;
    assert_eq!(hit.header("content-type"), "application/json", "what is fast says nothing on the way");
}

#[tokio::test]
async fn what_is_offered_may_be_shared_only_where_everybody_gets_the_same() {
    let offers = async |server: &Running, token: &str| {
        let mut scopes = Vec::new();
        for method in ["server/discover", "tools/list"] {
            let request = modern_request(method, json!({})).with("alacena-token", token);
            let result = server.send(request).await.json()["result"].clone();
            assert_eq!(result["ttlMs"], 60_000);
            scopes.push(result["cacheScope"].as_str().unwrap().to_owned());
        }
        scopes
    };
    let alike = Running::start_only("").await;
    assert_eq!(offers(&alike, "").await, ["public", "public"]);
    let personal = Running::start("").await;
    assert_eq!(offers(&personal, "").await, ["private", "private"], "some reads pass credentials on");
    let hash = blake3::hash(b"token-one");
    let guarded =
        Running::start_only(&format!("[tokens.one]\nhash = \"blake3:{hash}\"\nrole = \"read\"")).await;
    assert_eq!(offers(&guarded, "token-one").await, ["private", "private"], "there are tokens");
}

#[tokio::test]
async fn a_call_that_fails_is_an_answer_and_only_an_unknown_tool_is_not() {
    let server = Running::start("").await;
    let call = |params: Json| modern(&server, "tools/call", params);
    let wrong = call(json!({"name": "item", "arguments": {"id": "x"}})).await.json()["result"].clone();
    assert_eq!(wrong["isError"], true);
    let text = wrong["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("parameter not accepted: `id` must be an integer\n"), "{text}");
    assert_eq!(wrong["_meta"]["dev.alacena/problem"]["type"], "urn:alacena:error:parameter-invalid");
    assert!(wrong.get("structuredContent").is_none(), "that is for what the tool promises to answer");

    server.upstream.fail_with(500);
    let failed = call(json!({"name": "item", "arguments": {"id": 7}})).await.json()["result"].clone();
    assert_eq!(failed["isError"], true);
    assert!(failed["content"][0]["text"].as_str().unwrap().starts_with("source failed"));
    server.upstream.fail_with(0);

    let absent = call(json!({"name": "item", "arguments": {"id": 404}})).await.json()["result"].clone();
    assert_eq!(absent["isError"], true);
    assert!(absent["_meta"]["dev.alacena/cache"]["origin"].is_string());

    let unknown = call(json!({"name": "itm", "arguments": {}})).await;
    let error = unknown.json()["error"].clone();
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().unwrap().contains("did you mean `item`?"));
}

#[tokio::test]
async fn what_the_caller_can_mend_is_never_called_a_failure_of_ours() {
    let server = Running::start("").await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "keyed", "arguments": {}}});
    let twice = post("/mcp", call.to_string())
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", LEGACY)
        .with("x-api-key", "canary-one")
        .with("x-api-key", "canary-two");
    assert_eq!(server.send(twice).await.json()["error"]["code"], -32602);
    let large =
        post("/mcp", " ".repeat(2 * 1024 * 1024)).with("accept", "application/json, text/event-stream");
    assert_eq!(server.send(large).await.problem(), "body-too-large");
}

#[tokio::test]
async fn plain_json_calls_the_same_tools() {
    let server = Running::start("").await;
    let result = server.post("/mcp/tools/call", r#"{"name": "item", "arguments": {"id": 7}}"#).await;
    assert_eq!(result.status, 200);
    assert_eq!(result.json()["structuredContent"], json!({"id": 7, "version": 1}));
    assert_eq!(result.json()["isError"], false);
    let wrong = server.post("/mcp/tools/call", r#"{"name": "item", "arguments": {"id": 0}}"#).await;
    assert_eq!((wrong.status, &wrong.json()["isError"]), (200, &true.into()));
    assert_eq!(server.post("/mcp/tools/call", r#"{"name": "itm"}"#).await.problem(), "not-declared");
    assert_eq!(server.post("/mcp/tools/call", r#"{"arguments": {}}"#).await.problem(), "body-invalid");
    assert_eq!(
        server.post("/mcp/tools/call", r#"{"name": "item", "args": {}}"#).await.problem(),
        "body-invalid"
    );
}

#[tokio::test]
async fn what_is_not_the_protocol_is_refused() {
    let server = Running::start("").await;
    assert_eq!(server.send(post("/mcp", "{}").with("accept", "application/json")).await.status, 406);
    let mismatch = post(
        "/mcp",
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }}})
        .to_string(),
    );
    let mismatch = mismatch
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", LEGACY)
        .with("mcp-method", "tools/list");
    let answer = server.send(mismatch).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &(-32020).into()));
    let unknown = modern(&server, "nothing/here", json!({})).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &(-32601).into()));
}

#[tokio::test]
async fn a_page_or_a_name_of_somebody_else_gets_nowhere() {
    let server = Running::start_with("", |settings| {
        settings.cors_origins = vec!["https://agent.example".to_owned()];
    });
    let server = server.await;
    let list = || modern_request("tools/list", json!({}));
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1.evil.example",
        "https://agent.example.evil.example",
    ] {
        let answer = server.send(list().with("origin", origin)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "origin-refused"), "{origin}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example"] {
        let answer = server.send(list().without("host").with("host", host)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "host-refused"), "{host}");
    }
    let listed = server.send(list().with("origin", "https://agent.example")).await;
    assert_eq!((listed.status, listed.header("access-control-allow-origin")), (200, "https://agent.example"));
    assert_eq!(server.send(list().with("origin", &format!("http://{}", server.address))).await.status, 200);
    assert_eq!(server.send(list().without("host").with("host", "localhost:1")).await.status, 200);
    for request in [get("/mcp"), list().method("DELETE"), list().method("PUT")] {
        assert_eq!(server.send(request.clone()).await.status, 405, "{request:?}: there is nothing but POST");
    }
}

#[tokio::test]
async fn whoever_hands_out_tokens_is_named_where_clients_look() {
    let hash = blake3::hash(b"token-one");
    let token = format!("[tokens.one]\nhash = \"blake3:{hash}\"\nrole = \"read\"");
    let servers = "[server]\nauthorization_servers = [\"https://login.example/tenant/\"]\n";
    let described = async |configuration: &str| {
        let server = Running::start_only(configuration).await;
        let refused = server.send(modern_request("tools/list", json!({}))).await;
        let challenge = refused.header("www-authenticate").to_owned();
        let (_, address) = challenge.split_once("resource_metadata=\"").unwrap();
        let path = address.trim_end_matches('"').split_once("/.well-known").unwrap().1.to_owned();
        assert!(challenge.contains("scope=\"read\""), "{challenge}");
        server.get(&format!("/.well-known{path}")).await.json()
    };
    let named = described(&format!("{token}\n{servers}")).await;
    assert_eq!(named["authorization_servers"], json!(["https://login.example/tenant/"]), "letter by letter");
    assert!(described(&token).await.get("authorization_servers").is_none());
}
