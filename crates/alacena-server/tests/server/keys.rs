//! Which entries there are and why a key is answered as it is: bounded pages, never a value.

use serde_json::{Value as Json, json};

use crate::support::{Running, get};

/// The texts of the keys of a page.
fn keys(page: &Json) -> Vec<String> {
    page["keys"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_hold_every_key_once() {
    let server = Running::start("").await;
    assert_eq!(server.get("/cache/keys").await.json(), json!({"keys": [], "next": null}));
    for id in 1..=7 {
        server.get(&format!("/reads/item?id={id}")).await;
    }
    server.get("/reads/fresh").await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let page = server.get(&format!("/cache/keys?prefix=items:&limit=3{cursor}")).await.json();
        assert!(page["keys"].as_array().unwrap().len() <= 3);
        seen.extend(keys(&page));
        pages += 1;
        // What comes and goes between pages confuses nobody.
        server.get(&format!("/reads/open_item?id={pages}")).await;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (1..=7).map(|id| format!("items:one:{id}:full")).collect();
    assert_eq!((seen, pages), (expected, 3));
    assert_eq!(keys(&server.get("/cache/keys?prefix=fresh").await.json()), ["fresh"]);
    for wrong in ["limit=0", "limit=1001", "cursor=", "cursor=zz", "cursor=abc", "cursor=01ffff", "prefx=a"] {
        let answer = server.get(&format!("/cache/keys?{wrong}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "parameter-invalid"), "{wrong}");
    }
}

#[tokio::test]
async fn a_key_is_explained_without_its_value() {
    let server = Running::start("").await;
    let path = "/cache/explain?key=items:one:7:full";
    let nothing = server.get(path).await.json();
    let unheld = json!({
        "read": "item", "class": "plain", "source": "crm", "circuitState": "CLOSED", "shared": true,
        "key": "items:one:7:full",
        "entries": [],
        "l2": null,
    });
    assert_eq!(nothing, json!({"explanations": [unheld]}));

    server.get("/reads/item?id=7").await;
    server.pass(10).await;
    let answer = server.get(path).await;
    assert!(!answer.text().contains("version"), "not the value: {}", answer.text());
    let known = answer.json();
    let entry = &known["explanations"][0]["entries"][0];
    assert_eq!((&entry["freshness"], &entry["class"]), (&json!("fresh"), &json!("plain")));
    assert_eq!(entry["footing"], Json::Null, "there is one node");
    assert_eq!((&entry["ageMs"], &entry["freshForMs"]), (&json!(10_000), &json!(290_000)));
    let dep = |text: &str, stands: bool| json!({"dep": text, "stands": stands});
    let deps = entry["deps"].as_array().unwrap();
    assert!(deps.contains(&dep("tag item:7", true)) && deps.contains(&dep("prefix items:one", true)));

    server.post("/cache/invalidate", r#"{"tags": ["item:7"]}"#).await;
    let known = server.get(path).await.json();
    let entry = &known["explanations"][0]["entries"][0];
    assert_eq!(entry["freshness"], "last-resort");
    assert!(entry["deps"].as_array().unwrap().contains(&dep("tag item:7", false)), "{entry}");
    assert_eq!(server.get(&format!("{path}&format=display")).await.status, 200);

    for (query, problem) in
        [("", "parameter-invalid"), ("?key=", "parameter-invalid"), ("?key=a:b", "key-invalid")]
    {
        let answer = server.get(&format!("/cache/explain{query}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, problem), "{query}");
    }
}

#[tokio::test]
async fn every_callers_entry_is_shown_and_no_credential() {
    let server = Running::start("").await;
    for caller in ["canary-ada", "canary-grace"] {
        server.send(get("/reads/mine").with("authorization", caller)).await;
    }
    // The client of these tests looks for credentials in every answer.
    let known = server.get("/cache/explain?key=mine").await.json();
    assert_eq!(known["explanations"][0]["entries"].as_array().unwrap().len(), 2);
    let first = server.get("/cache/keys?limit=1").await.json();
    let second =
        server.get(&format!("/cache/keys?limit=1&cursor={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!(
        (keys(&first), keys(&second), &second["next"]),
        (vec!["mine".into()], vec!["mine".into()], &json!(null))
    );
}
