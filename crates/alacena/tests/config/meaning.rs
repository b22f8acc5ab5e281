//! What must hold between the values of a configuration.

use std::time::Duration;

use alacena::class::Policy;

use crate::{only, parse, told};

/// Two sources, and whatever else.
fn with(rest: &str) -> String {
    format!(
        "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\ncredentials = []\n\
         [sources.db]\nkind = \"sqlite\"\npath = \"app.db\"\n{rest}"
    )
}

/// The message of the only problem.
fn refused(rest: &str) -> String {
    let (problem, _) = only(&with(rest));
    problem.splitn(4, ':').nth(3).unwrap_or_default().trim().to_owned()
}

fn read(rest: &str) -> String {
    format!("[reads.r]\nsource = \"crm\"\n{rest}\n")
}

#[test]
fn the_defaults_of_a_class_are_those_of_the_core() {
    let config = parse("[classes.jobs]\n").unwrap();
    assert_eq!(config.classes["jobs"], Policy::default());
}

#[test]
fn the_server_says_how_many_connections_there_may_be_and_how_long_they_may_be_idle() {
    let limits = |text: &str| {
        let server = parse(text).unwrap().server;
        (server.connections_max, server.connections_per_address_max, server.idle_timeout.as_secs())
    };
    assert_eq!(limits(""), (10_000, 1_000, 60));
    let text = "[server]\nconnections_max = 7\nconnections_per_address_max = 0\nidle_timeout = \"75s\"\n";
    assert_eq!(limits(text), (7, 0, 75));
    for (field, wrong) in [
        ("connections_max", "0"),
        ("connections_max", "1000001"),
        ("connections_per_address_max", "-1"),
        ("idle_timeout", "\"0s\""),
        ("idle_timeout", "\"2h\""),
    ] {
        let (problem, _) = only(&format!("[server]\n{field} = {wrong}\n"));
        assert!(problem.contains(&format!("server.{field}: is outside its limits")), "{problem}");
    }
}

#[test]
fn a_class_says_whether_it_is_refreshed_ahead_and_how_far_hits_extend_it() {
    let config =
        parse("[classes.jobs]\nttl = \"1m\"\nrefresh_ahead = false\nsliding_max = \"1h\"\n").unwrap();
    let policy = &config.classes["jobs"];
    assert_eq!((policy.refresh_ahead, policy.sliding_max), (false, Some(Duration::from_secs(3600))));
    let (problem, remedy) = only("[classes.jobs]\nttl = \"1h\"\nsliding_max = \"30m\"\n");
    assert!(
        problem.ends_with("alacena.toml:3:15: classes.jobs.sliding_max: is shorter than `ttl`"),
        "{problem}"
    );
    assert!(remedy.contains("Raise it, or remove it"), "{remedy}");
    assert!(parse("[classes.jobs]\nttl = \"1h\"\nsliding_max = \"1h\"\n").is_ok());
}

#[test]
fn hard_tags_are_tags() {
    let text = |tags: &str| {
        with(&read(&format!(
            "http = \"GET /j?id={{id}}\"\nparams.id = {{ type = \"integer\" }}\ntags = [\"job:{{id}}\"]\nhard_tags = {tags}"
        )))
    };
    let write = "[writes.w]\nsource = \"crm\"\nhttp = \"POST /j\"\nparams.id = { type = \"integer\" }\n";
    let config =
        parse(&format!("{}{write}invalidates = [\"rights:{{id}}\"]\n", text("[\"rights:{id}\"]"))).unwrap();
    assert_eq!(
        config.reads[0].every_tag().map(ToString::to_string).collect::<Vec<_>>(),
        ["job:{id}", "rights:{id}"]
    );
    assert!(config.warnings.is_empty(), "a read carries it: {:?}", config.warnings);
    let (problem, _) = only(&text("[\"rights:{nobody}\"]"));
    assert!(problem.contains("reads.r.hard_tags[0]"), "{problem}");
    let many = (0..9).map(|at| format!("\"t{at}\"")).collect::<Vec<_>>().join(",");
    let (problem, _) = only(&format!("{}key = \"a:b:c:d:{{id}}\"\n", text(&format!("[{many}]"))));
    assert!(problem.contains("make an entry depend on"), "{problem}");
}

