//! Callers who behave beside callers who do not; the example of the server says how they are compared.

use crate::command::{Result, cargo, run, target};

/// Builds what is shipped, and has it attacked; only by those attacks whose name contains `wanted`.
pub(super) fn measure(wanted: &[&str]) -> Result {
    run(&mut cargo(&["build", "--release", "--locked", "--package=alacena-cli"]))?;
    let mut attack =
        cargo(&["run", "--release", "--locked", "--package=alacena-server", "--example=slow_clients"]);
    run(attack.arg("--").arg(target().join("release/alacena")).args(wanted))
}
