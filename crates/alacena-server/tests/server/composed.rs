//! Reads that are made of more than one question: several queries in one snapshot, and a parent that is asked first.
//! Over real HTTP on both sides, and a real database.

use serde_json::{Value as Json, json};

use crate::{
    mcp::{legacy, modern},
    support::Running,
};

const COMPOSED: &str = r#"
[reads.sales]
title = "Sales"
description = "What the company of an item has sold"
source = "db"
class = "plain"
sql = "select :company as company, sum(amount) as total from orders where company = :company"
result = "row"
params.number = { type = "integer", description = "Of the item" }
parent = { read = "item", params = { id = "{number}" }, take = { company = "/id" } }
key = "sales:{number}"

[reads.board]
source = "db"
class = "plain"
params.company = { type = "integer" }
tags = ["company:{company}"]

[reads.board.queries.total]
sql = "select sum(amount) as total from orders where company = :company"
result = "row"

[reads.board.queries.largest]
sql = "select amount from orders where company = :company order by amount desc limit 2"
"#;

#[tokio::test]
async fn a_read_with_a_parent_is_one_call() {
    let server = Running::start(COMPOSED).await;
    let sales = server.get("/reads/sales?number=42").await;
    assert_eq!((sales.status, sales.json()), (200, json!({"company": 42, "total": 5})));
    assert_eq!(sales.cache_status(), "Alacena; fwd=uri-miss; stored; ttl=300");
    assert_eq!(server.upstream.calls(), 1);
    assert_eq!(
        server.get("/reads/item?id=42").await.cache_status(),
        "Alacena; hit; ttl=300",
        "kept on its own"
    );
    server.pass(10).await;
    assert_eq!(server.get("/reads/sales?number=42").await.cache_status(), "Alacena; hit; ttl=290");

    // What it was made with goes, and so does it; and then it has as much time as that.
    assert_eq!(server.post("/cache/invalidate", r#"{"tags": ["item:42"]}"#).await.status, 200);
    assert_eq!(
        server.get("/reads/item?id=42").await.cache_status(),
        "Alacena; fwd=miss; stored; ttl=300; detail=\"invalidated\""
    );
    server.pass(100).await;
    let again = server.get("/reads/sales?number=42").await;
    assert_eq!(again.cache_status(), "Alacena; fwd=miss; stored; ttl=200; detail=\"invalidated\"");
    assert_eq!(server.upstream.calls(), 2);
    let batch =
        server.post("/reads/sales/batch", r#"{"calls": [{"number": 42}, {"number": 404}]}"#).await.json();
    assert_eq!(
        (&batch["answers"][0]["body"]["total"], &batch["answers"][1]["status"]),
        (&json!(5), &json!(404))
    );
}

#[tokio::test]
async fn a_parent_that_is_stale_or_fails_is_told_of() {
    let server = Running::start(COMPOSED).await;
    server.get("/reads/sales?number=42").await;
    server.pass(300).await;
    server.upstream.fail_with(500);
    let answer = server.get("/reads/sales?number=42").await;
    assert_eq!((answer.status, answer.json()["total"].clone()), (200, json!(5)));
    assert_eq!(answer.cache_status(), "Alacena; fwd=stale; detail=\"parent-not-fresh\"");
    let failed = server.get("/reads/sales?number=7").await;
    assert_eq!((failed.status, failed.problem().as_str()), (502, "source-failed"));
    assert_eq!(failed.json()["context"]["parent"], "item", "{}", failed.json());
}

#[tokio::test]
async fn several_queries_are_one_answer() {
    let server = Running::start(COMPOSED).await;
    server.post("/writes/order", r#"{"company": 42, "amount": 9}"#).await;
    let board = server.get("/reads/board?company=42").await;
    assert_eq!(board.json(), json!({"total": {"total": 14}, "largest": [{"amount": 9}, {"amount": 5}]}));
    assert!(server.get("/reads/board?company=42").await.cache_status().starts_with("Alacena; hit"));
    server.post("/writes/order", r#"{"company": 42, "amount": 1}"#).await;
    assert_eq!(server.get("/reads/board?company=42").await.json()["total"], json!({"total": 15}));
    let nobody = server.get("/reads/board?company=1").await;
    assert_eq!(
        (nobody.status, nobody.json()["largest"].clone()),
        (200, json!([])),
        "an object is never absent"
    );
}

#[tokio::test]
async fn callers_are_asked_for_what_they_know_and_nothing_else() {
    let server = Running::start(COMPOSED).await;
    let document = server.get("/openapi.json").await.json();
    let parameters = document["paths"]["/reads/sales"]["get"]["parameters"].as_array().unwrap();
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    let names: Vec<&Json> = in_query.map(|parameter| &parameter["name"]).collect();
    assert_eq!(names, ["number"], "what is taken of the parent is not a parameter");
    assert_eq!(document["paths"]["/reads/board"]["get"]["parameters"][0]["name"], "company");
    assert_eq!(server.get("/reads/sales?number=42&company=1").await.problem(), "parameter-invalid");

    let tools = [
        modern(&server, "tools/list", json!({})).await,
        legacy(&server, json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await,
    ];
    for listed in tools {
        let tools = listed.json()["result"]["tools"].clone();
        let tool =
            |name: &str| tools.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap().clone();
        let (sales, board) = (tool("sales"), tool("board"));
        assert_eq!(sales["inputSchema"]["properties"].as_object().unwrap().len(), 1, "{sales}");
        assert_eq!(sales["inputSchema"]["required"], json!(["number"]));
        assert_eq!(board["outputSchema"]["required"], json!(["total", "largest"]), "{board}");
    }
    for (name, arguments, answer) in [
        ("sales", json!({"number": 42}), json!({"company": 42, "total": 5})),
        ("board", json!({"company": 42}), json!({"total": {"total": 5}, "largest": [{"amount": 5}]})),
    ] {
        let called = modern(&server, "tools/call", json!({"name": name, "arguments": arguments})).await;
        assert_eq!(called.json()["result"]["structuredContent"], answer, "{}", called.json());
    }
}
