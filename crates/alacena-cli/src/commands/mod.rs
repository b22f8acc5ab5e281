//! One file a command: take what was typed, call the library, print.

mod bench;
mod call;
mod check;
mod completions;
mod config;
mod explain;
mod init;
mod invalidate;
mod mcp;
mod serve;
mod simulate;
mod warm;

use crate::{args::Command, failure::Failure};

/// Does what was asked for.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Mcp(arguments) => mcp::run(arguments).await,
        Command::Check(arguments) => check::run(arguments).await,
        Command::Config(arguments) => config::run(arguments),
        Command::Init(arguments) => init::run(arguments).await,
        Command::Call(arguments) => call::run(arguments).await,
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::Explain(arguments) => explain::run(arguments).await,
        Command::Invalidate(arguments) => invalidate::run(arguments).await,
        Command::Warm(arguments) => warm::run(arguments).await,
        Command::Simulate(arguments) => simulate::run(arguments).await,
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Whether the command answers in JSON, its errors included.
pub(crate) fn answers_json(command: &Command) -> bool {
    match command {
        Command::Check(arguments) => arguments.output.json,
        Command::Config(arguments) => config::answers_json(arguments),
        Command::Init(arguments) => arguments.output.json,
        Command::Call(arguments) => arguments.output.json,
        Command::Bench(arguments) => arguments.output.json,
        Command::Explain(arguments) => arguments.output.json,
        Command::Invalidate(arguments) => arguments.output.json,
        Command::Warm(arguments) => arguments.output.json,
        Command::Serve(_) | Command::Mcp(_) | Command::Simulate(_) | Command::Completions(_) => false,
    }
}
