//! What an entry knows of its past.

use std::time::Duration;

/// What an entry knows of its past, handed from each load to the next, whichever node makes it: how often its value
/// changes, and whether a refresh that nobody has asked for is worth a load. Eight numbers of four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Loads so far, this one included. How much the rest is worth.
    pub loads: u32,
    /// Of those, loads that brought what the one before had brought.
    pub unchanged: u32,
    /// Of those, loads that brought something else. With `unchanged` and `observed`: the rate of change.
    pub changed: u32,
    /// The time between loads that were compared, all of it: what changes are counted over.
    pub observed: Duration,
    /// For how long each look has found the same value, as of this load.
    pub same_for: Duration,
    /// How much time passes between two questions, as the node that loaded it saw it; zero: not known. Tells how likely
    /// somebody is to ask within the next TTL.
    pub asked_every: Duration,
    /// How long the load took: what asking ahead saves somebody.
    pub load_took: Duration,
    /// The [digest](crate::value::Value::digest) of the value, zero where there is no such thing: tells the next load
    /// whether it changed anything, without the value.
    pub digest: u32,
}

impl Statistics {
    /// Those of a load of which nothing came before.
    #[must_use]
    pub fn first(digest: u32, load_took: Duration) -> Self {
        Self { loads: 1, digest, load_took, ..Self::default() }
    }

    /// Those of the next load, which ended `later` than this one and brought a value of that `digest`.
    ///
    /// ```
    /// use alacena_core::tier::record::Statistics;
    /// use std::time::Duration;
    ///
    /// let (minute, took) = (Duration::from_secs(60), Duration::from_millis(80));
    /// let after = Statistics::first(7, took).next(minute, 7, took).next(minute, 8, took);
    /// assert_eq!((after.loads, after.unchanged, after.changed), (3, 1, 1));
    /// assert_eq!((after.observed, after.same_for), (2 * minute, Duration::ZERO));
    /// ```
    #[must_use]
    pub fn next(self, later: Duration, digest: u32, load_took: Duration) -> Self {
        let is_same = self.digest == digest;
        Self {
            loads: self.loads.saturating_add(1),
            unchanged: self.unchanged.saturating_add(is_same.into()),
            changed: self.changed.saturating_add((!is_same).into()),
            observed: self.observed.saturating_add(later),
            same_for: if is_same { self.same_for.saturating_add(later) } else { Duration::ZERO },
            asked_every: self.asked_every,
            load_took,
            digest,
        }
    }
}
