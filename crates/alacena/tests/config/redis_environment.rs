//! Names in the environment that say where Redis is.

use std::time::Duration;

use alacena::config::{Config, Explained, Layers, RedisConfig};

use crate::{environment, parse_with, told};

/// What `pairs` make of a file that says nothing.
fn alone(pairs: &[(&str, &str)]) -> Option<RedisConfig> {
    over("", pairs)
}

fn over(file: &str, pairs: &[(&str, &str)]) -> Option<RedisConfig> {
    parse_with(file, pairs).expect("it is accepted").redis
}

fn url(redis: Option<RedisConfig>) -> String {
    redis.expect("there is a Redis").address.to_string()
}

fn origins(file: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let config = parse_with(file, pairs).expect("it is accepted");
    let of_redis = config.origins.iter().filter(|(path, _)| path.starts_with("redis"));
    of_redis.map(|(path, origin)| format!("{path} {origin}")).collect()
}

const FILE: &str =
    "[redis]\nurl = \"redis://file.example\"\npassword = \"of-the-file\"\ndb = 3\ntimeout = \"20ms\"\n";

#[test]
fn redis_url_is_the_address() {
    let pairs = [("REDIS_URL", "redis://env.example:6380/1")];
    assert_eq!(url(alone(&pairs)), "redis://env.example:6380/1");
    assert_eq!(origins("", &pairs), ["redis.url environment REDIS_URL"]);
    assert!(alone(&[("REDIS_URL", "")]).is_none(), "an empty value is none");
    let wrong = told(parse_with("", &[("REDIS_URL", "canary")]));
    assert!(wrong[0].starts_with("environment REDIS_URL: redis.url: the address of Redis"), "{wrong:?}");
    assert!(!wrong[0].contains("canary"), "{wrong:?}");
}

#[test]
fn another_address_does_not_get_the_password_of_the_file() {
    let redis = over(FILE, &[("REDIS_URL", "redis://env.example")]).unwrap();
    assert_eq!(
        (redis.address.to_string().as_str(), redis.address.credentials),
        ("redis://env.example:6379", None)
    );
    assert_eq!(redis.timeout, Duration::from_millis(20), "how it is used stays");
    let redis = over(FILE, &[("REDIS_HOST", "env.example")]).unwrap();
    assert_eq!((redis.address.database, redis.address.credentials), (0, None));
    assert_eq!(url(over(FILE, &[])), "redis://file.example:6379/3");
}

#[test]
fn parts_make_an_address() {
    let pairs = [
        ("REDIS_HOST", "cache.example"),
        ("REDIS_PORT", "6390"),
        ("REDIS_PASSWORD", "p@/:#%"),
        ("REDIS_DB", "2"),
        ("REDISUSER", "app"),
    ];
    let redis = alone(&pairs).unwrap();
    assert_eq!(redis.address.to_string(), "redis://cache.example:6390/2");
    let credentials = redis.address.credentials.unwrap();
    assert_eq!((credentials.user.as_deref(), credentials.password.reveal()), (Some("app"), "p@/:#%"));
    assert_eq!(
        origins("", &pairs),
        [
            "redis.db environment REDIS_DB",
            "redis.password environment REDIS_PASSWORD",
            "redis.url environment REDIS_HOST",
            "redis.username environment REDISUSER",
        ]
    );
    assert_eq!(url(alone(&[("REDIS_HOST", "::1")])), "redis://[::1]:6379");
    assert_eq!(url(alone(&[("REDIS_HOST", "127.0.0.1")])), "redis://127.0.0.1:6379");
    for host in ["redis://canary", "a b", "u:canary@h", "/run/redis.sock"] {
        let problems = parse_with("", &[("REDIS_HOST", host)]).unwrap_err();
        assert!(problems.to_string().contains("environment REDIS_HOST: is no name of a host"), "{problems}");
        assert!(problems.to_string().contains("REDIS_URL") && !problems.to_string().contains("canary"));
    }
    let port = told(parse_with("", &[("REDIS_HOST", "a"), ("REDIS_PORT", "99999")]));
    assert_eq!(port, ["environment REDIS_PORT: is not a port, at most 65535"]);
}

