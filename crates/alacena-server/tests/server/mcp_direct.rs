//! Calls that are answered without the machinery of the protocol are answered as if they had not been.

use serde_json::{Value as Json, json};

use crate::{
    mcp::{LEGACY, MODERN},
    support::{Answer, Request, Running, post},
};

/// Requests to compare: how they go straight, and the same with something in them that nobody knows, which takes them
/// the long way round.
fn pair(era: &str, params: &Json, change: impl Fn(Request) -> Request) -> [Request; 2] {
    [false, true].map(|long_way| {
        let mut params = params.clone();
        if era == MODERN {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        if long_way {
            params["nobodyKnows"] = true.into();
        }
        let id = if params["name"] == "list" { json!("a \"7\"") } else { json!(-7) };
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
        let mut request = post("/mcp", body)
            .with("accept", "application/json, text/event-stream")
            .with("mcp-protocol-version", era);
        if era == MODERN {
            let name = params["name"].as_str().unwrap_or_default();
            request = request.with("mcp-method", "tools/call").with("mcp-name", name);
        }
        change(request)
    })
}

fn said(answer: &Answer) -> (u16, String, Json) {
    (answer.status, answer.header("content-type").to_owned(), answer.json())
}

#[tokio::test]
async fn the_short_way_and_the_long_way_say_the_same() {
    let server = Running::start("").await;
    let calls = [
        json!({"name": "item", "arguments": {"id": 7}}),
        json!({"name": "list", "arguments": {"company": 42}}),
        json!({"name": "fresh"}),
        json!({"name": "item", "arguments": {"id": 404}}),
        json!({"name": "item", "arguments": {"id": "7", "mode": "\u{e9}\n\"\u{1f980}"}}),
        json!({"name": "item", "arguments": {}}),
        json!({"name": "itm", "arguments": {"id": 7}}),
        json!({"name": "keyed", "arguments": {}}),
    ];
    for era in [MODERN, LEGACY, "2024-11-05"] {
        for call in &calls {
            for twice in [false, true] {
                let ways = || {
                    pair(era, call, |request| {
                        let request = request.with("x-api-key", "canary-one");
                        if twice { request.with("x-api-key", "canary-two") } else { request }
                    })
                };
                // Once before, so that both are hits.
                let ([first, _], [short, long]) = (ways(), ways());
                server.send(first).await;
                let (short, long) = (server.send(short).await, server.send(long).await);
                assert_eq!(said(&short), said(&long), "{era}: {call}");
                assert_eq!(short.status, 200, "{era}: {call}");
            }
        }
    }
}

#[tokio::test]
async fn only_what_is_beyond_doubt_takes_the_short_way() {
    let server = Running::start("").await;
    let call = json!({"name": "item", "arguments": {"id": 7}});
    let code = async |change: &dyn Fn(Request) -> Request| {
        let [short, _] = pair(MODERN, &call, change);
        let answer = server.send(short).await;
        (answer.status, answer.json()["error"]["code"].as_i64())
    };
    assert_eq!(code(&|request| request).await, (200, None));
    let mismatch = (400, Some(-32020));
    for (header, value) in
        [("mcp-name", "list"), ("mcp-method", "tools/list"), ("mcp-protocol-version", LEGACY)]
    {
        assert_eq!(code(&|request| request.without(header).with(header, value)).await, mismatch, "{header}");
        assert_eq!(code(&|request| request.without(header)).await, mismatch, "no {header}");
    }
    let encoded = |request: Request| request.without("mcp-name").with("mcp-name", "=?base64?aXRlbQ==?=");
    assert_eq!(code(&encoded).await, (200, None), "it says the same in other letters");
    assert_eq!(
        server.send(pair(MODERN, &call, |request| request.without("accept"))[0].clone()).await.status,
        406
    );
}
