//! The promise of `model.rs` on real threads: many readers, a writer that invalidates in every way, loads that take
//! longer than a write.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alacena_core::{dep::Dep, engine::Loaded};
use alacena_testkit::ScriptedSource;
use support::{TAG, World, exact, number};

const WRITES: u64 = 4_000;
const READERS: usize = 6;

#[test]
fn no_reader_sees_what_was_there_before_an_acknowledged_invalidation() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(exact(60)));
        let source = Arc::new(AtomicU64::new(0));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..READERS)
            .map(|_| read_until_the_end(Arc::clone(&world), Arc::clone(&source), Arc::clone(&acknowledged)))
            .collect();
        let readers: Vec<_> = readers.into_iter().map(start).collect();
        for version in 1..=WRITES {
            source.store(version, Ordering::SeqCst);
            match version % 4 {
                0 => _ = world.engine.invalidate(&Dep::tag("shop", TAG).unwrap()),
                1 => _ = world.engine.invalidate_key(&world.question().key),
                2 => _ = world.engine.invalidate(&Dep::class("shop", "kpis")),
                _ => _ = world.engine.invalidate(&Dep::prefix("shop", "kpis:list")),
            }
            acknowledged.store(version, Ordering::SeqCst);
            // Let readers in now and then: a writer that never pauses leaves nothing to hit.
            for _ in 0..version % 7 {
                tokio::task::yield_now().await;
            }
        }
        let mut reads = 0;
        for reader in readers {
            reads += reader.await.unwrap();
        }
        let hits = world.rules.counters.hits.get();
        println!("{reads} reads, {hits} of them hits, {WRITES} writes");
        assert!(hits > 1_000, "nothing was tried: {hits} hits");
    });
}

async fn read_until_the_end(world: Arc<World>, source: Arc<AtomicU64>, acknowledged: Arc<AtomicU64>) -> u64 {
    let mut reads = 0;
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
        let outcome = world.engine.get_or_fetch(world.question(), load).await.unwrap();
        let seen = number(&outcome);
        assert!(seen >= floor, "read {seen} after {floor} had been acknowledged: {outcome:?}");
        reads += 1;
        if floor == WRITES {
            return reads;
        }
        tokio::task::yield_now().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a reader of the test")]
fn start(reader: impl Future<Output = u64> + Send + 'static) -> tokio::task::JoinHandle<u64> {
    tokio::spawn(reader)
}
