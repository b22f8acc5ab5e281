//! Loading before anybody asks, and looking before one invalidates.

use serde_json::{Value as Json, json};

use crate::support::{Answer, Running};

/// Reads that are kept warm, of the upstream of these tests.
const WARM: &str = r#"
[reads.listed]
source = "crm"
class = "plain"
http = "GET /items/{id}?from={from}&size={size}"
params.id = { type = "integer", default = 1 }
params.from = { type = "integer", default = 0 }
params.size = { type = "integer", default = 100 }
tags = ["items"]
key = "listed:{id}:{from}:{size}"
warm = { params = [{ from = 0, size = 50 }, { from = 0, size = 100 }], at_start = false }
"#;

/// How far the warming of `begun` is once it has ended.
async fn ended(server: &Running, begun: &Answer) -> Json {
    assert_eq!(begun.status, 202, "{}", begun.raw);
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(begun.header("location"), format!("/cache/warming/{id}"));
    server.alacena.warmed(id.parse().unwrap()).await.unwrap();
    server.get(begun.header("location")).await.json()
}

#[tokio::test]
async fn what_is_named_is_there_before_anybody_asks() {
    let server = Running::start(WARM).await;
    server.upstream.hold(true);
    let begun = server
        .post("/cache/warming", r#"{"reads": [{"name": "listed"}, {"name": "item", "params": {"id": 7}}]}"#)
        .await;
    let first = begun.json();
    assert_eq!(
        (&first["running"], &first["total"], &first["endedAt"]),
        (&json!(true), &json!(3), &Json::Null)
    );
    assert_eq!((&first["trigger"], &first["who"]), (&json!("demand"), &json!("api")));
    server.upstream.hold(false);
    let done = ended(&server, &begun).await;
    assert_eq!(
        (&done["running"], &done["done"], &done["loaded"], &done["failed"]),
        (&json!(false), &json!(3), &json!(3), &json!(0))
    );
    for path in ["/reads/listed?size=50", "/reads/listed", "/reads/item?id=7"] {
        assert!(server.get(path).await.cache_status().starts_with("Alacena; hit"), "{path}");
    }
    let again = server.post("/cache/warming", r#"{"all": true}"#).await;
    let again = ended(&server, &again).await;
    assert_eq!((&again["fresh"], &again["loaded"], server.upstream.calls()), (&json!(2), &json!(0), 3));

    let list = server.get("/cache/warming").await.json();
    let ids: Vec<_> = list["warmings"].as_array().unwrap().iter().map(|run| run["id"].clone()).collect();
    assert_eq!(ids, [again["id"].clone(), done["id"].clone()], "newest first");
    assert!(list["warmings"][0].get("reads").is_none(), "they can be many");
    let shown = server.get("/cache/warming?format=display").await.json();
    assert!(shown["warmings"][0]["startedAt"].as_str().unwrap().starts_with("2026-11-20T"));
    let metrics = server.get("/metrics").await;
    assert!(metrics.text().contains("alacena_warmed_total{result=\"loaded\"} 3\n"), "{}", metrics.text());
    assert!(metrics.text().contains("alacena_warmings_total{trigger=\"demand\"} 2\n"));
}

#[tokio::test]
async fn what_goes_wrong_is_said_by_its_reason() {
    let server = Running::start(WARM).await;
    server.upstream.fail_with(500);
    let begun = server.post("/cache/warming", r#"{"all": true}"#).await;
    let done = ended(&server, &begun).await;
    assert_eq!((&done["failed"], &done["loaded"]), (&json!(2), &json!(0)));
    let read = &done["reads"][0];
    assert_eq!((&read["name"], &read["failed"]), (&json!("listed"), &json!({"source-failed": 2})));
    assert!(read["lastProblem"].as_str().unwrap().starts_with("source failed"), "{read}");
}

#[tokio::test]
async fn what_cannot_be_warmed_is_refused() {
    let server = Running::start("").await;
    for (body, status, problem) in [
        ("{}", 400, "parameter-invalid"),
        (r#"{"reads": []}"#, 400, "parameter-invalid"),
        (r#"{"all": true, "reads": [{"name": "item"}]}"#, 400, "parameter-invalid"),
        (r#"{"all": true}"#, 404, "nothing-warm"),
        (r#"{"reads": [{"name": "itm"}]}"#, 404, "not-declared"),
        (r#"{"reads": [{"name": "item"}]}"#, 400, "parameter-invalid"),
        (r#"{"reads": [{"name": "item", "params": {"id": 0}}]}"#, 400, "parameter-invalid"),
        (r#"{"reads": [{"name": "mine"}]}"#, 400, "parameter-invalid"),
        (r#"{"reads": [{"nam": "item"}]}"#, 400, "body-invalid"),
    ] {
        let answer = server.post("/cache/warming", body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{body}");
    }
    let many = vec![json!({"name": "item"}); 1001];
    let answer = server.post("/cache/warming", &json!({ "reads": many }).to_string()).await;
    assert_eq!(answer.problem(), "batch-too-large");
    for id in ["1", "x", "99999999999999999999"] {
        let answer = server.get(&format!("/cache/warming/{id}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{id}");
    }
    assert_eq!(server.upstream.calls(), 0);
}

#[tokio::test]
async fn the_server_starts_at_once_and_warms_what_is_declared_so() {
    let server = Running::start(&WARM.replace("at_start = false", "at_start = true")).await;
    assert_eq!(server.get("/health/ready").await.status, 200);
    server.upstream.begun(2).await;
    let list = server.get("/cache/warming").await.json();
    assert_eq!(list["warmings"][0]["trigger"], "start");
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_forgotten_and_forgets_nothing() {
    let server = Running::start("").await;
    for id in 1..=3 {
        server.get(&format!("/reads/item?id={id}")).await;
    }
    server.get("/reads/fresh").await;
    let dry = server
        .post(
            "/cache/invalidate",
            r#"{"tags": ["item:2", "nobody"], "pattern": "items:*", "key": "items:one:2:full", "dryRun": true}"#,
        )
        .await;
    assert_eq!(dry.status, 200, "{}", dry.raw);
    let dep = |dep: &str, entries: u64| json!({"dep": dep, "entries": entries});
    assert_eq!(
        dry.json(),
        json!({
            "dryRun": true, "level": null, "dropped": null, "entries": 3,
            "targets": [
                {"target": "key items:one:2:full", "deps": [dep("key items:one:2:full", 1)]},
                {"target": "tag item:2", "deps": [dep("tag item:2", 1)]},
                {"target": "tag nobody", "deps": [dep("tag nobody", 0)]},
                {"target": "pattern items:*", "deps": [dep("prefix items:one", 3)]},
            ],
        })
    );
    let all = server.post("/cache/invalidate", r#"{"all": true, "dryRun": true}"#).await.json();
    assert_eq!((&all["entries"], &all["targets"][0]["target"]), (&json!(4), &json!("everything")));
    assert!(server.get("/reads/item?id=2").await.cache_status().starts_with("Alacena; hit"));
    assert_eq!(server.get("/cache/invalidations").await.json(), json!([]));
    let refused = server.post("/cache/invalidate", r#"{"prefix": "itms", "dryRun": true}"#).await;
    assert_eq!(refused.problem(), "key-invalid");
}
