//! Somebody sets the wall clock by an hour. Freshness goes by a clock that nobody can set; only a time that a source
//! names is compared with the wall clock, when the answer is loaded.

use alacena::{Mode, ledger::Target, outcome::Origin};

use crate::world::{World, done};

const HOUR: i64 = 3_600_000;
/// The wall clock of the tests begins on 2026-11-20, at midnight.
const UNTIL_HALF_PAST_MIDNIGHT: &str = "{\"until\":\"2026-11-20T00:30:00Z\"}";

fn read(class: &str) -> String {
    format!(
        "[classes.c]\njitter = 0.0\nrefresh_ahead = false\n{class}\n\
         [reads.r]\nsource = \"crm\"\nclass = \"c\"\nhttp = \"GET /{{id}}\"\nparams.id = {{ type = \"integer\" }}\n"
    )
}

#[tokio::test]
async fn what_is_held_is_as_old_and_as_fresh_as_before() {
    for step in [HOUR, -HOUR] {
        let mut world = World::open(&read("ttl = \"10m\"\nstale_if_error = \"20m\"")).await;
        let asked = world.ask("r", 1);
        world.hears("GET /1").await.ok("1").await;
        done(asked).await;
        world.after(60).await;
        world.runtime.step_wall_clock(step);
        let held = done(world.ask("r", 1)).await;
        assert!(held.is_hit());
        assert_eq!((held.age().as_secs(), held.fresh_for().as_secs()), (60, 540), "step {step}");
        world.after(539).await;
        assert!(done(world.ask("r", 1)).await.is_hit(), "step {step}");
        world.after(1).await;
        let asked = world.ask("r", 1);
        world.hears("GET /1").await.answer("500 Oops", "", "").await;
        assert_eq!(
            done(asked).await.origin(),
            Origin::Stale,
            "step {step}: it stands in for twenty minutes more"
        );
        world.after(1200).await;
        let asked = world.ask("r", 1);
        world.hears("GET /1").await.answer("500 Oops", "", "").await;
        assert!(asked.await.unwrap().is_err(), "step {step}: and no longer");
    }
}

#[tokio::test]
async fn an_invalidation_holds_whatever_the_clock_says() {
    let mut world = World::open(&read("ttl = \"10m\"")).await;
    for (step, answer) in [(HOUR, "2"), (-2 * HOUR, "3")] {
        let asked = world.ask_as("r", 1, Mode::Refresh, &[]);
        world.hears("GET /1").await.ok("1").await;
        done(asked).await;
        world.runtime.step_wall_clock(step);
        world.invalidate(Target::Everything).await;
        let asked = world.ask("r", 1);
        world.hears("GET /1").await.ok(answer).await;
        assert_eq!(crate::world::text(&done(asked).await), answer);
    }
    let history = world.alacena.history(2).await.unwrap();
    assert!(history[0].at < history[1].at, "the newest first, although the clock was set back: {history:?}");
}

#[tokio::test]
async fn a_time_that_the_answer_names_is_compared_with_the_clock_when_it_comes() {
    let mut world = World::open(&read("ttl = \"5m\"\nttl_max = \"45m\"\nttl_from_value = \"/until\"")).await;
    // Half an hour is left; set forward, nothing is; set back, more than the class allows.
    for (id, step, fresh_for) in [(1, 0, 30 * 60), (2, HOUR, 0), (3, -2 * HOUR, 45 * 60)] {
        world.runtime.step_wall_clock(step);
        let asked = world.ask("r", id);
        world.hears(&format!("GET /{id}")).await.ok(UNTIL_HALF_PAST_MIDNIGHT).await;
        assert_eq!(done(asked).await.fresh_for().as_secs(), fresh_for, "{id}");
    }
    // What has come keeps the time that it was given.
    let held = done(world.ask("r", 1)).await;
    assert_eq!((held.is_hit(), held.fresh_for().as_secs()), (true, 30 * 60));
    let asked = world.ask("r", 2);
    world.hears("GET /2").await.ok("{\"until\":60}").await;
    assert_eq!(done(asked).await.fresh_for().as_secs(), 60, "a span needs no clock");
}

#[tokio::test]
async fn headers_are_compared_with_the_source_s_own_clock() {
    let mut world = World::open(&read("ttl = \"5m\"\nttl_max = \"2h\"\nttl_from_headers = true")).await;
    let headers = "date: Fri, 20 Nov 2026 00:00:00 GMT\r\nexpires: Fri, 20 Nov 2026 00:10:00 GMT\r\n";
    for (id, step) in [(1, 0), (2, HOUR), (3, -2 * HOUR)] {
        world.runtime.step_wall_clock(step);
        let asked = world.ask("r", id);
        world.hears(&format!("GET /{id}")).await.answer("200 OK", headers, "1").await;
        assert_eq!(done(asked).await.fresh_for().as_secs(), 600, "step {step}");
    }
}
