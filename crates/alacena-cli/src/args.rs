//! What can be typed: commands, flags, and the help that teaches them.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, value_parser};
use clap_complete::Shell;

use crate::{
    header::Header,
    simulate::{Failure, KEY_DEFAULT, Latency, duration},
};

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
    Invalidate(Invalidate),
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

/// Measure what a read takes, without the cache and with it
///
/// Asks the server of the configuration where one is running, or one of its own. The source is spared: it is asked as
/// often as --source-calls says, evenly, whatever the cache is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena bench get_jobs size=10
  alacena bench ticket id=7 --rate 5000 --connections 64
  alacena bench ticket id=7 --closed        as fast as it goes: how much the server bears
  alacena bench ticket id=7 --source-calls 0 --json

At a rate, latency counts from when a question was due, not from when a connection was free for it: a server that
stops for a second is late for everything that was due in that second.")]
pub(crate) struct Bench {
    /// The read's name
    pub(crate) read: String,
    /// Its parameters
    #[arg(value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// How many times a second the cache is asked, at most 100000
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// Ask again as soon as there is an answer, instead of at a rate
    #[arg(long, conflicts_with = "rate")]
    pub(crate) closed: bool,
    /// How long each half takes, at most 600s
    #[arg(long, default_value = "10s", value_parser = bench_duration)]
    pub(crate) duration: Duration,
    /// How many connections ask, at most 1000
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = connections)]
    pub(crate) connections: usize,
    /// How many questions go past the cache to the source, at most 10000; 0: none
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = value_parser!(u32).range(0..=10_000))]
    pub(crate) source_calls: u32,
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
  alacena invalidate --all")]
pub(crate) struct Invalidate {
    #[command(flatten)]
    pub(crate) targets: Targets,
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
    /// Everything of this class
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Vec<String>,
    /// Everything
    #[arg(long, conflicts_with_all = ["tag", "key", "prefix", "class"])]
    pub(crate) all: bool,
}

/// Play a slow or failing upstream, to see what your application does
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    #[command(subcommand)]
    pub(crate) what: Simulated,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Simulated {
    Jobnimbus(Jobnimbus),
}

/// A CRM of a roofing company that speaks the API of JobNimbus
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  alacena simulate jobnimbus --listen 127.0.0.1:9000
  alacena simulate jobnimbus --failing 500 --fail-rate 0.2
  curl -H 'Authorization: bearer simulated-key' 'http://127.0.0.1:9000/api1/jobs?size=2'

While it runs:
  curl -X PUT http://127.0.0.1:9000/simulator/failure -d '{\"mode\":\"reset\"}'
  curl -X PUT http://127.0.0.1:9000/simulator/latency -d '{\"latency\":\"2s\"}'
  curl http://127.0.0.1:9000/simulator/calls")]
pub(crate) struct Jobnimbus {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// How long an answer takes: `500ms..800ms`, or `0ms`
    #[arg(long, default_value = "500ms..800ms", value_name = "DURATION")]
    pub(crate) latency: Latency,
    /// The API key that callers must send
    #[arg(long, default_value = KEY_DEFAULT)]
    pub(crate) key: String,
    /// What records and delays follow from
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// How calls fail
    #[arg(long, value_enum, default_value_t = Failure::None, value_name = "MODE")]
    pub(crate) failing: Failure,
    /// The share of calls that fail, from 0 to 1
    #[arg(long, default_value_t = 1.0, value_name = "SHARE", value_parser = share)]
    pub(crate) fail_rate: f64,
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

fn bench_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    let accepted = Duration::from_millis(100)..=Duration::from_secs(600);
    if accepted.contains(&duration) { Ok(duration) } else { Err("it is between 100ms and 600s".to_owned()) }
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| "it is between 1 and 1000".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a share is between 0 and 1".to_owned())
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
        assert!(parse("alacena invalidate --tag jobs --prefix jobs:list"));
        assert!(!parse("alacena invalidate"));
        assert!(!parse("alacena invalidate --all --tag jobs"));
        assert!(!parse("alacena call get_jobs size"));
    }
}
