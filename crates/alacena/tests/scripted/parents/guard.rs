//! Places at a source, callers' credentials, chains.

use alacena::{
    Mode, WarmCall,
    declared::Parameters,
    error::{Kind, catalogue},
    outcome::Origin,
};

use crate::world::{JOB_AND_CUSTOMER, World, done, ended, job_of, text};

/// One read above another, four times.
const CHAIN: &str = r#"
    [classes.c]
    jitter = 0.0
    [reads.r0]
    source = "crm"
    class = "c"
    http = "GET /0/{id}"
    params.id = { type = "integer" }
    [reads.r1]
    source = "crm"
    class = "c"
    http = "GET /1/{v}"
    params.id = { type = "integer" }
    parent = { read = "r0", params = { id = "{id}" }, take = { v = "/v" } }
    [reads.r2]
    source = "crm"
    class = "c"
    http = "GET /2/{v}"
    params.id = { type = "integer" }
    parent = { read = "r1", params = { id = "{id}" }, take = { v = "/v" } }
    [reads.r3]
    source = "crm"
    class = "c"
    http = "GET /3/{v}"
    params.id = { type = "integer" }
    parent = { read = "r2", params = { id = "{id}" }, take = { v = "/v" } }
    [reads.r4]
    source = "crm"
    class = "c"
    http = "GET /4/{v}"
    params.id = { type = "integer" }
    parent = { read = "r3", params = { id = "{id}" }, take = { v = "/v" } }
"#;

#[tokio::test]
async fn with_one_place_at_the_source_of_both_nobody_waits_for_itself() {
    let mut world = World::with_source(JOB_AND_CUSTOMER, "concurrency = 1").await;
    let asked: Vec<_> = (1..=3).map(|job| world.ask("get_customer", job)).collect();
    // One request at a time, whichever comes first.
    for _ in 0..6 {
        let request = world.next().await;
        assert!(world.hears_nothing().await, "there is one place");
        let customer = request.line.strip_prefix("GET /jobs/").map(|job| job.parse::<u64>().unwrap() + 40);
        request.ok(&customer.map_or("1".to_owned(), job_of)).await;
    }
    for asked in asked {
        assert_eq!(text(&done(asked).await), "1");
    }
}

#[tokio::test]
async fn a_chain_of_four_parents_is_asked_from_the_top() {
    let mut world = World::with_source(CHAIN, "concurrency = 1").await;
    let asked = world.ask("r4", 7);
    world.hears("GET /0/7").await.ok("{\"v\":10}").await;
    world.hears("GET /1/10").await.ok("{\"v\":\"a b\"}").await;
    world.hears("GET /2/a%20b").await.ok("{\"v\":true}").await;
    world.hears("GET /3/true").await.ok("{\"v\":0.5}").await;
    world.hears("GET /4/0.5").await.ok("1").await;
    assert_eq!(done(asked).await.origin(), Origin::Source);
    for read in ["r0", "r1", "r2", "r3", "r4"] {
        assert!(done(world.ask(read, 7)).await.is_hit(), "{read}");
    }
    world.invalidate(alacena::ledger::Target::Key("r0:7".to_owned())).await;
    let asked = world.ask("r4", 7);
    world.hears("GET /0/7").await.answer("404 Not Found", "", "").await;
    assert!(done(asked).await.value().is_none(), "no such thing, all the way down");
    assert!(world.hears_nothing().await);
}

