//! What lies above the file, and in which order.

use std::{fs, path::Path, time::Duration};

use alacena::{
    config::{Config, Layers, LogFormat, Origin, SourceKind},
    value::Compression,
};

use crate::{environment, parse, parse_with, told};

const FILE: &str = r#"
[tokens.ops]
hash = "blake3:0000000000000000000000000000000000000000000000000000000000000000"
role = "operate"
[sources.crm]
kind = "http"
base_url = "https://crm.example"
[classes.jobs]
ttl = "30m"
[classes.jobs_detail]
[reads.list]
class = "jobs"
source = "crm"
http = "GET /jobs"
[reads.detail]
class = "jobs_detail"
source = "crm"
http = "GET /jobs/1"
[reads.get_users]
source = "crm"
http = "GET /users"
"#;

fn with(pairs: &[(&str, &str)]) -> Config {
    parse_with(FILE, pairs).expect("the file and these names are accepted")
}

#[test]
fn defaults_file_environment_own_names_flags_lie_in_this_order() {
    let load = |file: &str, pairs: &[(&str, &str)], flags: &[(&str, &str)]| {
        let flags = flags.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        let layers = Layers { file: None, environment: environment(pairs), flags };
        Config::parse(file, "alacena.toml", &layers).unwrap()
    };
    let log = |config: &Config| config.server.log.clone();
    let none = load("", &[], &[]);
    assert_eq!((log(&none).as_str(), none.origins.get("server.log")), ("info", None));

    let file = "[server]\nlog = \"error\"\n";
    let from_file = load(file, &[], &[]);
    assert_eq!(log(&from_file), "error");
    assert_eq!(from_file.origins["server.log"].to_string(), "alacena.toml:2:7");

    let host = ("LOG_LEVEL", "WARN");
    assert_eq!(log(&load(file, &[host], &[])), "warn");
    let own = ("ALACENA__SERVER__LOG", "debug");
    let from_own = load(file, &[host, own], &[]);
    assert_eq!(log(&from_own), "debug");
    assert_eq!(from_own.origins["server.log"].to_string(), "environment ALACENA__SERVER__LOG");
    let from_flag = load(file, &[host, own], &[("server.log", "trace")]);
    assert_eq!(log(&from_flag), "trace");
    assert!(matches!(&from_flag.origins["server.log"], Origin::Flag { path } if &**path == "server.log"));
}

#[test]
fn own_names_reach_every_kind_of_field_in_any_case() {
    let config = with(&[
        ("ALACENA__CLASSES__JOBS__TTL", "1m"),
        ("alacena__sources__crm__retries", "3"),
        ("ALACENA__SOURCES__CRM__HEADERS__X_API_KEY", "k"),
        ("ALACENA__SOURCES__CRM__BREAKER__FAILURES", "7"),
        ("ALACENA__SERVER__HOSTS", "a.example, b.example"),
        ("ALACENA__READS__LIST__PUBLIC", "yes"),
        ("ALACENA__SERVER__DRAIN", ""),
    ]);
    assert_eq!(config.classes["jobs"].ttl, Duration::from_secs(60));
    let SourceKind::Http(http) = &config.sources[0].kind else { panic!("an HTTP source") };
    assert_eq!((http.retries, http.headers[0].0.as_str()), (3, "x-api-key"));
    assert_eq!(config.sources[0].guard.failures, 7);
    assert_eq!(config.server.hosts, ["a.example", "b.example"]);
    assert!(config.reads[0].public);
    assert_eq!(config.server.drain, Duration::from_secs(10), "an empty value is none");
}

#[test]
fn a_source_and_a_token_can_come_from_the_environment_alone() {
    let hash = format!("blake3:{}", "ab".repeat(32));
    let pairs = [
        ("PORT", "9000"),
        ("ALACENA__TOKENS__OPS__HASH", hash.as_str()),
        ("ALACENA__TOKENS__OPS__ROLE", "admin"),
        ("ALACENA__SOURCES__CRM__KIND", "http"),
        ("ALACENA__SOURCES__CRM__BASE_URL", "https://crm.example/api1/"),
    ];
    let config = parse_with("", &pairs).unwrap();
    assert_eq!((config.tokens.len(), config.sources.len()), (1, 1));
}

#[test]
fn own_names_that_lead_nowhere_are_refused_with_the_nearest() {
    let told = |name: &str, value: &str| told(parse_with(FILE, &[(name, value)])).remove(0);
    assert_eq!(
        told("ALACENA__SERVER__LISTN", "x"),
        "environment ALACENA__SERVER__LISTN: server.listn: leads nowhere; did you mean `listen`?"
    );
    assert!(
        told("ALACENA__CLASSES__JOBZ__TTL", "1m")
            .ends_with("classes.jobz: leads nowhere; did you mean `jobs`?")
    );
    assert!(told("ALACENA__SERVER", "x").contains("is a table, which one text cannot be"));
    assert!(told("ALACENA__EVENTS__CRM", "x").contains("not built yet"));
    assert!(told("ALACENA__CLASSES__JOBS__TTL", "30").ends_with("classes.jobs.ttl: has no unit"));
    assert!(told("ALACENA__SERVER__LOG__LEVEL", "x").contains("leads nowhere"));
}

