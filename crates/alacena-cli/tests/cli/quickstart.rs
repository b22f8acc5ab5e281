//! The first minute.

use std::time::{Duration, Instant};

use reqwest::Response;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use tempfile::tempdir;

use crate::process::{Running, alacena, cache_status, run};

/// Where the simulated CRM of `server` is, as the announcement says.
fn crm(server: &mut Running) -> String {
    let line = server.wait_for("/simulator/failure");
    let begin = line.rfind("http://").unwrap();
    line[begin..].trim_end_matches("/simulator/failure").to_owned()
}

async fn switch(server: &Running, crm: &str, what: &str, body: Json) {
    let answer = server.client.put(format!("{crm}/simulator/{what}")).json(&body).send().await.unwrap();
    assert!(answer.status().is_success());
}

async fn timed(server: &Running, path: &str) -> (Response, Duration) {
    let begin = Instant::now();
    let answer = server.get(path).await;
    (answer, begin.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_minute_goes_as_announced() {
    let folder = tempdir().unwrap();
    let mut server = Running::serve(folder.path(), &[]);
    let crm = crm(&mut server);
    let jobs = "/reads/get_jobs?size=2";

    let (first, took) = timed(&server, jobs).await;
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert!(cache_status(&first).contains("fwd=uri-miss; stored"), "{}", cache_status(&first));
    let first: Json = first.json().await.unwrap();
    let (second, took) = timed(&server, jobs).await;
    assert!(took < Duration::from_millis(400), "{took:?}");
    assert!(cache_status(&second).contains("; hit"), "{}", cache_status(&second));
    assert_eq!(second.json::<Json>().await.unwrap(), first);

    let created = server.post("/writes/create_job", json!({ "name": "My job" })).await;
    assert_eq!(created.status(), 200, "{}", created.text().await.unwrap());
    let fresh = server.get(jobs).await;
    assert!(cache_status(&fresh).contains("invalidated"), "{}", cache_status(&fresh));
    let fresh: Json = fresh.json().await.unwrap();
    assert_eq!(fresh["results"][0]["name"], "My job");

    switch(&server, &crm, "failure", json!({ "mode": "500" })).await;
    assert_eq!(server.post("/cache/invalidate", json!({ "class": "jobs" })).await.status(), 200);
    let stale = server.get(jobs).await;
    assert!(cache_status(&stale).contains("source-error"), "{}", cache_status(&stale));
    assert_eq!(stale.json::<Json>().await.unwrap(), fresh);
    switch(&server, &crm, "failure", json!({ "mode": "none" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_and_every_write_of_the_example_works() {
    let folder = tempdir().unwrap();
    let mut server = Running::serve(folder.path(), &[]);
    let crm = crm(&mut server);
    switch(&server, &crm, "latency", json!({ "latency": "0ms" })).await;
    let listing: Json = server.get("/reads").await.json().await.unwrap();
    let job: Json = server.get("/reads/get_jobs?size=1").await.json().await.unwrap();
    let job = &job["results"][0];
    let id = job["jnid"].as_str().unwrap();

    for read in listing["reads"].as_array().unwrap() {
        let name = read["name"].as_str().unwrap();
        let parameters = match name {
            "get_job" => format!("?id={id}"),
            "get_attachments" => format!("?related={id}"),
            "search_jobs" => "?query=hail%20damage".to_owned(),
            "search_contacts" => "?query=Baker".to_owned(),
            "ticket" => "?id=7".to_owned(),
            "ticket_comments" => "?ticket=7".to_owned(),
            _ => String::new(),
        };
        let answer = server.get(&format!("/reads/{name}{parameters}")).await;
        assert_eq!(answer.status(), 200, "{name}: {}", answer.text().await.unwrap());
        let value: Json = answer.json().await.unwrap();
        let records = ["results", "files", "activity"].iter().find_map(|member| value[member].as_array());
        let records = records.or(value.as_array()).map_or(1, Vec::len);
        assert!(records > 0 || name == "get_attachments", "{name} answers nothing");
    }
    assert_eq!(listing["reads"].as_array().unwrap().len(), 16);

    for (name, body) in [
        ("create_job", json!({ "name": "A roof", "description": "of copper" })),
        ("create_contact", json!({ "first_name": "Ada", "last_name": "Byron" })),
        ("create_activity", json!({ "job": id, "note": "Called \"back\"" })),
        ("close_ticket", json!({ "id": 7 })),
        ("add_comment", json!({ "ticket": 7, "body": "Done." })),
    ] {
        let answer = server.post(&format!("/writes/{name}"), body).await;
        assert!(answer.status().is_success(), "{name}: {}", answer.text().await.unwrap());
    }
    let ticket: Json = server.get("/reads/ticket?id=7").await.json().await.unwrap();
    assert_eq!(ticket["status"], "closed");
    let note: Json = server.get("/reads/get_activities?size=1").await.json().await.unwrap();
    assert_eq!(
        (&note["activity"][0]["note"], &note["activity"][0]["primary"]["id"]),
        (&json!("Called \"back\""), &json!(id))
    );
    assert_eq!(server.get("/reads/ticket?id=99999").await.status(), 404);

    // A quote in a phrase is part of the phrase, not of the filter around it.
    let quoted = server.get("/reads/search_jobs?query=hail%22%20damage").await;
    assert_eq!(quoted.status(), 200, "{}", quoted.text().await.unwrap());
}

#[test]
fn the_example_is_refused_where_a_configuration_seems_to_be_lost() {
    let folder = tempdir().unwrap();
    for (name, value) in
        [("PORT", "8080"), ("REDIS_URL", "redis://127.0.0.1"), ("ALACENA__MEMORY__MAX", "1MiB")]
    {
        let mut command = alacena(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        let ended = crate::process::Ended::from(command.env(name, value).output().unwrap());
        assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
        assert!(ended.err.contains(name) && ended.err.contains("--config"), "{ended:?}");
        assert_eq!(ended.out, "", "{name}");
    }
    let ended = run(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert!(ended.code == Some(2) && ended.err.contains("listen on 127.0.0.1"), "{ended:?}");
    let ended = run(folder.path(), &["serve", "--config", "missing.toml"]);
    assert!(ended.code == Some(2) && ended.err.contains("missing.toml"), "{ended:?}");
}

#[test]
fn what_the_environment_says_about_the_address_is_heard() {
    let folder = tempdir().unwrap();
    let mut command = alacena(folder.path(), &["serve"]);
    command.env("ALACENA__SERVER__LISTEN", "127.0.0.1:0");
    let server = Running::start(command);
    assert!(!server.url.ends_with(":8080") && !server.url.ends_with(":0"), "{}", server.url);
}

#[test]
fn the_example_leaves_nothing_behind() {
    let (folder, temporary) = (tempdir().unwrap(), tempdir().unwrap());
    let mut command = alacena(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let server = Running::start({
        command.env("TMPDIR", temporary.path());
        command
    });
    assert_eq!(temporary.path().read_dir().unwrap().count(), 1);
    server.signal(Signal::TERM);
    let (status, said) = server.end();
    assert!(status.success(), "{status}: {said}");
    assert_eq!(temporary.path().read_dir().unwrap().count(), 0);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
