//! Connections and servers that fail, and callers that go away.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use alacena_core::{
    runtime::Runtime,
    tier::{Begun, EntryId, EntryName, Era, Failure, Fill, Nonce, Overwrite, Push, Shard, record::Record},
};
use alacena_testkit::{
    chaos::{ChaosProxy, Fault, Rule},
    servers::{Flavour, RedisServer},
};

use crate::{
    machine::Machine,
    node::{self, Heard, MINUTE, Node, entry, in_time, marker, record, within_patience},
    stage::patient,
};

fn url(server: &RedisServer) -> String {
    format!("redis://{}", server.address())
}

/// INV-11: whatever becomes of the order of answers, nobody believes another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_another_question_is_never_believed() {
    let Some(server) = RedisServer::builder().start() else { return };
    let faults =
        [Fault::DuplicateReply, Fault::OmitReply, Fault::SwapReplies { wait: Duration::from_millis(20) }];
    for fault in faults {
        server.command(&["FLUSHALL"]);
        let proxy = ChaosProxy::start(server.address(), 11);
        let mut settings = patient();
        settings.step_within = Duration::from_millis(100);
        // Faults follow each other faster here than it would come back for.
        settings.line.pause_max = Duration::from_millis(10);
        settings.line.connection.silence_max = Duration::from_millis(100);
        settings.prepare_within = Duration::from_millis(100);
        let node = Arc::new(Node::at(&format!("redis://{}", proxy.address()), settings));
        node.is_connected().await;
        let mut held = HashMap::new();
        for number in 0..32 {
            held.insert(number, in_time(|| node.mints(marker(number))).await);
            node.fills(entry(number), &format!("value {number}")).await.expect("there is room");
        }
        let injected =
            proxy.inject(Rule::to_client(fault).only_who_sent("INFO\r\n$6\r\nmemory").chance(0.004));
        let held = Arc::new(held);
        let tasks =
            (0..32_u16).map(|number| started(asks_for_its_own(Arc::clone(&node), number, Arc::clone(&held))));
        let mut failed = 0;
        for task in futures_util::future::join_all(tasks).await {
            failed += task.expect("nobody believed an answer to another question");
        }
        assert!(injected.hits() > 10 && failed > 0, "{fault:?}: {} times, {failed} failed", injected.hits());
        injected.lift();
        for number in 0..32 {
            let checked = in_time(|| node.check(&[marker(number)])).await;
            assert_eq!(checked.markers, [Some(held[&number])]);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what panics in it is to be seen")]
fn started(task: impl Future<Output = u32> + Send + 'static) -> tokio::task::JoinHandle<u32> {
    tokio::spawn(task)
}

/// Asks for an entry and a marker that nobody else changes. How often there was no answer.
async fn asks_for_its_own(node: Arc<Node>, number: u16, held: Arc<HashMap<u16, Nonce>>) -> u32 {
    let (entry, marker, nonce) = (entry(number), marker(number), held[&number]);
    let (mut answered, mut failed) = (0, 0);
    while answered < 200 {
        let outcome = match answered % 6 {
            0 => node
                .look(&entry.into(), &[])
                .await
                .map(|looked| is_mine(entry, number, looked.entry.as_deref())),
            1 => node.look(&entry.into(), &[marker]).await.map(|looked| {
                assert_eq!(looked.markers, [Some(nonce)], "read beside an entry");
                is_mine(entry, number, looked.entry.as_deref());
            }),
            2 => node
                .check(&[marker])
                .await
                .map(|checked| assert_eq!(checked.markers, [Some(nonce)], "checked")),
            // Whatever is there; and what nobody has put there.
            put @ (3 | 4) => match node.era() {
                Some(era) => node
                    .overwrite(over(entry, number, era, (put == 4).then_some(Fill(0xf011))))
                    .await
                    .map(|is_there| assert_eq!(is_there, put == 3, "put")),
                None => Err(Failure::OtherEra),
            },
            _ => match node.era() {
                Some(era) => node
                    .mint(era, &[(marker, Nonce { era, random: 1 })], Duration::from_millis(1))
                    .await
                    .map(|minted| assert_eq!(minted, [nonce], "minted")),
                None => Err(Failure::OtherEra),
            },
        };
        match outcome {
            Ok(()) => answered += 1,
            Err(_) => {
                failed += 1;
                Machine.sleep(Duration::from_millis(2)).await;
            }
        }
    }
    failed
}

fn over(entry: EntryId, number: u16, era: Era, over: Option<Fill>) -> Overwrite {
    // Nobody asks for that.
    let elsewhere: EntryName = node::entry(number + 1_000).into();
    let envelope = record(entry, &format!("value {number}"));
    Overwrite { entry: entry.into(), elsewhere, era, over, envelope, keep: MINUTE }
}

fn is_mine(entry: EntryId, number: u16, found: Option<&[u8]>) {
    // Nothing is a miss, and no wrong answer.
    let Some(found) = found else { return };
    assert_eq!(Record::entry_of(found), Some(entry));
    let value = format!("value {number}");
    assert!(found.windows(value.len()).any(|part| part == value.as_bytes()), "the value of another entry");
}

/// INV-12: whoever goes away at whatever moment shifts nobody's answer, and stays nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_at_any_moment_leaves_nothing_behind() {
    let Some(server) = RedisServer::builder().start() else { return };
    let node = Node::join(&url(&server)).await;
    let mut held = HashMap::new();
    for number in 0..16 {
        held.insert(number, node.mints(marker(number)).await.expect("there is room"));
        node.fills(entry(number), &format!("value {number}")).await.expect("there is room");
    }
    let leader = node.load(entry(100));
    assert!(matches!(node.begin(leader.clone()).await, Ok(Begun::Lead)));
    for round in 0..2_000_u64 {
        let number = (Machine.random() % 16) as u16;
        let polls = Machine.random() % 4;
        match round % 5 {
            0 => give_up(node.look(&entry(number).into(), &[]), polls).await,
            1 => give_up(node.look(&entry(number).into(), &[marker(number)]), polls).await,
            2 => give_up(node.check(&[marker(number)]), polls).await,
            3 => give_up(node.begin(node.load(entry(100))), polls).await,
            _ => give_up(node.touch(&[marker(number)]), polls).await,
        }
        let number = (number + 1) % 16;
        let looked = node.look(&entry(number).into(), &[marker(number)]).await.expect("it can be read");
        assert_eq!(looked.markers, [Some(held[&number])]);
        is_mine(entry(number), number, looked.entry.as_deref());
        assert!(looked.entry.is_some());
    }
    // Those who wait are still woken.
    let Ok(Begun::Wait(_, woken)) = node.begin(node.load(entry(100))).await else {
        panic!("somebody loads it")
    };
    node.release(entry(100), leader.attempt, None).await.expect("giving back works");
    within_patience(woken).await;
}

/// Polls so often, and drops it.
async fn give_up(step: impl Future, polls: u64) {
    let mut step = std::pin::pin!(step);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 || step.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A server that forgets its scripts is told them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_are_loaded_again_when_they_are_forgotten() {
    for flavour in Flavour::ALL {
        let Some(server) = RedisServer::builder().flavour(flavour).start() else { continue };
        let node = Node::join(&url(&server)).await;
        for number in 0..3 {
            server.command(&["SCRIPT", "FLUSH"]);
            node.mints(marker(number)).await.expect("there is room");
            server.command(&["SCRIPT", "FLUSH"]);
            node.fills(entry(number), "value").await.expect("there is room");
            server.command(&["SCRIPT", "FLUSH"]);
            node.check(&[marker(number)]).await.expect("it can be read");
            server.command(&["SCRIPT", "FLUSH"]);
            assert_eq!(node.replicate(0, Duration::ZERO).await.expect("it can be asked"), 0);
        }
        // And who begins to wait is tracked, also where the script was not known at first.
        let load = node.load(entry(9));
        assert!(matches!(node.begin(load.clone()).await, Ok(Begun::Lead)));
        server.command(&["SCRIPT", "FLUSH"]);
        let Ok(Begun::Wait(_, woken)) = node.begin(node.load(entry(9))).await else {
            panic!("somebody loads it")
        };
        node.release(entry(9), load.attempt, None).await.expect("giving back works");
        within_patience(woken).await;
    }
}

/// INV-5: what a server evicts by itself it tells of, like a removal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_that_is_evicted_is_told_of() {
    for flavour in Flavour::ALL {
        let builder = RedisServer::builder().flavour(flavour).config("maxmemory-policy", "allkeys-lru");
        let Some(server) = builder.start() else { continue };
        let node = Node::join(&url(&server)).await;
        assert!(node.capabilities().evicts);
        for number in 0..200 {
            node.mints(marker(number)).await.expect("there is room");
        }
        node.has_heard().await;
        let most = (server.used_memory() + 200_000).to_string();
        server.command(&["CONFIG", "SET", "maxmemory", &most]);
        let filler = "x".repeat(10_000);
        loop {
            server.command(&["SET", &format!("filler {}", Machine.random()), &filler]);
            node.ping().await.expect("a ping is answered");
            let pushed = node.has_heard().await.into_iter().find_map(|heard| match heard {
                Heard::Pushed(Push::Marker(marker)) => Some(marker),
                _ => None,
            });
            // News of the minting may still come on a busy machine.
            if let Some(marker) = pushed
                && node.check(&[marker]).await.expect("it can be read").markers == [None]
            {
                break;
            }
        }
    }
}

/// The reason for two pings. A removal and a ping that are served in one round: the answer comes before the news.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_ping_is_answered_after_the_news_and_the_first_may_not_be() {
    for flavour in Flavour::ALL {
        let Some(server) = RedisServer::builder().flavour(flavour).start() else { continue };
        // What the server tells arrives bit by bit, so that what came before can be seen apart.
        let proxy = ChaosProxy::start(server.address(), 3);
        let pieces = Fault::Pieces { size: 16, gap: Duration::from_micros(200) };
        proxy.inject(Rule::to_client(pieces).only_who_sent("BCAST"));
        let node = Node::join(&format!("redis://{}", proxy.address())).await;
        let (other, server) = (Node::join(&url(&server)).await, Arc::new(server));
        let mut too_early = 0;
        for number in 0..40 {
            node.mints(marker(number)).await.expect("there is room");
            for _ in 0..2 {
                node.ping().await.expect("a ping is answered");
            }
            node.has_heard().await;
            let busy = tokio::task::spawn_blocking({
                let server = Arc::clone(&server);
                move || {
                    server.command(&["EVAL", "local i = 0 while i < 2000000 do i = i + 1 end return i", "0"])
                }
            });
            // While the server is busy, both wait for it, so that it serves them in one round.
            Machine.sleep(Duration::from_millis(4)).await;
            let markers = [marker(number)];
            let (removed, pinged) = futures_util::future::join(other.invalidate(&markers), node.ping()).await;
            removed.expect("removing works");
            pinged.expect("a ping is answered");
            let told = |heard: Vec<Heard>| heard.contains(&Heard::Pushed(Push::Marker(marker(number))));
            if !told(node.has_heard().await) {
                too_early += 1;
                node.ping().await.expect("a ping is answered");
                assert!(told(node.has_heard().await), "{}: two pings, and no news", flavour.name());
            }
            busy.await.expect("it ends");
        }
        assert!(too_early > 0, "{}: if one were enough, nobody would need two", flavour.name());
    }
}

