//! A child is never fresher than its parent, and goes with it.

use std::time::Duration;

use alacena::{
    Mode,
    error::{Kind, catalogue},
    ledger::Target,
    outcome::{MissReason, NotStored, Origin, StaleReason},
};

use crate::world::{JOB_AND_CUSTOMER, World, done, ended, job_of, text};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn the_parent_is_asked_first_and_both_answers_are_kept() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    let first = world.fill(7, 42).await;
    assert_eq!((text(&first), first.origin()), ("{\"name\":\"Ana\"}", Origin::Source));
    assert!(done(world.ask("get_customer", 7)).await.is_hit());
    assert!(done(world.ask("get_job", 7)).await.is_hit(), "by the child, and for everybody");
    assert!(world.hears_nothing().await);

    let asked = (world.ask("get_customer", 8), world.ask("get_customer", 8), world.ask("get_job", 8));
    world.hears("GET /jobs/8").await.ok(&job_of(42)).await;
    world.hears("GET /customers/42").await.ok("1").await;
    let answers = (done(asked.0).await, done(asked.1).await, done(asked.2).await);
    assert!(answers.0.collapsed() != answers.1.collapsed(), "one flight each");
    assert!(world.hears_nothing().await);
}

#[tokio::test]
async fn whatever_invalidates_the_parent_invalidates_the_child() {
    let mut world =
        World::open(&JOB_AND_CUSTOMER.replace("ttl = \"60s\"", "ttl = \"60s\"\nindex = [\"id\"]")).await;
    let tag = |tag: &str| Target::Tag(tag.to_owned());
    let targets = [
        (tag("job:7"), true),
        (tag("rights:7"), true),
        (Target::Prefix("job:detail".to_owned()), true),
        (Target::Pattern("job:detail:7".to_owned()), true),
        (Target::Key("job:detail:7".to_owned()), true),
        (Target::Class("jobs".to_owned()), true),
        (tag("customers"), false),
        (Target::Class("customers".to_owned()), false),
        (Target::Key("get_customer:7".to_owned()), false),
    ];
    for (target, is_of_parent) in targets {
        world.fill(7, 42).await;
        world.invalidate(target.clone()).await;
        let asked = world.ask("get_customer", 7);
        if is_of_parent {
            world.hears("GET /jobs/7").await.ok(&job_of(42)).await;
        }
        world.hears("GET /customers/42").await.ok("1").await;
        let outcome = done(asked).await;
        assert!(matches!(outcome.miss(), Some(MissReason::Invalidated(_))), "{target:?}: {outcome:?}");
        world.invalidate(Target::Everything).await;
    }
    world.fill(7, 42).await;
    world.invalidate(Target::Tag("job:8".to_owned())).await;
    assert!(done(world.ask("get_customer", 7)).await.is_hit(), "another job is nothing to it");
}

#[tokio::test]
async fn a_hard_tag_of_the_parent_is_one_of_the_child() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    for (tag, stands_in) in [("job:7", true), ("rights:7", false)] {
        world.fill(7, 42).await;
        world.invalidate(Target::Tag(tag.to_owned())).await;
        let asked = world.ask("get_customer", 7);
        world.hears("GET /jobs/7").await.answer("500 Oops", "", "").await;
        if stands_in {
            // The parent's answer stands in for its source, and so the child's is asked.
            world.hears("GET /customers/42").await.answer("500 Oops", "", "").await;
        }
        let result = ended(asked).await;
        let stale = result.as_ref().ok().and_then(|outcome| outcome.stale());
        assert_eq!(stale, stands_in.then_some(StaleReason::SourceError), "{tag}: {result:?}");
        world.invalidate(Target::Everything).await;
        world.after(60).await;
    }
}

