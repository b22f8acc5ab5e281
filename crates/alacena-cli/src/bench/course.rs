//! Who asks next, and when it was to be asked.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use alacena::runtime::Moment;

/// How questions arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrivals {
    /// So many a second, whatever becomes of them.
    Open {
        /// How many.
        per_second: f64,
    },
    /// The next one when the one before has been answered.
    Closed,
}

/// The questions of one load, handed out one by one to whichever connection is free.
#[derive(Debug)]
pub(super) struct Course {
    arrivals: Arrivals,
    begin: Moment,
    duration: Duration,
    taken: AtomicU64,
    answered: AtomicU64,
}

/// A question that is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// When it is due; its latency counts from then.
    pub(super) due: Moment,
}

impl Course {
    pub(super) fn new(arrivals: Arrivals, begin: Moment, duration: Duration) -> Self {
        Self { arrivals, begin, duration, taken: AtomicU64::new(0), answered: AtomicU64::new(0) }
    }

    /// The next question, for a connection that is free at `now`; none: there are no more.
    pub(super) fn next(&self, now: Moment) -> Option<Turn> {
        match self.arrivals {
            Arrivals::Open { per_second } => {
                // Whoever comes too late for the last one leaves the count as it is.
                let number = self
                    .taken
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                        (taken < self.planned()).then_some(taken + 1)
                    })
                    .ok()?;
                Some(Turn { due: self.begin + Duration::from_secs_f64(number as f64 / per_second) })
            }
            Arrivals::Closed => {
                let due = now.max(self.begin);
                if due >= self.end() {
                    return None;
                }
                self.taken.fetch_add(1, Ordering::Relaxed);
                Some(Turn { due })
            }
        }
    }

    /// One question has been answered, or has failed.
    pub(super) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have been, for whoever watches.
    pub(super) fn answered_so_far(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// How many questions were to be asked in all: those of a rate whether they were or not, else those that were.
    pub(super) fn questions(&self) -> u64 {
        match self.arrivals {
            Arrivals::Open { .. } => self.planned(),
            Arrivals::Closed => self.taken.load(Ordering::Relaxed),
        }
    }

    /// When the first question is due.
    pub(super) fn begin(&self) -> Moment {
        self.begin
    }

    /// When no question is due any more.
    pub(super) fn end(&self) -> Moment {
        self.begin + self.duration
    }

    fn planned(&self) -> u64 {
        match self.arrivals {
            // 0.1 a second over 0.3 s is meant to be one question, not none.
            Arrivals::Open { per_second } => (per_second * self.duration.as_secs_f64() - 1e-9).ceil() as u64,
            Arrivals::Closed => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Moment = Moment::from_nanos(1_000_000_000);

    #[test]
    fn a_rate_is_kept_whatever_becomes_of_the_questions() {
        let course = Course::new(Arrivals::Open { per_second: 4.0 }, BEGIN, Duration::from_secs(1));
        // However late the connection comes, its question was due at its time.
        let late = BEGIN + Duration::from_secs(60);
        let due: Vec<_> =
            std::iter::from_fn(|| course.next(late)).map(|turn| (turn.due - BEGIN).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750]);
        assert_eq!(course.questions(), 4);
    }

    #[test]
    fn a_closed_course_ends_with_its_time() {
        let course = Course::new(Arrivals::Closed, BEGIN, Duration::from_secs(1));
        assert_eq!(course.next(Moment::ORIGIN).map(|turn| turn.due), Some(BEGIN));
        let within = BEGIN + Duration::from_millis(999);
        assert_eq!(course.next(within).map(|turn| turn.due), Some(within));
        assert_eq!(course.next(course.end()), None);
        assert_eq!(course.questions(), 2);
    }
}
