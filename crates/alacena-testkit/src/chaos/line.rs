//! What waits to be passed on, and the proxy's clock and chance.

use std::{collections::VecDeque, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

/// How many bytes may wait in one direction of a connection; then nothing more is read.
const ROOM: usize = 1024 * 1024;

/// What comes out at the end of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Bytes(Vec<u8>),
    /// The sender has said that it will send no more.
    End,
    /// The sender's side broke.
    Break,
}

/// Segments in the order in which they came, each not before its time.
#[derive(Debug, Default)]
pub(super) struct Line {
    segments: VecDeque<(Instant, Segment)>,
    bytes: usize,
}

impl Line {
    pub(super) fn has_room(&self) -> bool {
        self.bytes < ROOM && !self.has_ended()
    }

    fn has_ended(&self) -> bool {
        self.segments.back().is_some_and(|(_, last)| !matches!(last, Segment::Bytes(_)))
    }

    pub(super) fn push(&mut self, segment: Segment, due: Instant) {
        // Nothing overtakes what came before it.
        let due = self.segments.back().map_or(due, |(before, _)| due.max(*before));
        if let Segment::Bytes(bytes) = &segment {
            if bytes.is_empty() {
                return;
            }
            self.bytes += bytes.len();
        }
        self.segments.push_back((due, segment));
    }

    /// When the next is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.segments.front().map(|(due, _)| *due)
    }

    pub(super) fn pop(&mut self) -> Option<Segment> {
        let (_, segment) = self.segments.pop_front()?;
        if let Segment::Bytes(bytes) = &segment {
            self.bytes -= bytes.len();
        }
        Some(segment)
    }
}

/// Chance that repeats: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The draws of one direction of one connection.
    pub(super) const fn new(seed: u64, number: u64, to_client: bool) -> Self {
        let mut chance = Self(seed ^ (number << 1 | to_client as u64));
        // Neighbouring seeds would draw the same numbers, one step apart.
        let start = chance.draw();
        Self(start)
    }

    pub(super) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A random part of this.
    pub(super) fn part_of(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.draw() % nanos.saturating_add(1))
    }
}

#[expect(clippy::disallowed_methods, reason = "the proxy delays real bytes, on the machine's clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the proxy delays real bytes, on the machine's clock")]
pub(super) async fn pause(duration: Duration) {
    sleep(duration).await;
}

/// Waits for a moment, or for ever if there is none.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        // A timer would round it up to the next millisecond.
        Some(moment) if moment <= now() => {}
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
