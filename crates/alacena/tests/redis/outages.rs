//! Servers that go away, and what was said meanwhile.

use std::time::{Duration, Instant};

use alacena::{Level, outcome::Origin};
use alacena_testkit::{
    chaos::{ChaosProxy, Close, Door, Fault, Rule},
    servers::{Flavour, RedisServer},
};

use crate::{
    node::{Node, Numbers, number, until},
    process::Process,
    sharing::url,
};

/// INV-7a: an invalidation during an outage outlives kill -9 of the node that was asked for it, and no read of that node
/// is answered by Redis before Redis knows of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_invalidated_during_an_outage_outlives_the_node() {
    let Some(server) = RedisServer::builder().start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("stock.db")).unwrap();
    database.execute_batch("create table stock (id, amount); insert into stock values (1, 10)").unwrap();
    let sections = format!(
        "[sources.db]\nkind = \"sqlite\"\npath = \"{}/stock.db\"\n\
         [reads.stock]\nsource = \"db\"\nsql = \"select amount from stock where id = :id\"\nresult = \"row\"\n\
         key = \"stock:{{id}}\"\nparams.id = {{ type = \"integer\" }}\ntags = [\"stock:{{id}}\"]\n",
        folder.path().display()
    );
    let proxy = ChaosProxy::start(server.address(), 1);
    let mut node = Process::start(&format!("redis://{}", proxy.address()), &sections);
    let other = Node::declaring(&url(&server), crate::node::PATIENT, &sections).await;
    node.is_proved();
    node.tell("ask 1 stock id 1");
    assert_eq!(node.told(), r#"1 {"amount":10} source"#);
    assert_eq!(other.ask("stock", &[("id", "1")]).await.origin(), Origin::L2);

    // The network is gone; the change and its invalidation are not.
    proxy.set_door(Door::Refusing);
    proxy.close_all(Close::Reset);
    database.execute_batch("update stock set amount = 9").unwrap();
    node.tell("invalidate stock:1");
    assert_eq!(node.told(), "deferred");
    node.kill();

    // Nobody has told Redis: another node knows no better, which is why it was called deferred.
    assert_eq!(other.ask("stock", &[("id", "1")]).await.value().unwrap().bytes(), r#"{"amount":10}"#);
    proxy.set_door(Door::Open);
    node.start_again();
    for _ in 0..50 {
        node.tell("ask 1 stock id 1");
        let said = node.told();
        assert!(said.starts_with(r#"1 {"amount":9}"#), "{said}");
    }
    until("all nodes know", async || {
        other.ask("stock", &[("id", "1")]).await.value().unwrap().bytes() == r#"{"amount":9}"#
    })
    .await;
}

/// INV-6: an invalidation was acknowledged, the replica that takes over never received it, and what it has brought back
/// is answered as fresh by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_missed_an_invalidation_brings_nothing_back() {
    for flavour in Flavour::ALL {
        let Some(mut master) = RedisServer::builder().flavour(flavour).start() else { continue };
        let feed = ChaosProxy::start(master.address(), 2);
        let Some(replica) = RedisServer::builder().flavour(flavour).replica_of(feed.address()).start() else {
            continue;
        };
        let way = ChaosProxy::start(master.address(), 3);
        let at = format!("redis://{}", way.address());
        let (a, b) = (Node::at(&at, crate::node::PATIENT).await, Node::at(&at, crate::node::PATIENT).await);
        let numbers = Numbers::default();
        numbers.set(1);
        let keys: Vec<String> = (0..20).map(|key| format!("key {key}")).collect();
        for key in &keys {
            a.get(key, &numbers).await;
            a.get_strictly(key, &numbers).await;
            b.get(key, &numbers).await;
        }
        replica.wait_for_copy(&master);
        feed.inject(Rule::both_ways(Fault::Blackhole));
        numbers.set(2);
        assert_eq!(a.bounded.invalidate_tag("t").await.unwrap().level, Level::Applied);
        master.kill();
        replica.promote();
        way.lead_to(replica.address());
        way.close_all(Close::Reset);

        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            for key in &keys {
                for read in [
                    a.get(key, &numbers).await,
                    b.get(key, &numbers).await,
                    a.get_strictly(key, &numbers).await,
                    b.get_strictly(key, &numbers).await,
                ] {
                    let is_fresh = !matches!(read.origin(), Origin::Stale | Origin::Local);
                    assert!(!is_fresh || number(&read) == Some(2), "{flavour:?} {key}: {read:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        until("the new one is used", async || b.get("another", &numbers).await.origin() == Origin::L1).await;
    }
}
