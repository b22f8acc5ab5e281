//! Benches with the profile of what is shipped.

use std::path::PathBuf;

use serde_json::Value;

use crate::command::{Result, cargo, read};

/// Builds this bench of this package and answers where it is: its name ends in a hash.
pub(super) fn build(package: &str, name: &str) -> Result<PathBuf> {
    let messages = read(&mut cargo(&[
        "build",
        "--profile=dist",
        "--package",
        package,
        "--bench",
        name,
        "--message-format=json-render-diagnostics",
    ]))?;
    let mut built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let bench = built.rfind(|message| message["target"]["name"] == name);
    let path = bench.as_ref().and_then(|message| message["executable"].as_str());
    path.map(PathBuf::from).ok_or_else(|| format!("cargo names no bench `{name}`"))
}
