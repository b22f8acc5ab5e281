//! Reads with a parent: what `check` says of them.

use alacena::config::ParentConfig;

use crate::{only, parse, told};

/// A job, and a read of its customer with this `parent` and whatever else.
fn with(parent: &str, rest: &str) -> String {
    format!(
        "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n\
         [reads.get_job]\nsource = \"crm\"\nhttp = \"GET /jobs/{{id}}?lang={{lang?}}\"\nparams.id = {{ type = \"integer\", max = 99 }}\n\
         [reads.get_customer]\nsource = \"crm\"\nhttp = \"GET /customers/{{customer}}\"\nparams.job = {{ type = \"integer\" }}\n\
         parent = {parent}\n{rest}"
    )
}

const PARENT: &str =
    "{ read = \"get_job\", params = { id = \"{job}\" }, take = { customer = \"/customer/id\" } }";

/// Path and message of the only problem.
fn refused(text: &str) -> String {
    let (problem, _) = only(text);
    problem.splitn(4, ':').nth(3).unwrap_or_default().trim().to_owned()
}

fn refused_parent(parent: &str) -> String {
    let told = refused(&with(parent, ""));
    told.strip_prefix("reads.get_customer.parent.").unwrap_or(&told).to_owned()
}

#[test]
fn a_parent_is_a_read_with_parameters_and_what_is_taken_of_it() {
    let config = parse(&with(PARENT, "")).unwrap();
    let customer = &config.reads[1];
    let Some(ParentConfig { read, parameters, take, .. }) = &customer.parent else { panic!("there is one") };
    assert_eq!(
        (read.as_str(), parameters[0].0.as_str(), parameters[0].1.to_string().as_str()),
        ("get_job", "id", "{job}")
    );
    assert_eq!((take[0].0.as_str(), take[0].1.as_str()), ("customer", "/customer/id"));
    let names: Vec<_> = customer.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["job"], "what is taken is not for callers to give");
    assert_eq!(customer.key.to_string(), "get_customer:{job}");
    assert!(config.reads[0].parent.is_none());
}

#[test]
fn an_unknown_parent_is_told_with_its_line_and_the_nearest_name() {
    let (problem, remedy) = only(&with(&PARENT.replace("get_job", "get_jop"), ""));
    assert_eq!(
        problem,
        "alacena.toml:12:19: reads.get_customer.parent.read: names no read; did you mean `get_job`?"
    );
    assert_eq!(remedy, "Declare it as [reads.<name>], or correct the name.");
    assert_eq!(refused_parent("{ take = { customer = \"/id\" } }"), "read: missing");
    assert_eq!(refused_parent("{ read = \"get_job\", params = { id = \"{job}\" } }"), "take: missing");
    let nothing = told(parse(&with("{ read = \"get_job\", params = { id = \"{job}\" }, take = {} }", "")));
    assert!(nothing[1].ends_with("parent.take: takes nothing"), "{nothing:?}");
    let unknown = refused_parent(&PARENT.replace("take =", "takes = {}, take ="));
    assert!(unknown.starts_with("takes: unknown key"), "{unknown}");
}

#[test]
fn a_cycle_is_told_once_and_whole() {
    let read = |name: &str, parent: &str| {
        format!(
            "[reads.{name}]\nsource = \"crm\"\nhttp = \"GET /{{x}}\"\nparent = {{ read = \"{parent}\", take = {{ x = \"/x\" }} }}\n"
        )
    };
    let source = "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n";
    let cycle = format!("{source}{}{}{}{}", read("a", "b"), read("b", "c"), read("c", "a"), read("d", "c"));
    let (problem, remedy) = only(&cycle);
    assert_eq!(problem, "alacena.toml:7:19: reads.a.parent.read: needs itself: `a` → `b` → `c` → `a`");
    assert!(remedy.contains("some read must be asked first"), "{remedy}");
    let itself = format!("{source}{}", read("a", "a"));
    assert_eq!(refused(&itself), "reads.a.parent.read: needs itself: `a` → `a`");
    let two = format!("{source}{}{}{}{}", read("a", "b"), read("b", "a"), read("c", "d"), read("d", "c"));
    assert_eq!(told(parse(&two)).len(), 2, "each cycle once");
}

#[test]
fn a_chain_is_at_most_four_parents_long() {
    let chain = |count: usize| {
        let read = |at: usize| match at {
            0 => "[reads.r0]\nsource = \"crm\"\nclass = \"c\"\nhttp = \"GET /0\"\nkey = \"k:0\"\n".to_owned(),
            _ => format!(
                "[reads.r{at}]\nsource = \"crm\"\nclass = \"c\"\nhttp = \"GET /{at}/{{x}}\"\nparent = {{ read = \"r{}\", take = {{ x = \"/x\" }} }}\n",
                at - 1
            ),
        };
        let source = "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n[classes.c]\n";
        format!("{source}{}", (0..=count).map(read).collect::<String>())
    };
    assert!(parse(&chain(4)).is_ok(), "{:?}", told(parse(&chain(4))));
    assert_eq!(
        refused(&chain(5)),
        "reads.r5.parent.read: has 5 parents above it (`r4`, `r3`, `r2`, `r1`, `r0`), and at most 4 are accepted"
    );
}

