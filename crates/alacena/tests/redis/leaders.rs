//! Those who load for all nodes: one that stands still, and keys that nobody can load for another.

use alacena::outcome::Origin as From;
use alacena_testkit::servers::RedisServer;
use futures_util::future::join_all;

use crate::{
    node::{Node, PATIENT, in_time, until},
    origin::Origin,
    process::Process,
    sharing::url,
};

/// INV-9: a process that stood still for longer than its lease brings home what is older than what another has stored since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stood_still_overwrites_nothing_newer() {
    let Some(server) = RedisServer::builder().start() else { return };
    let origin = Origin::start("").await;
    let mut leader = Process::start(&url(&server), &origin.declared());
    let mut next = Process::start(&url(&server), &origin.declared());
    let other = Node::declaring(&url(&server), PATIENT, &origin.declared()).await;
    leader.is_proved();
    next.is_proved();
    let stored = [stores(&mut leader), stores(&mut next)];

    leader.tell("ask 1 thing id 7");
    origin.begun(1).await;
    leader.pause();
    // Waits for the lease to run out, and leads.
    next.tell("ask 1 thing id 7");
    origin.begun(2).await;
    origin.answer(2);
    assert_eq!(next.told(), "1 2 source");
    until("the newer one is stored", async || stores(&mut next) > stored[1]).await;
    leader.resume();
    origin.answer(1);
    assert_eq!(leader.told(), "1 1 source", "whoever had asked before is answered with what came of it");
    until("it has tried to store that, too", async || stores(&mut leader) > stored[0]).await;

    let found = other.ask("thing", &[("id", "7")]).await;
    assert_eq!((&found.value().unwrap().bytes()[..], found.origin()), (&b"2"[..], From::L2), "{found:?}");
    assert_eq!(origin.requests(), 2);
}

/// How often it has tried to store something, and has heard what came of it.
fn stores(node: &mut Process) -> u64 {
    node.tell("stores");
    node.told().parse().unwrap()
}

/// INV-10: what may not be kept is loaded for each who asks, on whatever node, and nobody waits for anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_what_may_not_be_kept_waits_for_nobody_on_any_node() {
    let Some(server) = RedisServer::builder().start() else { return };
    let origin = Origin::start("cache-control: no-store\r\n").await;
    let nodes = [
        Node::declaring(&url(&server), PATIENT, &origin.declared()).await,
        Node::declaring(&url(&server), PATIENT, &origin.declared()).await,
    ];
    let ask = |node: usize| nodes[node].ask("thing", &[("id", "7")]);
    // The first one finds out.
    origin.answer(1);
    assert_eq!(ask(0).await.origin(), From::Source);
    // All the others are at the source at once: the last has begun before the first has ended.
    let asked = join_all((0..40).map(|number| ask(number % 2)));
    let all_at_once = async {
        origin.begun(41).await;
        origin.answer_all();
    };
    let (answers, ()) = in_time(futures_util::future::join(asked, all_at_once)).await;
    assert!(answers.iter().all(|answer| answer.origin() == From::Source));
    assert_eq!(origin.requests(), 41);
}
