//! What the steps of a shard cost on local disk.
//!
//! `cargo bench -p alacena-backends --features embedded --bench embedded_tier`: in a folder of `TMPDIR`, five interleaved
//! rounds, medians; then how long a start takes after a kill. Most of the entries are not in the memory of the process;
//! whether they are in that of the system, nobody says.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement runs in real time and prints"
)]

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alacena_backends::embedded::{EmbeddedLedger, EmbeddedShard, EmbeddedTier, Owner, TierSettings};
use alacena_core::{
    runtime::{BoxFuture, Moment, Runtime, SharedRuntime},
    tier::{Begin, Begun, EntryId, MarkerId, Nonce, Shard, Store, Stored},
};
use bytes::Bytes;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_000);
const CALLERS: usize = 64;
const ENTRIES: u64 = 200_000;
const VALUE_BYTES: usize = 1_024;
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if !std::env::args().any(|word| word == "--bench") {
        return; // a test runner that looks for tests in here finds none
    }
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let (ledger, tier) = open(folder.path()).await;
    let shard = Arc::new(tier.shard());
    let markers: Arc<[MarkerId]> = (0..4).map(|number| MarkerId::Dep(number << 64)).collect();
    mint(&shard, &markers).await;
    let began = Instant::now();
    let (filled, next) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    while filled.fetch_add(256, Ordering::Relaxed) < ENTRIES {
        let fills = (0..256).map(|_| fill(&shard, entry(next.fetch_add(1, Ordering::Relaxed))));
        futures_util::future::join_all(fills).await;
    }
    println!("{ENTRIES} entries filled in {:.1} s", began.elapsed().as_secs_f64());
    tier.tidy().await.expect("it is open");
    show_size(folder.path(), &tier);

    let mut results: Vec<(&str, [Vec<f64>; 3])> = Vec::new();
    for _ in 0..ROUNDS {
        let mut at = 0;
        let mut note = |name, (rate, median, p99)| {
            let figures = [rate, median, p99];
            match results.get_mut(at) {
                Some((_, all)) => all.iter_mut().zip(figures).for_each(|(all, figure)| all.push(figure)),
                None => results.push((name, figures.map(|figure| vec![figure]))),
            }
            at += 1;
        };
        let of = Arc::clone(&shard);
        note(
            "look at an entry, which is a hit",
            measure(move || {
                let shard = Arc::clone(&of);
                async move { look(&shard, &[]).await }
            })
            .await,
        );
        let (of, four) = (Arc::clone(&shard), Arc::clone(&markers));
        note(
            "look at an entry with 4 markers",
            measure(move || {
                let (shard, four) = (Arc::clone(&of), Arc::clone(&four));
                async move { look(&shard, &four).await }
            })
            .await,
        );
        let (of, number) = (Arc::clone(&shard), Arc::clone(&next));
        note(
            "fill: begin and store",
            measure(move || {
                let (shard, entry) = (Arc::clone(&of), entry(number.fetch_add(1, Ordering::Relaxed)));
                async move { fill(&shard, entry).await }
            })
            .await,
        );
        let (of, four) = (Arc::clone(&shard), Arc::clone(&markers));
        note(
            "mint of 4 markers, which are there",
            measure(move || {
                let (shard, four) = (Arc::clone(&of), Arc::clone(&four));
                async move { mint(&shard, &four).await }
            })
            .await,
        );
        let of = Arc::clone(&shard);
        note(
            "mint one marker and invalidate it",
            measure(move || {
                let shard = Arc::clone(&of);
                async move {
                    let marker = MarkerId::Dep(u128::from(number_of_call()) << 64);
                    mint(&shard, &[marker]).await;
                    shard.invalidate(&[marker]).await.expect("it is on disk");
                }
            })
            .await,
        );
    }
    println!("{CALLERS} callers | a second | median of one caller | its p99");
    for (name, all) in &results {
        let [rate, one, p99] = [0, 1, 2].map(|at| median(&all[at]));
        println!("{name} | {rate:.0} | {one:.1} µs | {p99:.1} µs");
    }
    tier.tidy().await.expect("it is open");
    show_size(folder.path(), &tier);

    // What a kill leaves: the file as it is, and not what closing would add to it.
    let left = tempfile::tempdir().expect("there is a folder for temporary files");
    for name in ["store.redb", "entries.redb"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).expect("there is room");
    }
    drop((shard, tier, ledger));
    for (name, folder) in [("an end", &folder), ("a kill", &left)] {
        let began = Instant::now();
        let (ledger, tier) = open(folder.path()).await;
        println!("opened after {name} in {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
        drop((tier, ledger));
    }
}

