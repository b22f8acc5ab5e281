//! Clients that others wrote, against the binary: what our own tests take for granted, they do not.

use crate::{
    command::{Result, build_all, program, root, run, target},
    needs::{node_tools, python},
};

/// Speaks MCP with the official client.
pub(crate) fn mcp() -> Result {
    client("mcp_client.py", python().into_os_string())
}

/// Has the transport of MCP judged by the conformance suite.
pub(crate) fn conformance() -> Result {
    build_all()?;
    let debug = target().join("debug");
    let mut script = program("python3");
    script.arg("-u").arg(root().join("tests/clients/conformance.py"));
    run(script.arg(debug.join("alacena")).arg(debug.join("examples/mcp_conformance")).arg(node_tools()))
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
