//! One direction of a connection: reads, delays, and passes on with whatever is to go wrong.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::watch,
    task::yield_now,
    time::Instant,
};

use super::{
    line::{Chance, Line, Segment, now, pause, until},
    proxy::Counts,
    replies::{Deed, Replies},
    rule::{Active, Direction, Fault, Rules, Seen},
};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// How much of what a client has sent is kept for rules to look at.
const SENT: usize = 4096;
/// How often a trickle is written.
const TICK: Duration = Duration::from_millis(10);

/// How one direction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The sender has sent all, and the receiver has been told so. The other direction may go on.
    Passed,
    /// The receiver takes no more. That is news for the sender, which the other direction brings.
    Deaf,
    /// Both ends are to get a reset.
    Reset,
    /// Both ends are to be told that it is over.
    Finish,
}

/// What both directions of a connection know of it.
pub(super) struct Common {
    pub(super) number: u64,
    /// What the client has sent so far, its beginning. Guards no more than that; held while rules are asked.
    pub(super) sent: Mutex<Vec<u8>>,
    pub(super) counts: watch::Sender<Counts>,
    /// One end takes nothing more, so the end of what it sends is not an orderly one.
    pub(super) is_broken: AtomicBool,
}

/// One direction.
pub(super) struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    common: &'a Common,
    direction: Direction,
    rules: watch::Receiver<Rules>,
    chance: Chance,
    line: Line,
    replies: Replies,
    /// Until when a burst is gathered, for each rule that wants one.
    bursts: HashMap<u64, Instant>,
    met: HashMap<u64, Met>,
    /// How many bytes have been passed on.
    passed: u64,
}

/// What a rule has to do with this direction of this connection.
#[derive(Clone, Copy)]
struct Met {
    /// The position at which they met.
    since: u64,
    /// Chance was for it, and it is not done.
    is_on: bool,
}

