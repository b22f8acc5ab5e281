//! It keeps every promise of a shard, and answers as the fake does.

use std::{sync::Arc, time::Duration};

use alacena_core::{runtime::BoxFuture, tier::Shard};
use alacena_testkit::tier::{
    FakeStage, differential,
    suite::{self, Happening, Stage},
};

use crate::stage::DiskStage;

#[tokio::test]
async fn the_disk_keeps_every_promise() {
    suite::check_all(&DiskStage::new().await).await;
}

#[tokio::test]
async fn the_disk_answers_as_the_fake_does() {
    for seed in 0..6 {
        differential::compare(seed, 300, &NeverFull(FakeStage::new(seed)), &DiskStage::new().await).await;
    }
}

/// The fake, as far as the same can happen to a disk.
struct NeverFull(FakeStage);

impl Stage for NeverFull {
    fn shard(&self) -> Arc<dyn Shard> {
        self.0.shard()
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.0.pass(time)
    }

    fn happen(&self, happening: Happening) -> BoxFuture<'_, bool> {
        match happening {
            Happening::Full(_) => Box::pin(std::future::ready(false)),
            happening => self.0.happen(happening),
        }
    }

    fn names(&self) -> BoxFuture<'_, Vec<String>> {
        self.0.names()
    }
}
