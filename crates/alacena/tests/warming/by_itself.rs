//! What is warmed without anybody saying so.

use std::{sync::Arc, time::Duration};

use alacena::{Alacena, WarmingTrigger, ledger::Target, runtime::SharedRuntime};
use alacena_testkit::{FakeRuntime, settle};

use crate::world::{Crm, JOBS, READS, World, configuration, ended};

#[tokio::test]
async fn what_is_declared_is_there_before_anybody_asks() {
    let world = World::started(READS).await;
    assert_eq!(world.crm.asked(), JOBS);
    assert!(world.is_hit("get_jobs", &[("size", "50"), ("status", "active")]).await);
    assert!(world.is_hit("get_jobs", &[]).await, "size 100 is the default");
    assert_eq!(world.crm.asked(), [""; 0]);
    let figures = world.alacena.figures();
    assert_eq!((figures.reads[2].hits, &figures.reads[2].read[..]), (2, "get_jobs"), "warming is no hit");
    assert_eq!(figures.warming.questions_by_result[0], ("loaded", 3));
}

#[tokio::test]
async fn a_burst_of_invalidations_warms_once_and_only_what_it_touched() {
    let world = World::started(READS).await;
    world.crm.asked();
    for _ in 0..100 {
        world.invalidate("jobs").await;
        world.after(10).await;
    }
    assert_eq!(world.crm.asked(), [""; 0], "it is not quiet yet");
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 1).await;
    assert_eq!(world.crm.asked(), JOBS);
    assert!(world.is_hit("get_jobs", &[]).await);

    world.invalidate("account:2").await;
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 2).await;
    assert_eq!(world.crm.asked(), ["/accounts/2"]);

    world.alacena.invalidate(&[Target::Key("jobs:list:all:0:50".to_owned())], "test").await.unwrap();
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 3).await;
    assert_eq!(world.crm.asked(), ["/jobs?from=0&size=50"]);

    world.invalidate("elsewhere").await;
    world.after(60_000).await;
    assert_eq!(world.crm.asked(), [""; 0]);
    assert_eq!(world.alacena.warmings().len(), 4);
}

#[tokio::test]
async fn invalidations_that_never_stop_are_not_waited_for_for_ever() {
    let world = World::started(READS).await;
    for _ in 0..55 {
        world.invalidate("jobs").await;
        world.after(100).await;
    }
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 1).await;
}

#[tokio::test]
async fn what_is_invalidated_while_it_is_warmed_is_warmed_again_one_after_the_other() {
    let world = World::started(READS).await;
    world.crm.asked();
    world.crm.hold();
    world.invalidate("account:1").await;
    world.after(500).await;
    world.until(|_| world.crm.asked.lock().len() == 1).await;
    // The answer under way is out of date, and so is asked for again at once; then the schedule looks, too.
    world.invalidate("account:1").await;
    world.after(5000).await;
    // Whatever else makes it look.
    world.invalidate("jobs").await;
    world.after(1).await;
    assert_eq!(world.alacena.warmings().len(), 2, "one at a time");
    world.crm.let_out(10);
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 2).await;
    let runs = world.alacena.warmings();
    let counts: Vec<_> = runs.iter().map(|run| (run.reads[0].loaded, run.reads[0].fresh)).collect();
    assert_eq!(counts[..2], [(0, 1), (1, 0)]);
    assert_eq!(world.crm.asked(), ["/accounts/1", "/accounts/1"]);
    assert!(world.is_hit("account", &[("id", "1")]).await);
}

#[tokio::test]
async fn the_clock_on_the_wall_warms_too() {
    let reads = READS.replace("at_start = false", "at_start = false, cron = \"0 6 * * mon-fri\"");
    let world = World::started(&reads).await;
    world.crm.asked();
    // The fake clock begins on Friday, 2026-11-20, at midnight.
    let hours = |hours: u64| hours * 3_600_000;
    world.after(hours(6) - 1).await;
    assert_eq!(ended(&world.alacena.warmings(), WarmingTrigger::Cron), 0);
    world.after(1).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 1).await;
    assert_eq!(world.crm.asked(), ["/accounts/1", "/accounts/2"]);
    world.after(hours(48)).await;
    assert_eq!(ended(&world.alacena.warmings(), WarmingTrigger::Cron), 1, "not on a weekend");
    world.after(hours(24)).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 2).await;
}

#[tokio::test]
async fn a_clock_that_is_set_is_followed() {
    let reads = READS.replace("at_start = false", "at_start = false, cron = \"0 6 * * *\"");
    let world = World::started(&reads).await;
    let hour = 3_600_000;
    // Past six within one look: it is made up for, once.
    world.runtime.step_wall_clock(7 * hour);
    world.after(60_000).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 1).await;
    world.after(60_000).await;
    assert_eq!(ended(&world.alacena.warmings(), WarmingTrigger::Cron), 1);
    // Back to five: six comes once more.
    world.runtime.step_wall_clock(-2 * hour);
    world.after(30 * 60_000).await;
    assert_eq!(ended(&world.alacena.warmings(), WarmingTrigger::Cron), 1);
    world.after(30 * 60_000).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 2).await;
}

#[tokio::test]
async fn another_configuration_is_followed() {
    let world = World::started(READS).await;
    world.crm.asked();
    let reads = READS.replace("at_start = false", "cron = \"*/5 * * * *\"").replace("{ size = 50 }, ", "");
    let config = configuration(world.folder.path(), &world.crm.base, &reads);
    world.alacena.reload(&config).await.unwrap();
    world.until(|runs| ended(runs, WarmingTrigger::Start) == 2).await;
    let asked = world.crm.asked();
    assert!(asked.contains(&"/accounts/1".to_owned()) && !asked.contains(&JOBS[1].to_owned()), "{asked:?}");
    world.after(300_000).await;
    world.until(|runs| ended(runs, WarmingTrigger::Cron) == 1).await;
    world.invalidate("jobs").await;
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 1).await;
    assert_eq!(world.crm.asked(), [JOBS[0], JOBS[2]]);
}

#[tokio::test]
async fn a_schedule_keeps_nothing_alive_and_ends() {
    let (crm, folder) = (Crm::start().await, tempfile::tempdir().unwrap());
    let reads = READS.replace("size = 50 }] }", "size = 50 }], at_start = false }");
    let config = configuration(folder.path(), &crm.base, &reads);
    let runtime: SharedRuntime = Arc::new(FakeRuntime::new(1));
    let alacena = Alacena::open(&config, Arc::clone(&runtime)).await.unwrap();
    alacena.keep_warm();
    settle().await;
    drop(alacena);
    let gone = async {
        while Arc::strong_count(&runtime) > 1 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(waited.is_ok(), "something still holds the runtime");
    assert_eq!(crm.asked(), [""; 0]);
}
