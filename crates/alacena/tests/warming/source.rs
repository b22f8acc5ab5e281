//! What a warming does to a source: as little as it can.

use std::sync::atomic::Ordering;

use alacena::{Ask, WarmingRun, WarmingTrigger};

use crate::world::{READS, World, ended};

#[tokio::test]
async fn a_source_that_is_switched_off_is_sent_nothing() {
    let world = World::open(READS).await;
    *world.crm.status.lock() = "500 Oops";
    for id in 1..=5 {
        let asked = world.parameters("account", &[("id", &id.to_string())]);
        world.alacena.ask("account", asked, Ask::default()).await.unwrap_err();
    }
    assert_eq!(world.crm.asked().len(), 5);
    *world.crm.status.lock() = "200 OK";
    // The source may be tried out again, but not for this.
    world.after(2000).await;
    let run = world.alacena.warm_all("test").unwrap();
    let run = world.alacena.warmed(run.id).await.unwrap();
    assert_eq!(world.crm.asked(), [""; 0]);
    assert!(!run.is_complete() && run.who == "test");
    let jobs = run.reads.iter().find(|read| read.read == "get_jobs").unwrap();
    assert_eq!((jobs.total, jobs.done, jobs.loaded), (3, 3, 0));
    assert_eq!(jobs.skipped_by_reason, [("breaker-open", 3)].into());
    assert!(jobs.last_problem.as_ref().unwrap().starts_with("source switched off"));
}

#[tokio::test]
async fn a_source_has_one_read_at_a_time_and_few_calls_at_once() {
    let numbers = (1..=20).map(|id| format!("{{ id = {id} }}")).collect::<Vec<_>>().join(", ");
    let reads = READS.replace("{ id = 1 }, { id = 2 }", &numbers);
    let world = World::open(&reads).await;
    world.crm.hold();
    let run = world.alacena.warm_all("test").unwrap();
    let again = world.warm("get_jobs", None).unwrap();
    for answers in 1..=23 {
        world.until(|_| world.crm.asked.lock().len() >= answers).await;
        world.crm.let_out(1);
    }
    let run = world.alacena.warmed(run.id).await.unwrap();
    assert!(run.is_complete() && run.reads[0].total == 20);
    assert_eq!(world.crm.at_once_max.load(Ordering::SeqCst), 2);
    let again = world.alacena.warmed(again.id).await.unwrap();
    let loads = |run: &WarmingRun| run.reads.iter().map(|read| read.loaded).sum::<u64>();
    assert_eq!(loads(&run) + loads(&again), 23, "nothing twice");
}

#[tokio::test]
async fn where_there_is_no_room_a_warming_comes_back() {
    let narrow = "[sources.narrow]\nkind = \"http\"\nbase_url = \"{base}\"\nconcurrency = 1\n\
                  [reads.slow]\nsource = \"narrow\"\nhttp = \"GET /slow\"\n\
                  [reads.next]\nsource = \"narrow\"\nhttp = \"GET /next\"\n";
    let world = World::open(narrow).await;
    world.crm.hold();
    let (alacena, slow) = (world.alacena.clone(), world.parameters("slow", &[]));
    let asked = tokio::spawn(async move { alacena.ask("slow", slow, Ask::default()).await });
    world.until(|_| world.crm.asked.lock().len() == 1).await;
    let run = world.warm("next", None).unwrap();
    // It waits for a place for 100 ms, in vain, and then a second.
    world.after(500).await;
    world.crm.let_out(2);
    asked.await.unwrap().unwrap();
    assert_eq!(world.alacena.warming(run.id).unwrap().reads[0].done, 0);
    world.after(1000).await;
    assert!(world.alacena.warmed(run.id).await.unwrap().is_complete());
    assert_eq!(world.crm.asked(), ["/next", "/slow"]);
}

#[tokio::test]
async fn what_a_read_asks_first_is_warmed_as_a_warming_too() {
    let child = READS.replace(
        "[reads.cold]",
        "[reads.owner]\nsource = \"crm\"\nclass = \"crm\"\nhttp = \"GET /owners/{owner}\"\n\
         parent = { read = \"job\", take = { owner = \"/owner\" } }\nwarm = { at_start = false }\n\
         [reads.job]\nsource = \"crm\"\nclass = \"crm\"\nhttp = \"GET /job\"\ntags = [\"job\"]\n[reads.cold]",
    );
    let world = World::started(&child).await;
    world.crm.asked();
    let run = world.warm("owner", None).unwrap();
    assert!(world.alacena.warmed(run.id).await.unwrap().is_complete());
    assert_eq!(world.crm.asked(), ["/job", "/owners/7"]);
    // What the parent depends on, the child does, too.
    world.invalidate("job").await;
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 1).await;
    assert_eq!(world.crm.asked(), ["/job", "/owners/7"]);

    *world.crm.status.lock() = "500 Oops";
    for id in 1..=5 {
        let asked = world.parameters("account", &[("id", &id.to_string())]);
        world.alacena.ask("account", asked, Ask::default()).await.unwrap_err();
    }
    world.crm.asked();
    // The source may be tried out again.
    world.after(2000).await;
    world.invalidate("job").await;
    world.after(500).await;
    world.until(|runs| ended(runs, WarmingTrigger::Invalidation) == 2).await;
    let run = &world.alacena.warmings()[0];
    assert_eq!(run.reads[0].skipped_by_reason, [("breaker-open", 1)].into());
    assert_eq!(world.crm.asked(), [""; 0], "the parent did not try out the source either");
}
