use alacena_core::declared::{Parameter, Parameters, Scalar, ScalarKind};
use proptest::{prelude::*, sample};

use super::*;

fn optional(name: &str, kind: ScalarKind) -> Parameter {
    Parameter { required: false, ..Parameter::required(name, kind) }
}

/// One parameter of every way in which one can be absent.
fn declared() -> Vec<Parameter> {
    let choices = ["open", "closed"].map(|word| Scalar::Text(word.to_owned())).to_vec();
    vec![
        Parameter::required("job", ScalarKind::Integer),
        Parameter::required("query", ScalarKind::Text),
        Parameter::with_default("from", Scalar::Integer(0)),
        Parameter::with_default("ratio", Scalar::Number(1.5)),
        Parameter::with_default("word", Scalar::Text("open".to_owned())),
        optional("filter", ScalarKind::Text),
        Parameter { choices, ..optional("status", ScalarKind::Text) },
    ]
}

fn keys(template: &str, index: &[String]) -> Keys {
    Keys::new("n", "c", &Template::parse(template).unwrap(), &declared(), index).unwrap()
}

/// Up to five segments, the first one constant.
fn template() -> impl Strategy<Value = String> {
    let segment = sample::select(vec![
        "jobs",
        "7",
        "all",
        "{job}",
        "{query}",
        "{from}",
        "{from|all}",
        "{ratio}",
        "{word|7}",
        "{filter?}",
        "{filter|x*}",
        "{status|all}",
    ]);
    let begin = sample::select(vec!["jobs", "all"]);
    (begin, prop::collection::vec(segment, 0..5))
        .prop_map(|(begin, rest)| std::iter::once(begin).chain(rest).collect::<Vec<_>>().join(":"))
}

/// What a caller says of each parameter; some say nothing.
fn call() -> impl Strategy<Value = Parameters> {
    let integer = || sample::select(vec!["0", "7", "007", "-0", "42"]);
    let text = || sample::select(vec!["", "7", "all", "open", "*", "a:b", "a%3Ab", "%2A", "x*", "é"]);
    let maybe = prop::option::of;
    let given = (
        integer(),
        text(),
        maybe(integer()),
        maybe(sample::select(vec!["1.5", "7", "0.10", "1e21"])),
        maybe(text()),
        maybe(text()),
        maybe(sample::select(vec!["open", "closed"])),
    );
    given.prop_map(|(job, query, from, ratio, word, filter, status)| {
        let maybe =
            [("from", from), ("ratio", ratio), ("word", word), ("filter", filter), ("status", status)];
        let maybe = maybe.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Parameters::from_text(&declared(), maybe.chain([("job", job), ("query", query)])).unwrap()
    })
}

fn index() -> impl Strategy<Value = Vec<String>> {
    let names: Vec<String> = declared().into_iter().map(|parameter| parameter.name).collect();
    sample::subsequence(names, 0..5).prop_shuffle()
}

/// What becomes of one segment of a key in a pattern over it.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Kept,
    Any,
    Other,
    /// A hole, in the pattern of a write.
    Hole,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    use Fate::{Any, Hole, Kept, Other};
    prop::collection::vec(
        prop_oneof![6 => Just(Kept), 4 => Just(Any), 1 => Just(Other), 2 => Just(Hole)],
        1..7,
    )
}

/// The pattern that becomes of a key, as a write declares it and as one call of that write fills it. It may be shorter
/// or longer than the key.
fn patterns(segments: &[String], fates: &[Fate], is_open: bool) -> (String, String) {
    let (mut declared, mut filled) = (Vec::new(), Vec::new());
    for (at, fate) in fates.iter().enumerate() {
        let segment = segments.get(at).map_or("beyond", String::as_str);
        let text = match fate {
            Fate::Kept | Fate::Hole => escape(segment),
            Fate::Any => "*".to_owned(),
            Fate::Other => "7".to_owned(),
        };
        declared.push(if matches!(fate, Fate::Hole) { "{value}".to_owned() } else { text.clone() });
        filled.push(text);
    }
    if is_open {
        declared.push("*".to_owned());
        filled.push("*".to_owned());
    }
    (declared.join(":"), filled.join(":"))
}

