//! `alacena bench`, with its limits: a benchmark must not be an attack by default, nor by a slip of the finger.

use std::time::Duration;

use clap::{Args, value_parser};

use super::{ConfigFile, Headers, Output, ServerAddress, pair};
use crate::simulate::duration;

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

fn bench_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    let accepted = Duration::from_millis(100)..=Duration::from_secs(600);
    if accepted.contains(&duration) { Ok(duration) } else { Err("it is between 100ms and 600s".to_owned()) }
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| "it is between 1 and 1000".to_owned())
}