#[tokio::test]
async fn the_credentials_of_the_parent_are_needed_keyed_and_kept_from_the_child_s_source() {
    let open =
        format!("[sources.open]\nkind = \"http\"\nbase_url = \"{{base}}\"\nretries = 0\n{JOB_AND_CUSTOMER}");
    let customers = "[reads.get_customer]\n    source = \"crm\"";
    assert!(open.contains(customers));
    let open = open.replace(customers, "[reads.get_customer]\n    source = \"open\"");
    let mut world = World::with_source(&open, "credentials = [\"authorization\"]").await;
    assert_eq!(world.alacena.declared_read("get_customer").unwrap().credentials, ["authorization"]);
    let refused = ended(world.ask("get_customer", 7)).await.unwrap_err();
    assert_eq!((refused.code(), refused.kind()), (&catalogue::CREDENTIAL_REQUIRED, Kind::Denied));

    for (who, customer) in [("ana", 1), ("bea", 2)] {
        let asked = world.ask_as("get_customer", 7, Mode::Normal, &[("authorization", who)]);
        let job = world.hears("GET /jobs/7").await;
        assert!(job.head.contains(&format!("authorization: {who}\r\n")), "{}", job.head);
        job.ok(&job_of(customer)).await;
        let request = world.hears(&format!("GET /customers/{customer}")).await;
        assert!(!request.head.contains("authorization"), "it is not for that source: {}", request.head);
        request.ok(&customer.to_string()).await;
        done(asked).await;
    }
    for (who, customer) in [("ana", "1"), ("bea", "2")] {
        let held = done(world.ask_as("get_customer", 7, Mode::Normal, &[("authorization", who)])).await;
        assert!(held.is_hit());
        assert_eq!(text(&held), customer, "nobody sees what another one's credentials have fetched");
    }
    world.invalidate(alacena::ledger::Target::Key("get_customer:7".to_owned())).await;
    let asked = world.ask_as("get_customer", 7, Mode::Normal, &[("authorization", "ana")]);
    world.hears("GET /customers/1").await.ok("1").await;
    done(asked).await;
}

#[tokio::test]
async fn a_child_follows_a_parent_that_is_declared_otherwise() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    world.fill(7, 42).await;
    let config = world.another(&JOB_AND_CUSTOMER.replace("GET /jobs/{id}", "GET /orders/{id}"));
    world.reload(&config).await;
    let asked = world.ask("get_customer", 7);
    world.hears("GET /orders/7").await.ok(&job_of(43)).await;
    world.hears("GET /customers/43").await.ok("2").await;
    assert_eq!(text(&done(asked).await), "2");
    world.reload(&config).await;
    assert!(done(world.ask("get_customer", 7)).await.is_hit(), "nothing has changed");
}

#[tokio::test]
async fn every_read_of_a_chain_passes_on_what_those_above_it_need() {
    let config = CHAIN.replacen("source = \"crm\"", "source = \"keyed\"", 1);
    let keyed = "[sources.keyed]\nkind = \"http\"\nbase_url = \"{base}\"\nretries = 0\ncredentials = [\"x-api-key\"]\n";
    let mut world = World::open(&format!("{keyed}{config}")).await;
    assert_eq!(ended(world.ask("r2", 7)).await.unwrap_err().code(), &catalogue::CREDENTIAL_REQUIRED);
    for (key, value) in [("a", 1), ("b", 2)] {
        let asked = world.ask_as("r2", 7, Mode::Normal, &[("x-api-key", key)]);
        let top = world.hears("GET /0/7").await;
        assert!(top.head.contains(&format!("x-api-key: {key}\r\n")), "{}", top.head);
        top.ok(&format!("{{\"v\":{value}}}")).await;
        let middle = world.hears(&format!("GET /1/{value}")).await;
        assert!(!middle.head.contains("x-api-key"), "{}", middle.head);
        middle.ok(&format!("{{\"v\":{value}}}")).await;
        world.hears(&format!("GET /2/{value}")).await.ok(&value.to_string()).await;
        assert_eq!(text(&done(asked).await), value.to_string());
    }
    world.invalidate(alacena::ledger::Target::Key("r0:7".to_owned())).await;
    let asked = world.ask_as("r2", 7, Mode::Normal, &[("x-api-key", "b")]);
    world.hears("GET /0/7").await.answer("404 Not Found", "", "").await;
    assert!(done(asked).await.value().is_none(), "the key of the top, in every caller's partition");
}

#[tokio::test]
async fn a_child_is_warmed_after_its_parent_with_one_place_for_both() {
    let mut world = World::with_source(JOB_AND_CUSTOMER, "concurrency = 1").await;
    let declared = world.alacena.declared_read("get_customer").unwrap();
    let parameters = Parameters::from_text(&declared.parameters, [("job", "7")]).unwrap();
    let call = WarmCall { read: "get_customer".to_owned(), parameters: Some(parameters) };
    let run = world.alacena.warm(&[call], "test").unwrap();
    world.hears("GET /jobs/7").await.ok(&job_of(42)).await;
    world.hears("GET /customers/42").await.ok("1").await;
    assert!(world.alacena.warmed(run.id).await.unwrap().is_complete());
    for read in ["get_job", "get_customer"] {
        assert!(done(world.ask(read, 7)).await.is_hit(), "{read}");
    }
}
