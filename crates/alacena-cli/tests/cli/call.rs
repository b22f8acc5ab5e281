//! Reads whose source wants to know who is asking, from the command line.

use serde_json::Value as Json;
use tempfile::tempdir;

use crate::process::{Ended, Running, alacena, run};

const KEY: &str = "authorization=bearer simulated-key";

#[test]
fn a_read_with_the_caller_s_credentials_can_be_asked_through_a_server_and_alone() {
    let folder = tempdir().unwrap();
    let crm = Running::start(alacena(folder.path(), &["simulate", "jobnimbus", "--latency", "0ms"]));
    let text = format!(
        "[sources.crm]\nkind = \"http\"\nbase_url = \"{}\"\ncredentials = [\"authorization\"]\n\
         [reads.users]\nsource = \"crm\"\nhttp = \"GET /account/users\"\n",
        crm.url
    );
    std::fs::write(folder.path().join("alacena.toml"), text).unwrap();
    let call = |arguments: &[&str]| -> Ended {
        run(folder.path(), &[&["call", "users", "--json"], arguments].concat())
    };

    let alone = call(&["--header", KEY]);
    assert_eq!((alone.code, &alone.json()["server"]), (Some(0), &Json::Null), "{alone:?}");
    let refused = call(&["--header", KEY, "--header", "x-other=1"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.out.contains("`x-other` is not passed on") && refused.out.contains("authorization"));
    assert!(!format!("{refused:?}").contains("simulated-key"), "{refused:?}");

    let server = Running::serve(folder.path(), &[]);
    let status = |ended: &Ended| ended.json()["cacheStatus"].as_str().unwrap_or_default().to_owned();
    let (first, second) = (call(&["--header", KEY]), call(&["--header", KEY]));
    assert_eq!(first.json()["server"], server.url, "{first:?}");
    assert!(status(&first).contains("fwd=uri-miss") && status(&second).contains("; hit"), "{second:?}");
    let other = call(&["--header", "authorization=bearer somebody-else"]);
    assert!(
        other.code == Some(1) && other.out.contains("source-denied"),
        "never another caller's: {other:?}"
    );
    let nobody = call(&[]);
    assert!(nobody.code == Some(1) && nobody.out.contains("credential-required"), "{nobody:?}");
}

#[test]
fn one_of_a_kind_is_not_said_to_be_many() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    let checked = run(folder.path(), &["check"]);
    assert!(checked.out.contains("1 source, 2 reads, 1 write\n"), "{checked:?}");
}
