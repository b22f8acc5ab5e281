//! A hit over HTTP beside other caches; the script says how they are compared.

use crate::{
    command::{Result, cargo, program, run, target},
    needs::{Install, Need, settle},
};

/// Builds what is shipped, installs what it is compared with, and has it compared.
pub(super) fn measure(_: &[&str]) -> Result {
    if !settle(&[Need::HttpPeers], Install::Yes).is_empty() {
        return Err("there is nothing to compare with".to_owned());
    }
    run(&mut cargo(&["build", "--profile=dist", "--locked", "--package=alacena-cli"]))?;
    run(program("python3").arg("benches/http/compare.py").arg(target().join("dist/alacena")))
}
