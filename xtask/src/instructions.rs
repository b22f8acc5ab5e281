//! What an invalidation costs, in instructions: a number that a busy machine does not change.
//!
//! The example `invalidate_prefix` of the core fills an engine and invalidates the prefix of all its entries;
//! callgrind counts what happens in the invalidations and nothing else.

use std::{fs, path::Path};

use crate::command::{Result, build_all, cargo, program, run, target};

/// How many invalidations are counted.
const ROUNDS: u64 = 200;
/// The bar: with many entries at most this many times the instructions that it takes with few.
const RATIO_MAX: f64 = 1.2;

/// Few entries against twenty times as many, as built for the tests: what every change can afford.
pub(crate) fn check() -> Result {
    build_all()?;
    compare(&target().join("debug/examples/invalidate_prefix"), 1_000, 20_000)
}

/// Few entries against a thousand times as many, optimised, with the times as well.
pub(crate) fn measure() -> Result {
    run(&mut cargo(&["build", "--release", "--package", "alacena-core", "--example", "invalidate_prefix"]))?;
    let binary = target().join("release/examples/invalidate_prefix");
    for entries in ["1000", "1000000"] {
        run(program(&binary).args([entries, "10000"]))?;
    }
    compare(&binary, 1_000, 1_000_000)
}

fn compare(binary: &Path, few: u64, many: u64) -> Result {
    let (with_few, with_many) = (count(binary, few)?, count(binary, many)?);
    let ratio = with_many as f64 / with_few as f64;
    println!(
        "instructions of one invalidation: {with_few} with {few} entries, {with_many} with {many}: {ratio:.2}x"
    );
    if ratio <= RATIO_MAX { Ok(()) } else { Err(format!("{ratio:.2}x is more than {RATIO_MAX}x")) }
}

fn count(binary: &Path, entries: u64) -> Result<u64> {
    let folder = target().join("callgrind");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let report = folder.join(format!("invalidate_prefix.{entries}"));
    let arguments =
        ["--tool=callgrind", "--quiet", "--collect-atstart=no", "--toggle-collect=*measured_invalidation*"];
    let mut valgrind = program("valgrind");
    valgrind.args(arguments).arg(format!("--callgrind-out-file={}", report.display())).arg(binary);
    run(valgrind.args([entries.to_string(), ROUNDS.to_string()]))?;
    let text = fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse::<u64>().ok()) {
        Some(total) if total > ROUNDS => Ok(total / ROUNDS),
        _ => Err("callgrind counted nothing; has measured_invalidation been renamed?".to_owned()),
    }
}
