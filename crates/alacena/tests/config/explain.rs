//! Where each value came from, and that no secret is among them.

use std::collections::BTreeMap;

use alacena::config::{Config, Explained, Layers};
use serde_json::{Value as Json, json};

use crate::environment;

const FILE: &str = r#"
[server]
hosts = ["a.example", "b.example"]
secret = "canary-in-the-file"
[tokens.ops]
hash = "blake3:abababababababababababababababababababababababababababababababab"
role = "admin"
[sources.crm]
kind = "http"
base_url = "https://crm.example/${TENANT}"
headers = { authorization = "Bearer ${KEY}" }
retries = 0
[classes.jobs]
hard_timeout = "1s"
[reads.list]
class = "jobs"
source = "crm"
http = "GET /jobs?size={size}&key=${KEY}"
params.size = { type = "integer", default = 5 }
[reads.users]
source = "crm"
http = "GET /users"
"#;

fn explained() -> BTreeMap<String, Explained> {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("alacena.toml");
    std::fs::write(&file, FILE).expect("it can be written");
    let environment = environment(&[
        ("KEY", "canary-of-the-environment"),
        ("TENANT", "canary-too"),
        ("ALACENA__CLASSES__USERS__TTL", "1m"),
        ("ALACENA__SOURCES__CRM__QUEUE", "7"),
        ("PORT", "9000"),
    ]);
    let flags = vec![("server.listen".to_owned(), "127.0.0.1:1".to_owned())];
    let values = Config::explain(&Layers { file: Some(file), environment, flags }).expect("it is accepted");
    let values: Vec<_> = values.into_iter().map(|value| (value.path.clone(), value)).collect();
    let by_path: BTreeMap<_, _> = values.iter().cloned().collect();
    assert_eq!(by_path.len(), values.len(), "no path twice");
    by_path
}

#[test]
fn every_value_says_which_layer_it_came_from() {
    let values = explained();
    let said = |path: &str| {
        let value = &values[path];
        let origin = value.origin.to_string();
        (value.value.clone().unwrap_or(Json::Null), origin.rsplit('/').next().unwrap().to_owned())
    };
    assert_eq!(said("memory.max"), (json!("64MiB"), "default".to_owned()));
    assert_eq!(said("memory.markers_max"), (json!(65536), "default".to_owned()));
    assert_eq!(said("server.hosts"), (json!(["a.example", "b.example"]), "alacena.toml:3:9".to_owned()));
    assert_eq!(said("sources.crm.retries"), (json!(0), "alacena.toml:12:11".to_owned()));
    assert_eq!(said("sources.crm.queue"), (json!(7), "environment ALACENA__SOURCES__CRM__QUEUE".to_owned()));
    assert_eq!(said("sources.crm.breaker.failures"), (json!(5), "default".to_owned()));
    assert_eq!(said("server.listen"), (json!("127.0.0.1:1"), "flag server.listen".to_owned()));
    assert_eq!(said("reads.list.params.size.default").0, json!(5));
    assert_eq!(said("cache_enabled"), (json!(true), "default".to_owned()));
    assert!(
        !values.keys().any(|path| path.starts_with("redis")),
        "a section that is not there has no values"
    );
}

#[test]
fn what_nobody_wrote_is_what_is_in_force() {
    let values = explained();
    let value = |path: &str| values[path].value.clone().unwrap();
    assert_eq!(value("classes.jobs.soft_timeout"), "1s", "it gives way to hard_timeout");
    assert_eq!((value("classes.users.ttl"), value("classes.users.jitter")), (json!("1m"), json!(0.1)));
    assert_eq!((value("reads.users.class"), value("reads.users.title")), (json!("users"), json!("users")));
    assert_eq!(value("reads.list.key"), "list:{size}");
    for path in
        ["sources.crm.connections", "reads.list.result", "reads.list.params.size.length_max", "server.secre"]
    {
        assert!(!values.contains_key(path), "{path} says nothing here");
    }
}

#[test]
fn secrets_are_named_and_never_shown() {
    let values = explained();
    for path in ["server.secret", "tokens.ops.hash", "sources.crm.headers.authorization"] {
        assert_eq!(values[path].value, None, "{path}");
    }
    // What a name of the environment holds is not shown wherever it stands.
    assert_eq!(values["sources.crm.base_url"].value, Some(json!("https://crm.example/${TENANT}")));
    let shown = format!("{values:?}");
    assert!(!shown.contains("canary") && !shown.contains("abab"), "{shown}");
}
