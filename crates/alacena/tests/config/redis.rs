//! `[redis]`, and what a class says of the second tier.

use std::{path::Path, time::Duration};

use alacena::{
    Alacena, SystemRuntime,
    class::{EraPolicy, Policy, ReadMode, WithoutL2},
    config::{Config, PushConfig, RedisConfig},
};

use crate::{only, parse, parse_with};

fn redis(fields: &str) -> RedisConfig {
    let config = parse(&format!("[redis]\nurl = \"redis://cache.example\"\n{fields}"));
    config.expect("it is accepted").redis.expect("there is a section")
}

/// The only problem of a section with these fields, without its place; and its remedy.
fn refused(fields: &str) -> (String, String) {
    let (problem, remedy) = only(&format!("[redis]\n{fields}"));
    (problem.splitn(4, ':').nth(3).expect("a place stands before it").trim().to_owned(), remedy)
}

fn class(text: &str) -> Policy {
    let config = parse(&format!(
        "{text}\n[reads.r]\nsource = \"a\"\nhttp = \"GET /\"\nclass = \"kpis\"\n[sources.a]\nkind = \"http\"\nbase_url = \"https://a.example\"\n"
    ));
    config.expect("it is accepted").classes["kpis"].clone()
}

#[test]
fn an_address_is_all_that_it_takes() {
    let redis = redis("");
    assert_eq!(redis.address.to_string(), "redis://cache.example:6379");
    assert_eq!((redis.address.credentials, redis.address.database), (None, 0));
    assert_eq!(
        (redis.connect_timeout, redis.timeout),
        (Duration::from_millis(250), Duration::from_millis(50))
    );
    assert_eq!((redis.in_flight_max, redis.lease), (4096, Duration::from_secs(3)));
    assert_eq!((redis.push, redis.replicas_min), (PushConfig::Auto, 0));
    assert_eq!((redis.commands_per_day, redis.keys.is_none(), redis.journal), (None, true, None));
    assert_eq!((redis.breaker.failures, redis.breaker.reset_max), (5, Duration::from_secs(60)));
    assert!(parse("").unwrap().redis.is_none(), "without a section there is none");
    assert_eq!(refused("timeout = \"1s\"\n").0, "redis.url: missing");
    assert_eq!(only("redis = 1\n").0, "alacena.toml:1:9: redis: is an integer, and must be a table");
    let elsewhere = parse_with("[redis]\ntimeout = \"1s\"\n", &[("REDIS_URL", "redis://a")]);
    assert_eq!(elsewhere.unwrap().redis.unwrap().timeout, Duration::from_secs(1));
}

#[test]
fn every_field_says_what_it_says() {
    let all = redis(
        "username = \"app\"\npassword = \"p\"\ndb = 2\ntls = true\nca = \"ca.pem\"\nconnect_timeout = \"2s\"\n\
         timeout = \"20ms\"\nin_flight_max = 64\nlease = \"5s\"\npush = \"publish\"\nreplicas_min = 1\n\
         breaker = { failures = 7, window = \"1m\", reset_max = \"30s\" }\n",
    );
    assert_eq!(all.address.to_string(), "rediss://cache.example:6379/2");
    let credentials = all.address.credentials.unwrap();
    assert_eq!((credentials.user.as_deref(), credentials.password.reveal()), (Some("app"), "p"));
    assert_eq!(all.ca.as_deref(), Some(Path::new("ca.pem")));
    assert_eq!(all.connect_timeout, Duration::from_secs(2));
    assert_eq!((all.timeout, all.in_flight_max), (Duration::from_millis(20), 64));
    assert_eq!((all.lease, all.push), (Duration::from_secs(5), PushConfig::Publish));
    assert_eq!((all.replicas_min, all.breaker.failures), (1, 7));
    assert_eq!(all.breaker.window, Duration::from_secs(60));
    assert_eq!(redis("metered = \"10000/day\"\n").commands_per_day, Some(10_000));
}