#[test]
fn names_of_hosts_set_the_server() {
    let config =
        with(&[("PORT", "9000"), ("FRONTEND_URL", "https://app.example/"), ("NODE_ENV", "production")]);
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(config.server.cors_origins, ["https://app.example"]);
    assert_eq!(config.server.log_format, LogFormat::Json);
    assert_eq!(with(&[("NODE_ENV", "development")]).server.log_format, LogFormat::Text);
    assert_eq!(with(&[("LOG_LEVEL", "Debug")]).server.log, "debug");
    assert!(
        told(parse_with(FILE, &[("PORT", "http")]))[0]
            .contains("environment PORT: is not a port, at most 65535")
    );
    let without_token = told(parse_with("", &[("PORT", "9000")]));
    assert!(without_token[0].starts_with("environment PORT: server.listen: is reached from other machines"));
}

#[test]
fn cache_enabled_sends_everything_to_the_sources() {
    assert!(with(&[]).cache_enabled && with(&[("CACHE_ENABLED", "true")]).cache_enabled);
    let off = with(&[("CACHE_ENABLED", "false")]);
    assert!(!off.cache_enabled);
    assert_eq!(off.origins["cache_enabled"].to_string(), "environment CACHE_ENABLED");
    assert!(
        told(parse_with(FILE, &[("CACHE_ENABLED", "perhaps")]))[0].ends_with("is neither true nor false")
    );
}

#[test]
fn a_ttl_name_reaches_its_class_and_the_family_without_names_of_their_own() {
    let ttl = |config: &Config, class: &str| config.classes[class].ttl.as_secs();
    let both = with(&[("CACHE_TTL_JOBS", "60")]);
    assert_eq!((ttl(&both, "jobs"), ttl(&both, "jobs_detail")), (60, 60));
    let own = with(&[("CACHE_TTL_JOBS", "60"), ("CACHE_TTL_JOBS_DETAIL", "90")]);
    assert_eq!((ttl(&own, "jobs"), ttl(&own, "jobs_detail")), (60, 90));
    let implied = with(&[("CACHE_TTL_GET_USERS", "5")]);
    assert_eq!((ttl(&implied, "get_users"), ttl(&implied, "jobs")), (5, 1800));
    assert!(
        told(parse_with(FILE, &[("CACHE_TTL_JOBS", "5m")]))[0].contains("is not a whole number of seconds")
    );

    let stray = with(&[("CACHE_TTL_JOB", "60")]);
    assert_eq!(ttl(&stray, "jobs"), 1800);
    assert!(stray.warnings[0].message().ends_with("did you mean CACHE_TTL_JOBS?"));
}

#[test]
fn names_of_older_set_ups_set_limits() {
    let config = with(&[
        ("CACHE_MAX_ITEM_SIZE_KB", "64"),
        ("CACHE_CIRCUIT_FAILURE_THRESHOLD", "3"),
        ("CACHE_CIRCUIT_RESET_TIMEOUT", "30000"),
        ("CACHE_COMPRESSION_ENABLED", "false"),
    ]);
    assert!(config.classes.values().all(|policy| policy.item_bytes_max == 64 * 1024));
    let guard = &config.sources[0].guard;
    assert_eq!((guard.failures, guard.reset_max), (3, Duration::from_secs(30)));
    for (switch, compression) in [("true", Compression::Lz4), ("false", Compression::None)] {
        let config = with(&[("CACHE_COMPRESSION_ENABLED", switch)]);
        assert!(config.reads.iter().all(|read| read.compression == compression), "{switch}");
        let l2 = (compression == Compression::None).then_some(false);
        assert!(config.classes.values().all(|policy| policy.l2_compressed == l2), "{switch}");
    }
}

#[test]
fn names_that_a_configuration_may_name_mean_nothing_by_themselves() {
    for name in [
        "DATABASE_URL",
        "SUPABASE_URL",
        "SUPABASE_KEY",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_WHATSAPP_CLIENTES",
        "ADMIN_PHONE_NUMBER",
    ] {
        assert!(parse_with(FILE, &[(name, "1")]).is_ok(), "{name} means nothing by itself");
    }
}

#[test]
fn without_a_file_there_are_defaults() {
    let config = Config::load(&Layers::default()).unwrap();
    assert!(config.reads.is_empty() && config.file.is_none());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.memory.bytes_max, 64 << 20);
    assert!(parse("").is_ok());
}

#[test]
fn paths_of_the_file_are_relative_to_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alacena.toml");
    fs::write(&file, "[sources.db]\nkind = \"sqlite\"\npath = \"data/app.db\"\n").unwrap();
    let mut layers = Layers { file: Some(file.clone()), ..Layers::default() };
    let config = Config::load(&layers).unwrap();
    let SourceKind::Sqlite(sqlite) = &config.sources[0].kind else { panic!("an SQLite source") };
    assert_eq!(sqlite.path, folder.path().join("data/app.db"));
    assert_eq!(config.embedded.path, folder.path().join(".alacena"));
    assert_eq!(config.file, Some(file));
    layers.environment = environment(&[("ALACENA__EMBEDDED__PATH", "here")]);
    assert_eq!(
        Config::load(&layers).unwrap().embedded.path,
        Path::new("here"),
        "relative to where it was typed"
    );
}
