//! Servers that become others: promoted, demoted, exchanged.

use alacena_core::tier::{Begun, Failure, MarkerId, Shard, Store, Stored};
use alacena_testkit::{
    chaos::ChaosProxy,
    servers::{Flavour, RedisServer},
};

use crate::{
    node::{Heard, MINUTE, Node, entry, in_time, marker, record},
    stage::patient,
};

/// A primary, and a replica that has everything that it has.
fn pair(flavour: Flavour) -> Option<(RedisServer, RedisServer)> {
    let primary = RedisServer::builder().flavour(flavour).start()?;
    let replica = RedisServer::builder().flavour(flavour).replica_of(primary.address()).start()?;
    replica.wait_for_copy(&primary);
    Some((primary, replica))
}

fn url(server: &RedisServer) -> String {
    format!("redis://{}", server.address())
}

/// INV-6: a replica that takes over without having heard of a removal brings back marker and entry; neither counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_brings_back_is_of_another_era() {
    for flavour in Flavour::ALL {
        let Some((mut primary, replica)) = pair(flavour) else { continue };
        let proxy = ChaosProxy::start(primary.address(), 1);
        let node = Node::join(&format!("redis://{}", proxy.address())).await;
        let (marker, entry) = (marker(1), entry(1));
        let before = node.mints(marker).await.expect("there is room");
        assert_eq!(node.fills(entry, "old").await.expect("there is room"), Stored::Kept);
        let load = node.load(crate::node::entry(2));
        assert!(matches!(node.begin(load.clone()).await, Ok(Begun::Lead)));
        replica.wait_for_copy(&primary);

        // The removals never reach the replica.
        replica.isolate();
        node.invalidate(&[marker]).await.expect("removing works");
        node.invalidate_entries(&[entry.into(), load.entry.clone()]).await.expect("removing works");
        primary.kill();
        replica.promote();
        proxy.lead_to(replica.address());

        let checked = in_time(|| node.check(&[marker])).await;
        assert_eq!(checked.markers, [Some(before)], "{}: it is back", flavour.name());
        assert_ne!(checked.era, before.era, "{}: and of no era that counts", flavour.name());
        assert_ne!(node.mints(marker).await.expect("there is room"), before);
        // So is the lease that was taken away, and its holder stores nothing.
        let late = Store {
            entry: load.entry.clone(),
            attempt: load.attempt,
            envelope: record(load.entry.id(), "late"),
            keep: MINUTE,
        };
        assert_eq!(node.store(late).await.expect("it can be asked"), Stored::LeaseLost);
        assert!(!node.renew(load.entry.id(), load.attempt, MINUTE).await.expect("it can be asked"));
        let again = in_time(|| node.begin(node.load(load.entry.id()))).await;
        assert!(matches!(again, Begun::Lead), "{}: nobody waits for it", flavour.name());
    }
}

/// Nothing breaks, nobody says anything: a server that was demoted and promoted again in place is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_connected_and_changes_its_era_is_found_out() {
    for flavour in Flavour::ALL {
        let Some((server, other)) = pair(flavour) else { continue };
        for step in ["mint", "check", "begin", "ping", "renew"] {
            let node = Node::join(&url(&server)).await;
            let attempt = node.nonce();
            other.promote();
            server.follow(other.address());
            server.wait_for_copy(&other);
            server.promote();
            // Each step finds out by itself, and none takes effect.
            let refused = match step {
                "mint" => node.mint(attempt.era, &[(marker(1), attempt)], MINUTE).await.map(|_| ()),
                "check" => node.check(&[marker(1)]).await.map(|checked| assert_ne!(checked.era, attempt.era)),
                "begin" => {
                    node.begin(alacena_core::tier::Begin { attempt, ..node.load(entry(1)) }).await.map(|_| ())
                }
                "renew" => node.renew(entry(1), attempt, MINUTE).await.map(|held| assert!(!held)),
                _ => node.ping().await,
            };
            match step {
                "check" | "renew" => refused.expect("it says so"),
                _ => assert!(matches!(refused, Err(Failure::OtherEra)), "{step}: {refused:?}"),
            }
            node.hears(|heard| *heard == Heard::Lost).await;
            assert_ne!(node.is_connected().await, attempt.era, "{}, {step}", flavour.name());
            other.follow(server.address());
            other.wait_for_copy(&server);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_becomes_a_replica_is_left() {
    for flavour in Flavour::ALL {
        let Some((server, other)) = pair(flavour) else { continue };
        let node = Node::join(&url(&server)).await;
        other.promote();
        server.follow(other.address());
        server.wait_for_copy(&other);
        let refused = node.invalidate(&[marker(1)]).await;
        assert!(matches!(refused, Err(Failure::OtherEra)), "{refused:?}");
        node.hears(|heard| *heard == Heard::Lost).await;
        is_told_of_the_replica(&node).await;
        assert_eq!(node.era(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_no_primary_and_says_what_to_do() {
    let Some((_primary, replica)) = pair(Flavour::Debian) else { return };
    let node = Node::at(&url(&replica), patient());
    is_told_of_the_replica(&node).await;
    assert_eq!(node.era(), None);
}

async fn is_told_of_the_replica(node: &Node) {
    in_time(|| async {
        match node.check(&[marker(1)]).await {
            Err(Failure::Unavailable(error))
                if error.to_string().contains("put the address of its primary into the URL") =>
            {
                Ok(())
            }
            other => other.map(|_| ()),
        }
    })
    .await;
}

/// Whose link leads to one server and whose data to another would hear of nothing that matters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_before_two_servers_makes_no_link() {
    let (Some(one), Some(two)) = (RedisServer::builder().start(), RedisServer::builder().start()) else {
        return;
    };
    let proxy = ChaosProxy::start(one.address(), 1);
    let node = Node::join(&format!("redis://{}", proxy.address())).await;
    // New connections go to the other server, the old ones stay: only the link is made anew.
    proxy.lead_to(two.address());
    let first = one.command(&["CLIENT", "LIST"]).text();
    // B: it broadcasts; t: it is tracked.
    let is_link = |line: &&str| line.split(' ').any(|part| part.starts_with("flags=") && part.contains('B'));
    let link = first.lines().find(is_link);
    let id = link
        .and_then(|line| line.split(' ').next()?.strip_prefix("id="))
        .expect("there is a link")
        .to_owned();
    one.command(&["CLIENT", "KILL", "ID", &id]);
    node.hears(|heard| *heard == Heard::Lost).await;
    // In the end all of it has moved, data as well: then it counts.
    let era = node.is_connected().await;
    assert_eq!(in_time(|| node.check(&[MarkerId::Bucket(0)])).await.era, era);
    assert_eq!(one.info("connected_clients"), "1", "only the kit's own connection has stayed");
    assert!(node.ping().await.is_ok());
}
