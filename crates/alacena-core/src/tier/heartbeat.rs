//! For how long silence means that nothing has changed.

use std::time::Duration;

use crate::runtime::Moment;

/// Between one heartbeat and the next.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(200);

/// H: how long after it was acknowledged an invalidation by another node may still be unheard of here, at most. Two
/// heartbeats and half a second of slack.
pub const HORIZON: Duration = Duration::from_millis(900);

/// Proves, ping by ping, that every change up to some moment has been heard of.
///
/// *One answer is not enough.* A server tells of changed keys at the end of the round in which they changed, and answers
/// a ping at once:
///
/// ```text
///   another client        server, one round                     this node
///   UNLINK m         →    removes m, notes: tell of m
///   ← OK                  PING: answers               →         PONG: is everything told?
///                         end of the round: m changed →         no.
/// ```
///
/// *Two are.* A ping that is sent after the answer to the one before it is served in a later round, and whatever was
/// done before the first was served has been told of by then, on the same connection, in order. So the answer to ping *n*
/// proves that all changes that were done before ping *n − 1* was **sent** have been heard of, and what is held is at
/// most [`HORIZON`] old until that long after it.
///
/// ```
/// use alacena_core::{runtime::Moment, tier::{HORIZON, Heartbeat}};
/// use std::time::Duration;
///
/// let at = |millis| Moment::ORIGIN + Duration::from_millis(millis);
/// let mut heartbeat = Heartbeat::default();
/// heartbeat.ping(at(0));
/// assert_eq!(heartbeat.pong(), None); // one is not enough
/// heartbeat.ping(at(200));
/// assert_eq!(heartbeat.pong(), Some(at(0) + HORIZON));
/// heartbeat.lost();
/// heartbeat.ping(at(400));
/// assert_eq!(heartbeat.pong(), None); // another connection begins anew
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// When the last ping that was answered on this connection was sent.
    answered: Option<Moment>,
    /// When the ping that is under way was sent.
    under_way: Option<Moment>,
}

impl Heartbeat {
    /// A ping is about to be sent. Only after the answer to the one before: two that arrive together are served in one
    /// round, and prove nothing.
    pub fn ping(&mut self, now: Moment) {
        debug_assert!(self.under_way.is_none(), "a ping follows the answer to the one before");
        self.under_way = Some(now);
    }

    /// Its answer has arrived, and everything that came before it has been taken in. Until when the link is proved;
    /// `None`: not yet.
    pub fn pong(&mut self) -> Option<Moment> {
        let proved = self.answered.map(|sent| sent + HORIZON);
        self.answered = self.under_way.take();
        proved
    }

    /// The connection is lost, and with it all that was proved.
    pub fn lost(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_proves_no_more_than_an_early_ping_asked() {
        let at = |millis| Moment::ORIGIN + Duration::from_millis(millis);
        let mut heartbeat = Heartbeat::default();
        heartbeat.ping(at(0));
        heartbeat.pong();
        heartbeat.ping(at(1));
        // However late this arrives.
        assert_eq!(heartbeat.pong(), Some(at(0) + HORIZON));
        heartbeat.ping(at(5_000));
        assert_eq!(heartbeat.pong(), Some(at(1) + HORIZON));
    }
}
