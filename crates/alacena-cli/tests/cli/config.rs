//! What the configuration says, and where each value of it came from.

use serde_json::{Value as Json, json};
use tempfile::tempdir;

use crate::process::{Ended, alacena, run};

#[test]
fn every_value_is_explained_by_the_layer_that_it_came_from() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    let explain = |arguments: &[&str]| {
        let arguments = [&["config", "explain"], arguments].concat();
        let mut command = alacena(folder.path(), &arguments);
        Ended::from(command.env("ALACENA__MEMORY__MAX", "32MiB").output().unwrap())
    };
    let whole = explain(&["--listen", "127.0.0.1:1", "--json"]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let whole = whole.json();
    let value = |path: &str| -> Json {
        let values = whole["values"].as_array().unwrap();
        values.iter().find(|value| value["path"] == path).cloned().unwrap_or_default()
    };
    let file = std::fs::read_to_string(folder.path().join("alacena.toml")).unwrap();
    let line = file.lines().position(|line| line.starts_with("ttl = ")).unwrap() + 1;
    let ttl = value("classes.products.ttl");
    assert_eq!((&ttl["value"], &ttl["line"]), (&json!("5m"), &json!(line)));
    assert_eq!(ttl["origin"], format!("alacena.toml:{line}:7"));
    assert_eq!(value("classes.products.jitter")["origin"], "default");
    assert_eq!(value("memory.max")["origin"], "environment ALACENA__MEMORY__MAX");
    assert_eq!(value("server.listen")["origin"], "flag server.listen");

    let one = explain(&["memory.max"]);
    assert_eq!(one.out, "memory.max = \"32MiB\"  # environment ALACENA__MEMORY__MAX\n");
    let section = explain(&["classes.products"]);
    assert!(section.out.lines().count() > 5, "{section:?}");
    assert!(section.out.lines().all(|line| line.starts_with("classes.products.")), "{section:?}");
    assert_eq!(explain(&["[classes.products]"]).out, section.out);
}

#[test]
fn a_path_that_leads_nowhere_is_refused_with_the_nearest() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    for (path, hint) in [
        ("classes.products.tll", "did you mean `classes.products.ttl`?"),
        ("clases.products", "did you mean `classes`?"),
        ("classes.xyz", "`classes` has: products"),
        ("memory.max.more", "no value is at `memory.max.more`"),
        ("entirely.elsewhere", "there is: server, memory"),
    ] {
        let refused = run(folder.path(), &["config", "explain", path]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(hint), "{path}: {refused:?}");
    }
    let wrong = run(tempdir().unwrap().path(), &["config", "explain", "--json"]);
    assert_eq!(
        (wrong.code, &wrong.json()["type"]),
        (Some(2), &json!("urn:alacena:error:configuration-absent"))
    );
}

#[test]
fn secrets_stay_hidden() {
    let folder = tempdir().unwrap();
    let text = "[server]\nsecret = \"canary-canary-canary\"\n[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\nheaders = { authorization = \"Bearer ${CRM_KEY}\" }\n";
    std::fs::write(folder.path().join("alacena.toml"), text).unwrap();
    for arguments in [&["config", "explain"][..], &["config", "explain", "--json"]] {
        let shown = Ended::from(alacena(folder.path(), arguments).env("CRM_KEY", "canary").output().unwrap());
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(shown.out.contains("sources.crm.headers.authorization"), "{shown:?}");
        assert!(!shown.out.contains("canary") && !shown.err.contains("canary"), "{shown:?}");
    }
}

#[test]
fn the_schema_for_editors_can_be_put_beside_the_configuration() {
    let folder = tempdir().unwrap();
    let printed = run(folder.path(), &["config", "schema"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert_eq!(printed.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(printed.json()["properties"]["reads"].is_object());
    // What tells editors of it is a comment to everybody else.
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    let file = folder.path().join("alacena.toml");
    let text = format!("#:schema ./alacena.schema.json\n{}", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, text).unwrap();
    assert_eq!(run(folder.path(), &["check"]).code, Some(0));
}
