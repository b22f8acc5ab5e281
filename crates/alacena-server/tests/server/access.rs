//! Who may ask what: tokens and routes, hosts and origins, credentials that belong to sources.

use crate::support::{Answer, Request, Running, get, post};

/// What every route needs. A route that is not here fails the test below.
const NEEDS: &[(&str, &str, &str)] = &[
    ("GET", "/", "read"),
    ("GET", "/reads", "read"),
    ("GET", "/reads/{name}", "public"),
    ("POST", "/reads/{name}", "public"),
    ("POST", "/reads/{name}/batch", "public"),
    ("POST", "/writes/{name}", "load"),
    ("POST", "/mcp/tools/call", "read"),
    ("POST", "/mcp", "read"),
    ("GET", "/cache/health", "operate"),
    ("GET", "/cache/stats", "operate"),
    ("POST", "/cache/invalidate", "operate"),
    ("POST", "/cache/clear", "operate"),
    ("POST", "/cache/reload", "admin"),
    ("POST", "/cache/warming", "operate"),
    ("GET", "/cache/warming", "operate"),
    ("GET", "/cache/warming/{id}", "operate"),
    ("GET", "/cache/invalidations", "operate"),
    ("GET", "/cache/invalidations/stats", "operate"),
    ("GET", "/cache/keys", "operate"),
    ("GET", "/cache/explain", "operate"),
    ("GET", "/metrics", "operate"),
    ("GET", "/openapi.json", "read"),
    ("GET", "/health", "nothing"),
    ("GET", "/health/ready", "nothing"),
    ("GET", "/.well-known/oauth-protected-resource", "nothing"),
    ("GET", "/.well-known/oauth-protected-resource/mcp", "nothing"),
];

const ROLES: [&str; 4] = ["read", "load", "operate", "admin"];

fn token(role: &str) -> String {
    format!("canary-token-{role}")
}

fn tokens() -> String {
    let of = |role: &&str| {
        let hash = blake3::hash(token(role).as_bytes());
        format!("[tokens.{role}]\nhash = \"blake3:{hash}\"\nrole = \"{role}\"\n")
    };
    ROLES.iter().map(of).collect()
}

/// The routes as the reference page lists them, which is made of the router's own table.
fn routes() -> Vec<(String, String, String)> {
    let page = alacena_server::http_reference();
    let rows = page.lines().filter(|line| line.starts_with("| GET") || line.starts_with("| POST"));
    rows.map(|row| {
        let cells: Vec<&str> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let needs = if cells[2].contains("public") { "public" } else { cells[2] };
        (cells[0].to_owned(), cells[1].to_owned(), needs.to_owned())
    })
    .collect()
}

