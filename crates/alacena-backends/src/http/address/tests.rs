use alacena_core::declared::{Parameter, Parameters, Scalar, ScalarKind};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::http::base::Base;

fn address(target: &str) -> Result<Address, Error> {
    Address::parse(&Template::parse(target)?)
}

fn text(name: &str) -> Parameter {
    Parameter { required: false, length_max: usize::MAX, ..Parameter::required(name, ScalarKind::Text) }
}

fn call(given: &Json) -> Parameters {
    let declared = ["id", "file", "q", "r"].map(text);
    let size = Parameter::with_default("size", Scalar::Integer(100));
    let declared: Vec<Parameter> = declared.into_iter().chain([size]).collect();
    let given = given.as_object().unwrap().iter().map(|(name, json)| (name.as_str(), json));
    Parameters::from_json(&declared, given).unwrap()
}

fn render(target: &str, given: Json) -> Result<String, Error> {
    address(target).unwrap().render(&call(&given))
}

#[test]
fn values_are_escaped_and_absent_ones_drop_their_pair() {
    let target = "/jobs/{id}/file-{file|none}?size={size}&q={q?}&r={r|a b}&fixed=1&flag";
    assert_eq!(
        render(target, json!({"id": "a/../b?c#d%2f", "q": "x&y=z +é\u{0}"})).unwrap(),
        "/jobs/a%2F..%2Fb%3Fc%23d%252f/file-none?size=100&q=x%26y%3Dz%20%2B%C3%A9%00&r=a%20b&fixed=1&flag"
    );
    assert_eq!(render("/jobs?q={q}", json!({})).unwrap(), "/jobs");
    // An optional parameter that is empty is one that is absent.
    assert_eq!(render("/jobs/?q={q}", json!({"q": ""})).unwrap(), "/jobs/");
    assert_eq!(render("/año {{x}}?a='b'|c", json!({})).unwrap(), "/a%C3%B1o%20%7Bx%7D?a=%27b%27%7Cc");
}

#[test]
fn a_value_inside_json_stays_inside_its_string() {
    let target = r#"/jobs?size={size}&filter={{"must":[{{"phrase":{{"name":"{q}"}}}}],"from":{size}}}"#;
    for hostile in ["hail", r#"a"b"#, r"a\", r#"x"}},{"all":{"a":"#, "tab\tline\n", "é&=#"] {
        let target = render(target, json!({ "q": hostile })).unwrap();
        let url = Base::parse("http://crm.example").unwrap().join(&target).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let filter: Json = serde_json::from_str(&pairs[1].1).unwrap();
        assert_eq!(filter, json!({"must": [{"phrase": {"name": hostile}}], "from": 100}));
        assert_eq!(pairs.len(), 2);
    }
    assert_eq!(render("/jobs?q=a{q}", json!({ "q": "\"" })).unwrap(), "/jobs?q=a%22", "text is no JSON");
}

#[test]
fn a_value_that_would_change_the_path_is_refused_by_name() {
    for (target, given) in [
        ("/jobs/{id}", json!({"id": ""})),
        ("/jobs/{id}", json!({"id": "."})),
        ("/jobs/{id}", json!({"id": ".."})),
        ("/jobs/.{id}", json!({"id": "."})),
        ("/jobs/%2e{id}", json!({"id": "."})),
        ("/jobs/{id}{file}", json!({"id": ".", "file": "."})),
        ("/jobs/x{id}", json!({"id": ""})),
        ("/jobs/{id}", json!({})),
    ] {
        let error = render(target, given.clone()).unwrap_err();
        assert_eq!(error.code(), &catalogue::PARAMETER_INVALID, "{target} {given}");
        assert!(error.context().iter().any(|(name, _)| *name == "parameter"), "{error}");
    }
    let long = "x".repeat(ADDRESS_BYTES_MAX);
    assert!(render("/jobs?q={q}", json!({"q": long})).unwrap_err().detail().contains("16384 bytes"));
}

#[test]
fn a_target_that_cannot_be_used_is_refused_at_start() {
    for (target, reason) in [
        ("jobs", "begins with `/`"),
        ("{id}", "begins with `/`"),
        ("?q={q}", "begins with `/`"),
        ("/jobs#x", "no fragment"),
        ("/jobs/%2", "two hexadecimal digits"),
        ("/jobs/%{id}", "two hexadecimal digits"),
        ("/jobs//x", "empty segment"),
        ("/jobs/../x", "`.` or `..`"),
        ("/jobs/%2E%2e/x", "`.` or `..`"),
        ("/jobs/{id?}", "write `{id}`"),
    ] {
        let error = address(target).unwrap_err();
        assert!(error.detail().contains(reason), "{target}: {error}");
    }
}

/// Text with everything in it that has a meaning somewhere in a URL.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![r"[./?#%&=\\:@;+ a2eEfF\r\n\t\x00]{0,8}", any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_the_values_are_the_request_has_the_declared_shape(id in hostile(), file in hostile(), q in hostile()) {
        let address = address("/jobs/{id}/files/{file}.json?size={size}&q={q}&last=1").unwrap();
        let Ok(target) = address.render(&call(&json!({"id": id, "file": file, "q": q}))) else {
            prop_assert!(id.is_empty() || id == "." || id == ".." || file.is_empty());
            return Ok(());
        };
        let url = Base::parse("http://crm.example:81/api").unwrap().join(&target).unwrap();
        prop_assert_eq!(url.origin().ascii_serialization(), "http://crm.example:81");
        prop_assert_eq!(url.fragment(), None);
        let decode = |segment: &str| percent_decode_str(segment).decode_utf8().unwrap().into_owned();
        let segments: Vec<String> = url.path_segments().unwrap().map(decode).collect();
        prop_assert_eq!(segments, ["api".to_owned(), "jobs".into(), id, "files".into(), format!("{file}.json")]);
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [("size", "100"), ("q", q.as_str()), ("last", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        prop_assert!(pairs.iter().eq(expected.iter().filter(|(_, value)| !value.is_empty())), "{pairs:?}");
    }
}
