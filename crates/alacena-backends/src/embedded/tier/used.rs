//! What was asked for of late: one bit for many things at once, so that nothing has to be written to know it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits in 64s: 128 KiB for a million things, and no more for more.
const WORDS: usize = 1 << 14;

/// A set that now and then says of something that it is in it though it is not: that lives a little longer, and no more.
pub(super) struct Used(Box<[AtomicU64]>);

impl Used {
    pub(super) fn new() -> Self {
        Self((0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    /// What has these bits is used.
    pub(super) fn mark(&self, bits: u64) {
        let (word, bit) = self.place(bits);
        // Who is used again and again shares the line of the cache with others who are.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether it was used since this was last asked.
    pub(super) fn take(&self, bits: u64) -> bool {
        let (word, bit) = self.place(bits);
        word.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    fn place(&self, bits: u64) -> (&AtomicU64, u64) {
        let word = usize::try_from((bits >> 6) % WORDS as u64).expect("there are fewer words");
        (&self.0[word], 1 << (bits & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_told_once() {
        let used = Used::new();
        used.mark(7);
        used.mark(7 + 64);
        assert!(used.take(7) && !used.take(7), "once");
        assert!(used.take(7 + 64) && !used.take(8));
    }
}
