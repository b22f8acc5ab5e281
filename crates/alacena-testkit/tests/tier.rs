//! The fake second tier keeps every promise of a shard and fails in every way that connections do, so that what is proved
//! on it means something.

use std::{sync::Arc, time::Duration};

use alacena_core::{
    runtime::Runtime,
    tier::{Era, Failure, MarkerId, Nonce, Push, Shard, Watcher},
};
use alacena_testkit::{
    FakeRuntime, settle,
    simulation::SimRuntime,
    tier::{FakeShard, FakeStage, FakeTier, Faults, Flow, Links, Replication, differential, suite},
};
use parking_lot::Mutex;

#[tokio::test]
async fn the_fake_keeps_every_promise() {
    suite::check_all(&FakeStage::new(1)).await;
}

#[test]
fn it_keeps_them_over_a_network_that_takes_its_time() {
    for seed in 0..10 {
        let runtime = SimRuntime::new(seed);
        let micros = |most: u64| Duration::from_micros(runtime.random() % most);
        let faults = Faults {
            latency: micros(500),
            jitter: micros(1_000),
            link_latency: micros(3_000),
            ..Faults::default()
        };
        let stage = FakeStage::simulated(&runtime, micros(2_000), faults);
        let done = runtime.run_until(async move { suite::check_all(&stage).await });
        done.unwrap_or_else(|stuck| panic!("seed {seed}: {stuck}"));
    }
}

#[tokio::test]
async fn a_server_is_like_itself() {
    for seed in 0..10 {
        differential::compare(seed, 200, &FakeStage::new(1), &FakeStage::new(2)).await;
    }
}

const MARKER: MarkerId = MarkerId::Dep(7);
const KEEP: Duration = Duration::from_secs(600);

#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Ear {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Watcher for Ear {
    fn connected(&self, era: Era) {
        self.0.lock().push(format!("connected to {}", era.0));
    }

    fn lost(&self) {
        self.0.lock().push("lost".to_owned());
    }

    fn pushed(&self, push: Push) {
        self.0.lock().push(match push {
            Push::Marker(_) => "marker".to_owned(),
            Push::Everything => "everything".to_owned(),
        });
    }
}

/// A server with a marker on it, and one node that listens.
async fn scene() -> (FakeRuntime, FakeTier, FakeShard, Arc<Ear>) {
    let runtime = FakeRuntime::new(1);
    let tier = FakeTier::with_replica(Arc::new(runtime.clone()));
    let (shard, ear) = (tier.shard(), Arc::<Ear>::default());
    shard.watch(ear.clone());
    mint(&shard).await;
    settle().await;
    assert_eq!(ear.take(), ["connected to 1", "marker"]);
    (runtime, tier, shard, ear)
}

async fn mint(shard: &FakeShard) {
    let era = shard.era().expect("it is connected");
    shard.mint(era, &[(MARKER, Nonce { era, random: 1 })], KEEP).await.expect("there is room");
}

fn holds_it(tier: &FakeTier) -> bool {
    tier.server(|server, now| server.markers(&[MARKER], now) != [None])
}

#[tokio::test]
async fn a_step_of_somebody_who_gave_up_is_taken_once_it_arrives() {
    let (runtime, tier, shard, _) = scene().await;
    shard.set_faults(Faults { requests: Flow::Held, ..Faults::default() });
    let removed = shard.invalidate(&[MARKER]);
    runtime.advance(Duration::from_millis(250)).await;
    assert!(matches!(removed.await, Err(Failure::TimedOut(_))));
    assert!(holds_it(&tier));
    shard.set_faults(Faults::default());
    settle().await;
    assert!(!holds_it(&tier));
}

#[tokio::test]
async fn a_step_whose_answer_is_lost_has_been_taken() {
    let (runtime, tier, shard, _) = scene().await;
    shard.set_faults(Faults { answers: Flow::Held, ..Faults::default() });
    let removed = shard.invalidate(&[MARKER]);
    runtime.advance(Duration::from_millis(250)).await;
    assert!(matches!(removed.await, Err(Failure::TimedOut(_))));
    assert!(!holds_it(&tier));
}

