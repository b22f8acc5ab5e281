//! What a read answers over HTTP: values, validators, and what the cache says it did.

use crate::support::{Running, get, post};

#[tokio::test]
async fn a_miss_then_a_hit() {
    let server = Running::start("").await;
    let miss = server.get("/reads/item?id=7").await;
    assert_eq!(miss.status, 200);
    assert_eq!(miss.json(), serde_json::json!({"id": 7, "version": 1}));
    assert_eq!(miss.cache_status(), "Alacena; fwd=uri-miss; stored; ttl=300");
    assert_eq!(miss.header("content-type"), "application/json");
    assert_eq!(miss.header("cache-control"), "private, no-cache");
    assert!(!miss.has("age"), "an answer that has just been made has no age");

    server.pass(10).await;
    let hit = server.get("/reads/item?id=7").await;
    assert_eq!(hit.cache_status(), "Alacena; hit; ttl=290");
    assert_eq!(hit.header("age"), "10");
    assert_eq!(hit.header("etag"), miss.header("etag"));
    assert_eq!(hit.body, miss.body);
    assert_eq!(server.upstream.calls(), 1);
}

#[tokio::test]
async fn an_answer_says_how_long_the_server_took() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    let asking = tokio::spawn(get("/reads/item?id=7").send(server.address));
    server.upstream.begun(1).await;
    server.pass(1).await;
    server.upstream.hold(false);
    let miss = asking.await.unwrap();
    assert_eq!(miss.header("server-timing"), "alacena;dur=1000.000", "the source is part of it");
    let again = get("/reads/item?id=7").with("if-none-match", miss.header("etag"));
    let hit = server.send(again).await;
    assert_eq!((hit.status, hit.header("server-timing")), (304, "alacena;dur=0.000"));
    let posted = server.post("/reads/item", r#"{"id": 404}"#).await;
    assert_eq!((posted.status, posted.header("server-timing")), (404, "alacena;dur=0.000"));
}

#[tokio::test]
async fn a_default_that_is_given_and_one_that_is_not_are_one_question() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    assert_eq!(server.get("/reads/item?mode=full&id=7").await.cache_status(), "Alacena; hit; ttl=300");
    assert_eq!(server.post("/reads/item", r#"{"id": 7}"#).await.cache_status(), "Alacena; hit; ttl=300");
    assert_eq!(server.upstream.calls(), 1);
}

#[tokio::test]
async fn an_expired_entry_is_loaded_again_and_one_that_failed_to_load_is_answered_stale() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    server.pass(301).await;
    assert_eq!(server.get("/reads/item?id=7").await.cache_status(), "Alacena; fwd=stale; stored; ttl=300");

    server.pass(312).await;
    server.upstream.fail_with(500);
    let stale = server.get("/reads/item?id=7").await;
    assert_eq!(stale.status, 200);
    assert_eq!(stale.cache_status(), "Alacena; fwd=stale; ttl=-12; detail=\"source-error\"");
    assert_eq!(stale.header("age"), "312");
}

#[tokio::test]
async fn while_an_entry_is_refreshed_behind_the_back_the_old_one_is_a_hit() {
    let server = Running::start("").await;
    server.get("/reads/fresh").await;
    server.pass(70).await;
    server.upstream.hold(true);
    let stale = server.get("/reads/fresh").await;
    assert_eq!(stale.cache_status(), "Alacena; hit; ttl=-10; detail=\"revalidating\"");
    server.upstream.hold(false);
}

#[tokio::test]
async fn a_source_that_takes_too_long_leaves_the_old_answer_to_the_caller() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    server.pass(310).await;
    server.upstream.hold(true);
    let asking = tokio::spawn(get("/reads/item?id=7").send(server.address));
    server.upstream.begun(2).await;
    server.pass(2).await;
    let stale = asking.await.unwrap();
    assert!(stale.cache_status().starts_with("Alacena; fwd=stale; ttl=-"), "{}", stale.cache_status());
    assert!(stale.cache_status().ends_with("detail=\"soft-timeout\""), "{}", stale.cache_status());
    server.upstream.hold(false);
}

#[tokio::test]
async fn callers_who_wait_for_the_load_of_another_say_so() {
    let server = Running::start("").await;
    server.upstream.hold(true);
    let ask = || tokio::spawn(get("/reads/item?id=7").send(server.address));
    let first = ask();
    server.upstream.begun(1).await;
    let others = [ask(), ask()];
    while server.alacena.figures().reads.iter().all(|read| read.collapsed < 2) {
        tokio::task::yield_now().await;
    }
    server.upstream.hold(false);
    assert_eq!(first.await.unwrap().cache_status(), "Alacena; fwd=uri-miss; stored; ttl=300");
    for other in others {
        assert_eq!(other.await.unwrap().cache_status(), "Alacena; fwd=uri-miss; collapsed; ttl=300");
    }
    assert_eq!(server.upstream.calls(), 1);
}

