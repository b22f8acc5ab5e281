//! Every way to ask wrongly, and what comes back: a problem document that says what to do.

use crate::support::{Running, get, post};

#[tokio::test]
async fn a_question_that_cannot_be_answered_names_what_is_wrong() {
    let server = Running::start("").await;
    for (path, status, slug, says) in [
        ("/reads/itm?id=7", 404, "not-declared", "did you mean `item`?"),
        ("/nowhere", 404, "not-found", "/nowhere"),
        ("/reads/item", 400, "parameter-invalid", "`id` is missing"),
        ("/reads/item?id=x", 400, "parameter-invalid", "`id` must be an integer"),
        ("/reads/item?id=0", 400, "parameter-invalid", "at least 1"),
        ("/reads/item?id=1&id=2", 400, "parameter-invalid", "given twice"),
        ("/reads/item?id=1&mode=none", 400, "parameter-invalid", "one of full, brief"),
        ("/reads/item?ids=1", 400, "parameter-invalid", "did you mean `id`?"),
        ("/reads/item?id=%ff", 400, "parameter-invalid", "UTF-8"),
        ("/reads/%ff", 404, "not-found", "UTF-8"),
        ("/cache/stats?format=xml", 400, "parameter-invalid", "display"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, slug), "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{path}: {}", answer.text());
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    assert_eq!(server.upstream.calls(), 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_its_place() {
    let server = Running::start("[server]\nrequest_bytes_max = \"1KiB\"\n").await;
    let huge = format!("{{\"id\": {}1}}", " ".repeat(2000));
    for (body, status, slug, says) in [
        (&b"{\"id\": 1,\n }"[..], 400, "body-invalid", "line 2 column 2"),
        (b"[1]", 400, "body-invalid", "JSON object"),
        (b"{\"id\": \"\xff\"}", 400, "body-invalid", "UTF-8"),
        (b"{\"id\": 1, \"id\": 2}", 400, "parameter-invalid", "given twice"),
        (b"{\"id\": \"1\"}", 400, "parameter-invalid", "must be an integer"),
        (b"", 400, "parameter-invalid", "is missing"),
        (huge.as_bytes(), 413, "body-too-large", "1024 bytes"),
    ] {
        let answer = server.send(post("/reads/item", body)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, slug), "{}", answer.raw);
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{}", answer.raw);
    }
    let form = post("/reads/item", "id=1").with("content-type", "application/x-www-form-urlencoded");
    assert_eq!(server.send(form).await.problem(), "media-type-refused");
    let bare = post("/reads/item", "{\"id\": 1}").without("content-type");
    assert_eq!(server.send(bare).await.status, 415);
    let exact = post("/reads/item", "{\"id\": 1}").with("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(server.send(exact).await.status, 200);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_a_405_that_names_the_ones_it_has() {
    let server = Running::start("").await;
    let answer = server.send(get("/reads/item").method("DELETE")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"));
    let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    let answer = server.get("/mcp").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_source_that_fails_is_a_502_that_says_no_more_than_it_must() {
    let server = Running::start("").await;
    server.upstream.fail_with(500);
    let answer = server.get("/reads/item?id=7").await;
    assert_eq!((answer.status, answer.problem().as_str()), (502, "source-failed"));
    assert_eq!(answer.header("cache-control"), "no-store");
    server.upstream.fail_with(401);
    assert_eq!(server.get("/reads/item?id=8").await.problem(), "source-denied");
    server.upstream.fail_with(429);
    let throttled = server.get("/reads/item?id=9").await;
    assert_eq!((throttled.status, throttled.problem().as_str()), (503, "source-throttled"));
    let wait: u64 = throttled.header("retry-after").parse().unwrap();
    assert_eq!(throttled.json()["retryAfter"], wait);
}
