//! Before and after, as `bench` measures it. Nothing here asserts a time: only what was asked, answered and said.

use serde_json::{Value as Json, json};
use tempfile::tempdir;

use crate::process::{Running, alacena, run};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_measured_with_and_without_its_cache() {
    let folder = tempdir().unwrap();
    let mut server = Running::serve(folder.path(), &[]);
    let crm = server.wait_for("/simulator/failure");
    let crm = crm[crm.rfind("http://").unwrap()..].trim_end_matches("/simulator/failure").to_owned();
    let calls = async || -> u64 {
        let calls = server.client.get(format!("{crm}/simulator/calls")).send().await.unwrap();
        calls.json::<Json>().await.unwrap()["total"].as_u64().unwrap()
    };
    let before = calls().await;
    let bench = |arguments: &[&str]| {
        let common = ["bench", "get_jobs", "size=2", "--server", &server.url, "--duration", "500ms"];
        run(folder.path(), &[&common, arguments].concat())
    };
    let open = bench(&["--rate", "100", "--source-calls", "3", "--connections", "4", "--json"]);
    assert_eq!(open.code, Some(0), "{open:?}");
    let open = open.json();
    let (without, with) = (&open["withoutCache"], &open["withCache"]);
    for (phase, questions, hits) in [(without, 3, 0), (with, 50, 50)] {
        assert_eq!(
            (&phase["questions"], &phase["answered"], &phase["hits"]),
            (&json!(questions), &json!(questions), &json!(hits)),
            "{open}"
        );
        assert!(
            phase["milliseconds"]["p50"].is_number() && phase["milliseconds"]["p99"].is_null(),
            "{phase}"
        );
        let in_buckets =
            phase["histogram"].as_array().unwrap().iter().map(|bucket| bucket["count"].as_u64().unwrap());
        assert_eq!(in_buckets.sum::<u64>(), questions);
    }
    assert!(open["timesFaster"]["p50"].is_number() && open["notes"] == json!([]), "{open}");
    assert_eq!(
        calls().await - before,
        4,
        "the first question is a miss, three go past the cache, and that is all"
    );

    let closed = bench(&["--closed", "--source-calls", "0", "--connections", "2"]);
    assert_eq!(closed.code, Some(0), "{closed:?}");
    for said in ["get_jobs?size=2 at http://", "with cache", "100.0 %", "answers/s", "slowest", "≥"] {
        assert!(closed.out.contains(said), "{said}: {closed:?}");
    }
    assert!(!closed.out.contains("without cache") && !closed.out.contains("note:"), "{closed:?}");
    assert_eq!(calls().await - before, 4);
}

#[test]
fn a_configuration_without_a_server_is_measured_in_one_of_its_own() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    let bench =
        ["bench", "product", "id=1", "--duration", "200ms", "--rate", "50", "--source-calls", "2", "--json"];
    let measured = run(folder.path(), &bench);
    assert_eq!(measured.code, Some(0), "{measured:?}");
    assert_eq!(
        (&measured.json()["withoutCache"]["answered"], &measured.json()["withCache"]["hits"]),
        (&json!(2), &json!(10))
    );
    assert!(!folder.path().join(".alacena").exists(), "it leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_server_warms_nothing() {
    let folder = tempdir().unwrap();
    let crm = Running::start(alacena(folder.path(), &["simulate", "jobnimbus", "--latency", "0ms"]));
    let text = format!(
        "[sources.crm]\nkind = \"http\"\nbase_url = \"{}\"\nheaders = {{ authorization = \"bearer simulated-key\" }}\n\
         [reads.jobs]\nsource = \"crm\"\nhttp = \"GET /jobs?size={{size}}\"\nparams.size = {{ type = \"integer\" }}\n\
         warm = {{ params = [{{ size = 1 }}, {{ size = 2 }}, {{ size = 3 }}] }}\n",
        crm.url
    );
    std::fs::write(folder.path().join("alacena.toml"), text).unwrap();
    let bench = ["bench", "jobs", "size=9", "--duration", "200ms", "--source-calls", "1", "--json"];
    let measured = run(folder.path(), &bench);
    assert_eq!(measured.code, Some(0), "{measured:?}");
    let calls = format!("{}/simulator/calls", crm.url.trim_end_matches("/api1"));
    let calls: Json = crm.client.get(calls).send().await.unwrap().json().await.unwrap();
    assert_eq!(calls["total"], 2, "the first question and one past the cache: {calls}");
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    for (arguments, code, said) in [
        (&["prodct"][..], 2, "not-declared"),
        (&["product"], 2, "parameter-invalid"),
        (&["product", "id=999"], 1, "absent"),
        (&["product", "id=1", "--server", "http://127.0.0.1:1"], 1, "server-absent"),
        (&["product", "id=1", "--server", "https://127.0.0.1:1"], 2, "measure the server itself"),
    ] {
        let refused = run(folder.path(), &[&["bench", "--json"], arguments].concat());
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.out.contains(said), "{said}: {refused:?}");
    }
    for arguments in [
        &["--rate", "0"][..],
        &["--duration", "11m"],
        &["--connections", "1001"],
        &["--closed", "--rate", "5"],
    ] {
        let refused = run(folder.path(), &[&["bench", "product"], arguments].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
}
