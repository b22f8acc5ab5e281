//! Renewing what is still fresh, for whoever needs it for longer than it will be.

use std::{future::Future, time::Duration};

use super::{
    Engine, Learned, Loaded, Mode, Question,
    load::{Before, Load},
    read::Found,
};
use crate::{error::Error, flight::Turn, guard::Urgency};

impl Engine {
    /// Loads anew what is fresh for less than `need`, and waits for it: for something that is made of it, and would end
    /// with it. Once for everybody who asks for the same, as background work, and only in the second half of its life: a
    /// source that gives little time is not asked again and again. What is not held, or not fresh, is for whoever asks.
    ///
    /// Says nothing of how it went, and counts no hit and no miss: what was held is answered as before where nothing
    /// better has come.
    ///
    /// # Cancellation
    /// A caller that goes away does not end the load.
    pub async fn renew<F>(
        &self,
        question: &Question,
        need: Duration,
        load: impl FnOnce(bool) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        self.renew_by(question, need, || Load::new(load)).await;
    }

    /// The same with a load that must learn something `first`, as of
    /// [`get_or_fetch_after`](Engine::get_or_fetch_after).
    ///
    /// # Cancellation
    /// As of [`renew`](Engine::renew).
    pub async fn renew_after<L, F>(
        &self,
        question: &Question,
        need: Duration,
        first: impl Future<Output = Result<Learned<L>, Error>> + Send + 'static,
    ) where
        L: FnOnce(bool) -> F + Send + 'static,
        F: Future<Output = Result<Loaded, Error>> + Send + 'static,
    {
        self.renew_by(question, need, || Load::after(first)).await;
    }

    async fn renew_by(&self, question: &Question, need: Duration, load: impl FnOnce() -> Load) {
        let question = question.clone().with_mode(Mode::Normal);
        let now = self.0.runtime.now();
        let Found::Fresh(entry) = self.look(&question, now) else { return };
        let lifetime = entry.lifetime();
        let (age, left) = (now - lifetime.loaded_at, lifetime.fresh_until - now);
        if left >= need || left >= age {
            return;
        }
        let landed = match self.turn_unless_fresh(&question, Some(&entry)) {
            Turn::Lead(landing, landed) => {
                let before = Before::Nothing(Some(lifetime.loaded_at));
                self.launch(question.clone(), landing, load(), Urgency::Background, before);
                landed
            }
            Turn::Join(landed) => landed,
            // Somebody has renewed it, it has failed a moment ago, or it may not be shared any more.
            Turn::Hit(_) | Turn::Rest(..) | Turn::Alone => return,
        };
        // What it failed with is for those who ask for it.
        let _ = self.wait(&question, landed, None, false).await;
    }
}
