//! The log: lines for people or JSON for machines, to stderr.

use std::io::{IsTerminal, stderr};

use alacena::{
    config::{LogFormat, ServerConfig},
    error::{Error, catalogue},
};
use tracing_subscriber::{EnvFilter, fmt};

/// Writes log lines as the configuration says, from now on.
///
/// # Errors
/// `Invalid` where the filter is not one.
pub(crate) fn begin(server: &ServerConfig) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&server.log).map_err(|cause| {
        let detail =
            "server.log is a level (error, warn, info, debug, trace) or a filter such as info,alacena=debug";
        Error::new(&catalogue::CONFIGURATION_INVALID, detail).caused_by(cause)
    })?;
    // The MCP library writes whole requests at `debug`, and with them what people asked.
    let filter = filter.add_directive("rmcp=warn".parse().expect("a target and a level are a directive"));
    let lines = fmt().with_env_filter(filter).with_writer(stderr);
    match server.log_format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).with_target(false).init(),
    }
    Ok(())
}
