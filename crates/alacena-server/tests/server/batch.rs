//! Many answers in one request: in order, each for itself, never more at once than the source can bear.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::support::{Running, get, post};

/// The body of a batch that asks for these items.
fn calls(ids: impl IntoIterator<Item = u64>) -> String {
    let calls: Vec<Json> = ids.into_iter().map(|id| json!({ "id": id })).collect();
    json!({ "calls": calls }).to_string()
}

#[tokio::test]
async fn every_call_has_its_own_answer_in_its_own_place() {
    let server = Running::start("").await;
    let alone = server.get("/reads/item?id=7").await;
    server.pass(10).await;
    let body = r#"{"calls": [{"id": 8}, {"id": 404}, {"id": 7}, {"id": "x"}, {"id": 8, "mode": "brief"}, {"idd": 1}]}"#;
    let batch = server.post("/reads/item/batch", body).await;
    assert_eq!((batch.status, batch.header("content-type")), (200, "application/json"));
    assert_eq!(batch.header("cache-control"), "no-store");
    let answers = &batch.json()["answers"];
    let statuses: Vec<_> = answers.as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [200, 404, 200, 400, 200, 400]);
    assert_eq!(answers[0]["body"], json!({"id": 8, "version": 1}));
    assert_eq!(answers[0]["cacheStatus"], "Alacena; fwd=uri-miss; stored; ttl=300");
    assert_eq!(
        answers[2],
        json!({
            "status": 200, "etag": alone.header("etag"), "age": 10, "cacheStatus": "Alacena; hit; ttl=290",
            "body": alone.json(),
        })
    );
    assert_eq!(answers[1]["problem"]["type"], "urn:alacena:error:absent");
    assert!(answers[1]["cacheStatus"].is_string() && answers[1].get("body").is_none());
    for wrong in [3, 5] {
        assert_eq!(answers[wrong]["problem"]["type"], "urn:alacena:error:parameter-invalid");
        assert_eq!(answers[wrong]["problem"]["status"], 400);
        assert!(answers[wrong].get("cacheStatus").is_none());
    }
    assert_eq!(server.post("/reads/item/batch", r#"{"calls": []}"#).await.json(), json!({"answers": []}));
}

#[tokio::test]
async fn a_batch_asks_some_at_once_and_each_key_once() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    let batch = |ids: Vec<u64>| tokio::spawn(post("/reads/item/batch", calls(ids)).send(server.address));
    let first = batch((1..=100).collect());
    server.upstream.begun(16).await;
    server.pass(0).await;
    assert_eq!(server.upstream.calls(), 16, "no more at once");

    let others: Vec<_> =
        (1..=10).map(|from| batch((from..from + 100).rev().chain([from]).take(100).collect())).collect();
    server.pass(0).await;
    server.upstream.hold(false);
    let whole = first.await.unwrap().json();
    for (at, answer) in whole["answers"].as_array().unwrap().iter().enumerate() {
        assert_eq!(answer["body"], json!({"id": at + 1, "version": 1}));
    }
    for other in others {
        let answers = other.await.unwrap().json();
        let ids: HashSet<_> =
            answers["answers"].as_array().unwrap().iter().map(|one| one["body"]["id"].as_u64()).collect();
        assert_eq!((ids.len(), ids.contains(&None)), (100, false));
    }
    assert_eq!(server.upstream.calls(), 109, "items 1 to 109, each once");
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_before_anything_is_asked() {
    let server = Running::start("").await;
    assert_eq!(server.post("/reads/item/batch", &calls(1..=100)).await.status, 200);
    let calls_before = server.upstream.calls();
    for (ids, count) in [(101..=201_u64, "101"), (1..=100_001, "100001")] {
        let body = format!(r#"{{"calls": [{}]}}"#, vec!["{}"; ids.count()].join(","));
        let refused = server.post("/reads/item/batch", &body).await;
        assert_eq!((refused.status, refused.problem().as_str()), (413, "batch-too-large"));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(count) && detail.contains("at most 100"), "{detail}");
    }
    for wrong in ["", "{}", r#"{"calls": {}}"#, r#"{"calls": [1]}"#, r#"{"calls": [], "call": 1}"#] {
        assert_eq!(server.post("/reads/item/batch", wrong).await.problem(), "body-invalid", "{wrong}");
    }
    assert_eq!(server.post("/reads/itm/batch", &calls([1])).await.problem(), "not-declared");
    assert_eq!(server.get("/reads/item/batch").await.status, 405);
    assert_eq!(server.upstream.calls(), calls_before);
}

#[tokio::test]
async fn credentials_and_wishes_about_the_cache_hold_for_every_call() {
    let server = Running::start("").await;
    let two = || post("/reads/mine/batch", r#"{"calls": [{}, {}]}"#);
    let without = server.send(two()).await.json();
    assert_eq!(without["answers"][1]["problem"]["type"], "urn:alacena:error:credential-required");
    let with = server.send(two().with("authorization", "Bearer canary-ada")).await;
    assert_eq!(with.header("vary"), "authorization");
    assert_eq!(with.json()["answers"][0]["body"], json!([17, null, null]));
    let anew = two().with("authorization", "Bearer canary-ada").with("cache-control", "no-store");
    assert_eq!(server.send(anew).await.json()["answers"][0]["cacheStatus"], "Alacena; fwd=bypass");

    let hash = blake3::hash(b"canary-token");
    let guarded = Running::start(&format!("[tokens.a]\nhash = \"blake3:{hash}\"\nrole = \"read\"\n")).await;
    let open = post("/reads/open_item/batch", calls([7])).with("x-forwarded-for", "203.0.113.9");
    let answer = guarded.send(open).await.json();
    assert_eq!(answer["answers"][0]["status"], 200, "a public read is public in a batch, too");
    assert!(answer["answers"][0].get("cacheStatus").is_none());
    assert_eq!(guarded.send(get("/reads/open_item?id=7")).await.cache_status(), "Alacena; hit; ttl=300");
}