#[tokio::test]
async fn what_is_invalidated_while_parent_or_child_is_asked_is_not_kept() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    for in_the_parent in [true, false] {
        let asked = world.ask("get_customer", 7);
        let job = world.hears("GET /jobs/7").await;
        if in_the_parent {
            world.invalidate(Target::Tag("job:7".to_owned())).await;
        }
        job.ok(&job_of(42)).await;
        let customer = world.hears("GET /customers/42").await;
        if !in_the_parent {
            world.invalidate(Target::Tag("job:7".to_owned())).await;
        }
        customer.ok("1").await;
        let outcome = done(asked).await;
        assert_eq!(outcome.not_stored(), Some(NotStored::Superseded), "in the parent: {in_the_parent}");
        world.fill(7, 43).await;
        assert!(done(world.ask("get_customer", 7)).await.is_hit());
        world.invalidate(Target::Everything).await;
    }
}

#[tokio::test]
async fn a_child_is_never_fresher_than_its_parent() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    let asked = world.ask("get_job", 7);
    world.hears("GET /jobs/7").await.ok(&job_of(42)).await;
    done(asked).await;
    world.after(50).await;
    let asked = world.ask("get_customer", 7);
    let customer = world.hears("GET /customers/42").await;
    world.after(4).await;
    customer.ok("1").await;
    assert_eq!(done(asked).await.fresh_for(), seconds(6), "ten were left of the parent when it was asked");
    world.after(5).await;
    assert!(done(world.ask("get_customer", 7)).await.is_hit());
    world.after(1).await;
    world.fill(7, 42).await;

    // The parent's time ends while the child is asked.
    world.after(58).await;
    world.invalidate(Target::Tag("customers".to_owned())).await;
    let asked = world.ask("get_customer", 7);
    let customer = world.hears("GET /customers/42").await;
    world.after(3).await;
    customer.ok("1").await;
    assert_eq!(done(asked).await.not_stored(), Some(NotStored::ParentNotFresh));
}

#[tokio::test]
async fn a_class_that_keeps_for_less_time_than_its_parent_says_so_itself() {
    let config = JOB_AND_CUSTOMER.replace("ttl = \"10m\"", "ttl = \"20s\"\nnegative_ttl = \"5s\"");
    let mut world = World::open(&config).await;
    assert_eq!(world.fill(7, 42).await.fresh_for(), seconds(20));
    let asked = world.ask("get_customer", 8);
    world.hears("GET /jobs/8").await.ok(&job_of(9)).await;
    world.hears("GET /customers/9").await.answer("404 Not Found", "", "").await;
    let absent = done(asked).await;
    assert!(absent.value().is_none());
    assert_eq!(absent.fresh_for(), seconds(5));
    let nothing =
        World::open(&JOB_AND_CUSTOMER.replace("ttl = \"10m\"", "ttl = \"0s\"")).await.fill(7, 42).await;
    assert_eq!(nothing.not_stored(), Some(NotStored::NoTtl), "a class that keeps nothing keeps nothing");
}

#[tokio::test]
async fn with_a_stale_parent_the_child_is_answered_and_not_kept() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    world.fill(7, 42).await;
    world.after(60).await;
    let asked = (world.ask("get_customer", 7), world.ask("get_customer", 7));
    world.hears("GET /jobs/7").await.answer("500 Oops", "", "").await;
    world.hears("GET /customers/42").await.ok("2").await;
    let answers = (done(asked.0).await, done(asked.1).await);
    for outcome in [&answers.0, &answers.1] {
        assert_eq!((text(outcome), outcome.not_stored()), ("2", Some(NotStored::ParentNotFresh)));
        assert_eq!(outcome.fresh_for(), Duration::ZERO);
    }
    assert!(world.hears_nothing().await, "those who wait share it");

    // The parent's key rests after its failure, so that only the child's source is asked.
    let asked = world.ask("get_customer", 7);
    world.hears("GET /customers/42").await.ok("3").await;
    assert_eq!(text(&done(asked).await), "3");
    world.after(30).await;
    assert_eq!(world.fill(7, 42).await.not_stored(), None, "once the parent is fresh again");
}

