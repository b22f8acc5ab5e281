//! The promise of `model.rs` on real threads: many readers, a writer that invalidates in every way, loads that take
//! longer than a write.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alacena_core::{dep::Dep, engine::Loaded, figures::Count};
use alacena_testkit::ScriptedSource;
use support::{TAG, World, exact, number};

const WRITES: u64 = 2_000;
const READERS: usize = 6;

#[test]
fn no_reader_sees_what_was_there_before_an_acknowledged_invalidation() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(exact(60)));
        let source = Arc::new(AtomicU64::new(0));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let reads = Arc::new(AtomicU64::new(0));
        let reader = || {
            let numbers = [&source, &acknowledged, &reads].map(Arc::clone);
            start(read_until_the_end(Arc::clone(&world), numbers))
        };
        let readers: Vec<_> = (0..READERS).map(|_| reader()).collect();
        for version in 1..=WRITES {
            source.store(version, Ordering::SeqCst);
            match version % 4 {
                0 => _ = world.engine.invalidate(&Dep::tag("shop", TAG).unwrap()),
                1 => _ = world.engine.invalidate_key(&world.question().key),
                2 => _ = world.engine.invalidate(&Dep::class("shop", "kpis")),
                _ => _ = world.engine.invalidate(&Dep::prefix("shop", "kpis:list")),
            }
            acknowledged.store(version, Ordering::SeqCst);
            // A writer that never pauses leaves nothing to hit, and one that nobody reads beside proves nothing.
            let enough = reads.load(Ordering::Relaxed) + 1 + version % 13;
            // After the last one, readers go home.
            while version < WRITES && reads.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        }
        for reader in readers {
            reader.await.unwrap();
        }
        let (reads, hits) = (reads.load(Ordering::Relaxed), world.rules.counters.get(Count::Hits));
        println!("{reads} reads, {hits} of them hits, {WRITES} writes");
        assert!(reads > WRITES && hits > WRITES / 2, "nothing was tried: {hits} hits");
    });
}

async fn read_until_the_end(world: Arc<World>, [source, acknowledged, reads]: [Arc<AtomicU64>; 3]) {
    loop {
        let floor = acknowledged.load(Ordering::SeqCst);
        let source = Arc::clone(&source);
        let load = move |_| async move {
            let value = source.load(Ordering::SeqCst);
            // The answer is under way while the writer goes on.
            for _ in 0..value % 5 {
                tokio::task::yield_now().await;
            }
            Ok(Loaded::found(ScriptedSource::value(value)))
        };
        let outcome = world.engine.get_or_fetch(&world.question(), load).await.unwrap();
        let seen = number(&outcome);
        assert!(seen >= floor, "read {seen} after {floor} had been acknowledged: {outcome:?}");
        reads.fetch_add(1, Ordering::Relaxed);
        if floor == WRITES {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a reader of the test")]
fn start(reader: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(reader)
}