#[test]
fn parts_have_a_second_spelling() {
    let pairs = [
        ("REDISHOST", "r.internal"),
        ("REDISPORT", "6381"),
        ("REDISPASSWORD", "p"),
        ("REDISUSER", "default"),
    ];
    let redis = alone(&pairs).unwrap();
    assert_eq!(redis.address.to_string(), "redis://r.internal:6381");
    let credentials = redis.address.credentials.unwrap();
    assert_eq!((credentials.user.as_deref(), credentials.password.reveal()), (Some("default"), "p"));
    let both = alone(&[("REDIS_HOST", "a"), ("REDISHOST", "b"), ("REDIS_PORT", "1"), ("REDISPORT", "2")]);
    assert_eq!(url(both), "redis://a:1");
}

#[test]
fn the_address_wins_over_its_parts() {
    let redis = alone(&[
        ("REDIS_URL", "redis://url.example"),
        ("REDIS_HOST", "part.example"),
        ("REDIS_PASSWORD", "p"),
        ("REDIS_DB", "2"),
    ]);
    let redis = redis.unwrap();
    assert_eq!(
        (redis.address.to_string().as_str(), redis.address.credentials),
        ("redis://url.example:6379", None)
    );
}

#[test]
fn what_says_how_and_not_where_means_nothing() {
    for name in [
        "REDIS_PORT",
        "REDIS_PASSWORD",
        "REDIS_DB",
        "REDISPORT",
        "REDISUSER",
        "REDISPASSWORD",
        "REDIS_TLS_ENABLED",
        "REDIS_MAX_RETRIES",
        "REDIS_CONNECTION_TIMEOUT",
        "UPSTASH_REDIS_REST_TOKEN",
        "KV_REST_API_TOKEN",
        "KV_REST_API_READ_ONLY_TOKEN",
    ] {
        assert!(alone(&[(name, "1")]).is_none(), "{name}");
    }
}

#[test]
fn kubernetes_says_of_a_service_called_redis_what_is_no_port() {
    let redis = alone(&[("REDIS_HOST", "redis"), ("REDIS_PORT", "tcp://10.0.0.7:6379")]);
    assert_eq!(url(redis), "redis://redis:6379");
}

#[test]
fn names_say_how_it_is_reached() {
    let pairs =
        [("REDIS_TLS_ENABLED", "true"), ("REDIS_MAX_RETRIES", "3"), ("REDIS_CONNECTION_TIMEOUT", "1500")];
    let own = ("ALACENA__REDIS__URL", "redis://own.example");
    for redis in [over(FILE, &pairs), alone(&[&pairs[..], &[own]].concat())] {
        let redis = redis.unwrap();
        assert!(redis.address.to_string().starts_with("rediss://"), "redis:// too");
        assert_eq!(redis.breaker.failures, 3);
        assert_eq!(redis.connect_timeout, Duration::from_millis(1500));
    }
    assert_eq!(
        origins("", &[&pairs[..], &[("REDIS_URL", "redis://a")]].concat()),
        [
            "redis.breaker.failures environment REDIS_MAX_RETRIES",
            "redis.connect_timeout environment REDIS_CONNECTION_TIMEOUT",
            "redis.tls environment REDIS_TLS_ENABLED",
            "redis.url environment REDIS_URL",
        ]
    );
    let not = over("[redis]\nurl = \"rediss://a\"\n", &[("REDIS_TLS_ENABLED", "false")]).unwrap();
    assert_eq!(not.address.to_string(), "rediss://a:6379", "the address goes on saying it");
    assert_eq!(over(FILE, &[("REDIS_MAX_RETRIES", "0")]).unwrap().breaker.failures, 1);
    let circuit = [("CACHE_CIRCUIT_FAILURE_THRESHOLD", "9"), ("CACHE_CIRCUIT_RESET_TIMEOUT", "30000")];
    let breaker = over(FILE, &circuit).unwrap().breaker;
    assert_eq!((breaker.failures, breaker.reset_max), (9, Duration::from_secs(30)));
    let both = over(FILE, &[circuit[0], ("REDIS_MAX_RETRIES", "3")]).unwrap();
    assert_eq!(both.breaker.failures, 3, "the name that speaks of Redis wins");
    let wrong = told(parse_with(FILE, &[("REDIS_CONNECTION_TIMEOUT", "1s")]));
    assert!(
        wrong[0].contains("REDIS_CONNECTION_TIMEOUT: is not a whole number of milliseconds"),
        "{wrong:?}"
    );
}