#[tokio::test]
async fn a_link_is_lost_alone() {
    let (_, _, shard, ear) = scene().await;
    shard.set_faults(Faults { link_refused: true, ..Faults::default() });
    assert_eq!(ear.take(), ["lost"]);
    assert!(matches!(shard.ping().await, Err(Failure::Unavailable(_))));
    shard.invalidate(&[MARKER]).await.expect("the other connections are there");
    shard.set_faults(Faults::default());
    settle().await;
    assert_eq!(ear.take(), ["connected to 1"], "what it missed it never hears of");
}

#[tokio::test]
async fn a_ping_without_an_answer_costs_the_link() {
    let (runtime, _, shard, ear) = scene().await;
    shard.set_faults(Faults { link: Flow::Held, ..Faults::default() });
    let ping = shard.ping();
    shard.invalidate(&[MARKER]).await.expect("the other connections are there");
    runtime.advance(Duration::from_secs(1)).await;
    assert!(matches!(ping.await, Err(Failure::TimedOut(_))));
    assert_eq!(ear.take(), ["lost"]);
    shard.set_faults(Faults::default());
    settle().await;
    assert_eq!(ear.take(), ["connected to 1"]);
}

#[tokio::test]
async fn a_pong_overtakes_the_news_of_the_same_round() {
    let runtime = FakeRuntime::new(1);
    let tier = FakeTier::new(Arc::new(runtime.clone())).with_round(Duration::from_millis(1));
    let (shard, other, ear) = (tier.shard(), tier.shard(), Arc::<Ear>::default());
    shard.watch(ear.clone());
    let play = async {
        mint(&other).await;
        shard.ping().await.expect("a ping is answered");
        let after_one = ear.take();
        shard.ping().await.expect("a ping is answered");
        (after_one, ear.take())
    };
    let (heard, ()) = tokio::join!(play, runtime.advance(Duration::from_millis(10)));
    assert_eq!(heard.0, ["connected to 1"], "the marker was minted before the ping was sent");
    assert_eq!(heard.1, ["marker"]);
}

#[tokio::test]
async fn a_paused_server_takes_every_step_when_it_goes_on() {
    let (runtime, tier, shard, _) = scene().await;
    tier.pause();
    let checked = shard.check(&[MARKER]);
    drop(shard.invalidate(&[MARKER]));
    runtime.advance(Duration::from_secs(1)).await;
    assert!(matches!(checked.await, Err(Failure::TimedOut(_))));
    tier.resume();
    settle().await;
    assert!(!holds_it(&tier));
}

#[tokio::test]
async fn a_replica_that_takes_over_does_not_know_what_it_was_not_told() {
    let (_, tier, shard, ear) = scene().await;
    assert_eq!(shard.replicate(1, Duration::from_secs(1)).await.expect("it can be asked"), 1);
    tier.set_replication(Replication::Cut);
    assert_eq!(shard.check(&[]).await.expect("it can be read").good_replicas, 0);
    shard.invalidate(&[MARKER]).await.expect("removing works");
    settle().await;
    assert_eq!(ear.take(), ["marker"]);

    tier.failover(Links::Stay);
    assert!(holds_it(&tier), "the removal never happened");
    settle().await;
    assert_eq!((ear.take(), shard.era()), (vec![], Some(Era(1))), "nobody is told");
    shard.ping().await.expect("a ping is answered");
    settle().await;
    assert_eq!(
        (ear.take(), shard.era()),
        (vec!["lost".to_owned(), "connected to 2".to_owned()], Some(Era(2)))
    );
}

#[tokio::test]
async fn a_lag_can_be_waited_for() {
    let (runtime, tier, shard, _) = scene().await;
    tier.set_replication(Replication::After(Duration::from_millis(30)));
    shard.invalidate(&[MARKER]).await.expect("removing works");
    let reached = shard.replicate(1, Duration::from_secs(1));
    assert_eq!(tier.server(|server, _| server.behind()), 1);
    runtime.advance(Duration::from_millis(30)).await;
    assert_eq!(reached.await.expect("it can be asked"), 1);
}

#[tokio::test]
async fn who_is_forbidden_is_told_so() {
    let (_, tier, shard, _) = scene().await;
    shard.set_faults(Faults { denied: true, ..Faults::default() });
    assert!(matches!(shard.invalidate(&[MARKER]).await, Err(Failure::Denied(_))));
    assert!(holds_it(&tier));
}
