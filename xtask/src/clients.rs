//! Clients that others wrote, against the binary: what our own tests take for granted, they do not.

use crate::{
    command::{Result, build_all, program, root, run, target},
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
    build_all()?;
    let script = root().join("tests/clients").join(script);
    run(program(python).arg("-u").arg(script).arg(target().join("debug/alacena")))
}