#[test]
fn own_names_and_flags_lie_above() {
    let pairs = [
        ("REDIS_URL", "redis://host.example"),
        ("ALACENA__REDIS__URL", "redis://own.example"),
        ("ALACENA__REDIS__JOURNAL__SOURCE", "db"),
    ];
    let redis = over("[sources.db]\nkind = \"sqlite\"\npath = \"a.db\"\n", &pairs);
    assert_eq!(redis.as_ref().unwrap().journal.as_ref().unwrap().source, "db");
    assert_eq!(url(redis), "redis://own.example:6379");
    let layers = Layers {
        environment: environment(&[("REDIS_TLS_ENABLED", "true")]),
        flags: vec![("redis.url".to_owned(), "redis://flag.example".to_owned())],
        ..Layers::default()
    };
    let redis = Config::parse("", "alacena.toml", &layers).unwrap().redis.unwrap();
    assert_eq!(redis.address.to_string(), "rediss://flag.example:6379");
}

#[test]
fn redis_can_be_switched_off() {
    let off = ("REDIS_ENABLED", "false");
    assert!(over(FILE, &[off]).is_none());
    assert!(over("[redis]\nurl = \"${REDIS_URL}\"\n", &[off]).is_none(), "nothing of it is looked at");
    for name in ["REDIS_URL", "REDIS_HOST", "REDISHOST", "UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"] {
        assert!(alone(&[off, (name, "redis://a")]).is_none(), "{name}");
    }
    assert_eq!(url(over(FILE, &[("REDIS_ENABLED", "true")])), "redis://file.example:6379/3");
    assert_eq!(
        told(parse_with("", &[("REDIS_ENABLED", "off?")])),
        ["environment REDIS_ENABLED: is neither true nor false"]
    );
}

#[test]
fn a_redis_that_is_wanted_and_missing_is_said() {
    let config = parse_with("", &[("REDIS_ENABLED", "true")]).unwrap();
    assert!(config.redis.is_none());
    let warning = config.warnings[0].to_string();
    assert!(warning.starts_with("environment REDIS_ENABLED: Redis not available, using memory"), "{warning}");
    let there = [("REDIS_ENABLED", "true"), ("REDIS_URL", "redis://a")];
    assert!(parse_with("", &there).unwrap().warnings.is_empty());
    assert!(parse_with("", &[]).unwrap().warnings.is_empty(), "nobody wanted it");
}

#[test]
fn redis_over_http_is_refused_until_it_is_built() {
    for name in ["UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"] {
        for file in ["", FILE] {
            let problems = parse_with(file, &[(name, "https://canary.example")]).unwrap_err();
            assert_eq!(told(Err(problems.clone())), [format!("environment {name}: not built yet")]);
            let shown = problems.to_string();
            assert!(shown.contains("REDIS_URL") && shown.contains("REDIS_ENABLED=false"), "{shown}");
            assert!(!shown.contains("canary"), "{shown}");
        }
        let both = [(name, "https://a.example"), ("REDIS_URL", "rediss://a.example")];
        assert_eq!(url(alone(&both)), "rediss://a.example:6379", "hosts that set both say the same in both");
    }
}

#[test]
fn where_it_is_never_shows() {
    let canary = "canary-7c1";
    let pairs = [("REDIS_HOST", "cache.example"), ("REDIS_PASSWORD", canary)];
    for (file, pairs) in [
        (format!("[redis]\nurl = \"redis://u:{canary}@a\"\n"), &[][..]),
        (String::new(), &pairs[..]),
        (String::new(), &[("REDIS_URL", "rediss://u:canary-7c1@a")][..]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alacena.toml");
        std::fs::write(&path, file).unwrap();
        let layers = Layers { file: Some(path), environment: environment(pairs), flags: Vec::new() };
        let values = Config::explain(&layers).unwrap();
        let shown = format!("{values:?} {:?}", Config::load(&layers).unwrap());
        assert!(!shown.contains(canary), "{shown}");
        let said = |path: &str| values.iter().find(|value: &&Explained| value.path == path).unwrap();
        assert_eq!(said("redis.url").value, None);
        assert_eq!(said("redis.timeout").value, Some("50ms".into()));
        assert_eq!(said("redis.breaker.failures").value, Some(5.into()));
    }
    let layers = Layers { environment: environment(&[("REDIS_ENABLED", "false")]), ..Layers::default() };
    let values = Config::explain(&layers).unwrap();
    let switch = values.iter().find(|value| value.path == "redis_enabled").unwrap();
    assert_eq!(
        (switch.value.clone(), switch.origin.to_string()),
        (Some(false.into()), "environment REDIS_ENABLED".to_owned())
    );
}
