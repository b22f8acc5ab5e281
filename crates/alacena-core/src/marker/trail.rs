//! Which deps and keys were ever invalidated.
//!
//! A load that follows an invalidation must pass by caches on the way to the source: they may hold an answer from
//! before for as long as they like, and know nothing of it. *How long* after is not for us to say, so it is said for
//! good. What cannot be told from the entries, which may be gone, is told here: a filter of 65,536 bits (8 KiB, after
//! Bloom, 1970, with one hash). A false "yes" costs one look of a cache on the way.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

const BITS: u64 = 64 * 1024;

/// The memory of what was ever invalidated.
pub struct Trail {
    hasher: RandomState,
    words: Box<[AtomicU64]>,
}

impl Default for Trail {
    fn default() -> Self {
        let words = (0..BITS / 64).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), words }
    }
}

impl Trail {
    /// Notes that `what` is invalidated. To be called before the invalidation takes effect, so that whoever sees the
    /// effect also sees the note.
    pub fn mark(&self, what: impl Hash) {
        let (word, bit) = self.locate(what);
        word.fetch_or(bit, Ordering::Release);
    }

    /// Whether `what` was ever invalidated; rarely also where it was not.
    pub fn has(&self, what: impl Hash) -> bool {
        let (word, bit) = self.locate(what);
        word.load(Ordering::Acquire) & bit != 0
    }

    fn locate(&self, what: impl Hash) -> (&AtomicU64, u64) {
        let place = self.hasher.hash_one(what) % BITS;
        let word = usize::try_from(place / 64).expect("less than the number of words");
        (&self.words[word], 1 << (place % 64))
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trail")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_is_found_and_hardly_anything_else() {
        let trail = Trail::default();
        (0..1000).for_each(|number| trail.mark(number));
        assert!((0..1000).all(|number| trail.has(number)));
        let wrong = (1000..101_000).filter(|number| trail.has(number)).count();
        assert!(wrong < 3_000, "{wrong} of 100,000");
    }
}
