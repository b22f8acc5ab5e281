//! Loading ahead of the first caller.
//!
//! The place at the source is taken before the flight: whoever asks for the key while a warming waits for its turn
//! leads a flight of its own, with a caller's urgency, instead of waiting in the queue of those whom nobody waits for.

use std::future::Future;

use super::{
    Engine, Learned, Loaded, Mode, Question,
    load::{Before, Failure, Led, Load},
    read::{Found, resting},
};
use crate::{error::Error, flight::Turn, guard::Urgency, outcome::NotStored};

/// What became of a key that was to be warm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warmed {
    /// It was fresh, or became so by somebody else's load meanwhile.
    Fresh,
    /// It was loaded.
    Loaded,
    /// It was loaded, or would have been, and may not be kept: the next caller asks the source all the same.
    NotStored(NotStored),
}

impl Engine {
    /// Loads what `question` asks for, unless it is fresh, and counts neither a hit nor a miss: nobody has asked.
    ///
    /// The source is asked as [`Urgency::Warming`]: after callers, in the places of background work, and never while
    /// its breaker is open or tries it out. The question's mode does not matter.
    ///
    /// # Errors
    /// What the load failed with, as of [`get_or_fetch`](Engine::get_or_fetch); nothing stands in.
    ///
    /// # Cancellation
    /// Dropping the future ends the load. A caller who waits for it loads for itself.
    pub async fn warm<F>(
        &self,
        question: &Question,
        load: impl FnOnce(bool) -> F + Send + 'static,
    ) -> Result<Warmed, Error>
    where
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        let question = question.clone().with_mode(Mode::Normal);
        if let Found::Fresh(_) = self.look(&question, self.0.runtime.now()) {
            return Ok(Warmed::Fresh);
        }
        let _work = self.0.running.enter()?;
        let permit = self.admit(&question.rules, Urgency::Warming).await?;
        let landing = match self.turn(&question) {
            Turn::Lead(landing, _) => landing,
            turn => {
                drop(permit);
                return self.without_leading(&question, turn).await;
            }
        };
        let no_cache = self.must_look_again(&question);
        let ask = || async {
            let asked = self.ask_admitted(&question.rules, permit, || load(no_cache)).await;
            let loaded = asked.map(|(loaded, took)| (loaded, took.into()));
            loaded.map_err(|error| Failure { error, looked: true })
        };
        warmed(self.lead(&question, landing, Urgency::Warming, Before::Nothing(None), ask).await)
    }

    /// The same with a load that must learn something `first`, as of
    /// [`get_or_fetch_after`](Engine::get_or_fetch_after). Its flight begins before it has a place at its source, and so
    /// whoever asks for the key meanwhile waits for it.
    ///
    /// # Errors
    /// As of [`warm`](Engine::warm), and what `first` failed with.
    ///
    /// # Cancellation
    /// As of [`warm`](Engine::warm).
    pub async fn warm_after<L, F>(
        &self,
        question: &Question,
        first: impl Future<Output = Result<Learned<L>, Error>> + Send + 'static,
    ) -> Result<Warmed, Error>
    where
        L: FnOnce(bool) -> F + Send + 'static,
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        let question = question.clone().with_mode(Mode::Normal);
        let _work = self.0.running.enter()?;
        let landing = match self.turn(&question) {
            Turn::Lead(landing, _) => landing,
            turn => return self.without_leading(&question, turn).await,
        };
        let no_cache = self.must_look_again(&question);
        let run = || self.run(&question.rules, Urgency::Warming, Load::after(first), no_cache);
        warmed(self.lead(&question, landing, Urgency::Warming, Before::Nothing(None), run).await)
    }

    /// What becomes of a key that is not for this warming to load.
    async fn without_leading(&self, question: &Question, turn: Turn) -> Result<Warmed, Error> {
        match turn {
            Turn::Hit(_) => Ok(Warmed::Fresh),
            Turn::Join(landed) => {
                let settled = self.wait(question, landed, None, false).await?;
                let not_stored = settled.and_then(|settled| settled.not_stored);
                Ok(not_stored.map_or(Warmed::Fresh, Warmed::NotStored))
            }
            Turn::Rest(error, pause) => Err(resting(error, pause)),
            Turn::Alone => Ok(Warmed::NotStored(NotStored::Uncacheable)),
            Turn::Lead(..) => unreachable!("whoever leads loads"),
        }
    }
}

fn warmed(led: Result<Led, Error>) -> Result<Warmed, Error> {
    Ok(match led? {
        Led::Found => Warmed::Fresh,
        Led::Loaded(None) => Warmed::Loaded,
        Led::Loaded(Some(reason)) => Warmed::NotStored(reason),
    })
}
