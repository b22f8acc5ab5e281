//! Callers whose credentials are passed on never see what is another's: not in a hit, not stale, not in a batch, not
//! through MCP, not by a validator, however all of it is interleaved.

use std::collections::HashMap;

use alacena::runtime::Runtime;
use alacena_testkit::FakeRuntime;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    mcp::modern_request,
    support::{Answer, Request, Running, get, post},
};

/// The source answers with everything that reached it, the credential included.
const OWN: &str = r#"
[sources.own]
kind = "http"
base_url = "http://{upstream}/own"
credentials = ["x-api-key"]
retries = 0
breaker = { failures = 10000 }

[classes.own]
ttl = "60s"
jitter = 0
stale_while_revalidate = "30s"
stale_if_error = "1h"

[reads.own]
source = "own"
class = "own"
http = "GET /thing/{id}"
params.id = { type = "integer" }
tags = ["own:{id}"]
key = "own:one:{id}"
"#;
/// Callers that differ in little.
const WHO: [&str; 3] = ["ada-7", "ADA-7", "ada-70"];
const IDS: u64 = 4;
const WAVES: usize = 400;
const REQUESTS: usize = 8;

/// What somebody asks at the same time as others.
struct Asked {
    who: &'static str,
    id: u64,
    what: What,
    request: Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Value,
    /// With the validator of the last answer that this caller got for this question.
    OwnTag,
    /// With that of another caller.
    OtherTag,
    Head,
    /// With no credential, or with two.
    Nobody,
}

fn asked(chance: &FakeRuntime, tags: &HashMap<(&str, u64), String>) -> Asked {
    let pick = |of: u64| chance.random() % of;
    let (who, id) = (WHO[pick(3) as usize], pick(IDS));
    let path = format!("/reads/own?id={id}");
    let call = json!({"name": "own", "arguments": {"id": id}});
    let other = WHO.iter().find(|other| **other != who && tags.contains_key(&(**other, id)));
    let mut what = What::Value;
    let request = match pick(13) {
        0 | 1 => get(&path),
        2 => post("/reads/own", json!({"id": id}).to_string()),
        3 => post("/reads/own/batch", json!({"calls": [{"id": id}, {"id": pick(IDS)}]}).to_string()),
        4 => post("/mcp/tools/call", call.to_string()),
        5 => modern_request("tools/call", call),
        6 => get(&path).with("cache-control", "no-cache"),
        7 => get(&path).with("cache-control", "no-store"),
        8 => {
            what = What::Head;
            get(&path).method("HEAD")
        }
        9 if tags.contains_key(&(who, id)) => {
            what = What::OwnTag;
            get(&path).with("if-none-match", &tags[&(who, id)])
        }
        10 if other.is_some() => {
            what = What::OtherTag;
            get(&path).with("if-none-match", &tags[&(*other.unwrap(), id)])
        }
        11 => {
            what = What::Nobody;
            return Asked { who, id, what, request: get(&path) };
        }
        12 => {
            what = What::Nobody;
            let twice = get(&path).with("x-api-key", who).with("x-api-key", WHO[pick(3) as usize]);
            return Asked { who, id, what, request: twice };
        }
        _ => get(&path),
    };
    Asked { who, id, what, request: request.with("x-api-key", who) }
}

/// The credentials that an answer shows, whatever it is wrapped in.
fn shown(answer: &Answer) -> Vec<String> {
    let text = answer.text().replace('\\', "");
    let values = text.split("[\"x-api-key\",\"").skip(1);
    values.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn no_answer_ever_shows_what_is_anothers() {
    let server = Running::start(OWN).await;
    let chance = FakeRuntime::new(11);
    let mut tags: HashMap<(&str, u64), String> = HashMap::new();
    let mut seen: HashMap<&str, u64> = HashMap::new();
    for _ in 0..WAVES {
        match chance.random() % 8 {
            0 => server.pass(chance.random() % 100).await,
            1 => server.upstream.fail_with(500),
            2 | 3 => server.upstream.fail_with(0),
            4 => server.upstream.change(),
            5 => {
                let tag = format!("own:{}", chance.random() % IDS);
                let invalidated = server.post("/cache/invalidate", &json!({"tags": [tag]}).to_string()).await;
                assert_eq!(invalidated.status, 200);
            }
            _ => {}
        }
        let wave: Vec<Asked> = (0..REQUESTS).map(|_| asked(&chance, &tags)).collect();
        let answers = join_all(wave.iter().map(|asked| asked.request.clone().send(server.address))).await;
        for (Asked { who, id, what, .. }, answer) in wave.iter().zip(answers) {
            check(who, *what, &answer, &mut seen);
            if *what == What::Value && answer.status == 200 && answer.has("etag") {
                tags.insert((who, *id), answer.header("etag").to_owned());
            }
        }
    }
    // All of it has really happened.
    for (what, least) in [("hit", 300), ("stale", 30), ("304", 20), ("batch or MCP", 200), ("failed", 20)] {
        let count = seen.get(what).copied().unwrap_or_default();
        assert!(count >= least, "only {count} times {what}: {seen:?}");
    }
}

fn check(who: &str, what: What, answer: &Answer, seen: &mut HashMap<&'static str, u64>) {
    let mut count = |what| *seen.entry(what).or_default() += 1;
    for value in shown(answer) {
        assert_eq!(value, who, "{}", answer.raw);
    }
    assert!(!answer.header("cache-control").contains("public"), "{}", answer.raw);
    match (what, answer.status) {
        (What::Nobody, status) => assert_eq!(status, 401, "{}", answer.raw),
        (What::OwnTag, 304) => count("304"),
        (What::Head, 200) => assert!(answer.body.is_empty()),
        (_, 200) => {
            let failed = answer.text().contains("\"isError\":true") || answer.text().contains("\"problem\"");
            assert!(failed || !shown(answer).is_empty(), "{}", answer.raw);
            if !answer.has("cache-status") {
                count("batch or MCP");
            } else if answer.cache_status().contains("; hit") {
                count("hit");
            } else if answer.cache_status().contains("fwd=stale") && !answer.cache_status().contains("stored")
            {
                count("stale");
            }
        }
        (_, 502 | 503) => count("failed"),
        (_, status) => panic!("{who} {what:?} {status}: {}", answer.raw),
    }
}
