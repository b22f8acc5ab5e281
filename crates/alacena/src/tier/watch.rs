//! Says in the log what the tier does without, once, and once more when that is over.

use std::{collections::BTreeMap, sync::Weak, time::Duration};

use alacena_core::{
    engine::PostFigures,
    runtime::SharedRuntime,
    tier::{Coherence, Lack},
};

use crate::handle::Inner;

/// Between one look and the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks for as long as somebody holds the Alacena.
pub(super) async fn watch(inner: Weak<Inner>, runtime: SharedRuntime) {
    let mut said = Said::default();
    loop {
        runtime.sleep(LOOK_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        for line in said.lines(&inner.engine.second_tier()) {
            match line {
                Line::Wrong(text) => tracing::warn!("{text}"),
                Line::Told(text) => tracing::info!("{text}"),
            }
        }
    }
}

/// What has been said, and is still so.
#[derive(Default)]
struct Said(BTreeMap<String, Lack>);

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Wrong(String),
    Told(String),
}

impl Said {
    /// What there is to say of these shards that has not been said.
    fn lines(&mut self, shards: &[PostFigures]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut is_so = BTreeMap::new();
        for shard in shards {
            for lack in &shard.lacks {
                let text = format!("{}: {lack}", shard.name);
                if !self.0.contains_key(&text) {
                    lines.push(if lack.is_serious {
                        Line::Wrong(text.clone())
                    } else {
                        Line::Told(text.clone())
                    });
                }
                is_so.insert(text, lack.clone());
            }
        }
        // What is away says nothing of itself: what was so before may still be.
        let is_known = shards.iter().all(|shard| shard.coherence != Coherence::Local);
        if is_known {
            let over = self.0.iter().filter(|(text, lack)| lack.is_serious && !is_so.contains_key(*text));
            lines.extend(over.map(|(_, lack)| Line::Told(format!("no more: {}", lack.what))));
            self.0 = is_so;
        } else {
            self.0.extend(is_so);
        }
        lines
    }
}
