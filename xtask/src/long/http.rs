//! A hit over HTTP beside other caches; the script says how they are compared.

use crate::command::{Result, cargo, program, run, target};

/// Builds what is shipped, and has it compared.
pub(super) fn measure(_: &[&str]) -> Result {
    run(&mut cargo(&["build", "--profile=dist", "--locked", "--package=alacena-cli"]))?;
    run(program("python3").arg("benches/http/compare.py").arg(target().join("dist/alacena")))
}
