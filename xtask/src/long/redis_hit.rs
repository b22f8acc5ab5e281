//! A hit of the second tier beside the client library and another cache over the same Redis; the bench says how they are
//! compared.

use super::bench;
use crate::{
    command::{Result, program, run},
    needs::{Install, Need, bento_folder, node_tools, settle},
};

/// Builds the bench, brings what it is compared with, and has it compared.
pub(super) fn measure(_: &[&str]) -> Result {
    let needs = [Need::Redis, Need::Npm, Need::McpSuite, Need::BentoCache];
    if !settle(&needs, Install::Yes).is_empty() {
        return Err("there is nothing to compare with".to_owned());
    }
    let bench = bench::build("alacena-backends", "redis_hit")?;
    run(program(bench).arg("--bench").arg(node_tools().join("node")).arg(bento_folder()))
}