/// What was removed on one connection is waited for on another, and not before it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_stands_still_has_not_got_what_was_removed() {
    for flavour in Flavour::ALL {
        let Some(primary) = RedisServer::builder().flavour(flavour).start() else { continue };
        let Some(replica) = RedisServer::builder().flavour(flavour).replica_of(primary.address()).start()
        else {
            continue;
        };
        replica.wait_for_copy(&primary);
        let node = Node::join(&url(&primary)).await;
        let brief = Duration::from_millis(100);
        for number in 0..3 {
            node.mints(marker(number)).await.expect("there is room");
            assert_eq!(node.replicate(1, Duration::from_secs(10)).await.expect("it can be asked"), 1);
            replica.pause();
            node.invalidate(&[marker(number)]).await.expect("removing works");
            assert_eq!(node.replicate(1, brief).await.expect("it can be asked"), 0, "{}", flavour.name());
            // Other steps do not wait with it.
            let waits = node.replicate(1, Duration::from_secs(2));
            let reads = async {
                for _ in 0..20 {
                    node.check(&[marker(number)]).await.expect("it can be read");
                }
                replica.resume();
            };
            let (reached, ()) = futures_util::future::join(waits, reads).await;
            assert_eq!(reached.expect("it can be asked"), 1, "{}", flavour.name());
        }
        let checked = node.check(&[]).await.expect("it can be read");
        assert_eq!(checked.good_replicas, 1, "{}", flavour.name());
        // The connection that is kept for this has died unnoticed.
        primary.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        node.hears(|heard| matches!(heard, Heard::Connected(_))).await;
        assert_eq!(node.replicate(1, Duration::from_secs(10)).await.expect("it can be asked"), 1);
    }
}

/// INV-13: a server that stands still costs each step its time limit, and no more; what it does later is no surprise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_costs_no_more_than_the_time_limit() {
    let Some(server) = RedisServer::builder().start() else { return };
    let node = Node::at(&url(&server), alacena_backends::redis::ShardSettings::default());
    node.is_connected().await;
    node.mints(marker(1)).await.expect("there is room");
    server.pause();
    let before = Machine.now();
    let timed_out = node.look(&entry(1).into(), &[]).await;
    let took = Machine.now() - before;
    assert!(matches!(timed_out, Err(Failure::TimedOut(_))), "{timed_out:?}");
    assert!(took >= Duration::from_millis(50) && took < Duration::from_millis(500), "{took:?}");
    // Tried twice, and then it is known that nothing is known.
    let in_doubt = node.invalidate(&[marker(1)]).await;
    assert!(in_doubt.is_err_and(|failure| failure.is_in_doubt()));
    server.resume();
    let gone: Vec<Option<Nonce>> = in_time(|| node.check(&[marker(1)])).await.markers;
    assert_eq!(gone, [None], "it was done all the same");
}
