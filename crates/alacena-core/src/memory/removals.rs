//! Why a key that was held is held no more.
//!
//! A fixed table of 65,536 words (512 KiB). A removal writes a fingerprint of its key and a reason into the place that
//! the key's hash names; a later miss looks there. A key that finds nothing was never seen, or left so long ago that
//! others have taken its place. The chance of a wrong reason is that of two fingerprints of 32 bits being equal.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{dep::Dep, key::Key, outcome::MissReason};

const PLACES: usize = 64 * 1024;

const EVICTED: u64 = 1;
const INVALIDATED: u64 = 2;

/// The memory of removals.
pub struct Removals {
    hasher: RandomState,
    places: Box<[AtomicU64]>,
}

impl Default for Removals {
    fn default() -> Self {
        Self { hasher: RandomState::new(), places: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Removals {
    /// Notes that the entry of `key` has left. Only evictions and invalidations of a key are worth a note: in every
    /// other case the entry itself is still there to be asked.
    pub fn remember(&self, key: &[u8], reason: &MissReason) {
        let code = match reason {
            MissReason::Evicted => EVICTED,
            MissReason::Invalidated(_) => INVALIDATED,
            MissReason::Cold | MissReason::Expired | MissReason::Error | MissReason::Bypass => return,
        };
        let (place, fingerprint) = self.locate(key);
        place.store(fingerprint << 32 | code, Ordering::Relaxed);
    }

    /// Why `key` is not held.
    #[must_use]
    pub fn reason(&self, key: &Key, namespace: &str) -> MissReason {
        let (place, fingerprint) = self.locate(key.as_bytes());
        let held = place.load(Ordering::Relaxed);
        if held >> 32 != fingerprint {
            return MissReason::Cold;
        }
        match held & 0xff {
            EVICTED => MissReason::Evicted,
            INVALIDATED => MissReason::Invalidated(Dep::key(namespace, &key.text())),
            _ => MissReason::Cold,
        }
    }

    fn locate(&self, key: &[u8]) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one(key);
        let place = usize::try_from(hash % PLACES as u64).expect("less than the number of places");
        (&self.places[place], hash >> 32)
    }
}

impl fmt::Debug for Removals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Removals")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeySpace;

    #[test]
    fn each_reason_is_told_and_nothing_is_told_of_others() {
        let removals = Removals::default();
        let space = KeySpace::new("n", "c", &["r"]).unwrap();
        let key = |text: &str| space.key(None, [text]).unwrap();
        removals.remember(key("evicted").as_bytes(), &MissReason::Evicted);
        removals.remember(key("gone").as_bytes(), &MissReason::Invalidated(Dep::everything()));
        assert_eq!(removals.reason(&key("evicted"), "n"), MissReason::Evicted);
        assert_eq!(removals.reason(&key("gone"), "n"), MissReason::Invalidated(Dep::key("n", "r:gone")));
        assert_eq!(removals.reason(&key("other"), "n"), MissReason::Cold);
    }
}
