//! `/openapi.json`: whole, sound, and the same as what is served.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::support::{Running, get};

async fn document(server: &Running) -> Json {
    let answer = server.send(get("/openapi.json").with("alacena-token", "canary-token")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.json()
}

fn guarded() -> String {
    let hash = blake3::hash(b"canary-token");
    format!("[tokens.a]\nhash = \"blake3:{hash}\"\nrole = \"read\"\n")
}

/// Every operation with its path and method.
fn operations<'a>(document: &'a Json) -> Vec<(&'a str, &'a str, &'a Json)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&'a String, &'a Json)| {
        let methods = item.as_object().unwrap();
        assert!(methods.keys().all(|method| ["get", "post"].contains(&method.as_str())), "{path}");
        methods.iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    };
    paths.iter().flat_map(of).collect()
}

/// Every object of a document, however deep.
fn objects<'a>(value: &'a Json, found: &mut Vec<&'a serde_json::Map<String, Json>>) {
    match value {
        Json::Object(members) => {
            found.push(members);
            members.values().for_each(|member| objects(member, found));
        }
        Json::Array(items) => items.iter().for_each(|item| objects(item, found)),
        _ => {}
    }
}

/// What a reference leads to.
fn led_to<'a>(document: &'a Json, reference: &Json) -> &'a Json {
    let pointer = reference.as_str().unwrap().strip_prefix('#').expect("references stay in the document");
    document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"))
}

/// The thing itself, where `value` only refers to it.
fn resolved<'a>(document: &'a Json, value: &'a Json) -> &'a Json {
    value.get("$ref").map_or(value, |reference| led_to(document, reference))
}

