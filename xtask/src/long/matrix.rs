//! Faults of real servers and of the way to them: every cell of the table, and the long absences.

use crate::command::{Result, cargo, run};

/// Every fault on every use of the second tier, or those whose name contains what `options` say.
pub(super) fn run_all(options: &[&str]) -> Result {
    let wanted = options.first().copied().unwrap_or("all");
    run(tests("matrix", &[]).env("ALACENA_MATRIX", wanted))
}

/// Redis killed, stopped and blackholed for half a minute each, under load; optimised.
pub(super) fn go_away(_: &[&str]) -> Result {
    run(tests("away", &["--release"]).env("ALACENA_AWAY", "30"))
}

/// The tests of this name, one after the other, with what they print.
fn tests(name: &str, profile: &[&str]) -> std::process::Command {
    let mut test = cargo(&["test", "--locked", "--package", "alacena", "--test", "redis"]);
    test.args(profile).args(["--", name, "--nocapture", "--test-threads", "1"]);
    test
}