#[tokio::test]
async fn a_parent_that_may_not_be_kept_leaves_nothing_to_keep() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    let asked = world.ask("get_customer", 7);
    world.hears("GET /jobs/7").await.answer("200 OK", "cache-control: no-store\r\n", &job_of(42)).await;
    world.hears("GET /customers/42").await.ok("1").await;
    assert_eq!(done(asked).await.not_stored(), Some(NotStored::Uncacheable));

    let mut world = World::open(&JOB_AND_CUSTOMER.replace("ttl = \"60s\"", "ttl = \"0s\"")).await;
    assert_eq!(world.fill(7, 42).await.not_stored(), Some(NotStored::ParentNotFresh));
}

#[tokio::test]
async fn the_mode_of_a_call_is_that_of_the_whole_chain() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    world.fill(7, 42).await;
    for (mode, not_stored) in [(Mode::Bypass, Some(NotStored::Bypass)), (Mode::Refresh, None)] {
        let asked = world.ask_as("get_customer", 7, mode, &[]);
        for line in ["GET /jobs/7", "GET /customers/42"] {
            let request = world.hears(line).await;
            assert!(request.head.contains("cache-control: no-cache"), "{mode:?} {line}: {}", request.head);
            request.ok(&job_of(42)).await;
        }
        assert_eq!(done(asked).await.not_stored(), not_stored, "{mode:?}");
    }
    assert_eq!(text(&done(world.ask("get_customer", 7)).await), job_of(42), "what the refresh brought");
}

#[tokio::test]
async fn a_parent_that_fails_fails_the_child_unless_something_stands_in() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    let asked = world.ask("get_customer", 7);
    world.hears("GET /jobs/7").await.answer("500 Oops", "", "").await;
    let error = ended(asked).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_FAILED);
    assert!(error.context().contains(&("parent", "get_job".to_owned())), "{error}");
    world.after(30).await;
    world.fill(7, 42).await;
    world.invalidate(Target::Tag("job:7".to_owned())).await;
    let asked = world.ask("get_customer", 7);
    world.hears("GET /jobs/7").await.answer("403 Forbidden", "", "").await;
    assert_eq!(ended(asked).await.unwrap_err().kind(), Kind::Denied, "who is told no is told no");
}

#[tokio::test]
async fn the_deps_of_a_chain_are_all_there_once() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    world.fill(7, 42).await;
    let known = world.alacena.explain("get_customer:7").unwrap();
    let mut deps: Vec<String> = known[0].entries[0].deps.iter().map(|(dep, _)| dep.to_string()).collect();
    deps.sort();
    let mut expected = [
        "everything",
        "namespace default",
        "class customers",
        "class jobs",
        "prefix get_customer",
        "prefix job",
        "prefix job:detail",
        "tag customers",
        "tag job:7",
        "tag rights:7",
        "key job:detail:7",
    ];
    expected.sort();
    assert_eq!(deps, expected);
}

#[tokio::test]
async fn a_child_that_is_refreshed_ahead_has_its_parent_renewed_first() {
    let mut world = World::open(JOB_AND_CUSTOMER).await;
    let asked = world.ask("get_customer", 7);
    for line in ["GET /jobs/7", "GET /customers/42"] {
        let request = world.hears(line).await;
        world.after(1).await;
        request.ok(&job_of(42)).await;
    }
    assert_eq!(done(asked).await.fresh_for(), seconds(59), "a second was spent on it");
    world.after(58).await;
    // A second before the end of both, after a load that took one: due by chance, one time in three.
    for _ in 0..100 {
        assert!(done(world.ask("get_customer", 7)).await.is_hit());
    }
    world.hears("GET /jobs/7").await.ok(&job_of(43)).await;
    world.hears("GET /customers/43").await.ok("2").await;
    while text(&done(world.ask("get_customer", 7)).await) != "2" {}
    let held = done(world.ask("get_customer", 7)).await;
    assert_eq!(
        (held.is_hit(), held.fresh_for()),
        (true, seconds(60)),
        "nobody has waited, nor will for a minute"
    );
    assert!(world.hears_nothing().await, "one load of each");
}
