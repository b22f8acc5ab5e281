//! Reads as resources: addresses, how long an answer may be remembered, and by whom.

use serde_json::{Value as Json, json};

use crate::{
    mcp::{legacy, modern, modern_request},
    support::{Answer, Running},
};

async fn read(server: &Running, address: &str) -> Answer {
    modern(server, "resources/read", json!({ "uri": address })).await
}

#[tokio::test]
async fn what_can_be_read_has_an_address() {
    let server = Running::start("").await;
    let listed = modern(&server, "resources/list", json!({})).await.json()["result"].clone();
    assert_eq!((&listed["ttlMs"], &listed["cacheScope"]), (&60_000.into(), &"private".into()));
    let addresses: Vec<&str> =
        listed["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
    assert_eq!(
        addresses,
        [
            "alacena://reads",
            "alacena://reads/fresh",
            "alacena://reads/keyed",
            "alacena://reads/large",
            "alacena://reads/mine"
        ]
    );
    let templates = modern(&server, "resources/templates/list", json!({})).await.json()["result"].clone();
    let item =
        templates["resourceTemplates"].as_array().unwrap().iter().find(|one| one["name"] == "item").unwrap();
    assert_eq!(
        (&item["uriTemplate"], &item["title"]),
        (&"alacena://reads/item{?id,mode}".into(), &"One item".into())
    );
    let about =
        json!({"class": "plain", "ttlMs": 300_000, "key": "items:one:{id}:{mode}", "tags": ["item:{id}"]});
    assert_eq!(item["_meta"]["dev.alacena/read"], about);

    let index = read(&server, "alacena://reads").await.json()["result"].clone();
    let text: Json = serde_json::from_str(index["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text["reads"].as_array().unwrap().len(), server.alacena.reads().len());
    let item = text["reads"].as_array().unwrap().iter().find(|one| one["name"] == "item").unwrap();
    assert_eq!(
        (&item["ttlSeconds"], &item["address"]),
        (&300.0.into(), &"alacena://reads/item{?id,mode}".into())
    );
    assert_eq!(index["ttlMs"], 60_000);
}

#[tokio::test]
async fn an_answer_says_how_long_it_may_be_remembered() {
    let server = Running::start("").await;
    let ask = async || read(&server, "alacena://reads/item?id=7&mode=brief").await.json()["result"].clone();
    let first = ask().await;
    assert_eq!(
        first["contents"],
        json!([{
            "uri": "alacena://reads/item?id=7&mode=brief",
            "mimeType": "application/json",
            "text": "{\"id\":7,\"version\":1}",
        }])
    );
    assert_eq!((&first["ttlMs"], &first["resultType"]), (&300_000.into(), &"complete".into()));
    server.pass(10).await;
    let second = ask().await;
    assert_eq!((&second["ttlMs"], server.upstream.calls()), (&290_000.into(), 1));
    assert_eq!(second["_meta"]["dev.alacena/cache"]["origin"], "l1");
    assert!(
        server.get("/reads/item?id=7&mode=brief").await.header("cache-status").contains("hit"),
        "it is one entry"
    );

    server.pass(300).await;
    server.upstream.fail_with(500);
    let stale = ask().await;
    assert_eq!(
        (&stale["ttlMs"], &stale["_meta"]["dev.alacena/cache"]["origin"]),
        (&0.into(), &"stale".into())
    );

    let before = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "alacena://reads/item?id=7&mode=brief"}});
    let before = legacy(&server, before).await.json()["result"].clone();
    assert_eq!(before["contents"], stale["contents"]);
    assert!(before.get("ttlMs").is_none() && before.get("resultType").is_none());
}

#[tokio::test]
async fn nobody_may_share_what_is_one_callers_own() {
    let server = Running::start("").await;
    let ask = async |name: &str, headers: &[(&str, &str)]| {
        let mut request = modern_request("resources/read", json!({"uri": format!("alacena://reads/{name}")}));
        for (header, value) in headers {
            request = request.with(header, value);
        }
        server.send(request).await.json()
    };
    assert_eq!(ask("fresh", &[]).await["result"]["cacheScope"], "public");
    let own = ask("keyed", &[("x-api-key", "canary-one")]).await["result"].clone();
    assert_eq!(
        (&own["cacheScope"], &own["contents"][0]["text"]),
        (&"private".into(), &"[null,10,null]".into())
    );
    let other = ask("keyed", &[("x-api-key", "canary-of-another")]).await["result"].clone();
    assert_eq!(other["contents"][0]["text"], "[null,17,null]");
    assert_eq!(server.upstream.calls(), 3, "each has an entry of its own");
    assert_eq!(ask("keyed", &[]).await["error"]["code"], -32602, "and nobody without one has any");
    let token = ask("mine", &[("authorization", "Bearer canary")]).await;
    assert_eq!(token["error"]["code"], -32602, "a token for the MCP server is never passed on");

    let hash = blake3::hash(b"token-one");
    let guarded = Running::start_only(&format!(
        "[tokens.one]\nhash = \"blake3:{hash}\"\nrole = \"read\"\n[sources.db]\nkind = \"sqlite\"\npath = \"{{folder}}/app.db\"\n\
         [reads.all]\nsource = \"db\"\nsql = \"select amount from orders\"\n"
    ))
    .await;
    let request = modern_request("resources/read", json!({"uri": "alacena://reads/all"}));
    let result = guarded.send(request.with("alacena-token", "token-one")).await.json()["result"].clone();
    assert_eq!(
        (&result["cacheScope"], &result["contents"][0]["text"]),
        (&"private".into(), &"[{\"amount\":5}]".into())
    );
}

#[tokio::test]
async fn an_address_that_names_nothing_is_refused_with_a_way_out() {
    let server = Running::start("").await;
    let refused = async |address: &str| {
        let error = read(&server, address).await.json()["error"].clone();
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    };
    for address in [
        "alacena://reads/itm",
        "alacena://reads/",
        "alacena://other",
        "file:///etc/passwd",
        "alacena://reads/item/7?id=7",
    ] {
        let (code, message) = refused(address).await;
        assert_eq!(code, -32602, "{address}");
        assert!(message.contains("alacena://reads says what there is"), "{message}");
    }
    for (query, named) in [
        ("", "`id` is missing"),
        ("?id=x", "`id` must be an integer"),
        ("?id=7&x=1", "unknown parameter `x`"),
        ("?id=7&id=8", "given twice"),
        ("?id=%ff", "UTF-8"),
    ] {
        let (code, message) = refused(&format!("alacena://reads/item{query}")).await;
        assert_eq!(code, -32602, "{query}");
        assert!(message.contains(named), "{query}: {message}");
    }
    let (code, message) = refused("alacena://reads/item?id=404").await;
    assert!(code == -32602 && message.starts_with("no such thing"), "{message}");
    server.upstream.fail_with(500);
    let (code, message) = refused("alacena://reads/item?id=9").await;
    assert!(code == -32603 && message.starts_with("source failed"), "{message}");
    let before = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "alacena://reads/itm"}});
    assert_eq!(
        legacy(&server, before).await.json()["error"]["code"],
        -32002,
        "as clients before 2026-07-28 know it"
    );
}