#[tokio::test]
async fn the_document_is_sound() {
    for extra in [String::new(), guarded()] {
        let server = Running::start(&extra).await;
        let document = document(&server).await;
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        assert_eq!(document["info"]["version"], "1.2.3");
        let mut all = Vec::new();
        objects(&document, &mut all);
        let mut references = 0;
        for object in &all {
            if let Some(reference) = object.get("$ref") {
                assert_eq!(object.len(), 1);
                assert!(led_to(&document, reference).is_object());
                references += 1;
            }
            assert!(!object.contains_key("$schema"), "the document says the dialect once");
        }
        assert!(references > 50);

        for (kind, components) in document["components"].as_object().unwrap() {
            for name in components.as_object().unwrap().keys() {
                let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                assert!(name.bytes().all(accepted), "{kind} {name}");
            }
        }
        let mut ids = HashSet::new();
        for (path, method, operation) in operations(&document) {
            let place = format!("{method} {path}");
            assert!(path.starts_with('/'), "{place}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{place}");
            assert!(!operation["description"].as_str().unwrap().is_empty(), "{place}");
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                let response = resolved(&document, response);
                assert!(response["description"].is_string(), "{place} {status}");
                for media in response["content"].as_object().into_iter().flat_map(|content| content.values())
                {
                    assert!(media["schema"].is_object());
                }
            }
            for refusal in ["4XX", "5XX"] {
                let content = &resolved(&document, &responses[refusal])["content"];
                assert!(content.get("application/problem+json").is_some(), "{place}");
            }
            let mut names = HashSet::new();
            let mut holes = path.matches('{').count();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                if parameter["in"] == "path" {
                    assert!(
                        path.contains(&format!("{{{name}}}")) && parameter["required"] == true,
                        "{place}"
                    );
                    holes -= 1;
                } else {
                    assert!(parameter["in"] == "query" || name == "Alacena-After", "{place}");
                }
                assert!(names.insert(name) && parameter["schema"].is_object());
            }
            assert_eq!(holes, 0, "{place}");
            for way in operation["security"].as_array().into_iter().flatten() {
                for scheme in way.as_object().unwrap().keys() {
                    assert!(
                        document["components"]["securitySchemes"].get(scheme).is_some(),
                        "{place} {scheme}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn every_route_is_described_or_left_out_with_a_reason() {
    let server = Running::start("").await;
    let document = document(&server).await;
    let left_out = document["x-alacena-left-out"].as_object().unwrap();
    assert!(left_out.values().all(|reason| reason.as_str().unwrap().len() > 20));
    let mut described: HashSet<(String, String)> = operations(&document)
        .into_iter()
        .map(|(path, method, _)| (method.to_uppercase(), path.to_owned()))
        .collect();
    let names = |path: &str| -> Vec<String> {
        let alacena = &server.alacena;
        match path {
            path if path.starts_with("/reads/{name}") => {
                alacena.reads().iter().map(|read| read.name.clone()).collect()
            }
            "/writes/{name}" => alacena.writes().iter().map(|write| write.name.clone()).collect(),
            _ => vec![String::new()],
        }
    };
    let page = alacena_server::http_reference();
    let rows = page.lines().filter(|line| line.starts_with("| GET") || line.starts_with("| POST"));
    let mut routes = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (method, path) = (cells[1], cells[2]);
        routes += 1;
        if left_out.contains_key(&format!("{method} {path}")) {
            continue;
        }
        for name in names(path) {
            let path = path.replace("{name}", &name);
            assert!(described.remove(&(method.to_owned(), path.clone())), "{method} {path} is not described");
        }
    }
    assert!(routes > 15 && described.is_empty(), "described, but not served: {described:?}");
}

#[tokio::test]
async fn a_read_is_described_by_the_schema_of_its_tool() {
    let server = Running::start("").await;
    let document = document(&server).await;
    let listed = server.get("/reads").await.json();
    for read in listed["reads"].as_array().unwrap() {
        let name = read["name"].as_str().unwrap();
        let mut expected = read["inputSchema"].clone();
        expected.as_object_mut().unwrap().remove("$schema");
        assert_eq!(document["components"]["schemas"][format!("read.{name}")], expected);
        let by_body = &document["paths"][format!("/reads/{name}")]["post"];
        let schema = &by_body["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(resolved(&document, schema), &expected);
    }
    let item = &document["paths"]["/reads/item"]["get"];
    assert_eq!((&item["operationId"], &item["summary"]), (&json!("read_item"), &json!("One item")));
    assert_eq!(item["parameters"][0]["required"], true);
    assert_eq!(
        resolved(&document, &item["parameters"][0]["schema"]),
        &json!({"type": "integer", "description": "Its number", "minimum": 1, "maximum": 1000})
    );
    let order =
        &document["paths"]["/writes/order"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(resolved(&document, order)["required"], json!(["company", "amount"]));
}

#[tokio::test]
async fn who_may_ask_is_said_as_it_is() {
    let open = document(&Running::start("").await).await;
    assert!(open["components"]["securitySchemes"].get("bearer").is_none());
    assert!(open["paths"]["/reads/item"]["get"].get("security").is_none());
    assert_eq!(open["paths"]["/reads/mine"]["get"]["security"], json!([{"source.authorization": []}]));

    let guarded = document(&Running::start(&guarded()).await).await;
    let security = |path: &str, method: &str| guarded["paths"][path][method].get("security").cloned();
    let role = |role: &str| Some(json!([{"bearer": [role]}, {"alacenaToken": [role]}]));
    assert_eq!(security("/reads/item", "get"), role("read"));
    assert_eq!(security("/reads/item/batch", "post"), role("read"));
    assert_eq!(security("/writes/order", "post"), role("load"));
    assert_eq!(security("/cache/clear", "post"), role("operate"));
    assert_eq!(security("/health", "get"), None);
    assert_eq!(security("/reads/open_item", "get"), None);
    let mine = json!([{"alacenaToken": ["read"], "source.authorization": []}]);
    assert_eq!(security("/reads/mine", "get"), Some(mine), "Authorization belongs to the source");
    let keyed = json!([
        {"bearer": ["read"], "source.x-api-key": []}, {"alacenaToken": ["read"], "source.x-api-key": []}
    ]);
    assert_eq!(security("/reads/keyed", "get"), Some(keyed));
    assert_eq!(guarded["components"]["securitySchemes"]["source.x-api-key"]["name"], "x-api-key");
}

/// What an operation says it answers has the members that the answers really have.
#[tokio::test]
async fn answers_have_the_shape_that_is_described() {
    let server = Running::start("").await;
    server.post("/cache/clear", "").await;
    server.get("/reads/item?id=7").await;
    server.post("/cache/warming", r#"{"reads": [{"name": "item", "params": {"id": 7}}]}"#).await;
    let document = document(&server).await;
    let dry = server.post("/cache/invalidate", r#"{"tags": ["item:7"], "dryRun": true}"#).await.json();
    agree(&document, &document["components"]["schemas"]["WouldInvalidate"], &dry, "dryRun");
    let reloaded = server.post("/cache/reload", "").await.json();
    agree(&document, &document["components"]["schemas"]["Reloaded"], &reloaded, "reload");
    for path in [
        "/reads",
        "/cache/health",
        "/cache/stats",
        "/cache/invalidations",
        "/cache/invalidations/stats",
        "/cache/keys",
        "/cache/warming",
        "/cache/explain?key=items:one:7:full",
        "/health",
        "/health/ready",
    ] {
        let described = &document["paths"][path.split('?').next().unwrap()]["get"]["responses"]["200"]["content"]
            ["application/json"]["schema"];
        agree(&document, described, &server.get(path).await.json(), path);
    }
}

/// Whether `value` has exactly the members that `schema` names, each of one of its types.
fn agree(document: &Json, schema: &Json, value: &Json, place: &str) {
    let schema = resolved(document, schema);
    let types: Vec<&str> = match &schema["type"] {
        Json::Array(types) => types.iter().filter_map(Json::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    assert!(types.is_empty() || types.iter().any(is), "{place}: {value} is none of {types:?}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value}");
    }
    if let Some(members) = schema["properties"].as_object() {
        let said: HashSet<_> = members.keys().collect();
        assert_eq!(said, value.as_object().unwrap().keys().collect(), "{place}");
        for (name, member) in members {
            agree(document, member, &value[name], &format!("{place} {name}"));
        }
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        agree(document, &schema["items"], item, &format!("{place}[{at}]"));
    }
}
