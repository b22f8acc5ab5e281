//! `alacena check`.

use std::path::Path;

use alacena::{
    Alacena, SystemRuntime,
    config::Config,
    error::{Error, catalogue},
};
use alacena_server::described;
use serde_json::json;

use crate::{
    args::Check,
    failure::Failure,
    locate,
    say::{self, Paint, count},
};

pub(super) async fn run(arguments: Check) -> Result<(), Failure> {
    let file = locate::file_required(&arguments.config)?;
    let config = locate::load(&file, None)?;
    try_sources(config.clone()).await?;
    report(&file, &config, arguments.output.json);
    Ok(())
}

/// Prepares every declaration against its source as `serve` would, with a store of its own: the real one may belong
/// to a server that is running.
async fn try_sources(mut config: Config) -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(|cause| {
        Error::new(&catalogue::STORE_FAILED, "there is no temporary folder to check in").caused_by(cause)
    })?;
    config.embedded.path = folder.path().to_owned();
    let drain = config.server.drain;
    Alacena::open(&config, SystemRuntime::shared()).await?.close(drain).await;
    Ok(())
}

fn report(file: &Path, config: &Config, as_json: bool) {
    let (sources, reads, writes) = (config.sources.len(), config.reads.len(), config.writes.len());
    if as_json {
        let counts = json!({ "sources": sources, "reads": reads, "writes": writes });
        let warnings: Vec<_> = config.warnings.iter().map(described).collect();
        let file = file.display().to_string();
        say::json(&json!({ "ok": true, "file": file, "declared": counts, "warnings": warnings }));
    } else {
        for warning in &config.warnings {
            say::note(&format!("{} {warning}", Paint::stderr().strong("warning:")));
        }
        let counts =
            format!("{}, {}, {}", count(sources, "source"), count(reads, "read"), count(writes, "write"));
        say::answer(&format!(
            "{}: {}",
            Paint::stdout().good(&format!("{} is right", file.display())),
            counts
        ));
    }
}
