//! How far what was stored before an outage is believed after it.

use std::time::Duration;

use super::HEARTBEAT_EVERY;
use crate::runtime::Moment;

/// G: how long after an outage what was asked for before its end is suspect, so that nodes which came back later can apply
/// what they owe.
pub const GRACE: Duration = Duration::from_secs(5);
/// A shorter outage keeps nobody from invalidating who may hope for a connection: for so long they try
/// ([`Outage::tries_until`]). Whoever finds that nobody listens any more, or that step after step fails, writes down at once
/// what others do not suspect after an outage that is shorter.
pub const OUTAGE_MIN: Duration = Duration::from_millis(500);

/// The last time that a shard was away from this node.
///
/// *Whoever comes back first does not know what others owe.* Only the network has failed, so the server is of the same era,
/// and everything on it is as it was:
///
/// ```text
///   this node                       shard                       another node
///                        (the network is down)
///                                                               the source changes
///                                                               invalidates m, no answer: deferred
///   is back, before the other
///   reads: old, by m, which holds       (without the grace: old, as fresh)
///                                                               is back: tells of m
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Outage {
    began: Option<Moment>,
    /// What was asked for before this, on the shard's clock in milliseconds, ...
    ended_at: u64,
    /// ... is suspect until this.
    suspect_until: Moment,
}

impl Outage {
    /// The shard is away from `now` on, if it was not already.
    pub fn begin(&mut self, now: Moment) {
        self.began.get_or_insert(now);
    }

    /// Until when whoever has had something to tell a shard since `asked`, and has no connection to it, waits for one. The
    /// shard was last heard of at `heard`.
    ///
    /// *Neither too short nor too long.* A node that is back within [`OUTAGE_MIN`] takes nobody to owe anything, so nobody
    /// gives up sooner than that after the outage began; and it began a heartbeat after the shard was last heard of, at the
    /// latest. Whoever comes when it has lasted longer does not wait at all:
    ///
    /// ```text
    ///   heard       ≤ a heartbeat    the outage     OUTAGE_MIN       who was here is not suspected any more
    ///     ├───────────────────────────┤──────────────────────────────┤
    ///                                    asked ──── waits ──────────▶│   deferred
    ///                                                                    asked: deferred, at once
    /// ```
    #[must_use]
    pub fn tries_until(asked: Moment, heard: Moment) -> Moment {
        (asked + OUTAGE_MIN).min(heard + HEARTBEAT_EVERY + OUTAGE_MIN)
    }

    /// The shard is back, and its clock says `server_millis`.
    pub fn end(&mut self, now: Moment, server_millis: u64) {
        if self.began.take().is_some_and(|began| now - began >= OUTAGE_MIN) {
            self.ended_at = server_millis;
            self.suspect_until = now + GRACE;
        }
    }

    /// Whether the grace after an outage lasts. Until it is over silence proves nothing: what one reader has found to be
    /// suspect, and to depend on what still stands, would answer the next one.
    #[must_use]
    pub fn is_grace(&self, now: Moment) -> bool {
        now < self.suspect_until
    }

    /// Whether an entry for which the source was asked at `asked_at`, on the shard's clock, is suspect: the shard was away
    /// meanwhile, and somebody may still have to tell it of an invalidation. Not when it came home: what was asked for
    /// before such an invalidation may come home after the outage.
    #[must_use]
    pub fn is_suspect(&self, asked_at: u64, now: Moment) -> bool {
        asked_at < self.ended_at && self.is_grace(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_the_end_is_suspect_for_the_grace_and_nothing_else_is() {
        let at = |millis| Moment::ORIGIN + Duration::from_millis(millis);
        let mut outage = Outage::default();
        outage.begin(at(1_000));
        outage.begin(at(1_900)); // the same one
        outage.end(at(2_000), 77_000);
        assert!(outage.is_suspect(76_999, at(6_999)) && !outage.is_suspect(77_000, at(2_000)));
        assert!(!outage.is_suspect(76_999, at(7_000)));
    }

    #[test]
    fn who_invalidates_tries_for_as_long_as_an_outage_is_not_suspected_and_no_longer() {
        let at = |millis| Moment::ORIGIN + Duration::from_millis(millis);
        let heard = at(1_000);
        // The earliest and the latest moment at which an outage can have begun that was noticed by nobody before.
        for began in [heard, heard + HEARTBEAT_EVERY] {
            for asked in (0..600).step_by(50).map(|millis| began + Duration::from_millis(millis)) {
                let until = Outage::tries_until(asked, heard);
                assert!(until >= began + OUTAGE_MIN, "it is owed while nobody is suspected");
                assert!(until <= asked + OUTAGE_MIN, "twice 250 ms, and no longer");
            }
        }
        assert!(Outage::tries_until(at(1_700), heard) <= at(1_700), "it is known to be away");
    }

    #[test]
    fn a_moment_away_changes_nothing() {
        let at = |millis| Moment::ORIGIN + Duration::from_millis(millis);
        let mut outage = Outage::default();
        outage.begin(at(1_000));
        outage.end(at(1_499), 77_000);
        assert!(!outage.is_suspect(0, at(1_499)));
    }
}
