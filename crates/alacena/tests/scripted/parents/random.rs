//! Random histories: whoever asks for a child after an invalidation of the parent has returned never gets what was made
//! before it, whatever is under way.

use alacena::{
    error::Error,
    ledger::Target,
    outcome::{NotStored, Outcome},
    runtime::Runtime,
    value::Body,
};
use alacena_testkit::FakeRuntime;
use tokio::task::JoinHandle;

use crate::world::{JOB_AND_CUSTOMER, Request, World, ended, job_of, text};

/// A caller, and the version that had been invalidated up to when it began.
type Caller = (u64, JoinHandle<Result<Outcome<Body>, Error>>);

struct History {
    world: World,
    chance: FakeRuntime,
    /// Which customer the job has: a greater number with each change.
    version: u64,
    callers: Vec<Caller>,
    /// Requests that the source has read the truth for, and has not answered.
    held: Vec<(Request, u64)>,
    hits: usize,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let world = World::open(JOB_AND_CUSTOMER).await;
        let (callers, held) = (Vec::new(), Vec::new());
        Self { world, chance: FakeRuntime::new(seed), version: 1, callers, held, hits: 0 }
    }

    fn below(&self, end: u64) -> u64 {
        self.chance.random() % end
    }

    async fn step(&mut self) {
        match self.below(10) {
            0..=3 => self.callers.push((self.version, self.world.ask("get_customer", 7))),
            4..=6 => self.answer_one().await,
            7 => {
                self.version += 1;
                let targets = [Target::Tag("job:7".to_owned()), Target::Key("job:detail:7".to_owned())];
                self.world.invalidate(targets[self.below(2) as usize].clone()).await;
            }
            8 => self.world.after(self.below(40)).await,
            _ => self.hear_finished().await,
        }
        while let Some(request) = self.world.heard().await {
            self.held.push((request, self.version));
        }
    }

    /// Answers any request with the truth of when it was read.
    async fn answer_one(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let (request, version) = self.held.swap_remove(self.below(self.held.len() as u64) as usize);
        match request.line.strip_prefix("GET /customers/").map(str::to_owned) {
            Some(customer) => request.ok(&customer).await,
            None => request.ok(&job_of(version)).await,
        }
    }

    async fn hear_finished(&mut self) {
        let (finished, waiting) = self.callers.drain(..).partition(|(_, asked)| asked.is_finished());
        self.callers = waiting;
        self.check(finished).await;
    }

    async fn check(&mut self, finished: Vec<Caller>) {
        for (since, asked) in finished {
            // Answers that are held for too long are failures. What then stands in is called stale, and what is made
            // with it says that its parent is.
            let is_said_to_be_old = |outcome: &Outcome<Body>| {
                outcome.stale().is_some() || outcome.not_stored() == Some(NotStored::ParentNotFresh)
            };
            let outcome = ended(asked).await.ok().filter(|outcome| !is_said_to_be_old(outcome));
            let Some(outcome) = outcome else { continue };
            let version: u64 = text(&outcome).parse().unwrap();
            assert!(version >= since, "made with {version} and asked for after {since}: {outcome:?}");
            self.hits += usize::from(outcome.is_hit());
        }
    }

    /// Answers whatever is asked until every caller has heard.
    async fn end(mut self) -> usize {
        while self.callers.iter().any(|(_, asked)| !asked.is_finished()) {
            while let Some(request) = self.world.heard().await {
                self.held.push((request, self.version));
            }
            self.answer_one().await;
        }
        let callers = std::mem::take(&mut self.callers);
        self.check(callers).await;
        self.hits
    }
}

#[tokio::test]
async fn nobody_is_answered_with_what_was_invalidated_before_they_asked() {
    let mut hits = 0;
    for seed in 0..12 {
        let mut history = History::begin(seed).await;
        for _ in 0..150 {
            history.step().await;
        }
        hits += history.end().await;
    }
    assert!(hits > 50, "the histories would say nothing without hits: {hits}");
}
