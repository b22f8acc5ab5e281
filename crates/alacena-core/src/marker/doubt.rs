//! What is known of a marker that other nodes can remove.
//!
//! The cell of a marker on a shared tier begins **in doubt**: whether the marker still holds what the cell was opened for,
//! only the tier can say. An answer of the tier makes it alive, a push puts it in doubt again, and so does everything
//! else after which a push may have been missed. In doubt is not dead: most pushes tell of what we did ourselves (a
//! server tells of every change, that of minting a marker included), or of what changed nothing for us, and then the next
//! answer makes the cell alive again, with everything that depends on it.
//!
//! *An answer may be older than a push.* So a question is asked under the number of doubts that there were when it was
//! **sent**, and its answer counts only if there has been no other since:
//!
//! ```text
//!   this node                 tier                       another node
//!   asks for m, doubts: 4
//!                             m holds n1: answers n1
//!                             m is removed          ←    invalidates
//!                             tells of it
//!   a push: doubts: 5
//!   the answer: n1, asked under 4                        (without the number: alive with n1, for ever)
//! ```
//!
//! The number never goes back, so that a cell which was alive in between does not let an old answer through.
//!
//! *An answer may also be older than what is known.* Who asks before there is a marker may hear so after somebody else on this
//! node has minted it, and must not take it for gone. So the first answer that there is a marker counts as a doubt, too: what
//! was asked before it says nothing any more. If the marker has really gone since, a push tells of it, as of any other.

use super::protocol::Mark;
use crate::tier::Nonce;

/// How often a cell has been put in doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Doubts(pub u32);

/// The most doubts that are counted; a cell that had so many ends with the next, for want of a number.
const DOUBTS_MAX: u32 = (1 << 30) - 1;

/// What an answer of the tier says of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The marker holds what the cell is the copy of.
    Same,
    /// There is no marker, and nobody has relied on one: it is still to be minted.
    Nothing,
    /// The marker has gone, or holds something else.
    Other,
}

impl Says {
    /// Of a cell that is the copy of `copied` (`None`: its marker has not been read yet) by an answer that the marker held
    /// `held`. What is read for the first time is what the cell is the copy of from then on.
    #[must_use]
    pub fn of(copied: Option<Nonce>, held: Option<Nonce>) -> Self {
        match (copied, held) {
            (None, None) => Self::Nothing,
            (None, Some(_)) => Self::Same,
            (copied, held) if copied == held => Self::Same,
            _ => Self::Other,
        }
    }
}

/// The state of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// What it says of its dep.
    pub mark: Mark,
    /// How often it has been put in doubt.
    pub doubts: Doubts,
}

impl State {
    /// Of a cell that nobody else can end.
    pub const ALIVE: State = State { mark: Mark::Alive, doubts: Doubts(0) };
    /// Of a cell that nobody has asked about yet.
    pub const UNPROVED: State = State { mark: Mark::InDoubt, doubts: Doubts(0) };

    /// Something may have changed.
    #[must_use]
    pub fn doubted(self) -> Self {
        match self.mark {
            Mark::Alive | Mark::InDoubt if self.doubts.0 < DOUBTS_MAX => {
                Self { mark: Mark::InDoubt, doubts: Doubts(self.doubts.0 + 1) }
            }
            Mark::Alive | Mark::InDoubt => self.ended(Mark::PushedOut),
            Mark::Invalidated | Mark::PushedOut => self,
        }
    }

    /// The tier has answered a question that was sent when there were `asked` doubts: the marker holds what the cell was
    /// opened for, or it does not.
    #[must_use]
    pub fn answered(self, asked: Doubts, holds: bool) -> Self {
        match self.mark {
            Mark::Alive | Mark::InDoubt if self.doubts != asked => self,
            Mark::InDoubt if holds => Self { mark: Mark::Alive, ..self },
            Mark::Alive | Mark::InDoubt if !holds => self.ended(Mark::Invalidated),
            _ => self,
        }
    }

    /// The same by the first answer that there is a marker at all: whatever was asked before is about a time in which nobody
    /// here knew of it.
    #[must_use]
    pub fn answered_first(self, asked: Doubts) -> Self {
        let answered = self.answered(asked, true);
        match answered.mark {
            Mark::Alive if self.doubts == asked && asked.0 < DOUBTS_MAX => {
                Self { doubts: Doubts(asked.0 + 1), ..answered }
            }
            _ => answered,
        }
    }

    /// It has ended: for good.
    #[must_use]
    pub fn ended(self, mark: Mark) -> Self {
        debug_assert!(matches!(mark, Mark::Invalidated | Mark::PushedOut));
        match self.mark {
            Mark::Alive | Mark::InDoubt => Self { mark, ..self },
            Mark::Invalidated | Mark::PushedOut => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_if_nothing_came_in_between() {
        let asked = State::UNPROVED.doubts;
        let alive = State::UNPROVED.answered(asked, true);
        assert_eq!(alive.mark, Mark::Alive);
        // A push that came while the next question was under way, and one that came before it was sent.
        let doubted = alive.doubted();
        assert_eq!(doubted.answered(asked, true), doubted);
        assert_eq!(doubted.answered(asked, false), doubted, "nor does it end what it says nothing of");
        assert_eq!(doubted.answered(doubted.doubts, true).mark, Mark::Alive);
        assert_eq!(doubted.answered(doubted.doubts, false).mark, Mark::Invalidated);
    }

    #[test]
    fn what_was_asked_before_the_marker_was_known_says_nothing_against_it() {
        let asked = State::UNPROVED.doubts;
        let alive = State::UNPROVED.answered_first(asked);
        assert_eq!(alive.mark, Mark::Alive);
        assert_eq!(alive.answered(asked, false), alive, "there was none yet");
        assert_eq!(alive.answered(alive.doubts, false).mark, Mark::Invalidated);
        let doubted = State::UNPROVED.doubted();
        assert_eq!(doubted.answered_first(asked), doubted, "something came in between");
    }

    #[test]
    fn what_has_ended_never_comes_back() {
        for mark in [Mark::Invalidated, Mark::PushedOut] {
            let ended = State::ALIVE.ended(mark);
            assert_eq!(ended.doubted(), ended);
            assert_eq!(ended.answered(ended.doubts, true), ended);
            assert_eq!(ended.ended(Mark::Invalidated), ended);
        }
        let last = State { doubts: Doubts(DOUBTS_MAX), ..State::ALIVE };
        assert_eq!(last.doubted().mark, Mark::PushedOut, "a number is not used twice");
    }
}
