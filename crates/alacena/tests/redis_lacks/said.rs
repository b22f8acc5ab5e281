//! What a node says of the server that it is at.

use alacena::{Coherence, Status};

use crate::{
    heard,
    node::{Node, until},
};

/// What no node may ever show.
pub(crate) const SECRET: &str = "hunter2-and-nobody-else";

/// What is to be said of one thing that a server does without.
pub(crate) struct Said<'a> {
    /// What reads out of it are worth meanwhile.
    pub(crate) level: Coherence,
    /// What is missing, what that costs and what to do, in the words that somebody looks for.
    pub(crate) words: &'a [&'a str],
    /// Whether something that is promised is not kept.
    pub(crate) is_serious: bool,
}

/// Returns once health and log of this node say it, of the server on this port.
pub(crate) async fn says(node: &Node, port: u16, said: Said<'_>) {
    let Said { level, words, is_serious } = said;
    let port = port.to_string();
    let all: Vec<&str> = words.iter().copied().chain([port.as_str()]).collect();
    until(&format!("health says {words:?} and {level:?}; it says {}", shown(node)), async || {
        let health = node.alacena.health();
        let lack = health.shards[0].lacks.iter().find(|lack| {
            let text = lack.to_string();
            lack.is_serious == is_serious && all.iter().all(|word| text.contains(word))
        });
        lack.is_some() && health.coherence() == Some(level)
    })
    .await;
    let health = node.alacena.health();
    let is_missing = health.missing.iter().any(|line| all.iter().all(|word| line.contains(word)));
    assert_eq!(is_missing, is_serious, "{:?}", health.missing);
    assert_eq!(health.status == Status::Degraded, is_serious, "{:?}", health.missing);
    until("the log says it", async || !heard::lines(&all).is_empty()).await;
    let [line, ..] = &heard::lines(&all)[..] else { unreachable!("it has just been there") };
    assert!(line.starts_with(if is_serious { "WARN" } else { "INFO" }), "{line}");
    shows_no_secret(node);
}

pub(crate) fn shows_no_secret(node: &Node) {
    assert!(!shown(node).contains(SECRET));
    assert_eq!(heard::lines(&[SECRET]), [""; 0]);
}

/// Returns once nothing serious is said of it any more, and reads out of it are worth this.
pub(crate) async fn is_well(node: &Node, level: Coherence) {
    until("it is well again", async || {
        let health = node.alacena.health();
        health.status == Status::Healthy && health.coherence() == Some(level)
    })
    .await;
}

fn shown(node: &Node) -> String {
    format!("{:?}", node.alacena.health())
}
