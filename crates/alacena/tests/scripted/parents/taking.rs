//! What is taken of a parent's answer, and what becomes of a question that it does not fit.

use alacena::error::{Kind, catalogue};

use crate::world::{JOB_AND_CUSTOMER, World, done, ended, job_of};

#[tokio::test]
async fn values_keep_their_type_in_every_place_of_the_question() {
    let config = r#"
        [reads.top]
        source = "crm"
        http = "GET /top"
        [reads.child]
        source = "crm"
        http = "POST /find/{text}?n={whole}&done={done}"
        headers = { x-ratio = "{ratio}" }
        body = { text = "{text}", whole = "{whole}", ratio = "{ratio}", done = "{done}", all = "{text}-{whole}" }
        params.job = { type = "integer" }
        parent = { read = "top", take = { text = "/a/0", whole = "/b", ratio = "/c", done = "/d~1e" } }
    "#
    .replace("http = \"POST /find/{text}?n={whole}&done={done}\"", "http = \"POST /find/{text}?n={whole}&done={done}&job={job}\"");
    let mut world = World::open(&config).await;
    let asked = world.ask("child", 7);
    let top = r#"{"a":["a/b?&\u0000ñ"],"b":-3,"c":0.25,"d/e":false}"#;
    world.hears("GET /top").await.ok(&top.replace("\\u0000", "")).await;
    let request = world.hears("POST /find/a%2Fb%3F%26%C3%B1?n=-3&done=false&job=7").await;
    assert!(request.head.contains("x-ratio: 0.25\r\n"), "{}", request.head);
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let expected =
        serde_json::json!({"text": "a/b?&ñ", "whole": -3, "ratio": 0.25, "done": false, "all": "a/b?&ñ--3"});
    assert_eq!(body, expected);
    request.ok("1").await;
    done(asked).await;
}

#[tokio::test]
async fn what_is_null_or_missing_or_not_there_is_no_such_thing() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    for (job, answer) in [(1, "{\"customer\":{\"id\":null}}"), (2, "{\"customer\":null}"), (3, "[]")] {
        let asked = world.ask("get_customer", job);
        world.hears(&format!("GET /jobs/{job}")).await.ok(answer).await;
        let outcome = done(asked).await;
        assert!(outcome.value().is_none(), "{answer}");
        assert_eq!(outcome.fresh_for().as_secs(), 30, "the negative TTL of its class");
    }
    let asked = world.ask("get_customer", 4);
    world.hears("GET /jobs/4").await.answer("404 Not Found", "", "").await;
    assert!(done(asked).await.value().is_none());
    assert!(world.hears_nothing().await, "nobody asks for the customer of nothing");
    assert!(done(world.ask("get_customer", 4)).await.is_hit());
}

#[tokio::test]
async fn what_cannot_be_asked_with_is_the_parent_s_fault_and_no_source_is_asked() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    let cases = [
        ("{\"customer\":{\"id\":{\"canary\":1}}}", "there is a list or an object"),
        ("{\"customer\":{\"id\":[]}}", "there is a list or an object"),
        ("{\"customer\":{\"id\":98765432109876543210}}", "more digits"),
        ("{\"customer\":{\"id\":\"\"}}", "must not be empty"),
        ("{\"customer\":{\"id\":\"..\"}}", "must not make it `.` or `..`"),
    ];
    for (job, (answer, why)) in (1..).zip(cases) {
        let asked = world.ask("get_customer", job);
        world.hears(&format!("GET /jobs/{job}")).await.ok(answer).await;
        let error = ended(asked).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (&catalogue::ANSWER_LACKS_PART, Kind::Corrupt), "{answer}");
        assert!(error.detail().contains("`customer`") && error.detail().contains(why), "{answer}: {error}");
        assert!(!error.to_string().contains("canary") && !error.to_string().contains("98765"), "{error}");
        assert!(error.context().contains(&("parent", "get_job".to_owned())), "{error}");
    }
    assert!(world.hears_nothing().await);
}

#[tokio::test]
async fn a_parameter_that_the_parent_does_not_accept_is_told_with_its_name() {
    let config = JOB_AND_CUSTOMER
        .replace("params.id = { type = \"integer\" }", "params.id = { type = \"integer\", max = 5 }");
    let world = World::open(&config).await;
    let error = ended(world.ask("get_customer", 7)).await.unwrap_err();
    assert_eq!(error.detail(), "`id` must be at most 5, not 7");
    assert!(error.context().contains(&("parent", "get_job".to_owned())), "{error}");
}

/// The version that is held may belong to another question, by the same name: `"1"` of customer 42 is not `"1"` of 43.
#[tokio::test]
async fn no_version_is_shown_of_an_answer_that_may_be_another_customer_s() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    let asked = world.ask("get_customer", 7);
    world.hears("GET /jobs/7").await.ok(&job_of(42)).await;
    world.hears("GET /customers/42").await.answer("200 OK", "etag: \"1\"\r\n", "1").await;
    done(asked).await;
    world.invalidate(alacena::ledger::Target::Tag("job:7".to_owned())).await;
    let asked = world.ask("get_customer", 7);
    world.hears("GET /jobs/7").await.ok(&job_of(43)).await;
    let request = world.hears("GET /customers/43").await;
    assert!(!request.head.contains("if-none-match"), "{}", request.head);
    request.ok("2").await;
    done(asked).await;
}

#[tokio::test]
async fn versions_are_shown_unless_the_class_says_otherwise() {
    for (class, shown) in [("", true), ("conditional = true", true), ("conditional = false", false)] {
        let config = format!(
            "[classes.jobs]\n{class}\n[reads.get_job]\nsource = \"crm\"\nclass = \"jobs\"\nhttp = \"GET /jobs/{{id}}\"\nparams.id = {{ type = \"integer\" }}\n"
        );
        let mut world = World::open(&config).await;
        let asked = world.ask("get_job", 7);
        world.hears("GET /jobs/7").await.answer("200 OK", "etag: \"1\"\r\n", "1").await;
        done(asked).await;
        world.invalidate(alacena::ledger::Target::Everything).await;
        let asked = world.ask("get_job", 7);
        let request = world.hears("GET /jobs/7").await;
        assert_eq!(request.head.contains("if-none-match: \"1\""), shown, "{class}: {}", request.head);
        request.ok("2").await;
        done(asked).await;
    }
}

#[tokio::test]
async fn what_is_kept_compressed_is_taken_from_all_the_same() {
    let config = JOB_AND_CUSTOMER.replace("ttl = \"60s\"", "ttl = \"60s\"\ncompression = \"gzip\"");
    let mut world = World::open(&config).await;
    let asked = world.ask("get_job", 7);
    let large = format!("{{\"text\":\"{}\",{}", "a".repeat(5000), &job_of(42)[1..]);
    world.hears("GET /jobs/7").await.ok(&large).await;
    done(asked).await;
    let asked = world.ask("get_customer", 7);
    world.hears("GET /customers/42").await.ok("1").await;
    done(asked).await;
}
