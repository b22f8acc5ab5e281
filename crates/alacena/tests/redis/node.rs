//! One node of a set-up, in this process.

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alacena::{
    Alacena, Ask, Class, SystemRuntime,
    class::{Policy, ReadMode},
    config::Config,
    declared::Parameters,
    outcome::{Origin, Outcome},
    value::Body,
};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long an operation may take where no time is measured: the machine builds beside it.
pub(crate) const PATIENT: &str = "timeout = \"2s\"";

/// A source of numbers, which counts how often it is asked.
#[derive(Clone, Default)]
pub(crate) struct Numbers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    now: AtomicU64,
    loads: AtomicU64,
}

impl Numbers {
    /// What it answers from now on.
    pub(crate) fn set(&self, number: u64) {
        self.0.now.store(number, Ordering::SeqCst);
    }

    pub(crate) fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::SeqCst)
    }

    /// One load, after so long.
    pub(crate) async fn load_after(self, pause: Duration) -> Result<Option<u64>, alacena::error::Error> {
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        let number = self.0.now.load(Ordering::SeqCst);
        tokio::time::sleep(pause).await;
        // Zero stands for what is not there.
        Ok(Some(number).filter(|number| *number > 0))
    }
}

/// A node with a store of its own, two classes of numbers that it shares, and whatever its configuration declares.
pub(crate) struct Node {
    pub(crate) alacena: Alacena,
    pub(crate) bounded: Class<u64>,
    pub(crate) strict: Class<u64>,
    _folder: TempDir,
}

impl Node {
    /// A node at this Redis, with these lines in `[redis]`.
    pub(crate) async fn at(url: &str, redis: &str) -> Self {
        Self::declaring(url, redis, "").await
    }

    /// The same, with these sections besides. Returns once what it holds in memory is proved to be current.
    pub(crate) async fn declaring(url: &str, redis: &str, sections: &str) -> Self {
        let node = Self::alone(url, redis, sections).await;
        node.is_proved().await;
        node
    }

    /// The same, whether there is a Redis or not.
    pub(crate) async fn alone(url: &str, redis: &str, sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let alacena = open(folder.path(), url, redis, sections).await;
        let policy = policy();
        let bounded = alacena.shared_class("bounded", policy.clone()).unwrap();
        let policy = Policy { read_mode: ReadMode::Strict, ..policy };
        let strict = alacena.shared_class("strict", policy).unwrap();
        Self { alacena, bounded, strict, _folder: folder }
    }

    /// Returns once an answer comes from memory: the second tier is there, and its silence means something.
    pub(crate) async fn is_proved(&self) {
        let ones = Numbers::default();
        ones.set(1);
        until("a node proves what it holds", async || self.get("proof", &ones).await.origin() == Origin::L1)
            .await;
    }

    /// A bounded read, tagged `t`.
    pub(crate) async fn get(&self, key: &str, numbers: &Numbers) -> Outcome<u64> {
        let numbers = numbers.clone();
        let load = move || numbers.load_after(Duration::ZERO);
        self.bounded.get_or_fetch([key], &["t"], load).await.unwrap()
    }

    /// A strict one.
    pub(crate) async fn get_strictly(&self, key: &str, numbers: &Numbers) -> Outcome<u64> {
        let numbers = numbers.clone();
        let load = move || numbers.load_after(Duration::ZERO);
        self.strict.get_or_fetch([key], &["t"], load).await.unwrap()
    }

    /// A declared one.
    pub(crate) async fn ask(&self, read: &str, given: &[(&str, &str)]) -> Outcome<Body> {
        let read = self.alacena.declared_read(read).unwrap();
        let parameters = Parameters::from_text(&read.parameters, given.iter().copied()).unwrap();
        read.ask(parameters, Ask::default()).await.unwrap()
    }
}

/// Numbers are kept for long, and not loaded unasked.
pub(crate) fn policy() -> Policy {
    Policy { ttl: Duration::from_secs(600), refresh_ahead: false, ..Policy::default() }
}

/// Opens a node whose store is in `folder`.
pub(crate) async fn open(folder: &Path, url: &str, redis: &str, sections: &str) -> Alacena {
    let text = configuration(folder, url, redis, sections);
    let config = Config::parse(&text, "alacena.toml", &Default::default());
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    Alacena::open(&config, SystemRuntime::shared()).await.unwrap()
}

pub(crate) fn configuration(folder: &Path, url: &str, redis: &str, sections: &str) -> String {
    let store = folder.join("store");
    format!(
        "[server]\nsecret = \"what all nodes of this test say\"\n[embedded]\npath = \"{}\"\n[redis]\nurl = \"{url}\"\n{redis}\n{sections}",
        store.display()
    )
}

pub(crate) fn number(outcome: &Outcome<u64>) -> Option<u64> {
    outcome.value().copied()
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for it, and no longer than patience lasts.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it came to no end")
}
