//! Whether what a stored entry depends on still stands.

use super::{Era, Nonce};

/// How far what an entry depends on still stands. The least of its parts is that of the whole.
///
/// *Each shard goes back in time by itself.* Where the markers of an entry lie on other shards than the entry, that its
/// own shard is of the era in which it was stored says nothing of them:
///
/// ```text
///   shard A: the entry          shard B: the marker                     a strict read
///   old, dep = n1               n1
///                               is removed: acknowledged
///                               a replica that has not heard of it
///                               is promoted: n1
///                                                                       A: old, of A's era
///                                                                       B: n1, as the entry says
///                                                                       (fresh: but B is of another era than n1)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It does not.
    Gone,
    /// Nothing says that it does not; but a shard may have gone back in time since, and with it what would say so.
    Perhaps,
    /// It does.
    Certain,
}

impl Standing {
    /// The word used in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Perhaps => "perhaps",
            Self::Certain => "certain",
        }
    }

    /// Of one dep: the entry says that its marker held `stored` (`None`: it says nothing of it), the marker holds `held`
    /// now, and its shard is of this era.
    ///
    /// Of what was minted in another era nothing is certain. A marker that still holds it may be a removed one that came
    /// back; one that holds something of this era may merely have been minted anew since.
    #[must_use]
    pub fn of_dep(stored: Option<Nonce>, held: Option<Nonce>, era: Era) -> Self {
        match (stored, held) {
            (Some(stored), Some(held)) if stored.era == era => match stored == held {
                true => Self::Certain,
                false => Self::Gone,
            },
            (Some(stored), Some(held)) if stored == held || held.era == era => Self::Perhaps,
            _ => Self::Gone,
        }
    }

    /// Of the entry itself, stored in `stored`, on a shard that is of this era now: another era may have brought it back.
    #[must_use]
    pub fn of_entry(stored: Era, era: Era) -> Self {
        if stored == era { Self::Certain } else { Self::Perhaps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(era: u64, random: u64) -> Option<Nonce> {
        Some(Nonce { era: Era(era), random })
    }

    #[test]
    fn only_what_was_minted_in_the_era_that_still_is_stands_for_certain() {
        let now = Era(2);
        assert_eq!(Standing::of_dep(nonce(2, 1), nonce(2, 1), now), Standing::Certain);
        assert_eq!(
            Standing::of_dep(nonce(1, 1), nonce(1, 1), now),
            Standing::Perhaps,
            "it may have come back"
        );
        assert_eq!(Standing::of_dep(nonce(1, 1), nonce(2, 7), now), Standing::Perhaps, "minted anew");
        assert_eq!(Standing::of_entry(Era(2), now), Standing::Certain);
        assert_eq!(Standing::of_entry(Era(1), now), Standing::Perhaps);
    }

    #[test]
    fn what_holds_another_nonce_or_none_has_gone() {
        let now = Era(2);
        assert_eq!(Standing::of_dep(nonce(2, 1), nonce(2, 2), now), Standing::Gone);
        assert_eq!(Standing::of_dep(nonce(2, 1), nonce(1, 1), now), Standing::Gone);
        assert_eq!(Standing::of_dep(nonce(1, 1), nonce(1, 2), now), Standing::Gone);
        assert_eq!(Standing::of_dep(nonce(1, 1), None, now), Standing::Gone);
        assert_eq!(Standing::of_dep(None, nonce(2, 1), now), Standing::Gone);
    }
}
