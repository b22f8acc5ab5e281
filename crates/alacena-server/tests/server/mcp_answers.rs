//! What a read promises to answer: said to clients, and held by its source.

use serde_json::{Value as Json, json};

use crate::{
    mcp::{legacy, modern},
    support::Running,
};

const PROMISES: &str = r#"
[reads.promised]
source = "crm"
http = "GET /items/{id}"
params.id = { type = "integer" }

[reads.promised.answer]
type = "object"
description = "An item"
required = ["id", "version"]
additionalProperties = false
properties.id = { type = "integer", minimum = 1 }
properties.version = { type = "integer", maximum = 1, description = "Grows with each change" }

[reads.many]
source = "crm"
http = "GET /items/5"
answer = { type = ["array", "null"] }
"#;

async fn tools(server: &Running, is_modern: bool) -> Json {
    let listed = if is_modern {
        modern(server, "tools/list", json!({})).await
    } else {
        legacy(server, json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await
    };
    listed.json()["result"]["tools"].clone()
}

fn output(tools: &Json, name: &str) -> Json {
    let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == name);
    tool.unwrap()["outputSchema"].clone()
}

#[tokio::test]
async fn a_promise_is_told_to_every_client_that_can_read_it() {
    let server = Running::start(PROMISES).await;
    let promised = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "description": "An item",
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "version": {"type": "integer", "description": "Grows with each change", "maximum": 1},
        },
        "required": ["id", "version"],
        "additionalProperties": false,
    });
    let (now, before) = (tools(&server, true).await, tools(&server, false).await);
    assert_eq!((output(&now, "promised"), output(&before, "promised")), (promised.clone(), promised.clone()));
    assert_eq!(output(&now, "many")["type"], json!(["array", "null"]));
    assert_eq!(output(&before, "many"), Json::Null, "before 2026-07-28 it has to be an object");
    assert_eq!(output(&now, "item"), Json::Null, "nothing is known of it");
    let column = json!({"type": ["number", "string", "null"], "description": "Declared as INTEGER."});
    assert_eq!(output(&now, "list")["items"]["properties"], json!({"amount": column}));
    assert_eq!(output(&before, "list"), Json::Null);
    assert_eq!(output(&before, "total")["type"], "object");

    let reads = server.get("/reads").await.json()["reads"].clone();
    assert_eq!(output(&reads, "promised"), promised);
    let paths = server.get("/openapi.json").await.json()["paths"].clone();
    for operation in [&paths["/reads/promised"]["get"], &paths["/reads/promised"]["post"]] {
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(schema["required"], json!(["id", "version"]));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_promise_is_refused_by_place_and_rule() {
    let server = Running::start(PROMISES).await;
    let call = || modern(&server, "tools/call", json!({"name": "promised", "arguments": {"id": 7}}));
    let kept = call().await.json()["result"].clone();
    assert_eq!((&kept["isError"], &kept["structuredContent"]["version"]), (&false.into(), &1.into()));

    server.upstream.change();
    server.post("/cache/clear", "").await;
    let broken = call().await.json()["result"].clone();
    let text = broken["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("answer malformed: it is not what the read declares as its `answer`: at `/version`: must be at most 1\n"),
        "{text}"
    );
    assert!(broken["isError"] == true && broken.get("structuredContent").is_none());
    assert_eq!(broken["_meta"]["dev.alacena/problem"]["context"]["pointer"], "/version");
    let plain = server.get("/reads/promised?id=8").await;
    assert_eq!((plain.status, plain.problem().as_str()), (502, "answer-malformed"));
    assert_eq!(server.get("/reads/many").await.problem(), "answer-malformed");
    assert_eq!(server.get("/reads/item?id=7").await.status, 200, "what promises nothing breaks nothing");
}