#[test]
fn the_memory_has_room_for_the_largest_value_of_a_class() {
    let config = |memory: &str, item: &str| {
        format!(
            "[memory]\nmax = \"{memory}\"\n[classes.jobs]\nitem_max = \"{item}\"\n{}",
            read("class = \"jobs\"\nhttp = \"GET /\"")
        )
    };
    assert_eq!(
        refused(&config("1MiB", "600KiB")),
        "classes.jobs.item_max: is more than 512KiB, the largest entry that `memory.max` has room for"
    );
    assert!(parse(&with(&config("1MiB", "512KiB"))).is_ok());
    let (problem, remedy) = only(&with(&config("64MiB", "3MiB")));
    assert!(problem.contains("more than 2MiB"), "{problem}");
    assert_eq!(remedy, "Lower it, or raise `memory.max`.");
    assert!(told(parse(&with(&config("0", "600KiB"))))[0].contains("memory.max"), "said once");
}

#[test]
fn a_read_names_what_exists() {
    assert_eq!(
        refused("[reads.r]\nsource = \"crn\"\nhttp = \"GET /\"\n"),
        "reads.r.source: names no source; did you mean `crm`?"
    );
    let class = "[classes.jobs]\n[reads.r]\nsource = \"crm\"\nclass = \"job\"\nhttp = \"GET /\"\n";
    assert_eq!(refused(class), "reads.r.class: names no class; did you mean `jobs`?");
    let config = parse(&with(&read("http = \"GET /\"\nclass = \"r\""))).unwrap();
    assert!(config.classes.contains_key("r"), "a class of the read's own name needs no section");
}

#[test]
fn a_question_is_of_its_source_s_kind() {
    assert_eq!(
        refused(&read("sql = \"select 1\"")),
        "reads.r.sql: means nothing for a source of kind \"http\""
    );
    assert_eq!(refused(&read("")), "reads.r.http: missing");
    assert_eq!(refused("[reads.r]\nsource = \"db\"\n"), "reads.r.sql: missing");
    let both = refused("[reads.r]\nsource = \"db\"\nsql = \"select 1\"\nhttp = \"GET /\"\n");
    assert_eq!(both, "reads.r.http: means nothing for a source of kind \"sqlite\"");
    assert_eq!(refused(&read("http = \"PUT /x\"")), "reads.r.http: changes something, and a read only asks");
    assert_eq!(refused(&read("http = \"GET /x\"\nbody = {}")), "reads.r.body: a GET has no body");
    assert!(refused(&read("http = \"GET /x\"\npointer = \"results\"")).ends_with("is no JSON pointer"));
    let credential = refused(&read("http = \"GET /x\"\nheaders = { Authorization = \"x\" }"));
    assert!(credential.ends_with("is a credential, and this value is not kept secret"), "{credential}");
    let kind = with("retries = 1\n");
    assert!(only(&kind).0.ends_with("sources.db.retries: belongs to a source of kind \"http\""));
}

#[test]
fn sql_is_one_statement_with_declared_parameters() {
    let sql = |sql: &str, rest: &str| format!("[reads.r]\nsource = \"db\"\nsql = \"{sql}\"\n{rest}\n");
    assert!(refused(&sql("delete from t", "")).starts_with("reads.r.sql: "));
    let slip = "params.company = { type = \"integer\" }";
    let told = told(parse(&with(&sql("select :compny", slip))));
    assert!(told[0].ends_with("`:compny` names no parameter; did you mean `:company`?"), "{told:?}");
    assert!(told[1].ends_with("params.company: is declared, and the question does not use it"), "{told:?}");
    let write = "[writes.w]\nsource = \"db\"\nsql = \"select 1\"\n";
    assert!(refused(write).contains("[reads]"));
}

#[test]
fn holes_name_parameters_that_are_there() {
    let http = |http: &str, params: &str| read(&format!("http = \"{http}\"\n{params}"));
    assert_eq!(
        refused(&http("GET /jobs/{job_i}?x={job_id}", "params.job_id = { type = \"string\" }")),
        "reads.r.http: `{job_i}` names no parameter; did you mean `job_id`?"
    );
    let optional = "params.id = { type = \"string\", required = false }";
    assert!(
        refused(&http("GET /jobs/{id?}", optional)).ends_with("may be absent, and here something must stand")
    );
    assert!(refused(&http("GET /jobs?id={id}", optional)).ends_with("`{id}` may be absent"));
    assert!(parse(&with(&http("GET /jobs?id={id?}", optional))).is_ok());
    assert!(refused(&http("GET /jobs/{id", "")).contains("is never closed"));
    let unused = refused(&http("GET /jobs", "params.id = { type = \"string\" }"));
    assert_eq!(unused, "reads.r.params.id: is declared, and the question does not use it");
    // A write without a body sends what is left over.
    let write = "[writes.w]\nsource = \"crm\"\nhttp = \"POST /jobs\"\nparams.id = { type = \"string\" }\n";
    assert!(parse(&with(write)).is_ok());
}