#[test]
fn an_address_says_it_all_or_has_it_beside_it() {
    let address = |url: &str, fields: &str| {
        let config = parse(&format!("[redis]\nurl = \"{url}\"\n{fields}"));
        let address = config.expect("it is accepted").redis.expect("there is a section").address;
        let credentials = address.credentials.clone();
        let said = credentials.map(|said| (said.user.unwrap_or_default(), said.password.reveal().to_owned()));
        (address.to_string(), said)
    };
    let logs_in = Some(("app".to_owned(), "p@".to_owned()));
    let whole = address("rediss://app:p%40@cache.example:6380/2", "");
    assert_eq!(whole, ("rediss://cache.example:6380/2".to_owned(), logs_in.clone()));
    let beside = "username = \"app\"\npassword = \"p@\"\ndb = 2\ntls = true\n";
    assert_eq!(address("redis://cache.example:6380", beside), whole);
    assert_eq!(address("redis://:p%40@cache.example:6380/2", "username = \"app\"\ntls = true\n"), whole);
    let socket = address("unix:///run/redis.sock", "username = \"app\"\npassword = \"p@\"\ndb = 2\n");
    assert_eq!(socket, ("unix:///run/redis.sock?db=2".to_owned(), logs_in));
}

#[test]
fn an_address_that_is_none_is_told_without_it() {
    for (url, message) in [
        ("cache.example", "it has no scheme"),
        ("redis://u:canary@", "it names no host"),
        ("redis://canary@a", "a user without a password"),
        ("canary://a", "its scheme is none of"),
        ("redis://a:canary", "the port is not a number"),
    ] {
        let (problem, remedy) = refused(&format!("url = \"{url}\"\n"));
        assert!(problem.starts_with("redis.url: the address of Redis cannot be used: "), "{problem}");
        assert!(problem.contains(message) && !problem.contains("canary"), "{problem}");
        assert!(remedy.starts_with("Write redis://"), "{remedy}");
    }
    for (scheme, what) in [("redis+sentinel", "Sentinel"), ("redis+cluster", "Cluster"), ("https", "REST")] {
        let (problem, remedy) = refused(&format!("url = \"{scheme}://canary.example\"\n"));
        assert_eq!(problem, "redis.url: not built yet");
        assert!(
            remedy.contains(what) && remedy.contains("rediss://") && !remedy.contains("canary"),
            "{remedy}"
        );
    }
}

#[test]
fn what_is_said_twice_or_means_nothing_is_refused() {
    for (url, field, message) in [
        ("redis://u:p@a", "password = \"p\"", "redis.password: is given in `url`, too"),
        ("redis://u:p@a", "username = \"u\"", "redis.username: is given in `url`, too"),
        ("redis://a/1", "db = 2", "redis.db: is given in `url`, too"),
        ("redis://a", "username = \"u\"", "redis.username: is given without a password"),
        ("redis://a", "ca = \"ca.pem\"", "redis.ca: is given, and the connection is not encrypted"),
        ("unix:///run/redis.sock", "tls = true", "redis.tls: means nothing over a socket"),
    ] {
        assert_eq!(refused(&format!("url = \"{url}\"\n{field}\n")).0, message);
    }
}

#[test]
fn limits_and_words_hold() {
    let url = "url = \"redis://cache.example\"\n";
    for (field, message) in [
        ("timeout = \"0s\"", "is outside its limits, 1ms to 10s"),
        ("lease = \"500ms\"", "is outside its limits, 1s to 1m"),
        ("in_flight_max = 0", "is outside its limits"),
        ("db = -1", "is outside its limits"),
        ("push = \"tracing\"", "did you mean \"tracking\"?"),
        ("metered = \"10000\"", "is no number for a day"),
        ("metered = \"0/day\"", "is outside its limits"),
        ("metered = \"10/day\"\npush = \"tracking\"", "costs commands all day long"),
        ("metered = \"10/day\"\npush = \"publish\"", "costs commands all day long"),
        ("urll = \"x\"", "unknown key; did you mean `url`?"),
    ] {
        let (problem, _) = refused(&format!("{url}{field}\n"));
        assert!(problem.contains(message), "{field}: {problem}");
    }
}

