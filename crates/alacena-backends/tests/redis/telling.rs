//! What nodes hear where the server does not tell of changes by itself, and how that is found out.

use std::{sync::Arc, time::Duration};

use alacena_backends::redis::{RedisShard, ShardSettings};
use alacena_core::tier::{Begun, Failure, MarkerId, Push, Shard, Telling};
use alacena_testkit::{
    FakeRuntime,
    servers::{Flavour, RedisServer},
};

use crate::{
    machine::Machine,
    node::{Heard, Node, entry, in_time, listener, marker, within_patience},
    stage::{patient, server_at},
};

const NO_TRACKING: &str = "app on >secret ~* &* +@all -client";

fn url(server: &RedisServer) -> String {
    format!("redis://app:secret@{}", server.address())
}

fn server(flavour: Flavour, user: &str) -> Option<RedisServer> {
    RedisServer::builder().flavour(flavour).config("user", user).start()
}

fn settings(telling: Telling) -> ShardSettings {
    let mut settings = patient();
    settings.telling = Some(telling);
    settings
}

/// How often the server was told to publish something.
fn publications(server: &RedisServer) -> u64 {
    let info = server.command(&["INFO", "commandstats"]).text();
    let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_publish:calls="));
    calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap_or(0)
}

async fn tells(node: &RedisShard, telling: Telling) {
    let is_so =
        || async { if node.capabilities().telling == telling { Ok(()) } else { Err(Failure::OtherEra) } };
    in_time(is_so).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tracking_nodes_tell_one_another() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, NO_TRACKING) else { continue };
        let (a, b) = (Node::join(&url(&server)).await, Node::join(&url(&server)).await);
        assert_eq!(b.capabilities().telling, Telling::Published, "{}", flavour.name());
        a.mints(marker(1)).await.expect("there is room");
        // Also of what is not there: who holds a copy of a marker that was evicted has to hear of it.
        for gone in [marker(1), marker(2)] {
            a.invalidate(&[gone]).await.expect("removing is allowed");
            b.hears(|heard| *heard == Heard::Pushed(Push::Marker(gone))).await;
        }
        a.invalidate_entries(&[entry(7).into()]).await.expect("removing is allowed");
        let bucket = entry(7).bucket_marker();
        b.hears(|heard| *heard == Heard::Pushed(Push::Marker(bucket))).await;
        let many: Vec<MarkerId> = (0..2_000).map(|number| MarkerId::Dep(number << 64 | 0xf)).collect();
        a.invalidate(&many).await.expect("removing is allowed");
        b.hears(|heard| *heard == Heard::Pushed(Push::Marker(many[1_999]))).await;
        b.ping().await.expect("a ping is answered");
        let lacks = b.lacks();
        let [lack] =
            lacks.iter().filter(|lack| lack.what.contains("CLIENT TRACKING")).collect::<Vec<_>>()[..]
        else {
            panic!("{lacks:?}")
        };
        assert!(!lack.is_serious && lack.what.contains("NOPERM") && lack.costs.contains("PUBLISH"), "{lack}");
    }
}

/// What is said to nodes is said before any ping is answered that is sent after the removal was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_after_a_removal_is_answered_after_what_was_published() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, NO_TRACKING) else { continue };
        let (a, b) = (Node::join(&url(&server)).await, Node::join(&url(&server)).await);
        for number in 0..50 {
            a.invalidate(&[marker(number)]).await.expect("removing is allowed");
            b.ping().await.expect("a ping is answered");
            let heard = b.has_heard().await;
            assert!(heard.contains(&Heard::Pushed(Push::Marker(marker(number)))), "{number}: {heard:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_either_nobody_tells_and_the_link_is_there_all_the_same() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, "app on >secret ~* &* +@all -client -subscribe") else { continue };
        let node = Node::join(&url(&server)).await;
        assert_eq!(node.capabilities().telling, Telling::Nothing);
        node.ping().await.expect("a ping is answered");
        let lack = node.lacks().into_iter().find(|lack| lack.is_serious).expect("it is said");
        for said in ["CLIENT TRACKING", "SUBSCRIBE", "`eventual`", "+client|tracking"] {
            assert!(lack.to_string().contains(said), "{said}: {lack}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_how_it_is_told_is_told_so() {
    let Some(server) = RedisServer::builder().start() else { return };
    let url = format!("redis://{}", server.address());
    for wanted in Telling::ALL {
        let node = Node::at(&url, settings(wanted));
        node.is_connected().await;
        assert_eq!(node.capabilities().telling, wanted);
        let lacks: Vec<_> =
            node.lacks().into_iter().filter(|lack| lack.what.contains("redis.push")).collect();
        assert_eq!(lacks.len(), usize::from(wanted != Telling::Tracked), "{lacks:?}");
        assert!(lacks.iter().all(|lack| !lack.is_serious), "it was asked for");
        let count = || publications(&server);
        let before = count();
        node.invalidate(&[marker(1)]).await.expect("removing works");
        assert!(count() > before, "others may hear of it in this way only");
        if wanted == Telling::Tracked {
            continue;
        }
        // Who is not woken asks again.
        let load = node.load(entry(1));
        assert!(matches!(in_time(|| node.begin(load.clone())).await, Begun::Lead));
        let Ok(Begun::Wait(_, again)) = node.begin(node.load(entry(1))).await else {
            panic!("somebody loads it")
        };
        within_patience(again).await;
        node.release(entry(1), load.attempt, None).await.expect("it is held");
    }
}

/// The only one that is wanted does not work: then none, and it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_one_way_only_gets_that_or_none() {
    let Some(server) = server(Flavour::Debian, NO_TRACKING) else { return };
    let node = Node::at(&url(&server), settings(Telling::Tracked));
    node.is_connected().await;
    assert_eq!(node.capabilities().telling, Telling::Nothing);
    assert!(node.lacks().iter().any(|lack| lack.is_serious && lack.what.contains("CLIENT TRACKING")));
}

/// Nodes that rely on being told are not: that is for whoever invalidates to say, since they cannot know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_say_what_it_removes_says_that() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, "app on >secret ~* &* +@all -publish") else { continue };
        let node = Node::join(&url(&server)).await;
        assert_eq!(node.capabilities().telling, Telling::Tracked);
        assert_eq!(node.lacks().iter().filter(|lack| lack.is_serious).count(), 0, "nobody knows yet");
        let nonce = node.mints(marker(1)).await.expect("there is room");
        node.invalidate(&[marker(1)]).await.expect("the removal itself is done");
        assert_ne!(node.mints(marker(1)).await.expect("there is room"), nonce);
        let lacks = node.lacks();
        let lack = lacks.iter().find(|lack| lack.is_serious).expect("it is said");
        assert!(lack.what.contains("PUBLISH") && lack.remedy.contains("+publish"), "{lack}");
        assert!(!node.capabilities().is_heard, "so nothing may be waited for and then called a barrier");
        server.command(&["ACL", "SETUSER", "app", "+publish"]);
        node.invalidate(&[marker(1)]).await.expect("removing works");
        assert_eq!(node.lacks().iter().filter(|lack| lack.is_serious).count(), 0, "and no more when it can");
    }
}

