//! Real servers keep every promise of a shard, and answer as the fake does.

use alacena_testkit::{
    servers::Flavour,
    tier::{FakeStage, differential, suite},
};

use crate::stage::RedisStage;

async fn keeps_every_promise(flavour: Flavour) {
    let Some(stage) = RedisStage::start(flavour) else { return };
    suite::check_all(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redis_of_debian_keeps_every_promise() {
    keeps_every_promise(Flavour::Debian).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_redis_keeps_every_promise() {
    keeps_every_promise(Flavour::Oldest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_keeps_every_promise() {
    keeps_every_promise(Flavour::Valkey).await;
}

/// The fake is worth only as much as it is like the real ones.
async fn answers_as_the_fake_does(flavour: Flavour) {
    for seed in 0..2 {
        let Some(real) = RedisStage::start(flavour) else { return };
        differential::compare(seed, 250, &FakeStage::new(seed), &real).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redis_of_debian_answers_as_the_fake_does() {
    answers_as_the_fake_does(Flavour::Debian).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_redis_answers_as_the_fake_does() {
    answers_as_the_fake_does(Flavour::Oldest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_answers_as_the_fake_does() {
    answers_as_the_fake_does(Flavour::Valkey).await;
}
