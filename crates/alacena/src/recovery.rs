//! What an earlier process left open: writes that it may have sent, and invalidations that it had yet to repeat.
//!
//! Each is invalidated at once, and once more where a source has to settle. It keeps the name that it had at first, however
//! many processes come and go meanwhile, and what several of them left open is one.

use alacena_core::{
    engine::Wish,
    error::Error,
    ledger::{Intent, IntentId, Target},
};

use crate::handle::Alacena;

/// What stands before a name that is invalidated anew.
const RECOVERY: &str = "recovery ";
/// What stands before a name that is invalidated once more.
const SETTLED: &str = "settle of ";

/// What is open, and all of the intents that say so.
struct Open {
    of: String,
    targets: Vec<Target>,
    ids: Vec<IntentId>,
}

impl Alacena {
    /// Applies what an earlier process left open.
    ///
    /// # Errors
    /// The ledger cannot be read, or does not take what has been done.
    pub(crate) async fn recover(&self) -> Result<(), Error> {
        for Open { of, targets, ids } in merged(self.inner.store.ledger.open_intents().await?) {
            tracing::info!(
                write = of,
                "recovery: an earlier process may have sent this write; invalidating what it changes"
            );
            let (mut steps, mut named) = (Vec::new(), Vec::new());
            for target in targets {
                match self.prepared_full().steps(&target, &[]) {
                    Ok(taken) => {
                        steps.extend(taken);
                        named.push(target);
                    }
                    // The configuration has changed since: what it named exists no more, so nothing is kept of it.
                    Err(error) => tracing::info!(write = of, error = ?error, "an open write names nothing"),
                }
            }
            if !named.is_empty() {
                let who = format!("{RECOVERY}{of}");
                let level = self.apply(&steps, &named, &who, Wish::Applied).await.level;
                self.record(&named, &who, level).await;
            }
            for id in ids {
                self.inner.store.ledger.close_intent(id).await?;
            }
        }
        Ok(())
    }
}

/// What the repetition of an invalidation is called that `who` has asked for.
pub(crate) fn settled(who: &str) -> String {
    format!("{SETTLED}{}", first(who))
}

/// Who asked for it at first.
fn first(who: &str) -> &str {
    let mut who = who;
    while let Some(rest) = who.strip_prefix(RECOVERY).or_else(|| who.strip_prefix(SETTLED)) {
        who = rest;
    }
    who
}

/// In the order in which they were opened first. A process that was killed while it applied them has opened some of them
/// anew.
fn merged(intents: Vec<(IntentId, Intent)>) -> Vec<Open> {
    let mut merged: Vec<Open> = Vec::new();
    for (id, Intent { write, targets, .. }) in intents {
        let of = first(&write);
        match merged.iter_mut().find(|open| open.of == of && open.targets == targets) {
            Some(open) => open.ids.push(id),
            None => merged.push(Open { of: of.to_owned(), targets, ids: vec![id] }),
        }
    }
    merged
}