/// However a node hears of others itself: it does not know how they hear of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hears_in_no_other_way_hears_of_what_nodes_of_every_mind_remove() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, NO_TRACKING) else { continue };
        let hears = Node::join(&url(&server)).await;
        assert_eq!(hears.capabilities().telling, Telling::Published);
        let direct = format!("redis://{}", server.address());
        let metered = server_at(&direct).metered(10_000, &Machine::shared());
        let metered = RedisShard::open(metered, patient(), Machine::shared());
        within_patience(metered.rouse().expect("it sleeps")).await.expect("the server is there");
        assert_eq!(metered.capabilities().telling, Telling::Nothing);
        let mut others = vec![metered];
        for telling in Telling::ALL {
            let other = RedisShard::open(server_at(&direct), settings(telling), Machine::shared());
            in_time(|| other.check(&[])).await;
            others.push(other);
        }
        for (number, other) in (0..).zip(&others) {
            other.invalidate(&[marker(number)]).await.expect("removing works");
            hears.hears(|heard| *heard == Heard::Pushed(Push::Marker(marker(number)))).await;
            let of_key = entry(number);
            other.invalidate_entries(&[of_key.into()]).await.expect("removing works");
            hears.hears(|heard| *heard == Heard::Pushed(Push::Marker(of_key.bucket_marker()))).await;
            assert!(other.capabilities().is_heard);
        }
    }
}

/// A right that is given is found out beside what works, and nothing is lost on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_better_way_is_taken_once_there_is_one() {
    for flavour in Flavour::ALL {
        let Some(server) = server(flavour, "app on >secret ~* &* +@all -client -subscribe") else { continue };
        let runtime = FakeRuntime::new(1);
        let shard = RedisShard::open(server_at(&url(&server)), patient(), Arc::new(runtime.clone()));
        let (watcher, mut heard) = listener();
        shard.watch(watcher);
        let mut next = async || within_patience(heard.recv()).await.expect("the shard is there");
        assert!(matches!(next().await, Heard::Connected(_)));
        let steps = [("+subscribe", Telling::Published), ("+client", Telling::Tracked)];
        for (right, telling) in steps {
            server.command(&["ACL", "SETUSER", "app", right]);
            runtime.advance(Duration::from_secs(31)).await;
            shard.ping().await.expect("a ping is answered");
            tells(&shard, telling).await;
            // Everything is doubted as at the start, and nothing is lost.
            assert!(matches!(next().await, Heard::Connected(_)), "{}", flavour.name());
        }
        server.command(&["UNLINK", &marker(1).name()]);
        server.command(&["SET", &marker(1).name(), "x"]);
        assert_eq!(next().await, Heard::Pushed(Push::Marker(marker(1))), "the server itself tells");
    }
}

/// Within a step of the server, so nothing lies between: who listens is told before the link is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_by_strangers_does_no_harm() {
    let Some(server) = server(Flavour::Debian, NO_TRACKING) else { return };
    let node = Node::join(&url(&server)).await;
    for text in ["", "alc:e:{007}x", "\u{0}\u{1}", "alc:m:c:0123456789abcdef"] {
        server.command(&["PUBLISH", "alc:p", text]);
    }
    node.ping().await.expect("a ping is answered");
    assert_eq!(node.has_heard().await, []);
}
