//! From `init` to the first answer, and what each command says when something is wrong.

use serde_json::{Value as Json, json};
use tempfile::tempdir;

use crate::process::{Ended, Running, alacena, run};

#[tokio::test(flavor = "multi_thread")]
async fn what_init_writes_is_right_and_serves_at_once() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let written = run(folder, &["init"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let checked = run(folder, &["check", "--json"]);
    assert_eq!((checked.code, &checked.json()["ok"]), (Some(0), &json!(true)), "{checked:?}");

    let server = Running::serve(folder, &[]);
    let call = |arguments: &[&str]| run(folder, &[&["call"], arguments, &["--json"]].concat());
    let first = call(&["product", "id=1"]).json();
    assert_eq!((&first["value"]["name"], &first["server"]), (&json!("Olive oil"), &json!(server.url)));
    assert!(first["cacheStatus"].as_str().unwrap().contains("fwd=uri-miss"), "{first}");
    let second = call(&["product", "id=1"]).json();
    assert!(second["cacheStatus"].as_str().unwrap().contains("; hit"), "{second}");
    let asked = call(&["product", "id=1", "--no-cache"]).json();
    assert!(asked["cacheStatus"].as_str().unwrap().contains("fwd=request"), "{asked}");

    let dropped = run(folder, &["invalidate", "--tag", "product:1", "--prefix", "products", "--json"]);
    assert_eq!((dropped.code, &dropped.json()["level"]), (Some(0), &json!("applied")), "{dropped:?}");
    let fresh = call(&["product", "id=1"]).json();
    assert!(fresh["cacheStatus"].as_str().unwrap().contains("invalidated"), "{fresh}");

    let pattern = |pattern: &str| run(folder, &["invalidate", "--pattern", pattern, "--json"]);
    assert_eq!(pattern("product:*").json()["level"], "applied");
    let fresh = call(&["product", "id=1"]).json();
    assert!(fresh["cacheStatus"].as_str().unwrap().contains("invalidated"), "{fresh}");
    let refused = pattern("product:1");
    let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(detail.ends_with("declare it: classes.products.index = [\"id\"]"), "{detail}");

    let changed = server.post("/writes/set_price", json!({ "id": 1, "price_cents": 5 })).await;
    assert!(changed.status().is_success());
    assert_eq!(call(&["product", "id=1"]).json()["value"]["price_cents"], 5);

    for (arguments, code, slug) in [
        (&["product"][..], 2, "parameter-invalid"),
        (&["product", "id=x"], 2, "parameter-invalid"),
        (&["product", "id=999"], 1, "absent"),
        (&["prodct"], 2, "not-declared"),
    ] {
        let refused = call(arguments);
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.json()["type"].as_str().unwrap().ends_with(slug), "{refused:?}");
        assert!(refused.json()["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    }
}

#[test]
fn a_server_with_tokens_is_asked_with_the_one_of_the_environment() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    let file = folder.path().join("alacena.toml");
    let token = |name, text: &str, role| {
        format!(
            "[tokens.{name}]\nhash = \"blake3:{}\"\nrole = \"{role}\"\n",
            blake3::hash(text.as_bytes()).to_hex()
        )
    };
    let text = std::fs::read_to_string(&file).unwrap()
        + &token("app", "one", "read")
        + &token("ops", "two", "operate");
    std::fs::write(&file, text).unwrap();
    let _server = Running::serve(folder.path(), &[]);
    let with = |token: &str, arguments: &[&str]| {
        Ended::from(alacena(folder.path(), arguments).env("ALACENA_TOKEN", token).output().unwrap())
    };
    let refused = run(folder.path(), &["call", "products"]);
    assert!(refused.code == Some(1) && refused.err.contains("token required"), "{refused:?}");
    assert_eq!(with("one", &["call", "products"]).code, Some(0));
    let refused = with("one", &["invalidate", "--all", "--json"]);
    assert_eq!(refused.json()["type"], "urn:alacena:error:role-insufficient");
    assert_eq!(with("two", &["invalidate", "--all"]).code, Some(0));
}

#[test]
fn init_does_not_write_over_anything_unless_told_to() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("alacena.toml");
    std::fs::write(&file, "mine").unwrap();
    let refused = run(folder.path(), &["init"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("--force"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(run(folder.path(), &["init", "--force"]).code, Some(0));
    let elsewhere = run(folder.path(), &["init", "shop/new", "--json"]);
    assert_eq!(elsewhere.json()["written"], json!(["shop/new/alacena.toml", "shop/new/shop.db"]));
    assert_eq!(run(folder.path(), &["check", "--config", "shop/new/alacena.toml"]).code, Some(0));
}

#[test]
fn without_a_server_call_asks_the_source_and_invalidate_says_that_there_is_none() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    // Nothing listens there, and nobody else may either.
    let file = folder.path().join("alacena.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:8080", "127.0.0.1:1");
    std::fs::write(&file, text).unwrap();

    let answer = run(folder.path(), &["call", "products", "limit=2", "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.json()["value"].as_array().unwrap().len(), 2);
    assert_eq!(answer.json()["server"], Json::Null);

    let refused = run(folder.path(), &["invalidate", "--all", "--json"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.json()["type"], "urn:alacena:error:server-absent");
    let refused = run(folder.path(), &["invalidate", "--all", "--server", "http://127.0.0.1:1"]);
    assert!(refused.code == Some(1) && refused.err.contains("alacena serve"), "{refused:?}");
}

#[test]
fn check_says_what_is_wrong_where_and_what_to_do() {
    let folder = tempdir().unwrap();
    let check = |text: &str| {
        std::fs::write(folder.path().join("alacena.toml"), text).unwrap();
        let ended = run(folder.path(), &["check", "--json"]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let problem = ended.json();
        assert!(problem["title"].is_string() && problem["remedy"].is_string(), "{problem}");
        problem.to_string()
    };
    assert!(check("[server").contains("alacena.toml:1"));
    let several = check("[server]\nlistn = \"127.0.0.1:0\"\n[classes.a]\nttl = \"5 parsecs\"\n");
    assert!(several.contains("did you mean `listen`?") && several.contains("alacena.toml:4"), "{several}");
    let database = "[sources.db]\nkind = \"sqlite\"\npath = \"x.db\"\n[reads.a]\nsource = \"db\"\nsql = ";
    rusqlite::Connection::open(folder.path().join("x.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    assert!(check(&format!("{database}\"DELETE FROM t\"")).contains("reads.a"), "a write in a read");
    let column = check(&format!("{database}\"SELECT b FROM t\""));
    assert!(column.contains("no such column: b") && column.contains("\"read\":\"a\""), "{column}");
    assert!(
        check("[sources.db]\nkind = \"sqlite\"\npath = \"${ALACENA_TEST_MISSING}\"\n")
            .contains("ALACENA_TEST_MISSING")
    );

    let nothing = run(tempdir().unwrap().path(), &["check"]);
    assert!(nothing.code == Some(2) && nothing.err.contains("alacena init"), "{nothing:?}");
}

#[test]
fn the_command_line_explains_itself() {
    let folder = tempdir().unwrap();
    let run = |arguments: &[&str]| run(folder.path(), arguments);
    assert!(run(&["--version"]).out.starts_with("alacena "));
    assert!(run(&["--help"]).out.contains("The first minute"));
    for command in [
        "serve",
        "mcp",
        "check",
        "config",
        "init",
        "call",
        "bench",
        "explain",
        "invalidate",
        "warm",
        "completions",
    ] {
        let help = run(&[command, "--help"]);
        assert!(help.code == Some(0) && help.out.contains("alacena "), "{command}: {help:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).out.contains("invalidate"), "{shell}");
    }
    assert_eq!(run(&["serv"]).code, Some(2));
    assert_eq!(run(&["invalidate"]).code, Some(2));
}
