//! Clients that others wrote, against the binary: what our own tests take for granted, they do not.

use crate::{
    command::{Result, cargo, program, root, run, target},
    needs::python,
};

/// Speaks MCP with the official client.
pub(crate) fn mcp() -> Result {
    client("mcp_client.py", python().into_os_string())
}

/// Shows the metrics to promtool.
pub(crate) fn metrics() -> Result {
    client("metrics.py", "python3".into())
}

/// Looks for the configuration's secrets in everything that the binary says.
pub(crate) fn canary() -> Result {
    client("canary.py", "python3".into())
}

fn client(script: &str, python: std::ffi::OsString) -> Result {
    // With the tests, because they are what has been built already: without them Cargo would choose other features
    // for the dependencies and build them again.
    run(&mut cargo(&["build", "--locked", "--workspace", "--bins", "--tests"]))?;
    let script = root().join("tests/clients").join(script);
    run(program(python).arg("-u").arg(script).arg(target().join("debug/alacena")))
}
