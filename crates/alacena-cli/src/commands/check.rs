//! `alacena check`.

use std::{path::Path, time::Duration};

use alacena::{
    Alacena, Coherence, PostFigures, SystemRuntime,
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
    let shards = try_sources(config.clone()).await?;
    report(&file, &config, &shards, arguments.output.json);
    Ok(())
}

/// How long a Redis may take to say what it is.
const SAYS_WITHIN: Duration = Duration::from_secs(2);

/// Prepares every declaration against its source as `serve` would, with a store of its own: the real one may belong
/// to a server that is running. What the second tier is like, then, if there is one.
async fn try_sources(mut config: Config) -> Result<Vec<PostFigures>, Error> {
    let folder = tempfile::tempdir().map_err(|cause| {
        Error::new(&catalogue::STORE_FAILED, "there is no temporary folder to check in").caused_by(cause)
    })?;
    config.embedded.path = folder.path().to_owned();
    let drain = config.server.drain;
    let alacena = Alacena::open(&config, SystemRuntime::shared()).await?;
    let runtime = alacena.runtime();
    let until = runtime.now() + SAYS_WITHIN;
    let shards = loop {
        let shards = alacena.health().shards;
        let have_said =
            shards.iter().all(|shard| shard.coherence != Coherence::Local || !shard.lacks.is_empty());
        if have_said || runtime.now() >= until {
            break shards;
        }
        runtime.sleep(Duration::from_millis(20)).await;
    };
    alacena.close(drain).await;
    Ok(shards)
}

/// What the second tier is like, in a line; what it does without in others.
fn second_tier(config: &Config, shards: &[PostFigures]) -> Vec<String> {
    let Some(redis) = &config.redis else { return Vec::new() };
    let level = shards.iter().map(|shard| shard.coherence).max().unwrap_or(Coherence::Local);
    let said = match level {
        Coherence::Bounded => "bounded: what one node invalidates no other answers after 0.9 s",
        Coherence::Eventual => "eventual: with what it lacks no bound is promised",
        _ => "not reached now: each node would answer by itself",
    };
    let lacks = shards.iter().flat_map(|shard| &shard.lacks).map(|lack| format!("  {lack}"));
    [format!("second tier {}, {said}", redis.address)].into_iter().chain(lacks).collect()
}

fn report(file: &Path, config: &Config, shards: &[PostFigures], as_json: bool) {
    let (sources, reads, writes) = (config.sources.len(), config.reads.len(), config.writes.len());
    if as_json {
        let counts = json!({ "sources": sources, "reads": reads, "writes": writes });
        let warnings: Vec<_> = config.warnings.iter().map(described).collect();
        let file = file.display().to_string();
        let second = second_tier(config, shards);
        say::json(&json!({
            "ok": true, "file": file, "declared": counts, "warnings": warnings, "secondTier": second,
        }));
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
        second_tier(config, shards).iter().for_each(|line| say::answer(line));
    }
}