#[test]
fn a_journal_is_a_table_of_an_sqlite_source() {
    let with = |journal: &str| {
        format!(
            "[redis]\nurl = \"redis://a\"\njournal = {journal}\n[sources.db]\nkind = \"sqlite\"\npath = \"a.db\"\n\
             [sources.crm]\nkind = \"http\"\nbase_url = \"https://a.example\"\n"
        )
    };
    let journal = parse(&with("{ source = \"db\" }")).unwrap().redis.unwrap().journal.unwrap();
    assert_eq!((journal.source.as_str(), journal.table.as_str()), ("db", "alacena_outbox"));
    assert_eq!(journal.every, Duration::from_millis(200));
    let named = parse(&with("{ source = \"db\", table = \"own\" }")).unwrap().redis.unwrap();
    assert_eq!(named.journal.unwrap().table, "own");
    assert!(only(&with("{ source = \"crm\" }")).0.ends_with("names a source that is no SQLite file"));
    assert!(only(&with("{ source = \"d\" }")).0.ends_with("names no source; did you mean `db`?"));
    assert!(only(&with("{ source = \"db\", table = \"a b\" }")).0.ends_with("is no name of a table"));
    assert!(only(&with("{}")).0.ends_with("redis.journal.source: missing"));
}

#[test]
fn a_class_has_neutral_rules_of_the_second_tier() {
    let neutral = class("[classes.kpis]");
    assert_eq!(neutral, Policy::default());
    let policy = class(
        "[redis]\nurl = \"redis://a\"\n[classes.kpis]\nread_mode = \"strict\"\nera = \"strict\"\nwithout_l2 = \"bypass\"\n\
         l1_ttl = \"2s\"\nl2_ttl = \"1m\"\nl2_compression = \"none\"\nkey_names = \"readable\"\n",
    );
    assert_eq!((policy.read_mode, policy.era), (ReadMode::Strict, EraPolicy::Strict));
    assert_eq!(policy.without_l2, WithoutL2::Bypass);
    assert_eq!((policy.l1_ttl, policy.l2_ttl), (Some(Duration::from_secs(2)), Some(Duration::from_secs(60))));
    assert!(policy.readable_key_names && policy.l2);
    assert_eq!(policy.l2_compressed, Some(false));
    assert_eq!(class("[classes.kpis]\nl2_compression = \"lz4\"").l2_compressed, Some(true));
    assert_eq!(class("[classes.kpis]\nera = \"trust\"").era, EraPolicy::Trust);
}

#[test]
fn names_of_keys_are_of_the_class_or_else_of_all() {
    let config = |fields: &str| {
        parse(&format!(
            "[redis]\nurl = \"redis://a\"\n{fields}[classes.kpis]\nkey_names = \"hashed\"\n[reads.r]\nsource = \"a\"\n\
             http = \"GET /\"\n[reads.k]\nsource = \"a\"\nhttp = \"GET /\"\nclass = \"kpis\"\n[sources.a]\nkind = \"http\"\n\
             base_url = \"https://a.example\"\n"
        ))
        .unwrap()
    };
    let names = |config: &Config| ["r", "kpis"].map(|class| config.classes[class].readable_key_names);
    assert_eq!(names(&config("")), [false, false]);
    assert_eq!(names(&config("key_names = \"readable\"\n")), [true, false]);
}