/// What to do with the next bytes.
enum Step {
    Write { most: usize, then: Duration },
    Wait,
    Pause(Duration),
    End(Ending),
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        (from, to): (ReadHalf<'a>, WriteHalf<'a>),
        common: &'a Common,
        direction: Direction,
        rules: watch::Receiver<Rules>,
        seed: u64,
    ) -> Self {
        Self {
            from,
            to,
            common,
            direction,
            rules,
            chance: Chance::new(seed, common.number, direction == Direction::ToClient),
            line: Line::default(),
            replies: Replies::default(),
            bursts: HashMap::new(),
            met: HashMap::new(),
            passed: 0,
        }
    }

    /// Passes on until there is no more.
    pub(super) async fn run(mut self) -> Ending {
        let mut chunk = vec![0; CHUNK];
        loop {
            let (due, waits_until) = (self.line.due(), self.replies.waits_until());
            tokio::select! {
                biased;
                () = until(due) => {
                    let segment = self.line.pop().expect("it was due");
                    if let Some(ending) = self.deliver(segment).await {
                        return ending;
                    }
                }
                () = until(waits_until) => self.release(),
                // The proxy outlives its connections; rules that are gone no longer hold anything back.
                Ok(()) = self.rules.changed() => self.forget(),
                read = self.from.read(&mut chunk), if self.line.has_room() => match read {
                    Ok(0) if self.common.is_broken.load(Ordering::Relaxed) => self.end(Segment::Break),
                    Ok(0) => self.end(Segment::End),
                    Ok(length) => self.take(&chunk[..length]),
                    Err(_) => self.end(Segment::Break),
                },
            }
        }
    }

    /// Puts what was read into the line, to be passed on in its time.
    fn take(&mut self, chunk: &[u8]) {
        if self.direction == Direction::ToServer {
            let mut sent = self.common.sent.lock();
            let part = chunk.len().min(SENT - sent.len());
            sent.extend_from_slice(&chunk[..part]);
        }
        let due = now() + self.delay();
        let bytes = match self.direction {
            Direction::ToServer => chunk.to_vec(),
            Direction::ToClient => self.judged(chunk),
        };
        self.line.push(Segment::Bytes(bytes), due);
    }

    fn end(&mut self, how: Segment) {
        self.release();
        let due = now() + self.delay();
        self.line.push(how, due);
    }

    /// Passes on the replies that were held back.
    fn release(&mut self) {
        let bytes = self.replies.release();
        self.line.push(Segment::Bytes(bytes), now());
    }

    /// Lets go of what only rules that are gone have asked for.
    fn forget(&mut self) {
        let rules = self.mine();
        self.met.retain(|rule, _| rules.iter().any(|active| active.id == *rule));
        if !rules.iter().any(|active| active.rule.fault.is_about_replies()) {
            self.release();
        }
    }

    /// How long the next bytes are to be held back.
    fn delay(&mut self) -> Duration {
        let mut delay = Duration::ZERO;
        for active in self.mine() {
            delay += match active.rule.fault {
                Fault::Latency { delay, jitter } if active.is_drawn(self.chance.draw()) && active.act() => {
                    delay + self.chance.part_of(jitter)
                }
                Fault::Burst { hold } => self.burst(&active, hold),
                _ => Duration::ZERO,
            };
        }
        delay
    }

    fn burst(&mut self, active: &Arc<Active>, hold: Duration) -> Duration {
        let now = now();
        if let Some(left) = self.bursts.get(&active.id).and_then(|end| end.checked_duration_since(now)) {
            return left;
        }
        if !active.is_drawn(self.chance.draw()) || !active.act() {
            return Duration::ZERO;
        }
        self.bursts.insert(active.id, now + hold);
        hold
    }

    /// The bytes with some replies exchanged, doubled or left out.
    fn judged(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut rules = self.mine();
        rules.retain(|active| active.rule.fault.is_about_replies());
        let chance = &mut self.chance;
        let judge = || {
            for active in rules.iter().filter(|active| active.is_drawn(chance.draw())) {
                match active.rule.fault {
                    // It has acted when the neighbour has come.
                    Fault::SwapReplies { wait } => return Deed::Swap(Arc::clone(active), wait),
                    Fault::DuplicateReply if active.act() => return Deed::Twice,
                    Fault::OmitReply if active.act() => return Deed::Omit,
                    _ => {}
                }
            }
            Deed::Pass
        };
        self.replies.pass(chunk, (!rules.is_empty()).then_some(judge))
    }

    /// Passes a segment on, byte by byte if need be.
    async fn deliver(&mut self, segment: Segment) -> Option<Ending> {
        let (bytes, last) = match segment {
            Segment::Bytes(bytes) => (bytes, None),
            Segment::End => (Vec::new(), Some(Ending::Passed)),
            Segment::Break => (Vec::new(), Some(Ending::Reset)),
        };
        let mut rest = &bytes[..];
        loop {
            match self.step(rest.len()) {
                Step::End(ending) => return Some(ending),
                Step::Wait => {
                    self.rules.changed().await.ok()?;
                    self.forget();
                }
                Step::Pause(duration) => self.pause(duration).await,
                Step::Write { .. } if rest.is_empty() => break,
                Step::Write { most, then } => {
                    let (now, later) = rest.split_at(most);
                    // First, so that what somebody has seen has been counted.
                    self.count(now.len());
                    if self.to.write_all(now).await.is_err() {
                        return Some(Ending::Deaf);
                    }
                    rest = later;
                    self.pause(then).await;
                }
            }
            if rest.is_empty() && last.is_none() {
                return None;
            }
        }
        if last == Some(Ending::Passed) && self.to.shutdown().await.is_err() {
            return Some(Ending::Deaf);
        }
        last
    }

    /// What the rules want done with the next bytes, of which there are `length`; with none, the end is next.
    fn step(&mut self, length: usize) -> Step {
        let (mut most, mut then) = (length, Duration::ZERO);
        for active in self.mine() {
            let met = self.meet(&active);
            if !met.is_on {
                continue;
            }
            // How far it is to the place that a rule names.
            let left =
                |at: u64| usize::try_from((met.since + at).saturating_sub(self.passed)).unwrap_or(usize::MAX);
            match active.rule.fault {
                Fault::Blackhole => return Step::Wait,
                Fault::Pieces { size, gap } => (most, then) = (most.min(size.max(1)), then.max(gap)),
                Fault::Trickle { bytes_per_second } => {
                    let (size, every) = trickle(bytes_per_second);
                    (most, then) = (most.min(size), then.max(every));
                }
                Fault::Split { at, .. } | Fault::Reset { at } | Fault::Finish { at } if left(at) > 0 => {
                    most = most.min(left(at));
                }
                fault @ (Fault::Split { .. } | Fault::Reset { .. } | Fault::Finish { .. }) if length > 0 => {
                    self.met.insert(active.id, Met { is_on: false, ..met });
                    match fault {
                        _ if !active.act() => {}
                        Fault::Split { pause, .. } => return Step::Pause(pause),
                        Fault::Reset { .. } => return Step::End(Ending::Reset),
                        _ => return Step::End(Ending::Finish),
                    }
                }
                _ => {}
            }
        }
        Step::Write { most, then }
    }

    /// What a rule has to do with us, decided when we first meet.
    fn meet(&mut self, active: &Arc<Active>) -> Met {
        if let Some(met) = self.met.get(&active.id) {
            return *met;
        }
        let fault = active.rule.fault;
        let is_drawn = fault.is_drawn_each_time() || active.is_drawn(self.chance.draw());
        // These act all the time; those that name a place do when they come to it.
        let acts_now = matches!(fault, Fault::Blackhole | Fault::Pieces { .. } | Fault::Trickle { .. });
        let met = Met { since: self.passed, is_on: is_drawn && (!acts_now || active.act()) };
        self.met.insert(active.id, met);
        met
    }

    /// The rules that are for us now.
    fn mine(&self) -> Vec<Arc<Active>> {
        let rules = Arc::clone(&self.rules.borrow());
        if rules.is_empty() {
            return Vec::new();
        }
        let sent = self.common.sent.lock();
        let seen = Seen { number: self.common.number, sent: &sent };
        rules.iter().filter(|active| active.is_for(self.direction, &seen)).cloned().collect()
    }

    /// Waits, but no longer than the rules that ask for it last.
    async fn pause(&mut self, duration: Duration) {
        if duration.is_zero() {
            // Whoever reads has a chance to see two pieces apart.
            return yield_now().await;
        }
        tokio::select! {
            () = pause(duration) => {}
            _ = self.rules.changed() => self.forget(),
        }
    }

    fn count(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        self.common.counts.send_modify(|counts| match self.direction {
            Direction::ToServer => counts.bytes_to_server += bytes as u64,
            Direction::ToClient => counts.bytes_to_client += bytes as u64,
        });
    }
}

/// How many bytes to write how often.
fn trickle(bytes_per_second: u32) -> (usize, Duration) {
    let rate = bytes_per_second.max(1);
    let in_a_tick = rate / 100;
    if in_a_tick == 0 { (1, Duration::from_secs(1) / rate) } else { (in_a_tick as usize, TICK) }
}