#[test]
fn tags_are_known_before_the_source_is_asked() {
    let tags =
        |tags: &str, params: &str| read(&format!("http = \"GET /j?id={{id?}}\"\ntags = {tags}\n{params}"));
    let (problem, remedy) = only(&with(&tags("[\"job:{data.id}\"]", "")));
    assert!(problem.contains("reads.r.tags[0]: takes something out of the answer"), "{problem}");
    assert!(
        remedy.contains("one tag for the whole list") && remedy.contains("one read for the ids"),
        "{remedy}"
    );
    let optional = "params.id = { type = \"string\", required = false }";
    assert!(refused(&tags("[\"job:{id}\"]", optional)).contains("here something must stand"));
    assert!(refused(&tags("[\"job:{id?}\"]", optional)).contains("here something must stand"));
    assert!(parse(&with(&tags("[\"job:{id|none}\"]", optional))).is_ok());
    let many = format!("[{}]", (0..10).map(|at| format!("\"t{at}\"")).collect::<Vec<_>>().join(","));
    assert!(refused(&tags(&many, "")).contains("at most 9"));
}

#[test]
fn a_key_tells_every_two_questions_apart() {
    let key = |key: &str| {
        read(&format!(
            "http = \"GET /jobs?from={{from}}&status={{status?}}\"\nkey = \"{key}\"\nparams.from = {{ type = \"integer\" }}\n\
             params.status = {{ type = \"string\", required = false, choices = [\"open\", \"closed\"] }}"
        ))
    };
    assert!(parse(&with(&key("jobs:list:{status|all}:{from}"))).is_ok());
    assert!(
        refused(&key("jobs:{status?}")).contains("does not name `from`: two different questions would share")
    );
    assert!(refused(&key("{from}:{status?}")).contains("does not begin with a constant segment"));
    assert!(refused(&key("jobs:{from}{status?}")).contains("has a segment of several parts"));
    assert!(refused(&key("jobs:{from}::{status?}")).contains("has an empty segment"));
    assert!(refused(&key("a:b:c:d:e:f:g:h:i:{from}:{status?}")).contains("more than 8 constant segments"));
    assert!(refused(&key("jobs:{from}:{status}")).contains("`{status}` may be absent"));
    // The caller may send the stand-in itself.
    assert!(refused(&key("jobs:{status|open}:{from}")).contains("which is another question"));
    let tags = format!(
        "{}tags = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]\n",
        key("a:b:c:d:e:{from}:{status?}")
    );
    assert!(refused(&tags).contains("depend on 17 things, and at most 16"));
}

#[test]
fn two_reads_of_a_class_have_no_key_in_common() {
    let reads = |first: &str, second: &str, kind: &str| {
        let read = |name: &str, key: &str| {
            format!(
                "[reads.{name}]\nsource = \"crm\"\nclass = \"jobs\"\nhttp = \"GET /{name}?x={{x}}\"\nkey = \"{key}\"\nparams.x = {{ type = \"{kind}\" }}\n"
            )
        };
        format!("[classes.jobs]\n{}{}", read("one", first), read("two", second))
    };
    let same = refused(&reads("jobs:{x}", "jobs:{x}", "string"));
    assert_eq!(same, "reads.two.key: can be the same key as one of `reads.one`, which is of the same class");
    assert!(refused(&reads("jobs:{x}:1", "jobs:list:{x}", "string")).contains("same key"));
    assert!(parse(&with(&reads("jobs:{x}:1", "jobs:list:{x}", "integer"))).is_ok());
    assert!(parse(&with(&reads("jobs:a:{x}", "jobs:b:{x}", "string"))).is_ok());
}

#[test]
fn an_invalidation_names_what_something_depends_on() {
    let write = |target: &str| {
        format!(
            "{}[writes.w]\nsource = \"crm\"\nhttp = \"PUT /jobs/{{id}}\"\nparams.id = {{ type = \"string\" }}\ninvalidates = [{target}]\n",
            read(
                "http = \"GET /j/{id}\"\nparams.id = { type = \"string\" }\nkey = \"jobs:detail:{id}\"\ntags = [\"job:{id}\"]"
            )
        )
    };
    let good = "\"job:{id}\", { prefix = \"jobs\" }, { prefix = \"jobs:detail\" }, { key = \"jobs:detail:{id}\" }, { class = \"r\" }";
    let config = parse(&with(&write(good))).unwrap();
    assert_eq!(config.writes[0].invalidates.len(), 5);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(
        refused(&write("{ prefix = \"jobs:detial\" }"))
            .ends_with("on this prefix; did you mean `jobs:detail`?")
    );
    assert!(refused(&write("{ key = \"jobs:{id}\" }")).ends_with("nothing depends on this key"));
    assert!(
        refused(&write("{ class = \"q\" }")).ends_with("nothing depends on this class; did you mean `r`?")
    );
    assert!(refused(&write("{ tag = \"x\" }")).ends_with("names no target of an invalidation"));
    assert!(refused(&write("\"job:{idd}\"")).ends_with("did you mean `id`?"));
    let warned = parse(&with(&write("\"jbo:{id}\""))).unwrap();
    assert!(warned.warnings[0].message().contains("no read carries this tag; did you mean `job:{id}`?"));
}

