//! Warming a running server, asking why a key is answered as it is, and looking before one invalidates.

use serde_json::json;
use tempfile::tempdir;

use crate::process::{Running, run};

/// The folder of `alacena init` with a read that is kept warm.
fn folder() -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    let file = folder.path().join("alacena.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let marker = "[reads.product]\n";
    assert_eq!(text.matches(marker).count(), 1);
    let warm = "[reads.product]\nwarm = { params = [{ id = 1 }, { id = 2 }], at_start = false }\n";
    std::fs::write(&file, text.replace(marker, warm)).unwrap();
    folder
}

#[test]
fn what_is_warmed_is_there_and_what_failed_is_the_exit_code() {
    let folder = folder();
    let folder = folder.path();
    let _server = Running::serve(folder, &[]);
    let warmed = run(folder, &["warm", "--all"]);
    assert_eq!(warmed.code, Some(0), "{warmed:?}");
    assert_eq!(warmed.out, "2 of 2 warm: 2 loaded\n");
    assert_eq!(warmed.err, "product: 2 loaded\n", "no bar where nobody watches");
    let call = run(folder, &["call", "product", "id=2", "--json"]).json();
    assert!(call["cacheStatus"].as_str().unwrap().contains("; hit"), "{call}");

    let again = run(folder, &["warm", "product", "--param", "id=1", "--json"]);
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""), "{again:?}");
    let again = again.json();
    assert_eq!((&again["fresh"], &again["loaded"], &again["running"]), (&json!(1), &json!(0), &json!(false)));
    assert_eq!(run(folder, &["warm", "product", "products"]).out, "3 of 3 warm: 1 loaded, 2 fresh already\n");

    for (arguments, slug) in [
        (&["prodct"][..], "not-declared"),
        (&["product", "--param", "id=x"], "parameter-invalid"),
        (&["product", "products", "--param", "id=1"], "parameter-invalid"),
    ] {
        let refused = run(folder, &[&["warm"], arguments, &["--json"]].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.json()["type"].as_str().unwrap().ends_with(slug), "{refused:?}");
    }

    // The table is gone: what was fresh still is, the rest cannot be loaded.
    rusqlite::Connection::open(folder.join("shop.db"))
        .unwrap()
        .execute_batch("alter table products rename to gone")
        .unwrap();
    let failed = run(folder, &["warm", "product", "--param", "id=3"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.out.starts_with("0 of 1 warm: 0 loaded, 1 failed\n  product: 1 failed, source-"),
        "{failed:?}"
    );
}

#[test]
fn a_key_is_explained_before_and_after_it_is_invalidated() {
    let folder = folder();
    let folder = folder.path();
    let _server = Running::serve(folder, &[]);
    let explain = || run(folder, &["explain", "product:1"]);
    assert!(explain().out.contains("nothing is held: the next read asks `shop`"), "{:?}", explain());
    assert_eq!(run(folder, &["call", "product", "id=1"]).code, Some(0));
    let fresh = explain();
    assert!(fresh.out.contains("fresh: ") && fresh.out.contains("answered out of memory"), "{fresh:?}");
    assert!(fresh.out.contains("├─ ") && fresh.out.contains("tag product:1"), "{fresh:?}");
    assert!(!fresh.out.contains("Olive oil"), "never a value");

    let dry = run(folder, &["invalidate", "--tag", "product:1", "--prefix", "product", "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert_eq!(
        dry.out,
        "tag product:1\n  tag product:1: 1 fresh entry\nprefix product\n  prefix product: 1 fresh entry\n"
    );
    assert!(explain().out.contains("fresh: "), "it has only been looked at");
    assert_eq!(run(folder, &["invalidate", "--tag", "product:1"]).code, Some(0));
    let gone = explain();
    assert!(gone.out.contains("invalidated by tag product:1"), "{gone:?}");
    assert!(gone.out.contains("tag product:1: invalidated since"), "{gone:?}");
    let known = run(folder, &["explain", "product:1", "--json"]).json();
    assert_eq!(known["explanations"][0]["read"], "product");
    assert_eq!(run(folder, &["explain", "nothing:like:it"]).code, Some(2));
}

#[test]
fn without_a_server_there_is_nothing_to_warm_or_explain() {
    let folder = folder();
    let file = folder.path().join("alacena.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:8080", "127.0.0.1:1");
    std::fs::write(&file, text).unwrap();
    for arguments in [&["warm", "--all", "--json"][..], &["explain", "product:1", "--json"]] {
        let refused = run(folder.path(), arguments);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert_eq!(refused.json()["type"], "urn:alacena:error:server-absent");
    }
}
