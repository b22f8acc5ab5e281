//! What a hit costs: the engine's against the bare table's, of the same keys, in the same run.
//!
//! Times on a shared machine mean little by themselves, so the cases take turns, slice by slice, and what counts is
//! the ratio within a round. Instructions and allocations do not depend on who else is at work.
//!
//! `cargo xtask long bench-hit` runs all of it; by hand, after `cargo bench --profile dist -p alacena --bench hit
//! --`: `times [KEYS]`, `allocations`, `memory KIND`, or under callgrind `count CASE HITS`.
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

mod cases;
mod clock;
mod heap;
mod memory;
mod rounds;
mod warm;

use cases::CASES;
use warm::Warm;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["times"] => rounds::compare(1024),
        ["times", keys] => rounds::compare(number(keys)),
        ["allocations"] => allocations(),
        ["memory", kind] => memory::measure(kind),
        ["count", case, hits] => count(case, number(hits)),
        // A test runner that looks for tests in here finds none.
        _ => {}
    }
}

/// Heap allocations of one hit. Counted over many, so that a rare one shows.
fn allocations() {
    const HITS: u32 = 10_000;
    let warm = Warm::up(1024);
    for case in CASES {
        (case.hits)(&warm, 0, HITS);
        let before = heap::counted();
        (case.hits)(&warm, 0, HITS);
        let after = heap::counted();
        let each = (after.allocations - before.allocations) as f64 / f64::from(HITS);
        println!("{:<30} {each:>6.2} allocations", case.name);
    }
}

/// Hits of one case and nothing else, for callgrind to collect in the functions called `measured_…`. In none of them
/// the clock is read.
fn count(case: &str, hits: u32) {
    let case = CASES.iter().find(|known| known.name == case).expect("a case of the table");
    let warm = Warm::without_clock(64);
    (case.hits)(&warm, 0, hits);
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}
