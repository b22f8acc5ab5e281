//! Several nodes, a server of the second tier and everything that can go wrong between them, in one thread, from one seed.
//!
//! Clients change a database and invalidate what they have changed, and read; meanwhile connections are cut, hang or lose
//! what is under way, nodes stand still and are killed, and servers evict, fill up, are flushed, restarted and replaced by
//! a replica that has not heard of everything. What each read was answered with is held against every change that had been
//! acknowledged before it began (`history.rs`). The engine is the one that ships; only the server, the network and the
//! clock are not.
//!
//! Memory has room for everything: what gives way is chosen by hashes that are others in each process, and would not be the
//! same in the next run of a seed. Nothing else depends on them.
//!
//! `ALACENA_SEEDS=10000` runs so many seeds, `ALACENA_SEED=7` that one alone.

mod database;
mod faults;
mod history;
mod node;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use faults::Happens;
use parking_lot::Mutex;
use world::{Report, run};

/// Seeds that are run where nobody says how many.
const SEEDS: u64 = 100;

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse().expect("a number"));
    match number("ALACENA_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("ALACENA_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// Runs every seed on all cores; what comes of each.
fn run_all(seeds: &[u64], happens: Happens) -> Vec<Report> {
    let (next, reports, wrong) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    match run(*seed, happens) {
                        Ok(report) => reports.lock().push(report),
                        Err(why) => wrong.lock().push((*seed, why)),
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner();
    wrong.sort();
    if let Some((_, first)) = wrong.first() {
        let all: Vec<_> =
            wrong.iter().map(|(_, why)| why.lines().take(3).collect::<Vec<_>>().join("\n")).collect();
        let all = all.join("\n");
        panic!("{} of {} seeds went wrong:\n{all}\n\n{first}", wrong.len(), seeds.len());
    }
    reports.into_inner()
}

#[test]
fn nothing_stale_is_served_whatever_happens() {
    let seeds = seeds();
    let reports = run_all(&seeds, Happens::Everything);
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let (fresh, writes) = (sum(|report| report.counts.fresh), sum(|report| report.counts.writes));
    let (local, stale) = (sum(|report| report.counts.local), sum(|report| report.counts.stale));
    let trace = reports.iter().fold(0, |trace, report| trace ^ report.trace_hash);
    let deferred = sum(|report| report.counts.deferred);
    let (loads, polls) = (
        reports.iter().map(|report| report.loads).sum::<u64>(),
        reports.iter().map(|report| report.polls).sum::<u64>(),
    );
    println!(
        "{} seeds: {fresh} fresh answers, {local} local, {stale} stale, {loads} loads, {writes} changes of which \
         {deferred} deferred, {polls} steps, trace {trace:016x}",
        seeds.len()
    );
    if seeds.len() > 20 {
        assert!(deferred > 0 && stale > 0, "a simulation in which nothing happens proves nothing");
        assert!(fresh > loads as usize, "it is a cache");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        assert_eq!(run(seed, Happens::Everything), run(seed, Happens::Everything), "seed {seed}");
    }
}

#[test]
fn one_node_loads_for_all() {
    for report in run_all(&(0..20).collect::<Vec<_>>(), Happens::Nothing) {
        assert_eq!(report.loads_at_once, 1, "while the second tier is there: {report:?}");
    }
}
