//! What is warmed because somebody says so, and how it ends.

use std::{sync::Arc, time::Duration};

use alacena::{Alacena, WarmCall, WarmingTrigger, error::catalogue};
use alacena_testkit::FakeRuntime;
use futures_util::FutureExt;

use crate::world::{Crm, READS, World, configuration, ended};

#[tokio::test]
async fn a_demand_asks_what_it_names_and_says_what_became_of_it() {
    let world = World::open(READS).await;
    assert_eq!(world.crm.asked(), [""; 0], "nobody said to keep anything warm");
    let run = world.warm("account", Some(&[("id", "7")])).unwrap();
    assert_eq!((run.reads[0].total, run.ended_at), (1, None));
    assert!(world.alacena.warmed(run.id).await.unwrap().is_complete());
    let calls = [
        WarmCall { read: "account".to_owned(), parameters: None },
        WarmCall { read: "cold".to_owned(), parameters: None },
        WarmCall {
            read: "account".to_owned(),
            parameters: Some(world.parameters("account", &[("id", "7")])),
        },
        WarmCall {
            read: "account".to_owned(),
            parameters: Some(world.parameters("account", &[("id", "1")])),
        },
    ];
    let run = world.alacena.warm(&calls, "test").unwrap();
    let run = world.alacena.warmed(run.id).await.unwrap();
    let counts: Vec<_> = run.reads.iter().map(|read| (&read.read[..], read.loaded, read.fresh)).collect();
    assert_eq!(counts, [("account", 2, 1), ("cold", 1, 0)]);
    assert_eq!(world.crm.asked(), ["/accounts/1", "/accounts/2", "/accounts/7", "/cold"]);
    assert!(world.alacena.warming(run.id + 1).is_none() && world.alacena.warmings().len() == 2);

    *world.crm.status.lock() = "404 Not Found";
    world.after(3_600_001).await;
    *world.crm.status.lock() = "503 Busy";
    let run = world.warm("cold", None).unwrap();
    let run = world.alacena.warmed(run.id).await.unwrap();
    assert_eq!(run.reads[0].failed_by_reason, [("source-failed", 1)].into());
}

#[tokio::test]
async fn what_cannot_be_warmed_is_refused_before_anything_is_sent() {
    let world = World::open(READS).await;
    let code = |calls: &[WarmCall]| world.alacena.warm(calls, "test").unwrap_err().code().slug;
    let call = |read: &str| WarmCall { read: read.to_owned(), parameters: None };
    assert_eq!(code(&[call("cold"), call("mine")]), "parameter-invalid");
    assert_eq!(code(&[call("cold"), call("colt")]), "not-declared");
    let refused = world.warm("mine", Some(&[])).unwrap_err();
    assert!(refused.detail().contains("`authorization`"), "{refused}");
    let without =
        World::open("[reads.a]\nsource = \"crm\"\nhttp = \"GET /{id}\"\nparams.id = { type = \"integer\" }")
            .await;
    assert_eq!(without.warm("a", None).unwrap_err().code(), &catalogue::PARAMETER_INVALID);
    assert_eq!(without.alacena.warm_all("test").unwrap_err().code(), &catalogue::NOTHING_WARM);
    assert_eq!(world.crm.asked(), [""; 0]);
    assert_eq!(world.alacena.warmings().len(), 0);
}

#[tokio::test]
async fn warmings_under_way_are_few() {
    let world = World::open(READS).await;
    world.crm.hold();
    for _ in 0..16 {
        world.warm("cold", None).unwrap();
    }
    assert_eq!(world.warm("cold", None).unwrap_err().code(), &catalogue::WARMING_BUSY);
    world.crm.let_out(16);
    world.until(|runs| ended(runs, WarmingTrigger::Demand) == 16).await;
    for _ in 0..60 {
        let id = world.warm("cold", None).unwrap().id;
        world.alacena.warmed(id).await.unwrap();
    }
    assert!(world.alacena.warmings().len() <= 51 && world.alacena.warming(1).is_none());
}

#[tokio::test]
async fn close_stops_what_has_not_begun() {
    let world = World::open(READS).await;
    world.crm.hold();
    let run = world.warm("get_jobs", None).unwrap();
    world.until(|_| world.crm.asked.lock().len() == 2).await;
    let mut closing = Box::pin(world.alacena.close(Duration::from_secs(60)));
    assert!((&mut closing).now_or_never().is_none(), "two loads are under way");
    world.crm.let_out(2);
    closing.await;
    let run = world.alacena.warmed(run.id).await.unwrap();
    let jobs = &run.reads[0];
    assert_eq!((jobs.loaded, &jobs.skipped_by_reason), (2, &[("closed", 1)].into()));
    assert_eq!(world.alacena.warm_all("test").unwrap_err().code(), &catalogue::CLOSED);
    assert_eq!(world.crm.asked().len(), 2);
}

#[tokio::test]
async fn without_a_cache_nothing_is_warmed() {
    let (crm, folder) = (Crm::start().await, tempfile::tempdir().unwrap());
    let mut config = configuration(folder.path(), &crm.base, READS);
    config.cache_enabled = false;
    let alacena = Alacena::open(&config, Arc::new(FakeRuntime::new(1))).await.unwrap();
    let run = alacena.warm_all("test").unwrap();
    let run = alacena.warmed(run.id).await.unwrap();
    assert_eq!(run.reads[1].skipped_by_reason, [("cache-disabled", 3)].into());
    assert_eq!(crm.asked(), [""; 0]);
}
