//! In which encoding a caller gets an answer, and when an answer is encoded.
//!
//! Who asks for the first time gets the bytes that the source sent. The first *hit* by somebody who takes gzip has it
//! made, in a task of its own: answers that nobody asks for again are never encoded, and nobody waits for it.

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use alacena_core::{
    engine::Engine,
    envelope::compress::BYTES_MIN,
    error::{Error, catalogue},
    key::Key,
    outcome::{Outcome, Shared},
    value::{Body, Encoding, Kept, Value},
};
use parking_lot::Mutex;

use crate::{handle::Alacena, typed::typed};

/// Answers that are being encoded at once, at most; others have their turn with one of their next hits.
const UNDER_WAY_MAX: usize = 64;

/// Whether a caller takes an answer in gzip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gzip {
    /// Only as it is.
    #[default]
    Refused,
    /// In gzip where it is there in gzip, else as it is.
    Accepted,
    /// In gzip, and not as it is.
    Required,
}

/// Which answers are being encoded.
#[derive(Default)]
pub(crate) struct Encodings {
    /// Held for a few instructions, by hits on answers that nobody has tried to encode yet.
    under_way: Mutex<HashSet<Key>>,
}

impl Alacena {
    /// The outcome as a caller gets it: in the identity, or in what its class keeps it in where the caller takes that.
    pub(crate) fn opened(
        &self,
        outcome: Outcome,
        key: impl FnOnce() -> Key,
        gzip: Gzip,
    ) -> Result<Outcome<Body>, Error> {
        let Some(value) = outcome.value() else { return typed(outcome) };
        let mistaken = || Error::new(&catalogue::INTERNAL, "an entry holds a value of another type");
        match Kept::of(value).ok_or_else(mistaken)?.open(gzip != Gzip::Refused)? {
            Cow::Borrowed(body) => {
                let is_due = gzip != Gzip::Refused && outcome.is_hit() && body.is_untried();
                if is_due
                    && body.bytes().len() >= BYTES_MIN
                    && let Some(value) = outcome.clone().into_value()
                {
                    self.encode(&key(), value, body);
                }
                typed(outcome)
            }
            Cow::Owned(body) => typed(outcome.with_value(body.into())),
        }
    }

    /// The outcome for a caller who takes nothing but gzip, made there and then where it is not there.
    pub(crate) async fn in_gzip(&self, outcome: Outcome, key: &Key) -> Result<Outcome<Body>, Error> {
        let opened = self.opened(outcome.clone(), || key.clone(), Gzip::Required)?;
        match opened.value() {
            Some(body) if body.preferring_gzip().encoding() == Encoding::Identity => {
                typed(outcome.with_value(body.in_gzip().await.into()))
            }
            _ => Ok(opened),
        }
    }

    /// Makes the gzip of `body`, which `value` under `key` is, behind everybody's back; unless somebody is at it, or
    /// too much is being encoded already.
    fn encode(&self, key: &Key, value: Shared<Value>, body: &Body) {
        let Some(place) = Place::take(&self.inner.encodings, key) else { return };
        let (engine, body) = (self.inner.engine.clone(), body.clone());
        self.runtime().spawn(Box::pin(encode(engine, place, value, body)));
    }
}

async fn encode(engine: Engine, place: Place, value: Shared<Value>, body: Body) {
    let encoded = body.clone().with_gzip().await;
    if !engine.exchange(&place.key, &value, encoded.into()) {
        // Where there was no room for both, nobody tries again; where another value is held by now, this is not put.
        engine.exchange(&place.key, &value, body.without_gzip().into());
    }
}

/// The right to encode the answer under a key, until it is dropped.
struct Place {
    encodings: Arc<Encodings>,
    key: Key,
}

impl Place {
    fn take(encodings: &Arc<Encodings>, key: &Key) -> Option<Self> {
        let mut under_way = encodings.under_way.lock();
        let has_room = under_way.len() < UNDER_WAY_MAX && under_way.insert(key.clone());
        has_room.then(|| Self { encodings: Arc::clone(encodings), key: key.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.encodings.under_way.lock().remove(&self.key);
    }
}

impl fmt::Debug for Encodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encodings({} under way)", self.under_way.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use alacena_core::key::KeySpace;

    use super::*;

    #[test]
    fn an_answer_is_encoded_once_at_a_time_and_not_all_of_them_at_once() {
        let encodings = Arc::new(Encodings::default());
        let space = KeySpace::new("shop", "kpis", &["kpis"]).unwrap();
        let key = |number: usize| space.key(None, [number.to_string()]).unwrap();
        let places: Vec<_> = (0..UNDER_WAY_MAX).filter_map(|at| Place::take(&encodings, &key(at))).collect();
        assert_eq!(places.len(), UNDER_WAY_MAX);
        assert!(Place::take(&encodings, &key(UNDER_WAY_MAX)).is_none(), "too many");
        drop(places);
        let first = Place::take(&encodings, &key(1)).unwrap();
        assert!(Place::take(&encodings, &key(1)).is_none(), "somebody is at it");
        drop(first);
        assert!(Place::take(&encodings, &key(1)).is_some());
    }
}
