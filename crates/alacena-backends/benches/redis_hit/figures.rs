//! What was measured of each round, and whether that is enough.

use std::fmt;

/// How far beyond its bar the worst round may be, where the median has reached it.
const SLACK: f64 = 1.15;

/// One figure of every round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

/// What the median is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
}

impl Rounds {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn median(&self) -> f64 {
        median(&mut self.0.clone())
    }

    fn lowest(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn highest(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    /// Whether the median is as the bar says, and no round far beyond it.
    pub(crate) fn reaches(&self, bar: Bar) -> bool {
        match bar {
            Bar::AtLeast(bar) => self.median() >= bar && self.lowest() * SLACK >= bar,
            Bar::AtMost(bar) => self.median() <= bar && self.highest() <= bar * SLACK,
        }
    }
}

impl fmt::Display for Rounds {
    /// The median, the lowest and the highest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.median() >= 1_000.0 { 0 } else { 2 };
        let [median, lowest, highest] = [self.median(), self.lowest(), self.highest()];
        write!(f, "{median:.digits$} ({lowest:.digits$} to {highest:.digits$})")
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bar::AtLeast(bar) => write!(f, "at least {bar}"),
            Bar::AtMost(bar) => write!(f, "at most {bar}"),
        }
    }
}

/// The one in the middle, of which there is one.
pub(crate) fn median(of: &mut [f64]) -> f64 {
    part(of, 0.5)
}

/// The one that so large a part of them does not exceed.
pub(crate) fn part(of: &mut [f64], part: f64) -> f64 {
    of.sort_by(f64::total_cmp);
    of[((of.len() - 1) as f64 * part).round() as usize]
}
