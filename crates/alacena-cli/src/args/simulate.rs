//! `alacena simulate …`.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use crate::simulate::{Failure, KEY_DEFAULT, Latency};

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

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a share is between 0 and 1".to_owned())
}
