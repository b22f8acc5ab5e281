//! One load for all nodes, INV-8: processes of their own, of which one may be killed.

use std::time::{Duration, Instant};

use alacena::STEP_BOUNDS;
use alacena_testkit::servers::RedisServer;
use futures_util::future::join_all;

use crate::{
    node::{Node, Numbers, PATIENT, in_time, number},
    process::Process,
    sharing::url,
    support::Peer,
};

fn slow_read(peer: &Peer) -> String {
    format!(
        "[sources.peer]\nkind = \"http\"\nbase_url = \"http://{}\"\n\
         [reads.thing]\nsource = \"peer\"\nhttp = \"GET /things/{{id}}\"\nkey = \"thing:{{id}}\"\nparams.id = {{ type = \"integer\" }}\n",
        peer.address
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_of_five_hundred_callers_ask_once() {
    let Some(server) = RedisServer::builder().start() else { return };
    let peer = Peer::start().await;
    let mut nodes: Vec<Process> = (0..3).map(|_| Process::start(&url(&server), &slow_read(&peer))).collect();
    for node in &mut nodes {
        node.is_proved();
    }
    let before = peer.calls();
    peer.hold(true);
    for node in &mut nodes {
        node.tell("ask 500 thing id 7");
    }
    peer.begun(before + 1).await;
    // All of them are told before the answer comes: none of the others has any but to wait for it.
    for node in &mut nodes {
        node.has_begun();
    }
    peer.hold(false);
    for node in &mut nodes {
        assert_eq!(node.told(), "500 \"GET /things/7\"");
    }
    assert_eq!(peer.calls() - before, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_one_who_loads_is_killed_the_next_one_does_within_the_lease() {
    let Some(server) = RedisServer::builder().start() else { return };
    let peer = Peer::start().await;
    let mut leader = Process::start(&url(&server), &slow_read(&peer));
    let mut next = Process::start(&url(&server), &slow_read(&peer));
    leader.is_proved();
    next.is_proved();
    let before = peer.calls();
    peer.hold(true);
    leader.tell("ask 1 thing id 7");
    peer.begun(before + 1).await;
    next.tell("ask 500 thing id 7");
    next.has_begun();
    let killed = Instant::now();
    leader.kill();
    peer.begun(before + 2).await;
    let took = killed.elapsed();
    // The lease of three seconds, a tenth of it by chance, and what a busy machine takes.
    assert!(took < Duration::from_millis(3_300 + 1_000), "{took:?}");
    peer.hold(false);
    assert_eq!(next.told(), "500 \"GET /things/7\"");
    assert_eq!(peer.calls() - before, 2);
}

/// A burst waits for its turn, and nothing of it is late: no more room is needed than there is by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_keys_at_once_are_loaded_once_each() {
    let Some(server) = RedisServer::builder().start() else { return };
    let (a, b) = (Node::at(&url(&server), PATIENT).await, Node::at(&url(&server), PATIENT).await);
    let loads = ten_thousand_keys(&a, &b).await;
    assert_eq!(loads, 10_000, "{:?} {:?}", steps(&a), steps(&b));
}

/// Where a busy machine does not answer within the 50 ms that there are by default, some ask for themselves: each node once,
/// and nobody fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_keys_at_once_fail_nobody_however_little_time_there_is() {
    let Some(server) = RedisServer::builder().start() else { return };
    let (a, b) = (Node::at(&url(&server), "").await, Node::at(&url(&server), "").await);
    let loads = ten_thousand_keys(&a, &b).await;
    println!("{loads} loads; {:?} {:?}", steps(&a), steps(&b));
    assert!((10_000..=20_000).contains(&loads), "{loads}");
}

/// How many steps there were, how long the longest took, and what became of those that failed.
fn steps(node: &Node) -> Vec<String> {
    let figures = node.alacena.figures();
    let steps = figures.shards[0].steps.iter().filter(|step| step.count() > 0).map(|step| {
        let failures = step.failures.iter().filter(|(_, count)| *count > 0);
        let failures: Vec<_> = failures.map(|(why, count)| format!(" {why} {count}")).collect();
        let longest = step.took.iter().rposition(|count| *count > 0).unwrap_or_default();
        let longest = STEP_BOUNDS.get(longest).map_or("longer".to_owned(), |bound| format!("{bound:?}"));
        format!("{} {} {longest}{}", step.step, step.count(), failures.concat())
    });
    steps.collect()
}

/// Two nodes are asked for ten thousand keys at once; how many loads that takes.
async fn ten_thousand_keys(a: &Node, b: &Node) -> u64 {
    let numbers = Numbers::default();
    numbers.set(1);
    let began = Instant::now();
    let asked = (0..10_000).flat_map(|key| {
        let numbers = &numbers;
        [a, b].map(|node| async move {
            let key = format!("key {key}");
            let numbers = numbers.clone();
            let load = move || numbers.load_after(Duration::from_millis(100));
            node.bounded.get_or_fetch([&key], &["t"], load).await
        })
    });
    let answers = in_time(join_all(asked)).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| number(answer) == Some(1))));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    numbers.loads()
}
