use std::collections::BTreeMap;

use super::*;
use crate::config::{Config, Layers};

const DECLARED: &str = r#"
[sources.crm]
kind = "http"
base_url = "https://crm.example/v1"
headers = { authorization = "Bearer one" }
credentials = ["x-user"]
[sources.db]
kind = "sqlite"
path = "app.db"
[classes.jobs]
ttl = "30m"
index = ["owner"]
[reads.jobs]
title = "Jobs"
source = "crm"
class = "jobs"
http = "GET /jobs?from={from}&owner={owner}"
params.from = { type = "integer", default = 0 }
params.owner = { type = "string", default = "all" }
key = "jobs:{owner}:{from}"
tags = ["jobs"]
hard_tags = ["owner:{owner}"]
answer = { type = "array" }
[reads.badge]
source = "db"
sql = "select :who as who"
parent = { read = "jobs", take = { who = "/0/owner" } }
"#;

/// What each read means to a node with this configuration and secret.
fn meanings(text: &str, secret: u8) -> BTreeMap<String, Meaning> {
    let config = Config::parse(text, "alacena.toml", &Layers::default()).expect("it is accepted");
    let mut meanings = BTreeMap::new();
    // A parent stands before its child.
    for read in &config.reads {
        let source = config.sources.iter().find(|source| source.name == read.source).expect("checked");
        let parent = read.parent.as_ref().map(|parent| meanings[&parent.read]);
        let policy = &config.classes[&read.class];
        let meaning = Meaning::of_read(&[secret; 32], read, &source.kind, policy, parent, false);
        meanings.insert(read.name.clone(), meaning);
    }
    meanings
}

fn with(line: &str, other: &str) -> BTreeMap<String, Meaning> {
    assert!(DECLARED.contains(line), "{line}");
    meanings(&DECLARED.replace(line, other), 1)
}

#[test]
fn whatever_answers_hang_on_is_part_of_it() {
    let before = meanings(DECLARED, 1);
    for (line, other) in [
        ("crm.example/v1", "crm.example/v2"),
        ("Bearer one", "Bearer two"),
        ("credentials = [\"x-user\"]", "credentials = [\"x-user\", \"x-role\"]"),
        ("ttl = \"30m\"", "ttl = \"29m\""),
        ("ttl = \"30m\"", "ttl = \"30m\"\nstale_if_error = \"1h\""),
        ("ttl = \"30m\"", "ttl = \"30m\"\nl2_ttl = \"1m\""),
        ("ttl = \"30m\"", "ttl = \"30m\"\nttl_from_headers = true"),
        ("index = [\"owner\"]", "index = [\"owner\", \"from\"]"),
        ("GET /jobs?", "POST /jobs?"),
        ("GET /jobs?", "GET /all?"),
        ("default = 0", "default = 1"),
        ("default = 0", "default = 0, max = 9"),
        ("jobs:{owner}:{from}", "jobs:{from}:{owner}"),
        ("tags = [\"jobs\"]", "tags = []"),
        ("owner:{owner}", "who:{owner}"),
        ("{ type = \"array\" }", "{ type = \"array\", items = { type = \"object\" } }"),
    ] {
        let after = with(line, other);
        assert_ne!(after["jobs"], before["jobs"], "{other}");
        assert_ne!(after["badge"], before["badge"], "a child hangs on its parent: {other}");
    }
    for (line, other) in
        [("app.db", "other.db"), ("select :who as who", "select :who as name"), ("/0/owner", "/1/owner")]
    {
        let after = with(line, other);
        assert_eq!(after["jobs"], before["jobs"], "{other}");
        assert_ne!(after["badge"], before["badge"], "{other}");
    }
    assert_ne!(meanings(DECLARED, 2)["jobs"], before["jobs"], "nodes without a common secret share nothing");
}

#[test]
fn nothing_else_is() {
    let before = meanings(DECLARED, 1);
    for (line, other) in [
        ("title = \"Jobs\"", "title = \"All jobs\"\ndescription = \"All of them\"\npublic = true"),
        ("default = 0", "default = 0, description = \"where the page begins\""),
        ("ttl = \"30m\"", "ttl = \"30m\"\nsoft_timeout = \"1s\"\nitem_max = \"1KiB\"\nconditional = false"),
        (
            "ttl = \"30m\"",
            "ttl = \"30m\"\ncompression = \"gzip\"\nl2_compression = \"none\"\nera = \"strict\"",
        ),
        ("kind = \"http\"", "kind = \"http\"\nretries = 0\nconnect_timeout = \"2s\"\nconcurrency = 3"),
        ("kind = \"sqlite\"", "kind = \"sqlite\"\nrows_max = 7"),
    ] {
        assert_eq!(with(line, other), before, "{other}");
    }
}

#[test]
fn a_form_is_of_one_meaning_and_one_codec() {
    struct Other;
    impl Codec for Other {
        fn fingerprint(&self) -> [u8; 8] {
            *b"of mine!"
        }
        fn encode(&self, _: &alacena_core::value::Value) -> Option<bytes::Bytes> {
            None
        }
        fn decode(
            &self,
            _: bytes::Bytes,
        ) -> Result<alacena_core::value::Value, alacena_core::envelope::Unreadable> {
            Err(alacena_core::envelope::Unreadable::OtherForm)
        }
    }
    let policy = Policy::default();
    let meaning = |form: &str| Meaning::of_class("kpis", "shop::Kpis", form, &policy);
    let form = |meaning: Meaning, codec: Arc<dyn Codec>| meaning.shared_form(codec, &policy, false).unwrap();
    let bodies = || Arc::new(alacena_core::value::BodyCodec);
    let one = form(meaning(""), bodies()).fingerprint;
    assert_eq!(one, form(meaning(""), bodies()).fingerprint);
    assert_ne!(one, form(meaning("in cents"), bodies()).fingerprint);
    assert_ne!(one, form(meaning(""), Arc::new(Other)).fingerprint);

    // What is sealed is compressed where the class says so, and nowhere else.
    let compressed = |l2_compressed, is_sealed| {
        let policy = Policy { l2_compressed, ..Policy::default() };
        meaning("").shared_form(bodies(), &policy, is_sealed).unwrap().compressed
    };
    assert!(compressed(None, false) && !compressed(None, true));
    assert!(compressed(Some(true), true) && !compressed(Some(false), false));
    let here = Policy { l2: false, ..Policy::default() };
    assert!(meaning("").shared_form(bodies(), &here, false).is_none());
}