#[test]
fn a_class_is_in_the_second_tier_that_there_is_or_in_none() {
    let l2 = |text: &str| parse(text).map(|config| config.classes["kpis"].l2);
    let with = |above: &str, l2: &str| format!("{above}[classes.kpis]\nl2 = \"{l2}\"\n");
    let (redis, disk) = ("[redis]\nurl = \"redis://a\"\n", "[embedded]\nentries_max = \"1GiB\"\n");
    assert_eq!(l2(&with(redis, "redis")), Ok(true));
    assert_eq!(l2(&with(redis, "none")), Ok(false));
    assert_eq!(l2(&with(disk, "embedded")), Ok(true));
    assert!(only(&with("", "redis")).0.ends_with("is Redis, and there is no `[redis]` section"));
    assert!(only(&with("", "embedded")).0.ends_with("is the embedded store, which has no room for entries"));
    let both = only(&with(&format!("{redis}{disk}"), "embedded"));
    assert!(both.0.contains("the second tier is Redis") && both.1.contains("\"none\""), "{both:?}");

    // What is said of Redis may stay where it is switched off.
    let off = parse_with(&with(redis, "redis"), &[("REDIS_ENABLED", "false")]).unwrap();
    assert!(off.redis.is_none() && !off.classes["kpis"].l2);
}

#[test]
fn how_many_nodes_there_are_is_said_or_not_known() {
    assert_eq!(parse("").unwrap().server.replicas, None);
    assert_eq!(parse("[server]\nreplicas = 1\n").unwrap().server.replicas, Some(1));
    assert!(only("[server]\nreplicas = 0\n").0.contains("is outside its limits, 1 to 10000"));
}

/// Each is opened, though nobody is there.
#[tokio::test]
async fn every_way_of_hearing_is_built_and_so_is_a_meter() {
    let secret =
        "server.secret = \"canary, and as long as one has to be\"\nredis.url = \"redis://127.0.0.1:1\"\n";
    let ways = ["auto", "tracking", "publish", "none"].map(|push| format!("redis.push = \"{push}\"\n"));
    let metered = ["", "redis.push = \"none\"\n", "redis.push = \"auto\"\n"]
        .map(|push| format!("redis.metered = \"9/day\"\n{push}"));
    for text in ways.iter().chain(&metered) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = parse(&format!("{secret}{text}")).unwrap();
        config.embedded.path = folder.path().join("store");
        let alacena = Alacena::open(&config, SystemRuntime::shared()).await.unwrap();
        let shards = alacena.figures().shards;
        let is_metered = text.contains("metered");
        assert_eq!(shards[0].spending.map(|spending| spending.limit), is_metered.then_some(9), "{text}");
        alacena.close(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn names_that_can_be_read_are_built() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = parse("[classes.kpis]\nkey_names = \"readable\"\n").unwrap();
    config.embedded.path = folder.path().join("store");
    Alacena::open(&config, SystemRuntime::shared()).await.unwrap();
}

#[test]
fn a_source_says_how_far_it_lags() {
    let settle = |settle: &str| {
        let source = format!("[sources.a]\nkind = \"sqlite\"\npath = \"a.db\"\n{settle}\n");
        parse(&source).map(|config| config.sources[0].settle)
    };
    assert_eq!(settle("").unwrap(), Duration::ZERO);
    assert_eq!(settle("settle = \"2s\"").unwrap(), Duration::from_secs(2));
    assert!(settle("settle = \"11m\"").is_err(), "nobody would wait for that");
}

#[test]
fn the_examples_of_the_guide_are_accepted() {
    let guide = include_str!("../../../../docs/guide/redis.md");
    let examples: Vec<String> = guide
        .split("```toml\n")
        .skip(1)
        .map(|after| after.split("```").next().unwrap_or_default().replace("\n  ", "\n"))
        .collect();
    assert_eq!(examples.len(), 9);
    let key = "A".repeat(43);
    for example in examples {
        let mut names = vec![("ALACENA_KEY", key.as_str())];
        // It would lie above an address that is written out.
        if example.contains("${REDIS_URL}") {
            names.push(("REDIS_URL", "redis://cache.example"));
        }
        let config = parse_with(&example, &names).unwrap_or_else(|problems| panic!("{example}: {problems}"));
        assert!(config.redis.is_some() || !config.classes.is_empty());
    }
}