#[test]
fn what_is_taken_is_for_the_question_alone() {
    let out_of_the_answer = "takes something out of the answer, and what an entry depends on must be known before the source is asked";
    for (field, path) in [
        ("tags = [\"customer:{customer}\"]", "tags[0]"),
        ("hard_tags = [\"customer:{customer}\"]", "hard_tags[0]"),
        ("key = \"customer:{job}:{customer}\"", "key"),
    ] {
        let (problem, remedy) = only(&with(PARENT, field));
        assert!(problem.ends_with(&format!("reads.get_customer.{path}: {out_of_the_answer}")), "{problem}");
        assert!(remedy.contains("one tag for the whole list") && remedy.contains("one read for the ids"));
    }
    // The same words as for a tag that reaches into the answer without a parent.
    let (problem, _) = only(&with(PARENT, "tags = [\"customer:{data.id}\"]"));
    assert!(problem.ends_with(out_of_the_answer), "{problem}");

    let unused = refused_parent(&PARENT.replace("take = {", "take = { spare = \"/x\","));
    assert_eq!(unused, "take.spare: is taken, and the question does not use it");
    let twice = with(&PARENT.replace("customer =", "job ="), "").replace("{customer}", "{job}");
    assert_eq!(refused(&twice), "reads.get_customer.parent.take.job: is the name of a parameter, too");
    assert!(refused_parent(&PARENT.replace("/customer/id", "customer")).ends_with("is no JSON pointer"));
    assert!(
        refused_parent(&PARENT.replace("take = { customer", "take = { customer-id"))
            .ends_with("not accepted as a name")
    );
}

#[test]
fn the_parent_s_parameters_are_those_that_it_accepts() {
    let params = |params: &str| PARENT.replace("{ id = \"{job}\" }", params);
    assert_eq!(
        refused_parent(&params("{ lang = \"{job}\" }")),
        "params: does not give `id`, which `reads.get_job` requires"
    );
    assert_eq!(
        refused_parent(&params("{ id = \"{job}\", lanh = \"es\" }")),
        "params.lanh: is no parameter of `reads.get_job`; did you mean `lang`?"
    );
    let unknown = told(parse(&with(&params("{ id = \"{jop}\" }"), "")));
    let message = "parent.params.id: `{jop}` names no parameter; did you mean `job`?";
    assert!(unknown[1].ends_with(message), "{unknown:?}");
    assert_eq!(
        refused_parent(&params("{ id = \"100\", lang = \"{job}\" }")).split(": ").take(2).collect::<Vec<_>>(),
        ["params.id", "is not accepted by `reads.get_job`"]
    );
    let text =
        with(PARENT, "").replace("params.job = { type = \"integer\" }", "params.job = { type = \"string\" }");
    assert_eq!(
        refused(&text),
        "reads.get_customer.parent.params.id: `job` is \"string\", and `id` of `reads.get_job` is \"integer\""
    );
    assert_eq!(
        refused_parent(&params("{ id = \"{job}0\" }")),
        "params.id: is put together, and `id` of `reads.get_job` is \"integer\""
    );
    let absent = with(PARENT, "").replace(
        "params.job = { type = \"integer\" }",
        "params.job = { type = \"integer\", required = false }",
    );
    let absent = absent.replace("{job}", "{job?}");
    assert_eq!(
        refused(&absent),
        "reads.get_customer.parent.params.id: `job` may be absent, and `id` of `reads.get_job` is required"
    );
    assert!(
        parse(&with(&params("{ id = \"{job}\", lang = \"e{job}s\" }"), "")).is_ok(),
        "text can be put together"
    );
}

#[test]
fn everything_that_a_chain_depends_on_counts() {
    let tags = |count: usize| (0..count).map(|at| format!("\"t{at}\"")).collect::<Vec<_>>().join(", ");
    // Everything, namespace, two classes, two prefixes, the key of the job: seven of sixteen.
    assert!(parse(&with(PARENT, &format!("tags = [{}]\n", tags(9)))).is_ok());
    let text = with(PARENT, &format!("tags = [{}]\n", tags(9)));
    let text = text.replace("max = 99 }\n", "max = 99 }\ntags = [\"job:{id}\"]\n");
    assert_eq!(
        refused(&text),
        "reads.get_customer.parent.read: together with all that its parents depend on, an entry would depend on 17 things, and at most 16 are accepted"
    );
    let credentials = with(PARENT, &format!("tags = [{}]\n", tags(9)))
        .replace("crm.example\"\n", "crm.example\"\ncredentials = [\"authorization\"]\n");
    assert!(refused(&credentials).contains("17 things"));
}

#[test]
fn hits_do_not_extend_what_the_parent_has_ended() {
    let text =
        with(PARENT, "class = \"customers\"\n[classes.customers]\nttl = \"1m\"\nsliding_max = \"1h\"\n");
    assert_eq!(
        refused(&text),
        "classes.customers.sliding_max: would let hits extend an end that the parent of `reads.get_customer` has set"
    );
    assert!(
        parse(&with(PARENT, "[classes.get_job]\nttl = \"1m\"\nsliding_max = \"1h\"\n")).is_ok(),
        "the parent's own"
    );
}

#[test]
fn a_problem_of_the_parent_is_told_once() {
    let text = with(PARENT, "").replace("GET /jobs/{id}?", "GET /jobs/{nr}?");
    let problems = told(parse(&text));
    assert!(problems.iter().all(|problem| problem.contains("reads.get_job")), "{problems:?}");
}

#[test]
fn a_parent_of_which_nothing_is_kept_is_warned_of() {
    let warnings = |classes: &str| {
        let config = parse(&with(PARENT, classes)).unwrap();
        config.warnings.iter().map(|warning| warning.message().to_owned()).collect::<Vec<_>>()
    };
    let nothing = "[classes.get_job]\nttl = \"0s\"\n";
    assert_eq!(
        warnings(nothing),
        ["nothing is kept of this read: the class of `reads.get_job` keeps nothing"]
    );
    assert!(
        warnings(&format!("{nothing}[classes.get_customer]\nttl = \"0s\"\n")).is_empty(),
        "that is meant"
    );
}
