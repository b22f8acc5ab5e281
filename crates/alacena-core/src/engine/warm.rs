//! Loading ahead of the first caller.
//!
//! The place at the source is taken before the flight: whoever asks for the key while a warming waits for its turn
//! leads a flight of its own, with a caller's urgency, instead of waiting in the queue of those whom nobody waits for.

use std::future::Future;

use super::{
    Engine, Loaded, Mode, Question,
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
    /// Dropping the future ends the load. Whoever waits for it hears that it was given up.
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
            Turn::Hit(_) => return Ok(Warmed::Fresh),
            Turn::Lead(landing, _) => landing,
            Turn::Join(landed) => {
                drop(permit);
                let settled = self.wait(&question, landed, None).await?;
                let not_stored = settled.and_then(|settled| settled.not_stored);
                return Ok(not_stored.map_or(Warmed::Fresh, Warmed::NotStored));
            }
            Turn::Rest(error, pause) => return Err(resting(error, pause)),
            Turn::Alone => return Ok(Warmed::NotStored(NotStored::Uncacheable)),
        };
        let no_cache = self.must_look_again(&question);
        match self.ask_admitted(&question.rules, permit, || load(no_cache)).await {
            Ok((loaded, took)) => {
                let not_stored = self.land(&question, landing, loaded, took);
                Ok(not_stored.map_or(Warmed::Loaded, Warmed::NotStored))
            }
            Err(error) => {
                landing.fail(&error, true);
                Err(error)
            }
        }
    }
}
