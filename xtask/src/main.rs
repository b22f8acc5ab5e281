//! The build system: `cargo xtask test`, `docs`, `long`.
//!
//! Every check of the project is a step of `cargo xtask test`; continuous integration runs that and nothing else, so
//! whatever fails there fails here first.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks to the person who runs it"
)]

use std::process::ExitCode;

mod clients;
mod command;
mod docs;
mod first_minute;
mod gate;
mod instructions;
mod licence;
mod long;
mod needs;
mod servers;
mod steps;
mod test;

const USAGE: &str = "\
Usage: cargo xtask <command>

  test [--install | --no-install] [--only STEP]...
        Runs every check of the project. What is missing on the machine is listed; on a terminal you are
        asked whether to install it, with --install (or CI=true) it is installed, with --no-install the steps
        that need it are skipped. With CI=true a skipped step is a failure.
  docs  Writes the generated pages of docs/reference anew.
  long NAME [OPTION]...
        Runs one of the long measurements by hand; its line goes to benches/RESULTS.md.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] | ["help" | "--help" | "-h"] | [_, "--help" | "-h"] => {
            println!("{USAGE}\n\nSteps of test:\n{}\nNames of long:\n{}", test::list(), long::list());
            Ok(())
        }
        ["test", options @ ..] => test::run(options),
        ["docs"] => docs::write(),
        ["long", name, options @ ..] => long::run_named(name, options),
        _ => Err(format!("`cargo xtask {}` is not a command; see `cargo xtask --help`", words.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
