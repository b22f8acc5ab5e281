//! Administration, figures, writes, and stopping without cutting anybody off.

use crate::support::{Running, get};
use alacena_server::{ServerSettings, bind, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn health_and_figures_have_their_shapes() {
    let server = Running::start("").await;
    assert_eq!(
        server.get("/cache/health").await.json(),
        json!({"status": "healthy", "connected": null, "circuitState": "CLOSED", "mode": "embedded", "missing": [], "level": null, "shards": []})
    );
    for _ in 0..4 {
        server.get("/reads/item?id=7").await;
    }
    let stats = server.get("/cache/stats").await.json();
    assert_eq!(
        stats["metrics"],
        json!({"hits": 3, "misses": 1, "writes": 0, "errors": 0, "stale": 0, "l1Hits": 3, "l2Hits": null, "hitRate": 0.75})
    );
    assert_eq!(stats["queue"], json!({"length": null}));
    let display = server.get("/cache/stats?format=display").await.json();
    assert_eq!(
        (&display["metrics"]["hitRate"], &display["metrics"]["hits"]),
        (&"75.00%".into(), &"3".into())
    );
    assert_eq!(display["redis"], stats["redis"]);
    assert_eq!(server.get("/health").await.json(), json!({"status": "alive"}));
    assert_eq!(server.get("/health/ready").await.json(), json!({"ready": true, "status": "healthy"}));
}

#[tokio::test]
async fn the_figures_are_there_for_prometheus() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    server.get("/reads/item?id=7").await;
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        metrics.text().contains("alacena_read_hits_total{read=\"item\",class=\"plain\",source=\"crm\"} 1\n")
    );
    assert!(metrics.text().contains("alacena_loads_total{read=\"item\",class=\"plain\",source=\"crm\"} 1\n"));
    assert!(metrics.text().contains("alacena_source_breaker_state{source=\"crm\",state=\"CLOSED\"} 1\n"));
    assert!(!metrics.text().contains("item:7"), "no key and no tag is a label");
    assert!(!metrics.text().contains("# EOF"));

    let open =
        server.send(get("/metrics").with("accept", "application/openmetrics-text;version=1.0.0")).await;
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!((open.header("vary"), metrics.header("vary")), ("accept", "accept"));
    assert!(
        open.text().contains("# TYPE alacena_load_seconds counter\n# UNIT alacena_load_seconds seconds\n")
    );
    assert!(open.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_write_is_passed_on_and_what_it_changes_is_read_anew() {
    let server = Running::start("").await;
    assert_eq!(server.get("/reads/total?company=42").await.json(), json!({"total": 5}));
    let written = server.post("/writes/order", r#"{"company": 42, "amount": 7}"#).await;
    assert_eq!(written.status, 200, "{}", written.raw);
    assert_eq!((written.header("alacena-level"), written.header("cache-control")), ("applied", "no-store"));
    let after = server.get("/reads/total?company=42").await;
    assert_eq!(after.json(), json!({"total": 12}));
    assert!(after.cache_status().contains("invalidated"));
    assert_eq!(server.post("/writes/order", r#"{"company": 42}"#).await.problem(), "parameter-invalid");
    assert_eq!(server.post("/writes/ordre", "{}").await.problem(), "not-declared");
}

#[tokio::test]
async fn what_is_named_is_forgotten_and_nothing_else() {
    let server = Running::start("").await;
    let hit = async |path: &str| server.get(path).await.cache_status().starts_with("Alacena; hit");
    for body in [
        r#"{"key": "items:one:7:full"}"#,
        r#"{"tags": ["item:7"]}"#,
        r#"{"prefix": "items:one"}"#,
        r#"{"pattern": "items:*:*:full"}"#,
        r#"{"class": "plain"}"#,
        r#"{"namespace": "default"}"#,
        r#"{"all": true}"#,
    ] {
        server.get("/reads/item?id=7").await;
        server.get("/reads/fresh").await;
        let answer = server.post("/cache/invalidate", body).await;
        assert_eq!(
            (answer.status, &answer.json()["level"]),
            (200, &"applied".into()),
            "{body}: {}",
            answer.raw
        );
        assert!(answer.json()["dropped"].is_u64());
        assert!(!hit("/reads/item?id=7").await, "{body}");
        let wide = body.contains("namespace") || body.contains("all");
        assert_eq!(hit("/reads/fresh").await, !wide, "{body}");
    }
    server.get("/reads/fresh").await;
    assert_eq!(server.post("/cache/clear", "").await.json()["level"], "applied");
    assert_eq!(server.alacena.figures().entries, 0);
    assert!(!hit("/reads/fresh").await);
    assert_eq!(server.post("/cache/invalidate", r#"{"class": "nothing"}"#).await.status, 400);
    assert_eq!(server.post("/cache/invalidate", "{}").await.problem(), "parameter-invalid");
    assert_eq!(server.post("/cache/invalidate", r#"{"tag": "a"}"#).await.problem(), "body-invalid");
}

#[tokio::test]
async fn a_pattern_reaches_what_its_class_declares_and_is_refused_over_anything_else() {
    let server = Running::start(
        r#"
[classes.indexed]
index = ["company"]
[reads.invoices]
source = "crm"
class = "indexed"
http = "GET /items/{company}?mode={mode}"
key = "invoices:{company}:{mode}"
params.company = { type = "integer" }
params.mode = { type = "string" }
"#,
    )
    .await;
    let hit = async |company: u8| {
        let path = format!("/reads/invoices?company={company}&mode=full");
        server.get(&path).await.cache_status().starts_with("Alacena; hit")
    };
    assert!(!hit(7).await && !hit(8).await && hit(7).await);
    let answer = server.post("/cache/invalidate", r#"{"pattern": "invoices:7:*"}"#).await;
    assert_eq!((answer.status, answer.json()["dropped"].clone()), (200, 1.into()), "{}", answer.raw);
    assert!(!hit(7).await && hit(8).await);
    let refused = server.post("/cache/invalidate", r#"{"pattern": "invoices:*:full"}"#).await;
    assert_eq!(refused.status, 400);
    let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.ends_with("declare it: classes.indexed.index = [\"company\", \"mode\"]"), "{detail}");
    let shown = server.get("/cache/invalidations").await.json();
    assert_eq!(shown[0]["patterns"], json!(["pattern invoices:7:*"]));
    assert_eq!(server.get("/cache/invalidations/stats").await.json()["byTarget"], json!({"pattern": 1}));
}

#[tokio::test]
async fn what_was_invalidated_is_remembered_in_pages() {
    let server = Running::start("").await;
    assert_eq!(server.get("/cache/invalidations").await.json(), json!([]));
    let nothing = server.get("/cache/invalidations/stats").await.json();
    assert_eq!((&nothing["count"], &nothing["oldest"]), (&json!(0), &json!(null)));
    server.post("/cache/invalidate", r#"{"tags": ["item:7", "item:8"], "prefix": "items:one"}"#).await;
    server.pass(10).await;
    server.post("/writes/order", r#"{"company": 42, "amount": 7}"#).await;
    server.pass(10).await;
    server.post("/cache/clear", "").await;

    let row = |at: u64, who: &str, patterns: &[&str]| {
        json!({"at": 1_795_132_800_000_u64 + at, "who": who, "event": null, "resource": null, "id": null,
               "patterns": patterns, "entries": null, "level": "applied", "lagMs": null})
    };
    let all = [
        row(20_000, "api", &["everything"]),
        row(10_000, "write order", &["tag company:42"]),
        row(0, "api", &["tag item:7", "tag item:8", "prefix items:one"]),
    ];
    let page = async |query: &str| server.get(&format!("/cache/invalidations{query}")).await.json();
    assert_eq!(page("").await, json!(all));
    assert_eq!(page("?limit=2").await, json!(all[..2]));
    assert_eq!(page("?since=1795132810000&limit=1000").await, json!(all[..2]));
    assert_eq!(page("?since=1795132820001").await, json!([]));
    assert_eq!(page("?limit=1&format=display").await[0]["at"], "2026-11-20T00:00:20.000Z");
    assert_eq!(
        server.get("/cache/invalidations/stats").await.json(),
        json!({
            "count": 3, "oldest": 1_795_132_800_000_u64, "newest": 1_795_132_820_000_u64,
            "byWho": {"api": 2, "write order": 1}, "byLevel": {"applied": 3},
            "byTarget": {"all": 1, "prefix": 1, "tags": 3}, "entries": null, "lagMs": null,
        })
    );
    for wrong in ["limit=1001", "limit=0", "since=yesterday", "sincee=1", "limit=1&limit=2", "format=csv"] {
        let answer = server.get(&format!("/cache/invalidations?{wrong}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "parameter-invalid"), "{wrong}");
    }
}

#[tokio::test]
async fn stopping_answers_what_is_running() {
    let mut server = Running::start("").await;
    server.upstream.hold(true);
    let asking = tokio::spawn(get("/reads/item?id=7").send(server.address));
    server.upstream.begun(1).await;
    let stopped = server.stop();
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.upstream.hold(false);
    let answer = asking.await.unwrap();
    assert_eq!((answer.status, answer.json()), (200, json!({"id": 7, "version": 1})));
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_longer_than_it_may() {
    let mut server = Running::start("[server]\ndrain = \"5s\"\n").await;
    server.upstream.hold(true);
    let asking = tokio::spawn(get("/reads/item?id=7").send(server.address));
    server.upstream.begun(1).await;
    let stopped = server.stop();
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopped.is_finished());
    server.pass(5).await;
    stopped.await.unwrap().unwrap();
    asking.abort();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).await.unwrap_err();
    assert_eq!(error.code().slug, "listen-failed");
    assert!(error.to_string().contains(&address.to_string()) && error.to_string().contains("in use"));
}

#[tokio::test]
async fn an_open_door_to_other_machines_is_refused() {
    let server = Running::start("").await;
    let listener = bind("0.0.0.0:0".parse().unwrap()).await.unwrap();
    let never = std::future::pending();
    let refused =
        serve(listener, server.alacena.clone(), ServerSettings::default(), never).await.unwrap_err();
    assert_eq!(refused.code().slug, "configuration-invalid");
    assert!(refused.to_string().contains("no tokens"));
}

#[tokio::test]
async fn whoever_asks_while_it_drains_hears_that_it_is_not_ready() {
    let mut server = Running::start("").await;
    server.upstream.hold(true);
    let asking = tokio::spawn(get("/reads/item?id=7").send(server.address));
    // A probe whose request is on its way when the stop comes.
    let mut probe = tokio::net::TcpStream::connect(server.address).await.unwrap();
    probe.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    server.upstream.begun(1).await;
    let stopped = server.stop();
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    probe.write_all(b"\r\n").await.unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with(r#"{"ready":false,"status":"draining"}"#),
        "{answer}"
    );
    server.upstream.hold(false);
    assert_eq!(asking.await.unwrap().status, 200);
    stopped.await.unwrap().unwrap();
}
