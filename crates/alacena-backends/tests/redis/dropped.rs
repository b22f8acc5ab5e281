//! A shard that is dropped by whoever is being told something: an engine ends with the last who hears of it.

use std::sync::Arc;

use alacena_backends::redis::RedisShard;
use alacena_core::tier::{Era, Push, Shard, Watcher};
use alacena_testkit::servers::RedisServer;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{
    machine::Machine,
    node::{Node, marker, within_patience},
    stage::{patient, server_at},
};

/// What this node hears.
enum Heard {
    Connected,
    Dropped,
}

/// Holds the shard that it listens to, until the first push.
struct Last {
    shard: Mutex<Option<RedisShard>>,
    told: mpsc::UnboundedSender<Heard>,
}

impl Watcher for Last {
    fn connected(&self, _: Era) {
        self.told.send(Heard::Connected).expect("the test goes on");
    }

    fn lost(&self) {}

    fn pushed(&self, _: Push) {
        if let Some(shard) = self.shard.lock().take() {
            drop(shard);
            self.told.send(Heard::Dropped).expect("the test goes on");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hears_of_a_change_can_drop_the_shard() {
    let Some(server) = RedisServer::builder().start() else { return };
    let url = format!("redis://{}", server.address());
    let (told, mut heard) = mpsc::unbounded_channel();
    let last = Arc::new(Last { shard: Mutex::new(None), told });
    let shard = RedisShard::open(server_at(&url), patient(), Machine::shared());
    shard.watch(Arc::clone(&last) as _);
    *last.shard.lock() = Some(shard);
    assert!(matches!(within_patience(heard.recv()).await, Some(Heard::Connected)));

    let other = Node::join(&url).await;
    other.mints(marker(1)).await.expect("the server is there");
    assert!(matches!(within_patience(heard.recv()).await, Some(Heard::Dropped)));
    assert!(last.shard.lock().is_none());
}
