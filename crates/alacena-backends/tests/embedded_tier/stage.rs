//! A tier in a folder of its own, on a clock that the test holds; and as a stage for the suite.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alacena_backends::embedded::{EmbeddedLedger, EmbeddedShard, EmbeddedTier, Owner, TierSettings};
use alacena_core::{
    runtime::{BoxFuture, SharedRuntime},
    tier::{Begin, Begun, EntryId, Fill, MarkerId, Nonce, Shard, Store, Stored},
};
use alacena_testkit::{
    FakeRuntime,
    tier::suite::{Happening, Stage},
};
use bytes::Bytes;
use tempfile::TempDir;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The store of a process, and the entries beside it.
pub(crate) struct Disk {
    pub(crate) tier: Arc<EmbeddedTier>,
    pub(crate) shard: EmbeddedShard,
    ledger: Arc<EmbeddedLedger>,
}

impl Disk {
    /// What a process opens in this folder; the file of the entries may not be open.
    pub(crate) fn start(folder: &Path, settings: TierSettings, runtime: &FakeRuntime) -> Self {
        let owner = Owner { pid: std::process::id(), listen: None, started_at: 7 };
        let runtime: SharedRuntime = Arc::new(runtime.clone());
        let ledger = EmbeddedLedger::open(folder, owner, None, Arc::clone(&runtime)).unwrap();
        let tier = EmbeddedTier::open(&ledger, settings, runtime).unwrap();
        Self { shard: tier.shard(), tier, ledger }
    }

    /// The same, once the entries can be used.
    pub(crate) async fn open(folder: &Path, settings: TierSettings, runtime: &FakeRuntime) -> Self {
        let disk = Self::start(folder, settings, runtime);
        disk.tier.opened().await.unwrap();
        disk
    }

    /// The process ends as it should.
    pub(crate) async fn close(self) {
        self.tier.close().await;
        self.ledger.close().await;
    }

    pub(crate) fn nonce(&self, random: u64) -> Nonce {
        Nonce { era: self.shard.era().unwrap(), random }
    }

    /// Gives this marker this nonce, for a day.
    pub(crate) async fn mint(&self, marker: MarkerId, random: u64) -> Nonce {
        let nonce = self.nonce(random);
        self.shard.mint(nonce.era, &[(marker, nonce)], DAY).await.unwrap()[0]
    }

    pub(crate) async fn held(&self, marker: MarkerId) -> Option<Nonce> {
        self.shard.check(&[marker]).await.unwrap().markers[0]
    }

    /// Loads this entry and stores it, for so long.
    pub(crate) async fn fill(&self, entry: EntryId, envelope: Bytes, keep: Duration) -> Stored {
        static ATTEMPTS: AtomicU64 = AtomicU64::new(1);
        let attempt = self.nonce(ATTEMPTS.fetch_add(1, Ordering::Relaxed));
        // Whatever is there is not what is wanted.
        let seen = self.stored(entry).await.map(|envelope| fill_of(&envelope));
        let begun = self.shard.begin(Begin { entry: entry.into(), attempt, seen, lease: MINUTE }).await;
        assert!(matches!(begun.unwrap(), Begun::Lead));
        self.shard.store(Store { entry: entry.into(), attempt, envelope, keep }).await.unwrap()
    }

    pub(crate) async fn stored(&self, entry: EntryId) -> Option<Bytes> {
        self.shard.look(&entry.into(), &[]).await.unwrap().entry
    }
}

/// An entry of a bucket of its own, more or less.
pub(crate) fn entry(number: u64) -> EntryId {
    EntryId(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(number))
}

/// So many bytes that say which fill they are.
pub(crate) fn envelope(fill: u64, bytes: usize) -> Bytes {
    let mut envelope = [b"any.".as_slice(), &fill.to_be_bytes()].concat();
    envelope.resize(bytes.max(12), u8::try_from(fill & 0x7f).unwrap());
    envelope.into()
}

pub(crate) fn fill_of(envelope: &[u8]) -> Fill {
    Fill(u64::from_be_bytes(*envelope[4..12].first_chunk().unwrap()))
}

/// A tier as a stage for the suite.
pub(crate) struct DiskStage {
    runtime: FakeRuntime,
    disk: Disk,
    _folder: TempDir,
}

impl DiskStage {
    pub(crate) async fn new() -> Self {
        let (runtime, folder) = (FakeRuntime::new(1), tempfile::tempdir().unwrap());
        let disk = Disk::open(folder.path(), patient(), &runtime).await;
        Self { runtime, disk, _folder: folder }
    }
}

/// With more time than in production: the clock of a test runs ahead of its threads.
pub(crate) fn patient() -> TierSettings {
    let mut settings = TierSettings::default();
    (settings.step_within, settings.remove_within) = (DAY, DAY);
    settings
}

impl Stage for DiskStage {
    fn shard(&self) -> Arc<dyn Shard> {
        Arc::new(self.disk.tier.shard())
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.runtime.advance(time).await;
            if time >= Duration::from_secs(1) {
                // What has run out is noticed by then.
                self.disk.tier.tidy().await.unwrap();
            }
        })
    }

    fn happen(&self, happening: Happening) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            match happening {
                Happening::Evicted(name) => self.disk.tier.evict(&name).await.unwrap(),
                Happening::Flushed => self.disk.tier.clear().await.unwrap(),
                // A disk that is full takes the whole tier away, and it starts again as it was: see `faults` and `eras`.
                Happening::Full(_) | Happening::Restarted { .. } => return false,
            }
            true
        })
    }

    fn names(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { self.disk.tier.names().await.unwrap() })
    }
}
