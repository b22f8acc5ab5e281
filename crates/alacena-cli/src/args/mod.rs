//! What can be typed: commands, flags, and the help that teaches them.

mod config;
mod bench;
mod simulate;
mod warm;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::header::Header;

pub(crate) use bench::Bench;
pub(crate) use config::{Config, ConfigExplain, ConfigWhat};
pub(crate) use simulate::{Jobnimbus, Simulate, Simulated};
pub(crate) use warm::{Explain, Warm};

/// Declare your slow reads once. Alacena answers them fast, keeps them right, and shows you what it did.
#[derive(Debug, Parser)]
#[command(
    name = "alacena",
    version,
    max_term_width = 120,
    after_help = "\
The first minute:
  alacena serve          a working example: slow reads, answered from the cache
  alacena init           begin your own: writes alacena.toml, ready to serve
  alacena check          is it right? says everything that is not, with line and remedy

Exit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
    Mcp(Mcp),
    Check(Check),
    Config(Config),
    Init(Init),
    Call(Call),
    Bench(Bench),
    Explain(Explain),
    Invalidate(Invalidate),
    Warm(Warm),
    Simulate(Simulate),
    Completions(Completions),
}

/// Answer the declared reads over HTTP and MCP
///
/// Without a configuration it serves a working example out of a temporary folder, on loopback only.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena serve                             alacena.toml of this folder, or the example
  alacena serve --config shop.toml
  alacena serve --listen 127.0.0.1:0        any free port; its first line names it

Ctrl-C or SIGTERM stops it once what is running has been answered; a second one stops it at once.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The address to listen on, instead of the configuration's
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
}

/// Offer the reads as MCP tools over stdin and stdout
///
/// Uses the server of the configuration where one is running, so that all clients share its cache; else it runs alone.
#[derive(Debug, Args)]
#[command(after_help = "\
For a client that starts its servers itself, such as an editor or a desktop assistant:
  { \"mcpServers\": { \"alacena\": { \"command\": \"alacena\", \"args\": [\"mcp\", \"--config\", \"/path/to/alacena.toml\"] } } }")]
pub(crate) struct Mcp {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
}

/// Say everything that is wrong with a configuration, with line and remedy
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena check
  alacena check --config shop.toml --json   for editors and continuous integration: exit code 2 when it is not right")]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Begin your own: write a configuration that works, with comments that explain it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena init                              here: alacena.toml and shop.db, a small database to begin with
  alacena init shop                         in the folder `shop`")]
pub(crate) struct Init {
    /// The folder to write to; it is created where there is none
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Write over what is there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Ask one read, and say what the cache did
///
/// Asks the server of the configuration where one is running; else the source, without one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena call get_jobs size=10
  alacena call ticket id=7 --json           the answer with what the cache did
  alacena call get_jobs --no-cache          ask the source, and keep its answer
  alacena call mine --header \"authorization=Bearer $KEY\"

Whoever may list the processes of this machine can see what a header says.")]
pub(crate) struct Call {
    /// The read's name
    pub(crate) read: String,
    /// Its parameters
    #[arg(value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Ask the source although the cache has an answer
    #[arg(long)]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) headers: Headers,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Make a running server forget answers that are out of date
///
/// It is done when this ends: no read that begins afterwards is answered with what was loaded before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena invalidate --tag jobs --tag job:42
  alacena invalidate --prefix jobs:list     every key that begins with these segments
  alacena invalidate --pattern 'activities:list:*:42:*'
  alacena invalidate --prefix jobs --dry-run
                                            only say what that would take away
  alacena invalidate --all")]
pub(crate) struct Invalidate {
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Only say what would be forgotten, and how much of it is held
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    #[command(flatten)]
    pub(crate) server: ServerAddress,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Targets {
    /// Everything that carries this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// The entry of this key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// Every key that begins with these segments
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Vec<String>,
    /// Every key that matches: `*` is one segment, a last `*` the rest
    #[arg(long, value_name = "PATTERN")]
    pub(crate) pattern: Vec<String>,
    /// Everything of this class
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Vec<String>,
    /// Everything
    #[arg(long, conflicts_with_all = ["tag", "key", "prefix", "pattern", "class"])]
    pub(crate) all: bool,
}

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena completions bash > ~/.local/share/bash-completion/completions/alacena
  alacena completions zsh > ~/.zfunc/_alacena
  alacena completions fish > ~/.config/fish/completions/alacena.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration [default: alacena.toml in this folder]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServerAddress {
    /// The server to ask, instead of the one of the configuration; its token comes from ALACENA_TOKEN
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Headers {
    /// A header of the caller that the read passes through to its source
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = Header::parse)]
    pub(crate) headers: Vec<Header>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// Print JSON: one document, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a parameter is written name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound_and_every_command_explains_itself() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for command in command.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn an_invalidation_names_at_least_one_thing_and_everything_stands_alone() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' ')).is_ok();
        assert!(parse("alacena invalidate --tag jobs --prefix jobs:list --pattern jobs:*:42"));
        assert!(!parse("alacena invalidate"));
        assert!(!parse("alacena invalidate --all --tag jobs"));
        assert!(!parse("alacena call get_jobs size"));
        assert!(parse("alacena warm --all") && parse("alacena warm get_jobs --param size=50"));
        assert!(!parse("alacena warm") && !parse("alacena warm get_jobs --all"));
    }
}
