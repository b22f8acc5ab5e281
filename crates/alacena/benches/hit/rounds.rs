//! Rounds in which the cases take turns, and the table that comes of them.

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use crate::{
    cases::{CASES, Case},
    heap,
    warm::Warm,
};

/// Rounds; each gives one ratio.
const ROUNDS: usize = 7;
/// Slices of a round, in each of which every case has its turn. A round's time is the median of its slices, so that a
/// neighbour who takes the processor away for a moment is not measured.
const SLICES: usize = 40;
/// Hits of one turn.
const HITS: u32 = 10_000;

/// Prints the table for one and for two threads.
pub(crate) fn compare(keys: u32) {
    let warm = Warm::up(keys);
    heap::stop();
    for threads in [1, 2] {
        let rounds: Vec<Vec<f64>> = (0..ROUNDS).map(|_| round(&warm, threads)).collect();
        println!("{threads} thread(s), {keys} keys, {ROUNDS} rounds");
        println!("{:<30} {:>18} {:>8} {:>15}", "", "ns a hit (median)", "ratio", "lowest…highest");
        for (at, case) in CASES.iter().enumerate() {
            let nanos = sorted(rounds.iter().map(|round| round[at]));
            let ratios = sorted(rounds.iter().map(|round| round[at] / round[0]));
            println!(
                "{:<30} {:>18.1} {:>7.2}x {:>8.2}…{:.2}",
                case.name,
                median(&nanos),
                median(&ratios),
                ratios[0],
                ratios[ROUNDS - 1]
            );
        }
    }
}

/// Nanoseconds of one hit, by case.
fn round(warm: &Warm, threads: usize) -> Vec<f64> {
    let mut slices: Vec<Vec<f64>> = vec![Vec::new(); CASES.len()];
    for slice in 0..SLICES {
        for turn in 0..CASES.len() {
            // Every case comes after every other one.
            let at = (turn + slice) % CASES.len();
            slices[at].push(turns(warm, &CASES[at], slice as u32 * HITS, threads));
        }
    }
    slices.into_iter().map(|times| median(&sorted(times.into_iter()))).collect()
}

/// Nanoseconds of one hit while `threads` threads make them at once.
fn turns(warm: &Warm, case: &Case, from: u32, threads: usize) -> f64 {
    if threads == 1 {
        return nanos(timed(|| (case.hits)(warm, from, HITS)));
    }
    let gate = Barrier::new(threads);
    let times: Vec<f64> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads as u32)
            .map(|thread| {
                let gate = &gate;
                scope.spawn(move || {
                    // A few hits first, so that neither thread is measured while it starts.
                    (case.hits)(warm, from, HITS / 100);
                    gate.wait();
                    nanos(timed(|| (case.hits)(warm, from + thread * HITS / 2, HITS)))
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().expect("no case panics")).collect()
    });
    times.iter().sum::<f64>() / threads as f64
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64 / f64::from(HITS)
}

#[expect(clippy::disallowed_methods, reason = "the machine's clock is what is to be read here")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
