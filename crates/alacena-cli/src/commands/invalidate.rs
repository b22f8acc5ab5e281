//! `alacena invalidate`.

use alacena::error::{Error, catalogue};
use serde_json::{Value as Json, json};

use crate::{
    args::{Invalidate, Targets},
    failure::Failure,
    locate::{self, Found},
    remote::{self, Remote},
    say::{self, Paint},
};

pub(super) async fn run(arguments: Invalidate) -> Result<(), Failure> {
    let remote = match locate::find(&arguments.config, &arguments.server).await? {
        Found::Server(remote) => remote,
        Found::Alone(config) => {
            let detail = format!(
                "no server of this configuration is running (it would listen at {}), so nothing is in memory that \
                 could be out of date",
                config.server.listen
            );
            return Err(Error::new(&catalogue::SERVER_ABSENT, detail).into());
        }
    };
    let mut dropped = 0;
    let mut level = Json::Null;
    for document in documents(&arguments.targets) {
        let mut answer = send(&remote, &document).await?;
        dropped += answer["dropped"].as_u64().unwrap_or(0);
        level = answer["level"].take();
    }
    if arguments.output.json {
        say::json(&json!({ "level": level, "dropped": dropped }));
    } else {
        let level = level.as_str().unwrap_or("done");
        let line = format!("{level}: no read that begins now is answered with what was loaded before");
        say::answer(&format!(
            "{} {}",
            Paint::stdout().good(&line),
            Paint::stdout().faint(&format!("(markers and keys dropped: {dropped})"))
        ));
    }
    Ok(())
}

async fn send(remote: &Remote, document: &Json) -> Result<Json, Failure> {
    let answer = remote::send(remote.post("/cache/invalidate", document), remote).await?;
    answer.json().await.map_err(|cause| remote::absent(remote, cause).into())
}

/// The requests that say it all: one takes any number of tags, but one of everything else.
fn documents(targets: &Targets) -> Vec<Json> {
    if targets.all {
        return vec![json!({ "all": true })];
    }
    let tags = (!targets.tag.is_empty()).then(|| json!({ "tags": targets.tag }));
    let single = [
        ("key", &targets.key),
        ("prefix", &targets.prefix),
        ("pattern", &targets.pattern),
        ("class", &targets.class),
    ];
    let others = single.iter().flat_map(|(name, texts)| texts.iter().map(move |text| json!({ *name: text })));
    tags.into_iter().chain(others).collect()
}
