//! Every fuzz target under libFuzzer, by cargo-fuzz.
//!
//! What is found lies in `fuzz/artifacts`; inputs that reach something new go to the target folder, so that a run goes
//! on where the last one ended.

use std::fs;

use crate::command::{Result, cargo, program, read, root, run, target, works};

/// Minutes for each target where nothing else is said.
const MINUTES: f64 = 5.0;
/// Megabytes that a target may use.
const MEMORY: &str = "-rss_limit_mb=512";
/// Most bytes of one input.
const INPUT: &str = "-max_len=4096";

/// Fuzzes every target for the minutes that `options` say.
pub(super) fn run_all(options: &[&str]) -> Result {
    let minutes = match options.first() {
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no number of minutes"))?,
        None => MINUTES,
    };
    if !works(&mut cargo(&["fuzz", "--version"])) {
        return Err("cargo-fuzz is not here; `cargo install cargo-fuzz` brings it".to_owned());
    }
    if !works(program("c++").arg("--version")) {
        return Err("libFuzzer is written in C++, and there is no compiler for it (Debian: g++)".to_owned());
    }
    let mut broken = Vec::new();
    let targets = read(&mut cargo(&["fuzz", "list"]))?;
    for name in targets.lines() {
        if let Err(why) = fuzz(name, minutes) {
            println!("{name}: {why}");
            broken.push(name);
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("found something: {}", broken.join(", "))) }
}

fn fuzz(name: &str, minutes: f64) -> Result {
    let corpus = target().join("fuzz/corpus").join(name);
    fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let mut fuzz = cargo(&["fuzz", "run", "--features", "libfuzzer", name]);
    // The sanitizer and the coverage that libFuzzer needs are options of a nightly compiler; the pinned one has them too,
    // and lets them be used when it is told that it builds itself. Builds of others must not be thrown away for it.
    fuzz.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", target().join("fuzz/build"));
    fuzz.arg(&corpus).arg(root().join("fuzz/corpus").join(name));
    fuzz.args(["--", MEMORY, INPUT, "-timeout=10", "-print_final_stats=1"]);
    run(fuzz.arg(format!("-max_total_time={:.0}", minutes * 60.0)))
}
