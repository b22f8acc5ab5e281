//! Reads of several queries, and switches of a class.

use alacena::config::{Question, Shape};

use crate::{only, parse, parse_with, told};

/// An SQL source, an HTTP source, and a read of the SQL source.
fn read(rest: &str) -> String {
    format!(
        "[sources.db]\nkind = \"sqlite\"\npath = \"app.db\"\n[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n\
         [reads.board]\nsource = \"db\"\n{rest}"
    )
}

/// The message of the only problem.
fn refused(text: &str) -> String {
    let (problem, _) = only(text);
    problem.splitn(4, ':').nth(3).unwrap_or_default().trim().to_owned()
}

#[test]
fn queries_have_names_statements_and_results_of_their_own() {
    let config = parse(&read(
        "params.c = { type = \"integer\" }\nparams.d = { type = \"integer\" }\n\
         queries.totals = { sql = \"select count(*) as n from jobs where c = :c\", result = \"row\" }\n\
         queries.months = { sql = \"select 1 as m\" }\nqueries.Other.sql = \"select :d as d\"\n",
    ))
    .unwrap();
    let Question::Queries(queries) = &config.reads[0].question else { panic!("there are several") };
    let shapes: Vec<_> = queries.iter().map(|(name, query)| (name.as_str(), query.shape)).collect();
    assert_eq!(
        shapes,
        [("totals", Shape::Row), ("months", Shape::Rows), ("Other", Shape::Rows)],
        "in their order"
    );
    assert_eq!(config.reads[0].key.to_string(), "board:{c}:{d}");
}

#[test]
fn a_query_is_checked_like_a_single_statement() {
    let two = |sql: &str| read(&format!("queries.a.sql = \"select 1\"\nqueries.b.sql = \"{sql}\"\n"));
    assert_eq!(
        refused(&two("delete from jobs")),
        "reads.board.queries.b.sql: the SQL of a read changes the database: declare it under [writes]"
    );
    assert!(refused(&two("select 1; select 2")).contains("more than one statement"));
    assert_eq!(refused(&two("select :x")), "reads.board.queries.b.sql: `:x` names no parameter");
    assert_eq!(
        refused(&format!("{}params.x = {{ type = \"integer\" }}\n", two("select 2"))),
        "reads.board.params.x: is declared, and the question does not use it"
    );
    assert!(
        parse(&format!("{}params.x = {{ type = \"integer\" }}\n", two("select :x"))).is_ok(),
        "one is enough"
    );
    assert_eq!(refused(&read("queries.a.result = \"row\"\n")), "reads.board.queries.a.sql: missing");
    assert_eq!(
        refused(&read("queries.a = { sql = \"select 1\", shape = \"row\" }\n")),
        "reads.board.queries.a.shape: unknown key"
    );
    assert!(refused(&read("queries.a-b.sql = \"select 1\"\n")).ends_with("not accepted as a name"));
    assert_eq!(refused(&read("queries = {}\n")), "reads.board.queries: has no query");
    let many =
        |count: usize| (0..count).map(|at| format!("queries.q{at}.sql = \"select 1\"\n")).collect::<String>();
    assert!(parse(&read(&many(16))).is_ok());
    assert_eq!(refused(&read(&many(17))), "reads.board.queries: has 17 names, and at most 16 are accepted");
}

#[test]
fn several_queries_stand_alone_and_need_a_snapshot() {
    let beside = "and which of them is meant is not clear";
    let both = refused(&read("sql = \"select 1\"\nqueries.a.sql = \"select 1\"\n"));
    assert_eq!(both, format!("reads.board.sql: stands beside `queries`, {beside}"));
    let result = refused(&read("result = \"row\"\nqueries.a.sql = \"select 1\"\n"));
    assert_eq!(result, format!("reads.board.result: stands beside `queries`, {beside}"));
    assert_eq!(refused(&read("")), "reads.board.sql: missing");

    let (problem, remedy) =
        only(&read("sql = \"select 1\"\n[reads.r]\nsource = \"crm\"\nqueries.a.sql = \"select 1\"\n"));
    assert!(problem.ends_with(
        "reads.r.queries: needs one snapshot for all of them, and a source of kind \"http\" has none: its answers may be of different moments"
    ), "{problem}");
    assert!(remedy.contains("a read for each") && remedy.contains("`parent`"), "{remedy}");
    let write =
        read("sql = \"select 1\"\n[writes.w]\nsource = \"db\"\nqueries.a.sql = \"delete from jobs\"\n");
    let told = told(parse(&write));
    assert!(told.iter().any(|problem| problem.ends_with("writes.w.queries: unknown key")), "{told:?}");
}

#[test]
fn versions_are_a_matter_of_http() {
    let class =
        |class: &str, read_of: &str| read(&format!("sql = \"select 1\"\n{read_of}\n[classes.c]\n{class}\n"));
    let of_crm = "[reads.r]\nsource = \"crm\"\nclass = \"c\"\nhttp = \"GET /\"";
    let conditional =
        |text: &str| parse(text).unwrap().reads.iter().find(|read| read.name == "r").unwrap().conditional;
    assert!(conditional(&class("", of_crm)));
    assert!(conditional(&class("conditional = true", of_crm)));
    assert!(!conditional(&class("conditional = false", of_crm)));
    assert_eq!(
        refused(&class("conditional = false", "class = \"c\"")),
        "classes.c.conditional: means nothing: every read of this class asks an SQL source, which has no versions to show"
    );
}

#[test]
fn nothing_that_is_declared_sets_values_without_a_load() {
    for section in [
        "[classes.board]",
        "[reads.r]\nsource = \"db\"\nsql = \"select 1\"",
        "[writes.w]\nsource = \"db\"\nsql = \"delete from jobs\"",
    ] {
        let (problem, remedy) = only(&read(&format!("sql = \"select 1\"\n{section}\nunordered = true\n")));
        assert!(problem.ends_with(
            "unordered: is for values that are set without a load, which nothing that a configuration declares ever does"
        ), "{problem}");
        assert!(remedy.contains("Policy"), "{remedy}");
    }
}

#[test]
fn the_examples_of_the_guide_are_accepted() {
    let guide = include_str!("../../../../docs/guide/reads.md");
    let example = |name: &str| {
        let block =
            guide.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
        block.into_iter().find(|block| block.contains(name)).expect("the guide has it")
    };
    let composed =
        [example("[reads.list_jobs]"), example("[reads.dashboard]"), example("[reads.get_customer_of_job]")];
    let config = parse_with(&composed.concat(), &[("CRM_KEY", "k")]).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.reads.len(), 4);
}
