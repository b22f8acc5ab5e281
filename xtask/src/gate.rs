//! What may depend on what: licences, bans and sources of `deny.toml`, and the direction of our own crates.

use std::{collections::HashSet, fs};

use serde_json::Value;

use crate::{
    command::{Result, cargo, read, root},
    licence,
};

/// Who may know whom, as in ARCHITECTURE.md. The compiler would accept any order without a circle; this does not.
const DIRECTION: &[(&str, &[&str])] = &[
    ("alacena-core", &[]),
    ("alacena-testkit", &["alacena-core"]),
    ("alacena-backends", &["alacena-core"]),
    ("alacena", &["alacena-core", "alacena-backends"]),
    ("alacena-server", &["alacena"]),
    ("alacena-cli", &["alacena", "alacena-server"]),
    ("alacena-fuzz", &["alacena-core", "alacena-backends", "alacena", "alacena-server"]),
    ("xtask", &[]),
];

/// For tests, and therefore for `dev-dependencies` only.
const TESTS_ONLY: &str = "alacena-testkit";

/// What `deny.toml` says.
struct Rules {
    licences: Vec<String>,
    banned: Vec<String>,
}

/// Checks the whole dependency tree, all features on.
pub(crate) fn check() -> Result {
    let text = read(&mut cargo(&["metadata", "--locked", "--format-version", "1", "--all-features"]))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let problems = problems(&metadata, &rules()?);
    for problem in &problems {
        println!("  {problem}");
    }
    let count = metadata["packages"].as_array().map_or(0, Vec::len);
    println!("  {count} packages looked at");
    if problems.is_empty() { Ok(()) } else { Err(format!("{} packages break a rule", problems.len())) }
}

fn rules() -> Result<Rules> {
    let path = root().join("deny.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let table: toml::Table = text.parse().map_err(|error| format!("deny.toml: {error}"))?;
    let list = |section: &str, key: &str| -> Result<Vec<String>> {
        let list = table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
        let list = list.ok_or_else(|| format!("deny.toml has no list {section}.{key}"))?;
        let name = |entry: &toml::Value| entry.get("name").unwrap_or(entry).as_str().map(str::to_owned);
        Ok(list.iter().filter_map(name).collect())
    };
    Ok(Rules { licences: list("licenses", "allow")?, banned: list("bans", "deny")? })
}

fn problems(metadata: &Value, rules: &Rules) -> Vec<String> {
    let ours: HashSet<&str> = strings(&metadata["workspace_members"]).collect();
    let mut problems = Vec::new();
    // The registry is wherever serde comes from: it is in every tree of ours.
    let registry = array(&metadata["packages"]).find(|package| package["name"] == "serde");
    let registry = registry.map_or("", |serde| text(&serde["source"]));
    for package in array(&metadata["packages"]) {
        let name = text(&package["name"]);
        let label = format!("{name} {}", text(&package["version"]));
        let mut report = |problem: String| problems.push(format!("{label}: {problem}"));
        if ours.contains(text(&package["id"])) {
            direction(name, package, &mut report);
        } else {
            let source = text(&package["source"]);
            if !source.starts_with("registry+") || source != registry {
                report(format!("comes from {source:?}, not from the registry that the others come from"));
            }
        }
        if rules.banned.iter().any(|banned| banned == name) {
            report("is banned in deny.toml".to_owned());
        }
        let expression = text(&package["license"]);
        if !licence::is_allowed(expression, &rules.licences) {
            report(format!("its licence {expression:?} is not met by those that deny.toml allows"));
        }
    }
    problems
}

fn direction(name: &str, package: &Value, report: &mut impl FnMut(String)) {
    let Some((_, may_know)) = DIRECTION.iter().find(|(ours, _)| *ours == name) else {
        report("is not in the table of directions: add it to xtask and to ARCHITECTURE.md".to_owned());
        return;
    };
    for dependency in array(&package["dependencies"]) {
        let (to, is_dev) = (text(&dependency["name"]), text(&dependency["kind"]) == "dev");
        if text(&dependency["req"]) == "*" {
            report(format!("any version of {to} will do; name the one that it was built with"));
        }
        let is_ours = DIRECTION.iter().any(|(ours, _)| *ours == to);
        if is_ours && !may_know.contains(&to) && !(is_dev && to == TESTS_ONLY) {
            report(format!("must not depend on {to}"));
        }
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    array(value).filter_map(Value::as_str)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(package: &Value) -> String {
        let rules = Rules { licences: vec!["MIT".into()], banned: vec!["openssl".into()] };
        let serde =
            json!({ "id": "serde", "name": "serde", "license": "MIT", "source": "registry+https://index" });
        let metadata = json!({ "workspace_members": ["ours"], "packages": [serde, package] });
        problems(&metadata, &rules).join("\n")
    }

    fn ours(name: &str, dependency: &Value) -> String {
        found(&json!({ "id": "ours", "name": name, "license": "MIT", "dependencies": [dependency] }))
    }

    #[test]
    fn outside_packages_are_judged_by_licence_name_and_source() {
        let package = |name: &str, licence: &str, source: &str| {
            found(&json!({ "id": "other", "name": name, "license": licence, "source": source }))
        };
        assert_eq!(package("a", "MIT", "registry+https://index"), "");
        assert!(package("a", "GPL-3.0", "registry+https://index").contains("licence"));
        assert!(package("openssl", "MIT", "registry+https://index").contains("banned"));
        assert!(package("a", "MIT", "git+https://elsewhere").contains("elsewhere"));
        assert!(package("a", "MIT", "registry+https://elsewhere").contains("elsewhere"));
    }

    #[test]
    fn our_crates_look_one_way_only() {
        let on = |name: &str, kind: Option<&str>| json!({ "name": name, "kind": kind, "req": "^0.1.0" });
        assert_eq!(ours("alacena-cli", &on("alacena-server", None)), "");
        assert!(ours("alacena-core", &on("alacena", None)).contains("must not depend on alacena"));
        assert!(ours("alacena-server", &on("alacena-core", None)).contains("must not"));
        assert!(ours("alacena", &on("alacena-testkit", None)).contains("must not"));
        assert_eq!(ours("alacena", &on("alacena-testkit", Some("dev"))), "");
        assert!(ours("alacena-new", &on("serde", None)).contains("table of directions"));
        assert!(ours("xtask", &json!({ "name": "serde", "req": "*" })).contains("any version of serde"));
    }
}
