//! Each thing that can be wrong with a file: its place, what it is called, what to do.

use std::fs;

use alacena::{
    config::{Config, Layers},
    error::{Error, catalogue},
};
use proptest::prelude::*;

use crate::{only, parse, parse_with, told};

#[test]
fn malformed_toml_is_told_with_its_place_and_a_hint() {
    let (problem, remedy) = only("[classes.jobs]\nttl = 30m\n");
    assert!(problem.starts_with("alacena.toml:2:7: not TOML: "), "{problem}");
    assert!(remedy.contains("in quotes"), "{remedy}");

    for (text, place, hint) in [
        ("[classes.jobs\nttl = \"30m\"", "alacena.toml:1:", "[classes.jobs]"),
        ("[server]\nlisten = \"127.0.0.1:80\n", "alacena.toml:2:", "quotes"),
        ("[server]\nhosts = [\"a\" \"b\"]\n", "alacena.toml:2:", "commas"),
        ("[server]\nlisten\n", "alacena.toml:2:", "name = value"),
        ("[server]\nlog = \"a\\q\"\n", "alacena.toml:2:", "backslash"),
    ] {
        let problems = parse(text).unwrap_err();
        let first = problems.iter().next().unwrap();
        assert!(first.to_string().starts_with(place), "{text}: {problems}");
        assert!(first.message().starts_with("not TOML"), "{text}: {problems}");
        assert!(first.remedy().contains(hint), "{text}: {problems}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let (problem, remedy) = only("[classes.jobs]\n  tll = \"30m\"\n");
    assert_eq!(problem, "alacena.toml:2:3: classes.jobs.tll: unknown key; did you mean `ttl`?");
    assert!(remedy.contains("accepted here: ttl, jitter"), "{remedy}");
    assert_eq!(
        only("[clases.jobs]\n").0,
        "alacena.toml:1:2: clases: unknown section; did you mean `classes`?"
    );

    let read = "[sources.a]\nkind = \"sqlite\"\npath = \"a.db\"\n[reads.r]\nsource = \"a\"\nsql = \"select 1\"\nttl = \"5m\"\n";
    let (problem, remedy) = only(read);
    assert!(problem.starts_with("alacena.toml:7:1: reads.r.ttl: unknown key"), "{problem}");
    assert!(remedy.contains("belongs in [classes.<name>]"), "{remedy}");
}

#[test]
fn a_slip_in_a_required_name_is_told_once() {
    let source = "[sources.crm]\nkind = \"http\"\nbase_ur = \"https://crm.example\"\n";
    assert!(only(source).0.ends_with("sources.crm.base_ur: unknown key; did you mean `base_url`?"));
}

#[test]
fn a_wrong_unit_is_told_the_units_with_an_example() {
    for (value, message) in [
        ("\"30\"", "has no unit"),
        ("30", "has no unit"),
        ("1.5", "has no unit"),
        ("\"30 minutos\"", "has a unit that is not one"),
        ("\"1h30m\"", "has a unit that is not one"),
        ("\"soon\"", "has no whole number in front of the unit"),
        ("\"400d\"", "is outside its limits, 0s to 365d"),
        ("[\"5m\"]", "is a list, and must be text"),
    ] {
        let (problem, remedy) = only(&format!("[classes.jobs]\nttl = {value}\n"));
        assert_eq!(problem, format!("alacena.toml:2:7: classes.jobs.ttl: {message}"));
        let is_limit = message.contains("limits") || message.contains("list");
        assert!(is_limit || remedy.contains("ms, s, m, h, d") && remedy.contains("\"30s\""), "{remedy}");
    }
    let (problem, remedy) = only("[memory]\nmax = \"64mb\"\n");
    assert_eq!(problem, "alacena.toml:2:7: memory.max: has a unit that is not one");
    assert!(remedy.contains("KiB, MiB, GiB") && remedy.contains("\"64MiB\""), "{remedy}");
}

#[test]
fn a_duplicate_name_is_told_with_both_places() {
    for (text, expected) in [
        (
            "[classes.jobs]\nttl = \"1m\"\nttl = \"2m\"\n",
            "3:1: classes.jobs.ttl: given twice; first on line 2",
        ),
        ("[classes.jobs]\n[server]\n[classes.jobs]\n", "3:10: classes.jobs: given twice; first on line 1"),
        ("[server]\n\"log\" = \"info\"\nlog = \"warn\"", "3:1: server.log: given twice; first on line 2"),
        (
            "[sources.a]\nkind = \"sqlite\"\npath = \"a\"\nbreaker = { failures = 1, failures = 2 }",
            "4:27: sources.a.breaker.failures: given twice; first on line 4",
        ),
    ] {
        assert_eq!(only(text).0, format!("alacena.toml:{expected}"));
    }
    // It does not keep the rest from being checked.
    let both = told(parse("[classes.jobs]\nttl = \"1m\"\nttl = \"2m\"\njiter = 0.1\n"));
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn a_missing_environment_variable_is_named() {
    let text = "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\nheaders = { authorization = \"Bearer ${CRM_KEY}\" }\n";
    let (problem, remedy) = only(text);
    let expected = "alacena.toml:4:29: sources.crm.headers.authorization: the environment has no `CRM_KEY`";
    assert_eq!(problem, expected);
    assert!(remedy.contains("Set CRM_KEY"), "{remedy}");
    assert!(parse_with(text, &[("CRM_KEY", "k")]).is_ok());
    assert!(parse_with(text, &[("CRM_KEY", "")]).is_err(), "an empty value is none");
}

#[test]
fn ten_mistakes_are_ten_problems_in_the_order_of_the_lines() {
    let text = r#"[server]
listen = "everywhere"
drain = "10"
[memory]
max = "64 MiB"
[sources.crm]
kind = "htp"
base_url = "https://crm.example"
[sources.db]
kind = "sqlite"
path = "app.db"
retries = 2
[classes.jobs]
jitter = 0.9
[reads.jobs]
source = "dbb"
sql = "select 1"
[reads.users]
source = "db"
sql = "select * from users where id = :id"
tags = ["user:{id}"]
[quues]
"#;
    let told = told(parse(text));
    let lines: Vec<usize> = told.iter().map(|one| one.split(':').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(lines, [2, 3, 5, 7, 12, 14, 16, 20, 21, 22], "{told:#?}");
}

#[test]
fn what_is_not_built_yet_is_refused_as_that() {
    let text = r#"[alerts]
[sources.db]
kind = "postgres"
url = "x"
[reads.kpis]
source = "db"
sql = "select 1"
[classes.kpis]
encryption = true
[events.crm]
"#;
    let problems = parse(text).unwrap_err();
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path()).collect();
    assert_eq!(paths, ["alerts", "sources.db.kind", "classes.kpis.encryption", "events"]);
    assert!(problems.iter().all(|problem| problem.message() == "not built yet"));
    assert_eq!(Error::from(problems).code(), &catalogue::NOT_BUILT_YET);
    let mixed = parse("[alerts]\n[nonsense]\n").unwrap_err();
    assert_eq!(Error::from(mixed).code(), &catalogue::CONFIGURATION_INVALID);
}

#[test]
fn limits_of_the_file_hold() {
    let reads = |count: usize| {
        let read = |at: usize| format!("[reads.r{at}]\nsource = \"a\"\nsql = \"select 1\"\n");
        let reads: String = (0..count).map(read).collect();
        format!("[sources.a]\nkind = \"sqlite\"\npath = \"a.db\"\n{reads}")
    };
    assert_eq!(parse(&reads(1000)).unwrap().reads.len(), 1000);
    assert!(told(parse(&reads(1001)))[0].contains("at most 1000"));
    let large = format!("# {}\n", "x".repeat(1024 * 1024));
    assert_eq!(only(&large).0, "alacena.toml: has more than 1048576 bytes");
}

#[test]
fn other_kinds_of_value_are_named() {
    assert!(only("[server]\nlisten = 2026-01-01\n").0.ends_with("is a date or time, and must be text"));
    assert!(only("server = 1\n").0.ends_with("is an integer, and must be a table"));
    assert!(only("[memory]\nmarkers_max = \"5\"\n").0.ends_with("is text, and must be a whole number"));
    assert!(only("[Classes]\n").0.contains("did you mean `classes`?"));
    assert!(only("[classes.Jobs]\n").0.ends_with("classes.Jobs: not accepted as a name"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_name_of_the_environment_makes_it_panic(
        name in "(ALACENA__|alacena__|CACHE_TTL_|)(SERVER|CLASSES|SOURCES|READS|REDIS|)(__[A-Za-zé_]{0,6}){0,3}",
        value in "\\PC{0,12}",
    ) {
        let _ = parse_with("[classes.jobs]\n[sources.a]\nkind = \"http\"\n", &[(&name, &value)]);
    }

    #[test]
    fn nothing_that_looks_like_a_configuration_makes_it_panic(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "[server]", "[classes.jobs]", "[sources.a]", "[reads.r]", "[writes.w]", "[[reads]]", "[reads.r.params.x]",
                "kind = \"http\"", "kind = \"sqlite\"", "path = \"a\"", "base_url = \"http://a\"", "source = \"a\"",
                "http = \"GET /{x}?y={y?}\"", "sql = \"select :x\"", "params.x = { type = \"integer\", default = 1 }",
                "params = 1", "tags = [\"a:{x}\", \"{a.b}\"]", "key = \"r:{x|1}:{y?}\"", "key = \"{\"", "ttl = \"1s\"",
                "invalidates = [\"a\", { prefix = \"r\" }, { key = \"r:{x}\" }, { class = \"r\" }, {}]", "body = { a = [\"{x}\"] }",
                "type = \"string\"", "a.b.c = 1", "a.b = 2", "x = \"${A}\"", "headers = { a = \"b\", A = \"c\" }", "=", "\"", "{",
            ]),
            0..14,
        ),
    ) {
        if let Err(problems) = parse(&lines.join("\n")) {
            prop_assert!(problems.iter().all(|problem| !problem.remedy().is_empty()));
        }
    }
}

#[test]
fn depth_does_not_exhaust_the_stack() {
    let many = 100_000;
    let keys = vec!["a"; many].join(".");
    for text in
        [format!("{keys} = 1"), format!("[{keys}]"), format!("a = {}", "[".repeat(many)), "{a=".repeat(many)]
    {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alacena.toml");
    let load = || {
        let layers = Layers { file: Some(file.clone()), ..Layers::default() };
        Config::load(&layers).unwrap_err().to_string()
    };
    let missing = load();
    assert!(
        missing.contains("alacena.toml: cannot be read") && missing.contains("alacena init"),
        "{missing}"
    );
    fs::write(&file, b"[server]\nlog = \"\xff\"\n").unwrap();
    let not_text = load();
    assert!(not_text.contains("is not UTF-8, first on line 2"), "{not_text}");
    fs::write(&file, vec![b'#'; 2 * 1024 * 1024]).unwrap();
    assert!(load().contains("has more than 1048576 bytes"));
}
