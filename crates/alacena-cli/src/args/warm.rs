//! `alacena warm` and `alacena explain`.

use clap::Args;

use super::{ConfigFile, Output, ServerAddress, pair};

/// Load answers into a running server before anybody asks
///
/// Only what is not fresh is loaded, after callers, and never from a source whose breaker is open. It ends when the
/// warming has.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena warm --all                        everything that the configuration declares as `warm`
  alacena warm get_jobs kpis                what these reads declare, or, without `warm`, with all at its default
  alacena warm get_jobs --param from=0 --param size=50
  alacena warm --all --json                 the result as one document

The configuration can do this by itself, at the start, after invalidations and at times that recur:
  [reads.get_jobs]
  warm = { params = [{ from = 0, size = 50 }], cron = \"0 6 * * mon-fri\" }

Exit code 1 says that something is not warm now; what, and why, is printed.")]
pub(crate) struct Warm {
    /// The reads
    #[arg(value_name = "READ", required_unless_present = "all")]
    pub(crate) reads: Vec<String>,
    /// A parameter of the one read that is named
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Everything that the configuration declares as warm
    #[arg(long, conflicts_with_all = ["reads", "parameters"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Say why a key is answered as it is
///
/// Is it held, how old is it, until when does it hold, what does it depend on and does that still stand, and would the
/// next read ask the source? Never shows a value.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena explain jobs:list:all:0:50        a key as the reads write it
  alacena explain ticket:7 --json

GET /reads says what the keys of each read look like; GET /cache/keys lists those that are held.")]
pub(crate) struct Explain {
    /// The key
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
    #[command(flatten)]
    pub(crate) output: Output,
}