async fn open(folder: &Path) -> (Arc<EmbeddedLedger>, Arc<EmbeddedTier>) {
    let owner = Owner { pid: std::process::id(), listen: None, started_at: 0 };
    let runtime: SharedRuntime = Arc::new(Machine);
    let ledger = EmbeddedLedger::open(folder, owner, None, Arc::clone(&runtime)).expect("it can be written");
    let mut settings = TierSettings::default();
    settings.step_within = Duration::from_secs(60);
    settings.remove_within = Duration::from_secs(60);
    let tier = EmbeddedTier::open(&ledger, settings, runtime).expect("there are threads");
    tier.opened().await.expect("it can be written");
    (ledger, tier)
}

fn show_size(folder: &Path, tier: &EmbeddedTier) {
    let file = std::fs::metadata(folder.join("entries.redb")).expect("it is there");
    let (figures, mib) = (tier.figures(), |bytes: u64| bytes as f64 / (1 << 20) as f64);
    // A file grows by doubling, and takes room on the disk where it has been written.
    let on_disk = std::os::unix::fs::MetadataExt::blocks(&file) * 512;
    println!(
        "{} entries: {:.0} MiB counted, {:.0} MiB on disk, a file of {:.0} MiB",
        figures.entries,
        mib(figures.bytes),
        mib(on_disk),
        mib(file.len())
    );
}

/// Any of those that were there first.
async fn look(shard: &EmbeddedShard, markers: &[MarkerId]) {
    let entry = entry(number_of_call().wrapping_mul(0x9e37_79b9) % ENTRIES);
    let looked = shard.look(&entry.into(), markers).await.expect("it can be read");
    assert!(looked.entry.is_some() && looked.markers.iter().all(Option::is_some));
}

async fn mint(shard: &EmbeddedShard, markers: &[MarkerId]) {
    let era = shard.era().expect("it is open");
    let fresh: Vec<_> =
        markers.iter().map(|marker| (*marker, Nonce { era, random: number_of_call() })).collect();
    shard.mint(era, &fresh, DAY).await.expect("there is room");
}

async fn fill(shard: &EmbeddedShard, entry: EntryId) {
    let attempt = Nonce { era: shard.era().expect("it is open"), random: number_of_call() };
    let load = Begin { entry: entry.into(), attempt, seen: None, lease: DAY };
    assert!(matches!(shard.begin(load).await.expect("it can be asked"), Begun::Lead));
    let envelope = Bytes::from(vec![b'x'; VALUE_BYTES + 100]);
    let store = Store { entry: entry.into(), attempt, envelope, keep: DAY };
    assert_eq!(shard.store(store).await.expect("there is room"), Stored::Kept);
}

fn entry(number: u64) -> EntryId {
    EntryId(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(number))
}

fn number_of_call() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(100);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// How often a second 64 callers get it done; how long one alone takes in microseconds, median and p99.
async fn measure<F, S>(step: S) -> (f64, f64, f64)
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn() -> F + Clone + Send + Sync + 'static,
{
    let (began, end) = (Instant::now(), Instant::now() + ROUND);
    let tasks: Vec<_> = (0..CALLERS)
        .map(|_| {
            let step = step.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while Instant::now() < end {
                    step().await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("no caller fails");
    }
    let rate = done as f64 / began.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let began = Instant::now();
        step().await;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    (rate, times[times.len() / 2], times[times.len() * 99 / 100])
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The machine's own time and tasks.
struct Machine;

impl Runtime for Machine {
    fn now(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::Boottime);
        Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
    }

    fn unix_millis(&self) -> u64 {
        1_795_132_800_000
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn random(&self) -> u64 {
        number_of_call()
    }
}
