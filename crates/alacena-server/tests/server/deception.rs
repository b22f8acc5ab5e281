//! Web cache deception: a path that looks like a file, or like another path to somebody else, is not that of a read.
//!
//! What makes a cache in front of us keep the answer of one person for everybody is a path whose end looks public.
//! Here a path is exactly one of the table of routes or nothing, and no answer may be kept by others.

use crate::support::{Running, get};

const CREDENTIAL: &str = "Bearer ada";

/// Paths that some servers take for `/reads/mine`.
const PATHS: &[&str] = &[
    "/reads/mine/x.css",
    "/reads/mine/.css",
    "/reads/mine.css",
    "/reads/mine.json",
    "/reads/mine.",
    "/reads/mine..",
    "/reads/mine/",
    "/reads/mine//",
    "/reads/mine/.",
    "/reads/mine;x.css",
    "/reads/mine;a=b",
    "/reads/mine/;x.css",
    "/reads/mine/..;/x.css",
    "/reads/mine%3bx.css",
    "/reads/mine%2fx.css",
    "/reads/mine%2Fx.css",
    "/reads/mine%5cx.css",
    "/reads/mine\\x.css",
    "/reads/mine%23x.css",
    "/reads/mine%3fx.css",
    "/reads/mine%00",
    "/reads/mine%00.css",
    "/reads/mine%0a.css",
    "/reads/mine%0d%0ax-evil:1",
    "/reads/mine%09",
    "/reads/mine%20",
    "/reads/mine+",
    "/reads/mine%26x.css",
    "/reads/mine%252fx.css",
    "/reads/mine%c0%af.css",
    "/reads/mine%ff",
    "/reads/MINE",
    "/READS/mine",
    "//reads/mine",
    "/reads//mine",
    "/./reads/mine",
    "/reads/./mine",
    "/x/../reads/mine",
    "/reads/x/../mine",
    "/reads/%2e/mine",
    "/reads/%2e%2e/reads/mine",
    "/static/..%2freads/mine",
    "/static/%2e%2e/reads/mine",
    "/static/..;/reads/mine",
    "/reads%2fmine",
    "/reads%5cmine",
    "\\reads\\mine",
    "/reads/mine/batch/x.css",
    "/reads/mine/batch.css",
    "/index.php/reads/mine",
    "/reads/mine~",
    "/reads/mine$",
    "/reads/mine,x.css",
    "/reads/mine@x.css",
    "/reads/mine!x.css",
    "/reads/mine\u{feff}",
    "/robots.txt/reads/mine",
    "/favicon.ico;/reads/mine",
];

#[tokio::test]
async fn a_path_that_only_looks_like_a_read_is_none() {
    let server = Running::start("").await;
    for path in PATHS {
        let answer = get(path).with("authorization", CREDENTIAL).try_send(server.address).await;
        let answer = answer.unwrap_or_else(|| panic!("{path}: no answer"));
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.raw);
        // What hyper refuses by itself has neither body nor validators; nobody keeps a 400.
        assert!(
            answer.status == 400 || answer.header("cache-control") == "no-store",
            "{path}: {}",
            answer.raw
        );
        assert!(!answer.has("etag") && !answer.has("age"), "{path}: {}", answer.raw);
    }
    assert_eq!(server.upstream.calls(), 0, "nothing was asked, so that nothing is stored");
}

#[tokio::test]
async fn an_answer_of_a_read_may_be_kept_by_nobody_else_whatever_its_path_and_query_look_like() {
    let server = Running::start("").await;
    for path in ["/reads/mine", "/reads/%6dine", "/reads/min%65", "/reads/mine?", "/reads/mine#x.css"] {
        let answer = get(path).with("authorization", CREDENTIAL).try_send(server.address).await.unwrap();
        if answer.status == 200 {
            assert_eq!(answer.header("cache-control"), "private, no-cache", "{path}");
            assert!(answer.header("vary").contains("authorization"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        } else {
            assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.raw);
        }
        // Without the credential there is nothing to see, whoever was here before.
        assert_eq!(server.get("/reads/mine").await.problem(), "credential-required", "after {path}");
    }
    for query in ["x.css", "x.css=1", ".css", "q=x.css"] {
        let path = format!("/reads/mine?{query}");
        let answer = server.send(get(&path).with("authorization", CREDENTIAL)).await;
        assert_eq!(answer.problem(), "parameter-invalid", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}
