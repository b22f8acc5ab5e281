//! The one binary `alacena`: parse, call, print. A library only so that tests can start the CRM simulator.

mod args;
mod bench;
mod chance;
mod commands;
mod failure;
mod header;
mod init;
mod locate;
mod log;
mod quickstart;
mod remote;
mod say;
mod signals;
pub mod simulate;

use std::process::ExitCode;

use clap::Parser;

/// The version that this program says it is.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Does what the command line says, and answers what the process ends with: 0 done, 1 it failed, 2 the command line or
/// the configuration is wrong.
#[must_use]
pub fn run() -> ExitCode {
    let command = args::Arguments::parse().command;
    let as_json = commands::answers_json(&command);
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing has installed another one before");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives a process its threads and its poller");
    let ended = runtime.block_on(commands::run(command));
    // Statements that still run on threads of their own must not keep the process from ending.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(as_json),
    }
}
