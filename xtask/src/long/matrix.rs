//! Faults of real servers and of the way to them: every cell of the table, and the long absences.

use crate::command::{Result, cargo, run};

/// Every fault on every use of the second tier, or those whose name contains what `options` say.
pub(super) fn run_all(options: &[&str]) -> Result {
    let wanted = options.first().copied().unwrap_or("all");
    run(tests(&["matrix"], &[]).env("ALACENA_MATRIX", wanted))
}

/// Redis killed, stopped and blackholed for half a minute each, under load, and killed under more load than its source can
/// bear; optimised.
pub(super) fn go_away(_: &[&str]) -> Result {
    run(tests(&["away::", "overload::"], &["--release"]).env("ALACENA_AWAY", "30"))
}

/// A small Redis that is full, for ten minutes; optimised.
pub(super) fn fill_to_the_brim(_: &[&str]) -> Result {
    run(tests(&["brim"], &["--release"]).env("ALACENA_BRIM", "600"))
}

/// The tests of these names, one after the other, with what they print.
fn tests(names: &[&str], profile: &[&str]) -> std::process::Command {
    let mut test = cargo(&["test", "--locked", "--package", "alacena", "--test", "redis"]);
    test.args(profile).arg("--").args(names).args(["--nocapture", "--test-threads", "1"]);
    test
}
