//! What is warmed: questions that a read really has, said once, in one place.

use crate::{only, parse, told};

const CRM: &str = "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n";
const JOBS: &str = r#"
[reads.get_jobs]
source = "crm"
http = "GET /jobs?from={from}&size={size}&status={status?}"
params.from = { type = "integer", default = 0 }
params.size = { type = "integer", default = 100, max = 1000 }
params.status = { type = "string", required = false }
"#;

fn with(warm: &str) -> String {
    format!("{CRM}{JOBS}{warm}\n")
}

#[test]
fn a_read_says_what_of_it_is_warm() {
    let sets =
        "{ from = 0, size = 50 }, { from = 0, size = 100 }, { status = \"active\", from = 0, size = 50 }";
    let config = parse(&with(&format!(
        "warm = {{ params = [{sets}], at_start = false, cron = \"0  6 * * mon-fri\" }}"
    )))
    .unwrap();
    let warm = config.reads[0].warm.as_ref().unwrap();
    let shown = |at: usize| {
        let values = warm.parameters[at].iter().map(|(name, value)| format!("{name}={value}"));
        values.collect::<Vec<_>>().join(" ")
    };
    assert_eq!((shown(0), shown(1)), ("from=0 size=50".to_owned(), "from=0 size=100".to_owned()));
    assert_eq!(shown(2), "from=0 size=50 status=active");
    assert!(!warm.at_start && warm.after_invalidation);
    assert_eq!(
        (warm.cron.as_ref().unwrap().to_string(), warm.concurrency),
        ("0 6 * * mon-fri".to_owned(), 2)
    );
    // A section of its own says the same.
    let section = format!(
        "{CRM}{JOBS}[reads.get_jobs.warm]\nparams = [{sets}]\nat_start = false\ncron = \"0 6 * * mon-fri\"\n"
    );
    assert_eq!(parse(&section).unwrap().reads[0].warm.as_ref(), Some(warm));
    assert_eq!(parse(&with("")).unwrap().reads[0].warm, None);
}

#[test]
fn the_example_of_the_guide_is_right() {
    let guide = include_str!("../../../../docs/guide/warming.md");
    let example = guide.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let config = parse(&format!("{CRM}{example}")).unwrap();
    assert_eq!(config.reads[0].warm.as_ref().unwrap().parameters.len(), 3);
}

#[test]
fn without_parameters_everything_is_at_its_default() {
    let config = parse(&with("warm = {}")).unwrap();
    let warm = config.reads[0].warm.as_ref().unwrap();
    assert_eq!(warm.parameters.len(), 1);
    assert!(warm.at_start && warm.after_invalidation && warm.cron.is_none());
    let required = "params.id = { type = \"integer\" }\nwarm = {}\n";
    let (problem, remedy) =
        only(&format!("{CRM}[reads.job]\nsource = \"crm\"\nhttp = \"GET /jobs/{{id}}\"\n{required}"));
    assert!(
        problem.ends_with("alacena.toml:8:1: reads.job.warm.params: missing, and `id` has no default"),
        "{problem}"
    );
    assert!(remedy.contains("params = ["), "{remedy}");
}

#[test]
fn every_problem_is_told_where_it_stands() {
    let problems = told(parse(&with(
        "warm = { params = [\n  { form = 0 },\n  { size = \"50\" },\n  { size = 5000 },\n  { size = 100 },\n  {},\n] }",
    )));
    let path = "reads.get_jobs.warm.params";
    assert_eq!(
        problems,
        [
            format!("alacena.toml:12:12: {path}[0].form: is no parameter of this read; did you mean `from`?"),
            format!("alacena.toml:13:12: {path}[1].size: is not of the type \"integer\""),
            format!("alacena.toml:14:12: {path}[2].size: is outside the parameter's own limits"),
            format!("alacena.toml:16:3: {path}[4]: asks the same as params[3]"),
        ]
    );
    let line = |warm: &str| told(parse(&with(warm))).join("\n");
    assert!(line("warm = { params = [] }").ends_with("warm.params: is empty"));
    assert!(line("warm = { params = { size = 1 } }").contains("must be a list"));
    assert!(line("warm = { params = [1] }").contains("warm.params[0]: is an integer, and must be a table"));
    assert!(line("warm = true").contains("must be a table"));
    assert!(line("warm = { parms = [] }").contains("did you mean `params`?"));
    assert!(line("warm = { concurrency = 17 }").contains("warm.concurrency"));
    let cron = line("warm = { cron = \"0 25 * * *\" }");
    assert!(
        cron.ends_with("alacena.toml:11:17: reads.get_jobs.warm.cron: names no hour: it goes from 0 to 23"),
        "{cron}"
    );
    let many = (0..101).map(|from| format!("{{ from = {from} }}")).collect::<Vec<_>>().join(",");
    assert!(line(&format!("warm = {{ params = [{many}] }}")).contains("at most 100 are accepted"));
}

#[test]
fn what_callers_credentials_are_part_of_cannot_be_warmed() {
    let personal =
        "[sources.me]\nkind = \"http\"\nbase_url = \"https://me.example\"\ncredentials = [\"x-key\"]\n";
    let mine = "[reads.mine]\nsource = \"me\"\nhttp = \"GET /mine\"\n";
    let (problem, remedy) = only(&format!("{personal}{mine}warm = {{ at_start = true }}\n"));
    assert_eq!(
        problem,
        "alacena.toml:8:1: reads.mine.warm: cannot be: what callers send as `x-key` is passed on, and nobody asks yet whose that could be"
    );
    assert!(remedy.contains("without `credentials`"), "{remedy}");
    let child = "[reads.child]\nsource = \"crm\"\nhttp = \"GET /c/{c}\"\nparent = { read = \"mine\", take = { c = \"/c\" } }\nwarm = {}\n";
    let (problem, _) = only(&format!("{CRM}{personal}{mine}{child}"));
    assert!(problem.contains("reads.child.warm: cannot be: what callers send as `x-key`"), "{problem}");
}
