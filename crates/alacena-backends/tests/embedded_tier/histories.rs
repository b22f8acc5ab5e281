//! Loads, invalidations, evictions and reads at once, on threads of their own: whoever reads after an invalidation was
//! answered never finds what was loaded before it to be valid.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use alacena_core::tier::{Begin, Begun, Fill, MarkerId, Nonce, Shard, Store};
use alacena_testkit::FakeRuntime;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::stage::{DAY, Disk, MINUTE, entry, patient};

const MARKER: MarkerId = MarkerId::Dep(7);
const INVALIDATIONS: u64 = 300;

/// A source whose value changes, and what is known of it.
struct World {
    disk: Disk,
    /// What the source says.
    source: AtomicU64,
    /// What it had said when the last invalidation that was answered began.
    answered: AtomicU64,
    /// The latest that somebody has found to be valid.
    found: AtomicU64,
    numbers: AtomicU64,
    is_over: AtomicBool,
}

impl World {
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn nonce(&self) -> Nonce {
        self.disk.nonce(self.number())
    }

    /// What a reader finds there that is valid; and in any case which fill it is.
    async fn read(&self) -> (Option<u64>, Option<Fill>) {
        let looked = self.disk.shard.look(&entry(1).into(), &[MARKER]).await.unwrap();
        let Some(envelope) = looked.entry else { return (None, None) };
        let number = |at: usize| u64::from_be_bytes(*envelope[at..].first_chunk().unwrap());
        let dep = Nonce::from_bytes(&envelope[12..28]);
        let valid = (dep == looked.markers[0]).then(|| number(28));
        (valid, Some(Fill(number(4))))
    }

    /// The whole protocol: the marker, the lease, the source, the store.
    async fn load(&self) {
        let fresh = self.nonce();
        let minted = self.disk.shard.mint(fresh.era, &[(MARKER, fresh)], DAY).await.unwrap()[0];
        let (_, seen) = self.read().await;
        let (entry, attempt) = (entry(1).into(), self.nonce());
        let begun = self.disk.shard.begin(Begin { entry, attempt, seen, lease: MINUTE }).await.unwrap();
        if !matches!(begun, Begun::Lead) {
            return;
        }
        let value = self.source.load(Ordering::SeqCst);
        // Others come in between.
        tokio::task::yield_now().await;
        let fill = self.number().to_be_bytes();
        let envelope: Bytes =
            [b"any.".as_slice(), &fill, &minted.to_bytes(), &value.to_be_bytes()].concat().into();
        let entry = crate::stage::entry(1).into();
        self.disk.shard.store(Store { entry, attempt, envelope, keep: DAY }).await.unwrap();
    }

    async fn change(&self) {
        for round in 0..INVALIDATIONS {
            // Now and then not before somebody has loaded what there is.
            let value = self.source.load(Ordering::SeqCst);
            while round % 3 == 0 && self.found.load(Ordering::SeqCst) < value {
                tokio::task::yield_now().await;
            }
            let value = self.source.fetch_add(1, Ordering::SeqCst) + 1;
            self.disk.shard.invalidate(&[MARKER]).await.unwrap();
            self.answered.fetch_max(value, Ordering::SeqCst);
            if value.is_multiple_of(7) {
                self.disk.tier.evict(&MARKER.name()).await.unwrap();
            }
        }
        self.is_over.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_reads_as_valid_what_was_loaded_before_an_invalidation_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let world = Arc::new(World {
        disk: Disk::open(folder.path(), patient(), &FakeRuntime::new(1)).await,
        source: AtomicU64::new(1),
        answered: AtomicU64::new(0),
        found: AtomicU64::new(0),
        numbers: AtomicU64::new(1),
        is_over: AtomicBool::new(false),
    });
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let loading = Arc::clone(&world);
        tasks.spawn(async move {
            while !loading.is_over.load(Ordering::SeqCst) {
                loading.load().await;
            }
        });
        let reading = Arc::clone(&world);
        tasks.spawn(async move {
            while !reading.is_over.load(Ordering::SeqCst) {
                let answered = reading.answered.load(Ordering::SeqCst);
                if let (Some(value), _) = reading.read().await {
                    assert!(value >= answered, "{value} was read after {answered} had been answered");
                    reading.found.fetch_max(value, Ordering::SeqCst);
                }
            }
        });
    }
    tokio::select! {
        () = world.change() => {}
        // It would wait for ever for whoever has found something wrong.
        Some(Err(wrong)) = tasks.join_next() => panic!("{wrong}"),
    }
    tasks.join_all().await;
    assert!(world.found.load(Ordering::SeqCst) > INVALIDATIONS - 10, "what was loaded was found");
}
