//! `alacena invalidate`.

use serde_json::{Value as Json, json};

use crate::{
    args::{Invalidate, Targets},
    failure::Failure,
    locate,
    remote::{self, Remote},
    say::{self, Paint},
};

pub(super) async fn run(arguments: Invalidate) -> Result<(), Failure> {
    let consequence = "so nothing is in memory that could be out of date";
    let remote = locate::running(&arguments.config, &arguments.server, consequence).await?;
    if arguments.dry_run {
        return look(&remote, &arguments).await;
    }
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
        let line = match level {
            "deferred" | "deferred-volatile" => format!(
                "{level}: done here; the second tier is away, and other nodes are told when it is back"
            ),
            _ => format!("{level}: no read that begins now is answered with what was loaded before"),
        };
        let paint = Paint::stdout();
        say::answer(&format!(
            "{} {}",
            if level.starts_with("deferred") { paint.wrong(&line) } else { paint.good(&line) },
            Paint::stdout().faint(&format!("(markers and keys dropped: {dropped})"))
        ));
    }
    Ok(())
}

/// Says what would be forgotten.
async fn look(remote: &Remote, arguments: &Invalidate) -> Result<(), Failure> {
    let mut targets = Vec::new();
    for mut document in documents(&arguments.targets) {
        document["dryRun"] = true.into();
        let mut answer = send(remote, &document).await?;
        targets.extend(answer["targets"].as_array_mut().into_iter().flat_map(std::mem::take));
    }
    if arguments.output.json {
        say::json(&json!({ "dryRun": true, "targets": targets }));
    } else {
        say::answer(
            &targets.iter().map(|target| reach(target, Paint::stdout())).collect::<Vec<_>>().join("\n"),
        );
    }
    Ok(())
}

/// What one target comes to.
fn reach(target: &Json, paint: Paint) -> String {
    let mut words = paint.strong(target["target"].as_str().unwrap_or_default());
    for dep in target["deps"].as_array().into_iter().flatten() {
        let held = match dep["entries"].as_u64().unwrap_or(0) {
            0 => "nothing that is held depends on it".to_owned(),
            1 => "1 fresh entry".to_owned(),
            many => format!("{many} fresh entries"),
        };
        words.push_str(&format!("\n  {}: {held}", dep["dep"].as_str().unwrap_or_default()));
    }
    words
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
