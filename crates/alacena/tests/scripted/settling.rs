//! A source that lags: what is invalidated is invalidated once more when it has settled.

use alacena::{Class, class::Policy, ledger::Target, outcome::Origin};

use crate::world::{World, done, text};

const READ: &str = r#"
    [classes.c]
    ttl = "1h"
    jitter = 0.0
    refresh_ahead = false
    [reads.r]
    source = "crm"
    class = "c"
    http = "GET /{id}"
    params.id = { type = "integer" }
    key = "r:{id}"
    tags = ["r:{id}"]
"#;

impl World {
    /// Asks for it, and the source is asked and answers.
    async fn loads(&mut self, id: u64, answer: &str) {
        let asked = self.ask("r", id);
        self.hears(&format!("GET /{id}")).await.ok(answer).await;
        assert_eq!(text(&done(asked).await), answer);
    }

    /// Asks for it, and the source is not.
    async fn holds(&mut self, id: u64, answer: &str) {
        let held = done(self.ask("r", id)).await;
        assert_eq!((text(&held), held.origin()), (answer, Origin::L1));
    }
}

#[tokio::test]
async fn what_was_loaded_too_early_goes_when_the_source_has_settled() {
    for target in [
        Target::Tag("r:1".into()),
        Target::Key("r:1".into()),
        Target::Prefix("r".into()),
        Target::Class("c".into()),
        Target::Everything,
    ] {
        let mut world = World::with_source(READ, "settle = \"10s\"").await;
        world.loads(1, "1").await;
        world.invalidate(target.clone()).await;
        // The replica has not heard of it.
        world.loads(1, "1").await;
        world.after(9).await;
        world.holds(1, "1").await;
        world.after(2).await;
        world.loads(1, "2").await;
        // Once, and no more.
        world.after(60).await;
        world.holds(1, "2").await;
        let history = world.alacena.history(10).await.unwrap();
        let who: Vec<&str> = history.iter().map(|done| done.who.as_str()).collect();
        assert_eq!(who, ["settle of test", "test"], "{target:?}");
    }
}

#[tokio::test]
async fn nothing_is_repeated_for_what_no_source_that_lags_answers() {
    let config =
        format!("{READ}[sources.other]\nkind = \"http\"\nbase_url = \"{{base}}\"\nsettle = \"5s\"\n");
    let mut world = World::open(&config).await;
    let kpis: Class<u64> = world.alacena.class("kpis", Policy::default()).unwrap();
    for target in [Target::Class("c".into()), Target::Key("r:1".into()), Target::Everything] {
        world.invalidate(target).await;
    }
    kpis.invalidate().await;
    world.loads(1, "1").await;
    world.after(60).await;
    world.holds(1, "1").await;
    assert_eq!(world.alacena.history(10).await.unwrap().len(), 3);
}

/// A class of the application's own names tags that declared reads carry.
#[tokio::test]
async fn what_a_class_of_the_application_invalidates_is_repeated_too() {
    let mut world = World::with_source(READ, "settle = \"10s\"").await;
    let kpis: Class<u64> = world.alacena.class("kpis", Policy::default()).unwrap();
    kpis.invalidate_tag("r:1").await.unwrap();
    world.loads(1, "1").await;
    world.after(11).await;
    world.loads(1, "2").await;
}

/// More than wait one by one: one of everything stands for those for which there was no room.
#[tokio::test]
async fn an_invalidation_beyond_the_limit_is_repeated_with_all_others() {
    let mut world = World::with_source(READ, "settle = \"10s\"").await;
    for number in 0..1_024 {
        world.invalidate(Target::Tag(format!("other:{number}"))).await;
    }
    world.invalidate(Target::Tag("r:1".into())).await;
    world.loads(1, "1").await;
    world.after(5).await;
    // While that one waits already.
    world.invalidate(Target::Tag("r:2".into())).await;
    world.loads(2, "1").await;
    world.after(6).await;
    world.loads(1, "2").await;
    world.loads(2, "1").await;
    world.after(10).await;
    world.loads(2, "2").await;
    world.after(60).await;
    world.holds(2, "2").await;
    // And there is room again.
    world.invalidate(Target::Tag("r:2".into())).await;
    assert_eq!(world.alacena.history(1).await.unwrap()[0].who, "test");
    world.after(11).await;
    assert_eq!(world.alacena.history(1).await.unwrap()[0].who, "settle of test");
}

/// Each has the time that its source had when it was invalidated, whatever the one has that stands for all.
#[tokio::test]
async fn what_is_repeated_with_all_others_waits_for_its_own_source() {
    let mut world = World::with_source(READ, "settle = \"10s\"").await;
    for number in 0..1_025 {
        world.invalidate(Target::Tag(format!("other:{number}"))).await;
    }
    let another = world.another_with(READ, "settle = \"60s\"");
    world.reload(&another).await;
    world.invalidate(Target::Tag("r:1".into())).await;
    world.after(50).await;
    // The replica has not heard of it.
    world.loads(1, "1").await;
    world.after(25).await;
    world.loads(1, "2").await;
}

/// What the invalidation names may be called otherwise by then.
#[tokio::test]
async fn a_read_that_is_declared_anew_meanwhile_is_reached_as_well() {
    let mut world = World::with_source(READ, "settle = \"10s\"").await;
    world.invalidate(Target::Key("r:1".into())).await;
    let another = world.another_with(&READ.replace("GET /{id}", "GET /new/{id}"), "settle = \"10s\"");
    world.reload(&another).await;
    let asked = world.ask("r", 1);
    world.hears("GET /new/1").await.ok("1").await;
    done(asked).await;
    world.after(11).await;
    let asked = world.ask("r", 1);
    world.hears("GET /new/1").await.ok("2").await;
    assert_eq!(text(&done(asked).await), "2");
}

#[tokio::test]
async fn a_reload_says_anew_how_long_a_source_lags() {
    let mut world = World::open(READ).await;
    let another = world.another_with(READ, "settle = \"10s\"");
    world.reload(&another).await;
    world.invalidate(Target::Class("c".into())).await;
    world.loads(1, "1").await;
    world.after(11).await;
    world.loads(1, "2").await;
}
