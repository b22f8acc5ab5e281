//! What a hit costs beside the bare table that the memory is made of.
//!
//! The bench `hit` of the library does the work; here it is built with the profile of what is shipped, run part by part, each
//! in a process of its own, and its instructions are counted.

use std::{fs, path::PathBuf};

use super::bench;
use crate::command::{Result, program, read, run, target};

/// Hits that are counted, so many that neither what surrounds the loop shows, nor the first ones of each key.
const HITS: u64 = 1_000_000;
/// The cases of the bench that callgrind is shown: it does not let a program read the clock in the quick way.
const COUNTED: &[&str] =
    &["bare", "Engine::get, no clock", "Engine::get_or_fetch, no clock", "Class::get_or_fetch, no clock"];

/// Ratios, allocations, memory, instructions.
pub(super) fn measure(_: &[&str]) -> Result {
    let bench = bench::build("alacena", "hit")?;
    for part in [&["allocations"][..], &["times"], &["times", "131072"]] {
        run(program(&bench).args(part))?;
    }
    for kind in ["bare", "typed", "own tag", "body"] {
        run(program(&bench).args(["memory", kind]))?;
    }
    let counts = COUNTED.iter().map(|case| count(&bench, case)).collect::<Result<Vec<u64>>>()?;
    for (case, instructions) in COUNTED.iter().zip(&counts) {
        let ratio = *instructions as f64 / counts[0] as f64;
        println!("{case:<24} {instructions:>6} instructions {ratio:>7.2}x");
    }
    Ok(())
}

fn count(bench: &PathBuf, case: &str) -> Result<u64> {
    let folder = target().join("callgrind");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let report = folder.join("hit");
    let mut valgrind = program("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet", "--collect-atstart=no", "--toggle-collect=*measured_*"]);
    valgrind.arg(format!("--callgrind-out-file={}", report.display())).arg(bench);
    read(valgrind.args(["count", case]).arg(HITS.to_string()))?;
    let text = fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse::<u64>().ok()) {
        Some(total) if total > HITS => Ok(total / HITS),
        _ => Err("callgrind counted nothing; have the functions called measured_… been renamed?".to_owned()),
    }
}