/// Whether the segments of a key match: said again, as plainly as it can be.
fn matches(pattern: &str, segments: &[String]) -> bool {
    let parts: Vec<&str> = pattern.split(':').collect();
    let fits = |parts: &[&str], segments: &[String]| {
        parts.len() == segments.len()
            && parts.iter().zip(segments).all(|(part, segment)| *part == "*" || *part == escape(segment))
    };
    match parts.split_last() {
        Some((&"*", front)) => front.len() <= segments.len() && fits(front, &segments[..front.len()]),
        _ => fits(&parts, segments),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_entry_that_matches_stays_fresh(
        template in template(), index in index(), call in call(), fates in fates(), is_open: bool,
    ) {
        let keys = keys(&template, &index);
        let entry = keys.of_call(None, &call).unwrap();
        let mut deps = keys.space().deps().to_vec();
        deps.extend(keys.index_deps(&call).unwrap());
        let segments = key::split_text(&entry.text());

        // What is kept need not be as long as the key; often it is.
        let whole: Vec<Fate> = fates.iter().copied().cycle().take(segments.len()).collect();
        for fates in [&fates, &whole] {
            let (declared, filled) = patterns(&segments, fates, is_open);
            let reached = keys.reach(&Pattern::of_text(&filled).unwrap());
            match &reached {
                Ok(Some(dep)) if matches(&filled, &segments) => {
                    prop_assert!(deps.contains(dep), "{filled} reaches {dep:?}, {entry:?} has {deps:?}");
                }
                Ok(None) => prop_assert!(!matches(&filled, &segments), "{filled} matches {entry:?}"),
                Ok(Some(_)) | Err(_) => {}
            }
            // What the check of a write accepts is not refused when the write is called.
            let Ok(promised) = Pattern::of_template(&Template::parse(&declared).unwrap()) else { continue };
            match keys.reach(&promised) {
                Ok(Some(_)) => prop_assert!(reached.is_ok(), "{declared}: {reached:?}"),
                Ok(None) => prop_assert_eq!(reached, Ok(None), "{}", declared),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn a_pattern_becomes_the_narrowest_dep_that_is_declared() {
    let keys = keys("jobs:list:{status|all}:{job}:{from}", &["job".to_owned(), "status".to_owned()]);
    let reached = |text: &str| {
        let reached = keys.reach(&Pattern::of_text(text).unwrap());
        reached.map(|dep| dep.map(|dep| dep.to_string()))
    };
    let dep = |text: &str| Ok(Some(text.to_owned()));
    for text in ["*", "jobs:*", "jobs:list:*", "*:list:*:*:*", "jobs:list:all:*", "jobs:list::*"] {
        assert_eq!(reached(text), dep("prefix jobs:list"), "{text}");
    }
    assert_eq!(reached("jobs:list:open:*"), dep("index c:status=open"));
    assert_eq!(reached("jobs:list:open:42:*"), dep("index c:job=42"), "the first one of the index");
    assert_eq!(reached("jobs:list:*:042:7"), dep("index c:job=42"), "as a call may write it");
    assert_eq!(reached("jobs:list:*:*:0"), dep("prefix jobs:list"), "nothing depends on a default");
    for text in ["jobs:lists:*", "jobs:list", "jobs:list:*:*:*:x", "jobs:list:ajar:*", "jobs:list:*:seven:*"]
    {
        assert_eq!(reached(text), Ok(None), "{text}");
    }
    let declaration = "classes.c.index = [\"job\", \"status\", \"from\"]".to_owned();
    assert_eq!(reached("jobs:list:*:*:9"), Err(Undeclared { name: "from".to_owned(), declaration }));
}

#[test]
fn a_star_stands_alone_or_is_escaped() {
    assert!(Pattern::of_text("jobs:a*:x").unwrap_err().contains("`%2A`"));
    let literal = |text: &str| Part::Literal(text.to_owned());
    assert_eq!(
        Pattern::of_text("a*b%:".replace('*', "%2A").as_str()).unwrap().parts,
        [literal("a*b%"), literal("")]
    );
    for value in ["*", "%2A", "a:b", "%3A%", ""] {
        assert_eq!(Pattern::of_text(&escape(value)).unwrap().parts, [literal(value)], "{value}");
    }
}
