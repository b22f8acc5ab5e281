//! Entries on disk: what was loaded survives `kill -9`, and what was invalidated does not come back.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Path as Captured, routing::get};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use tempfile::tempdir;
use tokio::net::TcpListener;

use crate::process::{Running, cache_status};

/// An upstream that counts how often it is asked, and answers with that.
async fn upstream(asked: Arc<AtomicU64>) -> std::net::SocketAddr {
    let answer = async move |Captured(company): Captured<u64>| {
        let times = asked.fetch_add(1, Ordering::SeqCst) + 1;
        axum::Json(json!({ "company": company, "times": times, "secret": "canary of the disk" }))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        axum::serve(listener, Router::new().route("/kpis/{company}", get(answer))).await.unwrap()
    };
    tokio::spawn(serve);
    address
}

fn configure(folder: &Path, upstream: std::net::SocketAddr, embedded: &str) {
    let text = format!(
        "[embedded]\nentries_max = \"64MiB\"\n{embedded}\
         [sources.crm]\nkind = \"http\"\nbase_url = \"http://{upstream}\"\n\
         [classes.kpis]\nttl = \"1h\"\njitter = 0\n\
         [reads.kpis]\nsource = \"crm\"\nclass = \"kpis\"\nhttp = \"GET /kpis/{{company}}\"\n\
         params.company = {{ type = \"integer\" }}\ntags = [\"company:{{company}}\"]\n"
    );
    fs::write(folder.join("alacena.toml"), text).unwrap();
}

async fn times(server: &Running, company: u64) -> (u64, String) {
    let answer = server.get(&format!("/reads/kpis?company={company}")).await;
    let status = cache_status(&answer).to_owned();
    (answer.json::<Json>().await.unwrap()["times"].as_u64().unwrap(), status)
}

/// Waits until so many entries are on disk.
async fn on_disk(server: &Running, entries: u64) {
    let line = format!("alacena_l2_entries{{shard=\"embedded\"}} {entries}");
    for _ in 0..600 {
        if server.get("/metrics").await.text().await.unwrap().lines().any(|found| found == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there never was `{line}`");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_loaded_survives_a_kill_and_what_was_invalidated_does_not_come_back() {
    let asked = Arc::new(AtomicU64::new(0));
    let (folder, upstream) = (tempdir().unwrap(), upstream(Arc::clone(&asked)).await);
    configure(folder.path(), upstream, "");

    let server = Running::serve(folder.path(), &[]);
    for company in 1..=3 {
        assert_eq!(times(&server, company).await.0, company);
    }
    on_disk(&server, 3).await;
    let health: Json = server.get("/cache/health").await.json().await.unwrap();
    assert_eq!(
        (&health["mode"], &health["level"], &health["status"]),
        (&json!("embedded"), &json!("bounded"), &json!("healthy"))
    );
    let gone = server.post("/cache/invalidate", json!({ "tags": ["company:2"] })).await;
    assert_eq!(gone.headers()["alacena-level"], "applied");
    server.signal(Signal::KILL);
    server.end();

    let server = Running::serve(folder.path(), &[]);
    for company in [1, 3] {
        let (answer, status) = times(&server, company).await;
        assert_eq!(answer, company, "{status}");
        assert!(status.contains("; hit") && status.contains("detail=\"l2\""), "{status}");
        // And from then on in memory.
        assert!(!times(&server, company).await.1.contains("l2"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "the source was not asked");
    assert_eq!(times(&server, 2).await.0, 4, "what was invalidated is loaded anew");
    server.signal(Signal::TERM);
    server.end();

    // After an end as it should be nothing is lost at all.
    let server = Running::serve(folder.path(), &[]);
    assert_eq!(times(&server, 2).await.0, 4);
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    let explained: Json = server.get("/cache/explain?key=kpis:2").await.json().await.unwrap();
    let there = &explained["explanations"][0]["l2"];
    assert_eq!((&there["shard"], &there["entry"]["stands"]), (&json!("embedded"), &json!("certain")));
    server.signal(Signal::TERM);
    server.end();

    // A copy may be of any time: it is answered from once more, and loaded anew meanwhile.
    let file = folder.path().join(".alacena/entries.redb");
    let copy = folder.path().join("copy");
    fs::copy(&file, &copy).unwrap();
    fs::rename(&copy, &file).unwrap();
    let server = Running::serve(folder.path(), &[]);
    let (answer, status) = times(&server, 2).await;
    assert!(answer == 4 && status.contains("ttl=-1; detail=\"unproved\""), "{status}");
    for _ in 0..600 {
        if times(&server, 2).await.0 == 5 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("what may have gone back in time was never loaded anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_disk_is_sealed_where_there_is_a_key_and_begun_anew_with_another() {
    let asked = Arc::new(AtomicU64::new(0));
    let (folder, upstream) = (tempdir().unwrap(), upstream(Arc::clone(&asked)).await);
    let keys = ["a", "b"].map(|digit| digit.repeat(64));
    let holds_canary = || {
        let file = fs::read(folder.path().join(".alacena/entries.redb")).unwrap();
        ["canary of the disk", "kpis"]
            .iter()
            .any(|word| file.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    let configurations = [
        (String::new(), true, 1),
        (format!("key = \"{}\"\n", keys[0]), false, 2),
        (format!("key = \"{}\"\n", keys[0]), false, 2),
        (format!("key = \"{}\"\nkey_previous = \"{}\"\n", keys[1], keys[0]), false, 3),
    ];
    for (embedded, is_readable, loads) in configurations {
        configure(folder.path(), upstream, &embedded);
        let server = Running::serve(folder.path(), &[]);
        times(&server, 7).await;
        on_disk(&server, 1).await;
        server.signal(Signal::TERM);
        server.end();
        assert_eq!((holds_canary(), asked.load(Ordering::SeqCst)), (is_readable, loads), "{embedded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_costs_nobody_an_answer_and_loses_no_invalidation() {
    let asked = Arc::new(AtomicU64::new(0));
    let (folder, upstream) = (tempdir().unwrap(), upstream(Arc::clone(&asked)).await);
    configure(folder.path(), upstream, "");
    let server = Running::serve(folder.path(), &[]);
    assert_eq!(times(&server, 1).await.0, 1);
    on_disk(&server, 1).await;
    server.signal(Signal::TERM);
    server.end();

    // Where the file was, there is none.
    let (file, aside) = (folder.path().join(".alacena/entries.redb"), folder.path().join("aside"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    let mut server = Running::serve(folder.path(), &[]);
    server.wait_for("entries.redb");
    assert_eq!(times(&server, 2).await.0, 2);
    let (_, status) = times(&server, 2).await;
    assert!(status.contains("; hit") && status.contains("detail=\"local\""), "{status}");
    let health: Json = server.get("/cache/health").await.json().await.unwrap();
    assert_eq!((&health["status"], &health["level"]), (&json!("degraded"), &json!("local")));
    assert!(health["missing"][0].as_str().unwrap().contains("entries.redb"), "{health}");
    let gone = server.post("/cache/invalidate", json!({ "tags": ["company:1"] })).await;
    assert_eq!(
        (gone.status().as_u16(), &gone.headers()["alacena-level"]),
        (202, &"deferred".parse().unwrap())
    );

    // The disk is back, with all that was on it.
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    for _ in 0..600 {
        let health: Json = server.get("/cache/health").await.json().await.unwrap();
        if health["status"] == "healthy" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(times(&server, 1).await.0, 3, "what was invalidated meanwhile is loaded anew");
}
