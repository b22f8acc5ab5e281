//! Waiting for what another caller leads, while there is something in memory that the second tier has not proved.
//!
//! ```text
//!   caller A                 second tier            source            caller B
//!   asks for a proof    →    (does not answer)
//!   50 ms: answers, labelled,
//!   and loads behind A's back              →        takes its time
//!                                                                     joins that: 50 ms, as A did, and not longer
//! ```

use futures_util::future::{Either, select};

use super::{
    Engine, Question,
    load::Load,
    read::{Found, proved},
    second::{Consulted, Proved},
};
use crate::{
    flight::{Landed, Settled, Unsettled},
    memory::Entry,
    outcome::Outcome,
};

/// What came of waiting for what another caller leads.
pub(super) enum Joined {
    /// It has ended, or was too slow.
    Landed(Result<Option<Settled>, Unsettled>),
    /// It takes longer than what is in memory need wait for.
    InMemory(InMemory),
}

/// What is in memory and may be answered.
pub(super) enum InMemory {
    /// It holds.
    Proved(Proved),
    /// Whether it does nobody can say.
    Suspect(Entry),
}

impl Engine {
    /// Waits for what another caller leads; where something is in memory that only has to be proved, no longer than the second
    /// tier may take for that.
    pub(super) async fn join(&self, question: &Question, landed: Landed, spare: Option<&Entry>) -> Joined {
        let landing = std::pin::pin!(self.wait(question, landed, spare, true));
        let Some(limit) = self.0.second.get().map(|second| second.step_within()) else {
            return Joined::Landed(landing.await);
        };
        if self.answer_in_memory(question).is_none() {
            return Joined::Landed(landing.await);
        }
        match select(landing, self.0.runtime.sleep(limit)).await {
            Either::Left((waited, _)) => Joined::Landed(waited),
            Either::Right((_, landing)) => match self.answer_in_memory(question) {
                Some(held) => Joined::InMemory(held),
                None => Joined::Landed(landing.await),
            },
        }
    }

    /// What is in memory that may be answered although the second tier has not said whether it still holds.
    pub(super) fn answer_in_memory(&self, question: &Question) -> Option<InMemory> {
        if question.is_strict() {
            return None;
        }
        let Found::Unproved(entry) = self.look(question, self.0.runtime.now()) else { return None };
        match self.unanswered(question, entry) {
            Consulted::Found(found) => Some(InMemory::Proved(found)),
            Consulted::Suspect(entry) => Some(InMemory::Suspect(entry)),
            Consulted::Missing(..) | Consulted::Away => None,
        }
    }

    pub(super) fn answer_held(&self, question: &Question, load: Load, held: InMemory) -> Outcome {
        let now = self.0.runtime.now();
        match held {
            InMemory::Proved(found) => proved(&question.rules, found.entry, now, found.origin),
            InMemory::Suspect(entry) => self.answer_suspect(question, load, entry, now),
        }
    }
}