#[tokio::test]
async fn an_invalidated_entry_is_a_miss_that_says_why() {
    let server = Running::start("").await;
    server.get("/reads/item?id=7").await;
    server.upstream.change();
    assert_eq!(server.post("/cache/invalidate", r#"{"tags": ["item:7"]}"#).await.status, 200);
    let answer = server.get("/reads/item?id=7").await;
    assert_eq!(answer.cache_status(), "Alacena; fwd=miss; stored; ttl=300; detail=\"invalidated\"");
    assert_eq!(answer.json()["version"], 2);
}

#[tokio::test]
async fn what_is_not_kept_says_why() {
    let server = Running::start("").await;
    for _ in 0..2 {
        let answer = server.get("/reads/large").await;
        assert_eq!(answer.cache_status(), "Alacena; fwd=uri-miss; detail=\"too-large\"");
    }
}

#[tokio::test]
async fn a_caller_can_reach_past_the_cache() {
    let server = Running::start("").await;
    let ask = |directive| server.send(get("/reads/item?id=7").with("cache-control", directive));
    server.get("/reads/item?id=7").await;
    server.upstream.change();
    let bypass = ask("no-store").await;
    assert_eq!(bypass.cache_status(), "Alacena; fwd=bypass");
    assert_eq!(bypass.json()["version"], 2);
    assert_eq!(server.get("/reads/item?id=7").await.json()["version"], 1, "a bypass keeps nothing");
    assert_eq!(ask("no-cache").await.cache_status(), "Alacena; fwd=request; stored; ttl=300");
    let after = server.get("/reads/item?id=7").await;
    assert_eq!((after.cache_status(), &after.json()["version"]), ("Alacena; hit; ttl=300", &2.into()));
}

#[tokio::test]
async fn nothing_changed_is_a_304_with_the_same_headers() {
    let server = Running::start("").await;
    let first = server.get("/reads/item?id=7").await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() == 34);
    for condition in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let unchanged = server.send(get("/reads/item?id=7").with("if-none-match", &condition)).await;
        assert_eq!(unchanged.status, 304, "{condition}");
        assert_eq!(unchanged.body, b"");
        for header in ["etag", "cache-control"] {
            assert_eq!(unchanged.header(header), first.header(header));
        }
        assert_eq!(unchanged.cache_status(), "Alacena; hit; ttl=300");
        assert_eq!(unchanged.header("age"), "0");
    }
    assert_eq!(server.send(get("/reads/item?id=7").with("if-none-match", "\"other\"")).await.status, 200);
    let posted = post("/reads/item", r#"{"id": 7}"#).with("if-none-match", &etag);
    assert_eq!(server.send(posted).await.status, 200, "POST has no such condition");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Running::start("").await;
    let full = server.get("/reads/item?id=7").await;
    let head = server.send(get("/reads/item?id=7").method("HEAD")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), full.body.len().to_string());
    assert_eq!(head.header("etag"), full.header("etag"));
    assert_eq!(head.cache_status(), "Alacena; hit; ttl=300");
}

#[tokio::test]
async fn what_the_source_does_not_have_is_a_404_that_is_kept() {
    let server = Running::start("").await;
    let first = server.get("/reads/item?id=404").await;
    assert_eq!((first.status, first.problem().as_str()), (404, "absent"));
    assert!(first.cache_status().starts_with("Alacena; fwd=uri-miss; stored"), "{}", first.cache_status());
    let second = server.get("/reads/item?id=404").await;
    assert_eq!(second.status, 404);
    assert!(second.cache_status().starts_with("Alacena; hit; ttl="), "{}", second.cache_status());
    assert_eq!(server.upstream.calls(), 1);
    assert_eq!(server.get("/reads/total?company=1").await.status, 200);
}

#[tokio::test]
async fn the_list_says_what_every_read_accepts() {
    let server = Running::start("").await;
    let list = server.get("/reads").await.json();
    let reads = list["reads"].as_array().unwrap();
    assert_eq!(reads.len(), server.alacena.reads().len());
    let item = reads.iter().find(|read| read["name"] == "item").unwrap();
    assert_eq!(item["title"], "One item");
    assert_eq!(item["ttl"], 300.0);
    assert_eq!(item["class"], "plain");
    assert_eq!(item["parameters"][0]["max"], 1000);
    assert_eq!(item["parameters"][1]["choices"], serde_json::json!(["full", "brief"]));
    assert_eq!(item["inputSchema"]["required"], serde_json::json!(["id"]));
    assert_eq!(item["curl"], format!("curl -i 'http://{}/reads/item?id=1'", server.address));
    let index = server.get("/").await;
    assert!(index.header("content-type").starts_with("text/plain"));
    assert!(index.text().contains("/reads/item?id=1'") && index.text().contains("/writes/order"));
}