fn request(method: &str, path: &str) -> Request {
    let path = path.replace("/cache/explain", "/cache/explain?key=items:one:7:full");
    // The request to the route before it has begun the first.
    let path = path.replace("/cache/warming/{id}", "/cache/warming/1");
    let path = path.replace("/reads/{name}/batch", "/reads/item/batch");
    let path = path.replace("/reads/{name}", "/reads/item?id=7").replace("/writes/{name}", "/writes/order");
    match (method, path.as_str()) {
        ("GET", path) => get(path),
        (_, path @ "/mcp/tools/call") => post(path, r#"{"name": "item", "arguments": {"id": 7}}"#),
        (_, path @ "/mcp") => post(path, r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}"#)
            .with("accept", "application/json, text/event-stream"),
        (_, path @ "/cache/invalidate") => post(path, r#"{"all": true}"#),
        (_, path @ "/reads/item/batch") => post(path, r#"{"calls": [{"id": 7}]}"#),
        (_, path @ ("/cache/clear" | "/cache/reload")) => post(path, ""),
        (_, path @ "/cache/warming") => post(path, r#"{"reads": [{"name": "item", "params": {"id": 7}}]}"#),
        (_, path @ "/writes/order") => post(path, r#"{"company": 1, "amount": 1}"#),
        (_, _) => post("/reads/item", r#"{"id": 7}"#),
    }
}

#[tokio::test]
async fn every_route_needs_its_role_and_no_less() {
    let expected: Vec<_> =
        NEEDS.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
    assert_eq!(routes(), expected, "a route came, went or changed: say here who may use it");

    let server = Running::start(&tokens()).await;
    let rank = |role: &str| ROLES.iter().position(|known| *known == role);
    for (method, path, needs) in routes() {
        let needed = match needs.as_str() {
            "nothing" => None,
            "public" => rank("read"), // the read asked here is not public
            role => rank(role),
        };
        let anonymous = server.send(request(&method, &path)).await;
        let wrong = server.send(request(&method, &path).with("authorization", "Bearer canary-wrong")).await;
        for answer in [anonymous, wrong] {
            match needed {
                None => assert_eq!(answer.status, 200, "{method} {path}"),
                Some(_) => {
                    assert_eq!(
                        (answer.status, answer.problem().as_str()),
                        (401, "token-required"),
                        "{method} {path}"
                    );
                    assert!(answer.header("www-authenticate").starts_with("Bearer"));
                    assert!(!answer.has("cache-status"));
                }
            }
        }
        for role in ROLES {
            let bearer = server
                .send(request(&method, &path).with("authorization", &format!("Bearer {}", token(role))))
                .await;
            let own = server.send(request(&method, &path).with("alacena-token", &token(role))).await;
            for answer in [bearer, own] {
                if needed.is_none_or(|needed| rank(role) >= Some(needed)) {
                    assert!(
                        matches!(answer.status, 200 | 202 | 204),
                        "{role} {method} {path}: {}",
                        answer.raw
                    );
                } else {
                    assert_eq!((answer.status, answer.problem().as_str()), (403, "role-insufficient"));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_public_read_needs_no_token_and_tells_strangers_little() {
    let server = Running::start(&tokens()).await;
    let path = "/reads/open_item?id=7";
    let near = server.get(path).await;
    assert_eq!((near.status, near.has("cache-status")), (200, true), "from this machine");
    assert!(near.has("server-timing"));
    let far = server.send(get(path).with("x-forwarded-for", "203.0.113.9")).await;
    assert_eq!((far.status, far.has("cache-status")), (200, false), "through a proxy on this machine");
    assert!(far.has("etag") && far.has("age"));
    assert!(!far.has("server-timing"), "the time tells a hit from a load");
    let known = server
        .send(get(path).with("x-forwarded-for", "203.0.113.9").with("alacena-token", &token("read")))
        .await;
    assert!(known.has("cache-status"));

    let calls = server.upstream.calls();
    for directive in ["no-cache", "no-store"] {
        assert_eq!(server.send(get(path).with("cache-control", directive)).await.status, 200);
    }
    assert_eq!(server.upstream.calls(), calls, "strangers cannot load the source at will");
    assert_eq!(
        server.get("/reads/nothing").await.problem(),
        "token-required",
        "nor find out what is declared"
    );
}

#[tokio::test]
async fn a_credential_of_the_source_is_passed_on_and_ours_never_is() {
    let server = Running::start(&tokens()).await;
    let ours = token("read");
    let missing = server.send(get("/reads/mine").with("alacena-token", &ours)).await;
    assert_eq!((missing.status, missing.problem().as_str()), (401, "credential-required"));
    assert!(missing.text().contains("`authorization`"));

    let swallowed = server.send(get("/reads/mine").with("authorization", &format!("Bearer {ours}"))).await;
    assert_eq!(swallowed.problem(), "credential-required", "our own token is not a credential of the source");

    let ask = |credential| {
        get("/reads/mine").with("alacena-token", &token("read")).with("authorization", credential)
    };
    let first = server.send(ask("Bearer canary-ada")).await;
    assert_eq!(first.json(), serde_json::json!([17, null, null]));
    assert_eq!(first.header("vary"), "accept-encoding, authorization");
    assert_eq!(server.send(ask("Bearer canary-ada")).await.cache_status(), "Alacena; hit; ttl=300");
    let other = server.send(ask("Bearer canary-grace")).await;
    assert_eq!(
        other.cache_status(),
        "Alacena; fwd=uri-miss; stored; ttl=300",
        "another caller, another entry"
    );

    let keyed = get("/reads/keyed").with("alacena-token", &ours).with("x-api-key", "canary-key");
    assert_eq!(server.send(keyed.clone()).await.json(), serde_json::json!([null, 10, null]));
    let twice = server.send(keyed.with("x-api-key", "canary-key")).await;
    assert_eq!(twice.problem(), "credential-required");
    for headers in server.upstream.seen() {
        assert!(!headers.contains_key("alacena-token"));
        assert!(headers.values().all(|value| !value.to_str().unwrap().contains("canary-token")));
    }
}

#[tokio::test]
async fn on_the_mcp_paths_authorization_is_never_handed_on() {
    let server = Running::start("").await;
    let call = |name: &str| post("/mcp/tools/call", format!(r#"{{"name": "{name}", "arguments": {{}}}}"#));
    let refused = server.send(call("mine").with("authorization", "Bearer canary-ada")).await.json();
    assert_eq!(refused["isError"], true);
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("`authorization`"));
    let keyed = server.send(call("keyed").with("x-api-key", "canary-key")).await.json();
    assert_eq!((&keyed["isError"], &keyed["content"][0]["text"]), (&false.into(), &"[null,10,null]".into()));
}

async fn with_host(server: &Running, host: &str) -> Answer {
    server.send(get("/reads/item?id=7").with("host", host)).await
}

#[tokio::test]
async fn a_name_that_a_stranger_can_point_here_is_refused() {
    let server = Running::start("[server]\nhosts = [\"box.lan\"]\n").await;
    for host in
        ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.example", "10.0.0.1"]
    {
        for request in [get("/reads"), get("/health"), get("/nowhere"), post("/mcp", "{}")] {
            let answer = server.send(request.with("host", host)).await;
            assert_eq!((answer.status, answer.problem().as_str()), (403, "host-refused"), "{host}");
        }
    }
    for host in
        ["localhost", "localhost:1", "app.localhost", "127.0.0.1", "[::1]:8080", "box.lan", "box.lan:9"]
    {
        assert_eq!(with_host(&server, host).await.status, 200, "{host}");
    }
    let with_tokens = Running::start(&tokens()).await;
    for server in [&server, &with_tokens] {
        let two = get("/health").with("host", "localhost").with("Host", "evil.example");
        assert_eq!(server.send(two).await.problem(), "host-refused", "two hosts are none");
    }
    let answer = get("/reads").with("host", "alacena.example").with("alacena-token", &token("read"));
    assert_eq!(with_tokens.send(answer).await.status, 200, "where a token is needed, no page has it");
}

#[tokio::test]
async fn a_foreign_page_changes_nothing_and_reads_nothing() {
    let server = Running::start("[server]\ncors_origins = [\"https://app.example\"]\n").await;
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        for path in
            ["/cache/clear", "/cache/invalidate", "/writes/order", "/mcp", "/mcp/tools/call", "/reads/item"]
        {
            let answer = server.send(post(path, "{}").with("origin", origin)).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (403, "origin-refused"),
                "{origin} {path}"
            );
        }
        let seen = server.send(get("/reads/item?id=7").with("origin", origin)).await;
        assert!(!seen.has("access-control-allow-origin"));
        let preflight = get("/reads/item")
            .method("OPTIONS")
            .with("origin", origin)
            .with("access-control-request-method", "GET");
        assert_eq!(server.send(preflight).await.status, 403);
    }
    let picture =
        get("/reads/item?id=7").with("sec-fetch-site", "cross-site").with("sec-fetch-mode", "no-cors");
    assert_eq!(server.send(picture).await.problem(), "origin-refused", "it could load the source at will");
    let link =
        get("/reads/item?id=7").with("sec-fetch-site", "cross-site").with("sec-fetch-mode", "navigate");
    assert_eq!(server.send(link).await.status, 200);
    // A form needs no preflight, and old browsers send no Origin with it.
    let form = post("/cache/clear", "a=b").with("content-type", "text/plain");
    assert_eq!(server.send(form).await.status, 415);
    let own = format!("http://{}", server.address);
    assert_eq!(server.send(post("/cache/clear", "").with("origin", &own)).await.status, 200);
}

#[tokio::test]
async fn a_listed_page_may_ask_and_read() {
    let server = Running::start("[server]\ncors_origins = [\"https://app.example\"]\n").await;
    let origin = "https://app.example";
    let preflight = get("/reads/keyed")
        .method("OPTIONS")
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "x-api-key");
    let answer = server.send(preflight).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, origin));
    assert!(answer.header("access-control-allow-headers").contains("x-api-key"));
    assert!(!answer.has("access-control-allow-credentials"));
    let answer = server.send(post("/reads/item", r#"{"id": 7}"#).with("origin", origin)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, origin));
    assert!(answer.header("access-control-expose-headers").contains("cache-status"));
    assert!(answer.header("vary").contains("origin"));
}

#[tokio::test]
async fn whoever_may_not_is_told_what_would_let_it_in() {
    let server = Running::start(&tokens()).await;
    let base = format!("http://{}", server.address);
    let challenge = |answer: Answer| answer.header("www-authenticate").to_owned();
    let anonymous = challenge(server.post("/mcp", "{}").await);
    let description = format!("{base}/.well-known/oauth-protected-resource/mcp");
    assert_eq!(
        anonymous,
        format!("Bearer realm=\"alacena\", scope=\"read\", resource_metadata=\"{description}\"")
    );
    let described = server.get(description.strip_prefix(&base).unwrap()).await;
    assert_eq!(
        described.json(),
        serde_json::json!({
            "resource": format!("{base}/mcp"),
            "resource_name": "Alacena",
            "scopes_supported": ["read"],
            "bearer_methods_supported": ["header"],
        })
    );

    let wrong = challenge(server.send(get("/reads").with("alacena-token", "canary-wrong")).await);
    assert!(wrong.contains(", error=\"invalid_token\", scope=\"read\""), "{wrong}");
    let weak = challenge(server.send(get("/metrics").with("alacena-token", &token("read"))).await);
    assert!(weak.contains(", error=\"insufficient_scope\", scope=\"operate\""), "{weak}");
    assert!(weak.ends_with("/.well-known/oauth-protected-resource\""), "{weak}");
    let whole = server.get("/.well-known/oauth-protected-resource").await.json();
    assert_eq!(whole["resource"], base);
    assert_eq!(whole["scopes_supported"].as_array().unwrap().len(), ROLES.len());

    let proxied = get("/.well-known/oauth-protected-resource/mcp").with("x-forwarded-proto", "https");
    let proxied = server.send(proxied).await.json()["resource"].clone();
    assert_eq!(proxied, format!("https://{}/mcp", server.address));
    let odd = server.send(get("/reads").without("host").with("host", "a\"b")).await;
    assert!(!odd.raw.contains("a\"b"), "{}", odd.raw);

    let open = Running::start("").await;
    assert_eq!(open.get("/.well-known/oauth-protected-resource").await.status, 404);
}