#[test]
fn a_tag_is_written_in_one_way() {
    let config = |read_type: &str, write_type: &str| {
        with(&format!(
            "{}[writes.w]\nsource = \"crm\"\nhttp = \"PUT /j/{{id}}\"\nparams.id = {{ type = \"{write_type}\" }}\ninvalidates = [\"job:{{id}}\"]\n",
            read(&format!(
                "http = \"GET /j/{{id}}\"\nparams.id = {{ type = \"{read_type}\" }}\ntags = [\"job:{{id}}\"]"
            ))
        ))
    };
    let warned = parse(&config("integer", "string")).unwrap();
    assert_eq!(
        warned.warnings[0].message(),
        "`id` is \"string\" here and \"integer\" in `reads.r`: `007` and `7` would be two tags"
    );
    assert!(parse(&config("integer", "number")).unwrap().warnings.is_empty());
    assert!(parse(&config("string", "string")).unwrap().warnings.is_empty());
}

#[test]
fn parameters_fit_their_own_limits() {
    let param = |param: &str| read(&format!("http = \"GET /j?x={{x}}\"\nparams.x = {{ {param} }}"));
    assert!(
        refused(&param("type = \"integer\", default = \"1\"")).ends_with("is not of the type \"integer\"")
    );
    assert!(
        refused(&param("type = \"integer\", default = 2000, max = 1000"))
            .ends_with("outside the parameter's own limits")
    );
    assert!(
        refused(&param("type = \"integer\", min = 2, max = 1")).ends_with("params.x.min: is above `max`")
    );
    assert!(refused(&param("type = \"string\", max = 1")).ends_with("means nothing for the type \"string\""));
    assert!(
        refused(&param("type = \"boolean\", length_max = 1"))
            .ends_with("means nothing for the type \"boolean\"")
    );
    assert!(
        refused(&param("type = \"integer\", default = 1, required = true"))
            .contains("although there is a default")
    );
    assert!(refused(&param("type = \"text\"")).contains("is none of the words accepted"));
    assert!(refused(&param("default = 1")).ends_with("params.x.type: missing"));
    let number = parse(&with(&param("type = \"number\", default = 1"))).unwrap();
    assert!(!number.reads[0].parameters[0].required);
}

#[test]
fn other_machines_need_a_token() {
    let listen = |listen: &str| format!("[server]\nlisten = \"{listen}\"\n");
    let (problem, remedy) = only(&listen("0.0.0.0:8080"));
    assert!(
        problem.starts_with("alacena.toml:2:10: server.listen: is reached from other machines"),
        "{problem}"
    );
    assert!(remedy.contains("[tokens.<name>]"), "{remedy}");
    for loopback in ["127.0.0.1:0", "[::1]:8080", "localhost:8080", "127.8.0.1:1"] {
        assert!(parse(&listen(loopback)).is_ok(), "{loopback}");
    }
    let token =
        |name: &str, digits: &str| format!("[tokens.{name}]\nhash = \"blake3:{digits}\"\nrole = \"read\"\n");
    let digits = "ab".repeat(32);
    assert!(parse(&format!("{}{}", listen("0.0.0.0:80"), token("a", &digits))).is_ok());
    assert!(only(&token("a", "plain")).0.ends_with("tokens.a.hash: is no hash of a token"));
    let twice = format!("{}{}", token("a", &digits), token("b", &digits));
    assert!(only(&twice).0.ends_with("tokens.b.hash: is the token of `tokens.a`, too"));
}

#[test]
fn time_limits_of_a_class_agree() {
    let (problem, _) = only("[classes.jobs]\nsoft_timeout = \"5s\"\nhard_timeout = \"3s\"\n");
    assert!(problem.ends_with("classes.jobs.soft_timeout: is longer than `hard_timeout`"), "{problem}");
    let config = parse("[classes.jobs]\nhard_timeout = \"1s\"\n").unwrap();
    assert_eq!(config.classes["jobs"].soft_timeout, Duration::from_secs(1), "the default gives way");
}
