//! Many seeds of the simulator: nodes, a second tier and everything that can go wrong between them.

use crate::command::{Result, cargo, run};

/// Seeds where nothing else is said.
const SEEDS: u64 = 10_000;

/// Runs so many seeds as `options` say, optimised.
pub(super) fn run_all(options: &[&str]) -> Result {
    let seeds = match options.first() {
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no number of seeds"))?,
        None => SEEDS,
    };
    simulate(seeds, &["--release"])
}

/// Runs so many seeds, built with this profile.
pub(crate) fn simulate(seeds: u64, profile: &[&str]) -> Result {
    let mut test = cargo(&["test", "--locked", "--package", "alacena-core"]);
    test.args(profile).args(["--test", "simulator", "--", "--nocapture"]);
    run(test.env("ALACENA_SEEDS", seeds.to_string()))
}
