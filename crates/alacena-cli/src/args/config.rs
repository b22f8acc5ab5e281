//! `alacena config …`.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use super::{ConfigFile, Output};

/// Look into the configuration
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) what: ConfigWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigWhat {
    Explain(ConfigExplain),
    Schema(ConfigSchema),
}

/// Print the JSON Schema of alacena.toml, so that editors complete and check it
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  alacena config schema > alacena.schema.json

Then this as the first line of alacena.toml, for Even Better TOML, taplo and others:
  #:schema ./alacena.schema.json")]
pub(crate) struct ConfigSchema {}

/// Say where each value came from: the default, the file, the environment or a flag
///
/// Shows what was written: a name of the environment stays a name, and secrets are not shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena config explain                    every value that is in force
  alacena config explain classes.jobs       those of one section
  alacena config explain server.listen --json")]
pub(crate) struct ConfigExplain {
    /// A value, or the section that it is in
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// As `serve` with this flag would see it
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) output: Output,
}
