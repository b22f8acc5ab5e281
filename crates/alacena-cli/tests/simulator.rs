//! What the simulated CRM promises to whoever talks to it: the contract of the API that it plays.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests stand outside of every runtime of ours, with a clock of their own"
)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use alacena::{SystemRuntime, secret::Secret};
use alacena_cli::simulate::{self, Failure, Latency, Settings};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use serde_json::{Value as Json, json};
use tokio::{net::TcpListener, sync::oneshot};

struct Crm {
    address: SocketAddr,
    client: Client,
    /// Dropping it stops the simulator.
    _stop: oneshot::Sender<()>,
}

impl Crm {
    async fn with(settings: Settings) -> Self {
        // Only the first test of a process installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = SystemRuntime::shared();
        let stopped = async { drop(stopped.await) };
        runtime.clone().spawn(Box::pin(async move {
            simulate::serve(listener, settings, runtime, stopped).await.unwrap();
        }));
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { address, client, _stop: stop }
    }

    async fn quick() -> Self {
        Self::with(Settings { latency: "0ms".parse().unwrap(), ..Settings::default() }).await
    }

    async fn send(&self, method: Method, path: &str, query: &[(&str, &str)], body: Option<Json>) -> Response {
        let url = reqwest::Url::parse_with_params(&format!("http://{}{path}", self.address), query).unwrap();
        let mut request = self.client.request(method, url).header("authorization", "Bearer simulated-key");
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Json {
        let response = self.send(Method::GET, &format!("/api1{path}"), query, None).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    async fn refused(&self, path: &str, query: &[(&str, &str)]) -> String {
        let response = self.send(Method::GET, &format!("/api1{path}"), query, None).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let body: Json = response.json().await.unwrap();
        assert_eq!(body["status"], 400);
        body["body"].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: Json) -> Json {
        self.send(Method::POST, &format!("/api1{path}"), &[], Some(body)).await.json().await.unwrap()
    }

    async fn switch(&self, what: &str, body: Json) {
        let response = self.send(Method::PUT, &format!("/simulator/{what}"), &[], Some(body)).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

fn ids(page: &Json) -> Vec<&str> {
    page["results"].as_array().unwrap().iter().map(|record| record["jnid"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_resource_has_its_own_envelope_and_one_record_is_bare() {
    let crm = Crm::quick().await;
    for (path, member) in [
        ("/contacts", "results"),
        ("/jobs", "results"),
        ("/tasks", "results"),
        ("/activities", "activity"),
        ("/files", "files"),
        ("/v2/estimates", "results"),
        ("/webhooks", "results"),
    ] {
        let page = crm.get(path, &[("size", "3")]).await;
        assert_eq!(page[member].as_array().unwrap().len(), 3, "{path}");
        assert!(page["count"].as_u64().unwrap() >= 3, "{path}");
    }
    assert_eq!(crm.get("/account/users", &[]).await["users"].as_array().unwrap().len(), 12);
    assert!(crm.get("/account/settings", &[]).await["workflows"].is_array());

    let job = crm.get("/jobs", &[("size", "1")]).await["results"][0].clone();
    let id = job["jnid"].as_str().unwrap();
    assert_eq!(crm.get(&format!("/jobs/{id}"), &[]).await, job);

    let file = crm.get("/files", &[("size", "1")]).await["files"][0]["jnid"].as_str().unwrap().to_owned();
    let bytes = crm.send(Method::GET, &format!("/api1/files/{file}"), &[], None).await;
    assert_eq!(bytes.status(), StatusCode::FOUND, "a file's address redirects to its bytes");
}

#[tokio::test]
async fn pages_are_newest_first_meet_without_overlap_and_end_at_the_window() {
    let crm = Crm::quick().await;
    let all = crm.get("/jobs", &[]).await;
    let count = all["count"].as_u64().unwrap() as usize;
    assert_eq!(ids(&all).len(), count, "a page holds 1000 records unless told otherwise");
    let dates: Vec<i64> =
        all["results"].as_array().unwrap().iter().map(|job| job["date_created"].as_i64().unwrap()).collect();
    assert!(dates.is_sorted_by(|a, b| a >= b));

    let (first, second) =
        (crm.get("/jobs", &[("size", "7")]).await, crm.get("/jobs", &[("size", "7"), ("from", "7")]).await);
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&all)[..14]);

    let oldest = crm.get("/jobs", &[("size", "1"), ("sort_direction", "asc"), ("fields", "name")]).await;
    assert_eq!(ids(&oldest)[0], ids(&all)[count - 1]);
    assert_eq!(oldest["results"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["jnid", "name"]);

    assert!(crm.refused("/jobs", &[("size", "1001")]).await.contains("at most 1000"));
    assert!(crm.refused("/jobs", &[("size", "1000"), ("from", "9001")]).await.contains("10000"));
    assert!(crm.refused("/jobs", &[("sort_direction", "up")]).await.contains("asc or desc"));
    assert!(crm.refused("/jobs", &[("filter", r#"{"must":[{"fuzzy":{}}]}"#)]).await.contains("`fuzzy`"));
}

#[tokio::test]
async fn a_filter_narrows_the_list_and_its_count() {
    let crm = Crm::quick().await;
    let filter = r#"{"must":[{"match_phrase":{"name":"hail damage"}}]}"#;
    let page = crm.get("/jobs", &[("filter", filter), ("size", "5")]).await;
    let names: Vec<&str> =
        page["results"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| name.contains("hail damage")), "{names:?}");
    assert!(page["count"].as_u64().unwrap() > 5 && page["count"].as_u64().unwrap() < 300);

    let job = ids(&page)[0];
    let filter = json!({ "must": [{ "term": { "related.id": job } }] }).to_string();
    let files = crm.get("/files", &[("filter", &filter)]).await;
    assert!(files["files"].as_array().unwrap().iter().all(|file| file["related"][0]["id"] == job));
}

#[tokio::test]
async fn what_is_created_is_listed_first_and_what_is_deleted_leaves_the_lists() {
    let crm = Crm::quick().await;
    let created =
        crm.post("/contacts", json!({ "first_name": "Ada", "last_name": "Byron", "jnid": "mine" })).await;
    let id = created["jnid"].as_str().unwrap();
    assert_eq!(
        (id.len(), created["display_name"].as_str()),
        (24, Some("Ada Byron")),
        "ids are not the caller's"
    );
    assert_eq!(ids(&crm.get("/contacts", &[("size", "1")]).await), [id]);

    let path = format!("/api1/contacts/{id}");
    let changed = crm.send(Method::PUT, &path, &[], Some(json!({ "is_active": false }))).await;
    assert_eq!(changed.json::<Json>().await.unwrap()["is_active"], false);
    assert_ne!(ids(&crm.get("/contacts", &[("size", "1")]).await), [id]);
    assert_eq!(crm.get(&format!("/contacts/{id}"), &[]).await["first_name"], "Ada");

    let told = crm.get("/activities", &[("size", "2"), ("fields", "record_type_name,primary")]).await;
    assert_eq!(told["activity"][0]["record_type_name"], "Contact Deleted");
    assert_eq!(told["activity"][1]["record_type_name"], "Contact Created");
    assert_eq!(told["activity"][1]["primary"]["id"], id);

    assert_eq!(crm.post("/jobs", json!({})).await["status"], 400);
    assert_eq!(crm.post("/jobs", json!([])).await["status"], 400);
    assert_eq!(crm.send(Method::DELETE, &path, &[], None).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_the_documented_words() {
    let settings =
        Settings { key: Secret::new("right"), latency: "0ms".parse().unwrap(), ..Settings::default() };
    let crm = Crm::with(settings).await;
    for (authorization, status) in [
        (Some("bearer right"), 200),
        (Some("Bearer right"), 200),
        (Some("BEARER right"), 200),
        (Some("right"), 401),
        (Some("Bearer wrong"), 401),
        (None, 401),
    ] {
        let mut request = crm.client.get(format!("http://{}/api1/jobs", crm.address));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{authorization:?}");
        if status == 401 {
            let body: Json = response.json().await.unwrap();
            assert_eq!(body, json!({ "status": 401, "body": "Authentication required" }));
        }
    }
}

#[tokio::test]
async fn an_answer_takes_as_long_as_it_is_told_to() {
    let crm = Crm::with(Settings::default()).await;
    let begin = Instant::now();
    crm.get("/account/settings", &[]).await;
    let taken = begin.elapsed();
    assert!(taken >= Duration::from_millis(500), "{taken:?}");
    crm.switch("latency", json!({ "latency": "0ms" })).await;
    let begin = Instant::now();
    crm.get("/account/settings", &[]).await;
    assert!(begin.elapsed() < Duration::from_millis(500));
}

#[tokio::test]
async fn failures_are_switched_on_and_off_and_counted() {
    let latency = Latency { from: Duration::ZERO, to: Duration::ZERO };
    let crm = Crm::with(Settings { failure: Failure::ServerError, latency, ..Settings::default() }).await;
    let ask = || {
        crm.client
            .get(format!("http://{}/api1/jobs", crm.address))
            .header("authorization", "bearer simulated-key")
            .send()
    };
    assert_eq!(ask().await.unwrap().status(), 500);

    crm.switch("failure", json!({ "mode": "429" })).await;
    let throttled = ask().await.unwrap();
    assert_eq!(
        (throttled.status().as_u16(), throttled.headers()["retry-after"].to_str().unwrap()),
        (429, "1")
    );

    crm.switch("failure", json!({ "mode": "reset" })).await;
    assert!(ask().await.is_err(), "the connection ends without an answer");

    crm.switch("failure", json!({ "mode": "hang" })).await;
    let (hung, ()) = tokio::join!(ask(), async {
        while crm.get_calls().await["running"] != 1 {}
        crm.switch("failure", json!({ "mode": "none" })).await;
    });
    assert_eq!(hung.unwrap().status(), 200, "what hung is answered once it no longer does");

    let calls = crm.get_calls().await;
    assert_eq!((&calls["total"], &calls["failed"], &calls["running"]), (&json!(4), &json!(4), &json!(0)));
    assert_eq!(calls["by_route"], json!({ "GET /jobs": 4 }));

    for wrong in [json!({ "mode": "503" }), json!({ "mode": "500", "rate": 2 }), json!({ "mod": "500" })] {
        let refused = crm.send(Method::PUT, "/simulator/failure", &[], Some(wrong)).await;
        assert_eq!(refused.status(), 400);
    }
    let curl =
        crm.client.put(format!("http://{}/simulator/failure", crm.address)).body(r#"{"mode":"none"}"#).send();
    assert_eq!(curl.await.unwrap().status(), 200, "without a media type, as curl -d sends it");
}

#[tokio::test]
async fn the_same_seed_makes_the_same_company() {
    let latency = Latency { from: Duration::ZERO, to: Duration::ZERO };
    let with = |seed| Crm::with(Settings { seed, latency, ..Settings::default() });
    let (one, same, other) = (with(1).await, with(1).await, with(2).await);
    let jobs = one.get("/jobs", &[]).await;
    assert_eq!(jobs, same.get("/jobs", &[]).await);
    assert_ne!(jobs, other.get("/jobs", &[]).await);
}

impl Crm {
    async fn get_calls(&self) -> Json {
        self.send(Method::GET, "/simulator/calls", &[], None).await.json().await.unwrap()
    }
}
