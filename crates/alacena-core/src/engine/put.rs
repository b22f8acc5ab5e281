//! Values that come without a load: only where nothing can be undone by them.
//!
//! A value that an application has at hand says nothing about when it was read. Put blindly, it could undo an
//! invalidation that came in between. So there are two ways, and a class allows at most one of them to be careless:
//!
//! ```text
//!   application            engine
//!   reads version 5
//!                          invalidate; a load brings version 6
//!   put_if_newer(5)        refused: 6 is held
//!
//!   reads version 6
//!                          invalidate; nobody has loaded since
//!   put_if_newer(6)        refused: nothing is held that 6 could be compared with, and a late 5 could not either
//! ```
//!
//! Where nodes share what a class holds, "held" means by all of them: [`second/put.rs`](super::second).

use std::time::Duration;

use super::{Engine, Question};
use crate::{
    error::{Error, catalogue},
    freshness::Lifetime,
    marker::{Token, Validity},
    memory::{Draft, Entry, Victims},
    outcome::NotStored,
    runtime::Moment,
    value::Value,
};

/// What became of a value that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It took the place of an older one.
    Replaced,
    /// It was not kept.
    Refused(PutRefusal),
}

/// Why a value that was put was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutRefusal {
    /// Nothing is held that it could be compared with: never loaded, gone, invalidated, or, where nodes share it, perhaps
    /// invalidated by one that could not say so yet.
    Absent,
    /// What is held, or what is put, has no version.
    Unversioned,
    /// What is held is as new or newer.
    NotNewer,
    /// It is larger than its class allows.
    TooLarge,
    /// Nobody has said whether it was taken: the second tier, where nodes share it, is away or was too slow, or others
    /// replace what is held again and again. It may be there: if that matters, invalidate.
    Unsettled,
}

impl PutRefusal {
    /// The word used in logs, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PutRefusal::Absent => "absent",
            PutRefusal::Unversioned => "unversioned",
            PutRefusal::NotNewer => "not-newer",
            PutRefusal::TooLarge => "too-large",
            PutRefusal::Unsettled => "unsettled",
        }
    }
}

impl Engine {
    /// Puts a value in the place of an older version of it.
    ///
    /// It inherits what the older one depends on, so an invalidation of either is an invalidation of it. A load that
    /// was under way and comes home with an older version is not kept.
    ///
    /// In a class that nodes share it takes the place of what all of them hold: once this returns, this node answers
    /// nothing older any more, and the others do not after [`HORIZON`](crate::tier::HORIZON). That costs two round trips,
    /// and the copies of its [bucket](crate::tier), one of 4,096 in the memory of every node, are asked about once.
    ///
    /// # Cancellation
    /// It may be put all the same; then this node, too, may answer what is older until the horizon.
    pub async fn put_if_newer(&self, question: &Question, value: Value) -> Put {
        if value.weight() > question.rules.policy.item_bytes_max {
            return Put::Refused(PutRefusal::TooLarge);
        }
        let replaced = match self.0.second.get().and_then(|second| second.shared(question)) {
            Some((second, entry)) => self.replace_shared(second, question, entry, &value).await,
            None => self.replace_held(question, value),
        };
        match replaced {
            Ok(()) => Put::Replaced,
            Err(refusal) => Put::Refused(refusal),
        }
    }

    fn replace_held(&self, question: &Question, value: Value) -> Result<(), PutRefusal> {
        let (replaced, _held) = self.0.flights.exclusively(&question.key, || {
            let held = self.0.memory.get(question.key.as_bytes());
            let result = match older_than(held.as_ref(), &value) {
                Ok(older) => {
                    // As old as what it takes the place of, wherever others may have invalidated that unheard: what it
                    // depends on has not been looked at since.
                    let (token, asked_at) = (older.token().clone(), older.asked_at());
                    self.keep(question, token, value, asked_at).map_err(|_| PutRefusal::TooLarge)
                }
                Err(refusal) => Err(refusal),
            };
            // Handed out of the critical section, with whatever else gives way.
            (result, held)
        });
        replaced.map(drop)
    }

    /// Keeps a value without a load: the last one that arrives wins, over all nodes where they share it.
    ///
    /// # Errors
    /// `Invalid` unless the class is [`unordered`](crate::class::Policy::unordered), and when the value is larger than the
    /// class allows. `Unavailable` where nodes share it, and the second tier has not taken it: it may be there all the
    /// same.
    ///
    /// # Cancellation
    /// As of [`put_if_newer`](Engine::put_if_newer).
    pub async fn set(&self, question: &Question, value: Value) -> Result<(), Error> {
        let policy = &question.rules.policy;
        if !policy.unordered {
            let detail =
                "values are set only in classes that are unordered; elsewhere use put_if_newer, or load";
            return Err(
                Error::new(&catalogue::VALUE_REFUSED, detail).with("class", question.rules.space.class())
            );
        }
        if value.weight() > policy.item_bytes_max {
            return Err(too_large(question));
        }
        let (token, asked_at) = match self.0.second.get() {
            None => (question.capture(&self.0.markers), self.0.runtime.now()),
            Some(second) => match second.shared(question) {
                Some((second, entry)) => return self.set_shared(second, question, entry, &value).await,
                None => self.ground_for(second, question).await,
            },
        };
        let kept = self.0.flights.exclusively(&question.key, || self.keep(question, token, value, asked_at));
        kept.map(drop).map_err(|_| too_large(question))
    }

    /// Keeps it on what `token` is, of which it was asked at `asked_at` what it stands on.
    fn keep(
        &self,
        question: &Question,
        token: Token,
        value: Value,
        asked_at: Moment,
    ) -> Result<Victims, NotStored> {
        let policy = &question.rules.policy;
        let (now, random) = (self.0.runtime.now(), self.0.runtime.random());
        let lifetime = Lifetime::new(policy, policy.ttl, now, random);
        let (value, asked_before) = (Some(value), now - asked_at);
        let draft = Draft { value, token, lifetime, load_took: Duration::ZERO, asked_before, changed: None };
        self.0.memory.put(self.entry_of(question, draft)).ok_or(NotStored::TooLarge)
    }
}

/// What is held and stands, if `value` is a newer version of it.
fn older_than<'h>(held: Option<&'h Entry>, value: &Value) -> Result<&'h Entry, PutRefusal> {
    let held = held.filter(|held| held.token().validity() == Validity::Current).ok_or(PutRefusal::Absent)?;
    let version = held.value().and_then(Value::version);
    match version.zip(value.version()) {
        None => Err(PutRefusal::Unversioned),
        Some((held, put)) if put <= held => Err(PutRefusal::NotNewer),
        Some(_) => Ok(held),
    }
}

/// Says that a value is larger than its class allows.
pub(super) fn too_large(question: &Question) -> Error {
    let most = question.rules.policy.item_bytes_max;
    Error::new(&catalogue::VALUE_REFUSED, format!("a value of this class has at most {most} bytes"))
        .with("class", question.rules.space.class())
}
