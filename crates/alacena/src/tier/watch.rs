//! Says in the log what the tier does without, once, and once more when that is over.

use std::{collections::BTreeMap, sync::Weak, time::Duration};

use alacena_core::{
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
        let shards = inner.engine.second_tier();
        let shown = shards.iter().map(|shard| (shard.name.as_str(), shard.coherence, shard.lacks.as_slice()));
        for line in said.lines(&shown.collect::<Vec<_>>()) {
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
    /// What there is to say of these shards that has not been said: of each its name, what reads out of it are worth, and
    /// what it does without.
    fn lines(&mut self, shards: &[(&str, Coherence, &[Lack])]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut is_so = BTreeMap::new();
        for (name, _, lacks) in shards {
            for lack in *lacks {
                let text = format!("{name}: {lack}");
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
        let is_known = shards.iter().all(|(_, coherence, _)| *coherence != Coherence::Local);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lack(what: &str, is_serious: bool) -> Lack {
        Lack { what: what.to_owned(), costs: "it costs", remedy: "Do something.", is_serious }
    }

    #[test]
    fn what_is_so_is_said_once_and_once_more_when_it_is_over() {
        let mut said = Said::default();
        let mut lines = |coherence, lacks: &[Lack]| said.lines(&[("redis", coherence, lacks)]);
        let (evicts, refused) = (lack("it evicts", false), lack("nobody is there", true));
        let wrong = || Line::Wrong("redis: nobody is there: it costs. Do something.".to_owned());
        let told = |text: &str| Line::Told(text.to_owned());

        let first = lines(Coherence::Bounded, std::slice::from_ref(&evicts));
        assert_eq!(first, [told("redis: it evicts: it costs. Do something.")]);
        assert_eq!(lines(Coherence::Bounded, std::slice::from_ref(&evicts)), []);
        assert_eq!(lines(Coherence::Local, std::slice::from_ref(&refused)), [wrong()]);
        assert_eq!(lines(Coherence::Local, &[]), [], "it is being tried again");
        assert_eq!(lines(Coherence::Local, std::slice::from_ref(&refused)), []);
        assert_eq!(
            lines(Coherence::Bounded, std::slice::from_ref(&evicts)),
            [told("no more: nobody is there")]
        );
        assert_eq!(lines(Coherence::Local, std::slice::from_ref(&refused)), [wrong()], "another time");
    }
}
